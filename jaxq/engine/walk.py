"""A walk over reachable states of a jump process, before a run: are its rates rates, within their bound, and which are rare?

A few dozen walkers leave the initial state through transitions of rate > 0: half of them through any, equally likely,
the others through one of their own as long as it is possible, so that both the neighbourhood and the far ends are seen.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError
from jaxq.engine.carry import begun, typed, watches
from jaxq.engine.indices import ANYWHERE, as_bool, first_beyond, watched
from jaxq.engine.interpret import Interpreted
from jaxq.engine.jump_process import MarkovProcess, rate_slack
from jaxq.engine.leaves import compute_leaf, stacked_leaves
from jaxq.engine.process import Process
from jaxq.engine.wrapping import wrapped

WALKERS, STEPS, LEAST_STEPS = 32, 48, 8
OPERATIONS = 10_000
"""Of NumPy, in all; a large network gets fewer steps."""
LOOSE = 1e6
"""A bound this many times the largest total rate met makes nearly every event a null event."""


def check_rates(
    name: str,
    rates: Float[np.ndarray, "states transitions"],
    bound: float | None,
    slack: float,
    show: Callable[[int], str],
) -> None:
    """ValueError unless rates, shape (states, K), are finite and >= 0 and their sums at most ``bound`` (1 + ``slack``).

    ``show`` is the text of the state of a row, ``name`` the class that is at fault.
    """
    total = rates.sum(axis=1)
    least = -slack * np.abs(np.where(np.isfinite(rates), rates, 0.0).sum(axis=1, keepdims=True))
    wrong = np.argwhere(~((rates >= least) & np.isfinite(rates)))
    if len(wrong):
        state, k = wrong[0]
        raise ValueError(
            f"{name}.rates: transition {k} has rate {rates[state, k]:g} in state {show(state)}: must be finite and >= 0"
        )
    # written so that a bound that is not a number fails too
    above = ~(total <= np.inf if bound is None else total <= bound * (1 + slack))
    if above.any():
        state, digits = int(np.argmax(above)), 7 if slack > 1e-7 else 12
        raise FieldError(
            name,
            bound,
            f"the total rate is {total[state]:.{digits}g} in state {show(state)}; must be >= the "
            "total rate of every state (or None)",
            ".total_rate_bound",
            short=True,
        )


def check_bound(system: MarkovProcess) -> float | None:
    """The bound on the total rate, None where there is none; ValueError unless it is a finite number > 0."""
    bound = system.clock().bound
    if bound is None:
        return None
    good = np.ndim(bound) == 0 and np.asarray(bound).dtype.kind in "fiu" and 0 < float(bound) < np.inf
    if not good:
        raise ValueError(f"{type(system).__name__}.total_rate_bound = {bound}: must be a finite number > 0, or None")
    return float(bound)


def walk(process: MarkovProcess, initial: list | None = None) -> Float[np.ndarray, "states transitions"]:
    """Walk over some hundred states of a prepared process; its rates there, 1/time, float64, shape (states, K).

    ``initial``: components of the state to begin with, None where they are those of `Process.init`.

    Raises:
        ValueError: in a state that can be reached a rate is negative or not finite, or the total rate exceeds
            ``total_rate_bound``; the bound is no finite number > 0, or is more than a million times every total rate met; a
            whole number in a rate or an observation passes 32 bits; a transition takes a whole-number component that began
            >= 0 below 0, unless the class is ``signed``; an array is read or written beyond its end.
    """
    name, bound = type(process).__name__, check_bound(process)
    counts, met, lost = None, [], None
    for state, rates, k, elapsed, after in _steps([process], initial):
        if counts is None:
            if initial is not None and _fell_below_zero(process, state):
                rule = "a component that counts is below 0; where whole numbers may be negative, say so in the class"
                raise FieldError("initial", ..., f"{rule}: signed = True")
            counts = _counting(process, state)
            lost = _lost(process, state, k, elapsed) if watches(process) else None
        check_wrapped(process, state)
        check_rates(name, rates, bound, rate_slack(rates.shape[1]), lambda i, at=state: shown(at, i))
        if lost is not None and (beyond := lost(state, k, elapsed)).any():
            i = int(np.argmax(beyond))
            refuse_beyond(process, jax.tree.map(lambda x, i=i: x[i], state), int(k[i]), shown(state, i), elapsed[i])
        _check_counts(name, state, after, k, rates, counts)
        met.append(rates)
    largest = max(rates.sum(axis=1).max() for rates in met)
    if bound is not None and 0 < largest * LOOSE < bound:
        raise FieldError(
            name,
            bound,
            f"is more than {LOOSE:g} times the total rate of every state met ({largest:g} at most), "
            "so that next to nothing would happen in a run; give a smaller bound, or None",
            ".total_rate_bound",
            short=True,
        )
    return np.concatenate(met)


def rates_met(processes: Sequence[MarkovProcess]) -> list[Float[np.ndarray, "states transitions"]]:
    """What `walk` returns of prepared processes of one structure, nothing checked: all are walked at once."""
    met = [rates.reshape(len(processes), WALKERS, -1) for _, rates, *_ in _steps(processes)]
    return list(np.concatenate(met, axis=1))


def _counting(process: MarkovProcess, initial: Any) -> list[bool]:
    """Which components of the state count, so that none may be below 0: whole numbers that began >= 0."""
    leaves = jax.tree.leaves(initial)
    return [x.dtype.kind == "i" and x.size > 0 and x.min() >= 0 and not process.signed for x in leaves]


def left_range(process: Process, states: Any) -> bool:
    """Whether in one of some states, an axis in front, of a prepared process a component that counts is below 0, or a whole
    number in a rate or an observation passes 32 bits."""
    fell = isinstance(process, MarkovProcess) and _fell_below_zero(process, states)
    return fell or wrapped(process, states) is not None


def _fell_below_zero(process: MarkovProcess, states: Any) -> bool:
    counts = _counting(process, next(_steps([process]))[0])
    return any(bool((np.asarray(x) < 0).any()) for x, own in zip(jax.tree.leaves(states), counts, strict=True) if own)


def states_met(process: MarkovProcess) -> Any:
    """The states of a walk, an axis in front."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *(state for state, *_ in _steps([process])))


def _steps(processes: Sequence[MarkovProcess], initial: list | None = None) -> Iterator[tuple]:
    """(state, rates, transition, the time before it, state after it) at each step, of the walkers of one process after those
    of another.

    Each process has the same random numbers, so that its walk is the same alone and beside others.
    """
    structure, leaves, own = stacked_leaves(processes)
    leaves = [np.repeat(leaf, WALKERS, axis=0) if mine else leaf for leaf, mine in zip(leaves, own, strict=True)]
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    begin, look, move = _traced(structure, shapes, own, len(processes) * WALKERS)
    rng = np.random.default_rng(0)

    def alike(numbers: np.ndarray) -> np.ndarray:
        return np.tile(numbers, (len(processes), *(1,) * (numbers.ndim - 1)))

    words = rng.integers(2**32, size=(WALKERS, processes[0].scan.init_words), dtype=np.uint32)
    state = begin(leaves, alike(words))
    if initial is not None:
        walkers = len(processes) * WALKERS
        state = begun(state, [None if x is None else np.repeat(x[None], walkers, axis=0) for x in initial])
    for _ in range(min(STEPS, max(LEAST_STEPS, OPERATIONS // (look.operations + move.operations)))):
        rates, switch = look(leaves, state)
        rates = rates.astype(np.float64)
        taste, wait = alike(_tastes(rates.shape[1], rng)), alike(rng.exponential(size=WALKERS))
        k, elapsed = _chosen(rates, switch, taste, wait)
        after = move(leaves, state, k, elapsed)
        yield state, rates, k, elapsed, after
        state = after


def shown(state, which: int) -> str:
    """One of the states of a batch, as text."""
    return str(jax.tree.map(lambda x: np.asarray(x)[which].tolist(), state))


def _tastes(transitions: int, rng) -> np.ndarray:
    """Which transition each walker likes best, shape (WALKERS, K); half of them have a favourite."""
    taste = rng.random((WALKERS, transitions))
    stubborn = np.arange(0, WALKERS, 2)
    taste[stubborn, stubborn // 2 % transitions] = 2.0
    return taste


def _chosen(rates: np.ndarray, switch: np.ndarray | None, taste, wait) -> tuple[np.ndarray, np.ndarray]:
    """The transition of each walker, int32, K if none; and the time that passes before it, float32."""
    transitions, possible = rates.shape[1], rates > 0
    k = np.where(possible.any(axis=1), np.argmax(np.where(possible, taste, -1.0), axis=1), transitions)
    with np.errstate(all="ignore"):  # rates that are not allowed are for others to see
        elapsed = np.where(k < transitions, wait / rates.sum(axis=1), 0.0)
    if switch is not None:
        k = np.where((k < transitions) & (elapsed < switch), k, transitions)
        elapsed = np.where(k < transitions, elapsed, switch)
    return k.astype(np.int32), elapsed.astype(np.float32)


def _check_counts(name: str, before, after, k: np.ndarray, rates: np.ndarray, counts: list[bool]) -> None:
    """ValueError where a component that counts has become negative."""
    for (path, leaf), counted in zip(jax.tree.leaves_with_path(after), counts, strict=True):
        below = (leaf < 0).reshape(len(leaf), -1).any(axis=1) & counted
        if below.any():
            i = int(np.argmax(below))
            transition = f"transition {k[i]} (rate {rates[i, k[i]]:g})" if k[i] < rates.shape[1] else "the drift"
            raise ValueError(below_zero(f"{name}: {transition}", component(path), shown(before, i), shown(after, i)))


def refuse_beyond(process: MarkovProcess, state, k: int, text: str, elapsed=None) -> None:
    """ValueError for the method in which an index lies beyond its array, in a state or in transition ``k`` out of it.

    ``text``: the state as it is shown; ``elapsed``: what passes before the transition, of a process that drifts.
    """
    drifts, event, state = process.drifts, np.int32(k), jax.tree.map(jnp.asarray, state)
    after = process.drift(state, elapsed) if drifts else state
    asked: dict[str, tuple[Callable, Any]] = {
        name: (getattr(process, name), state) for name in ("rates", "observe", "counters", "overflow")
    }
    asked["tally"] = lambda state: process.tally(state, (event, elapsed) if drifts else event), state
    if drifts:
        asked |= {"next_switch": (process.next_switch, state), "drift": (lambda x: process.drift(x, elapsed), state)}
    if type(process).jump is not MarkovProcess.jump and k < len(process.rates(state)):
        asked[f"jump(state, {k})"] = lambda state: process.jump(state, k), after
    else:
        asked[f"transition(state, {k})"] = lambda state: process.transition(state, event), after
    refuse_access(
        process, {name: (f, (there,)) for name, (f, there) in asked.items()}, "transition", f"in state {text}"
    )


def refuse_access(
    process: Process, asked: Mapping[str, tuple[Callable, tuple]], otherwise: str, where: str
) -> NoReturn:
    """ValueError for the first of some methods, each with its arguments, in which an index lies beyond its array.

    ``otherwise``: the method that is named where none of them shows it; ``where``: the state, in words.
    """
    found = ((method, first_beyond(function, *given)) for method, (function, given) in asked.items())
    method, words = next((x for x in found if x[1] is not None), (otherwise, ANYWHERE))
    rule = "make the array longer, or keep the index in it"
    raise ValueError(f"{type(process).__name__}.{method}: {words} {where}: {rule}")


def check_wrapped(process: Process, states: Any) -> None:
    """ValueError where a whole number that is observed, or in a rate, passes 32 bits in one of some states."""
    found = wrapped(process, states)
    if found is not None:
        what, i = found
        raise ValueError(
            f"{type(process).__name__}.{what} has a whole number beyond 32 bits in state {shown(states, i)}: "
            "multiply real numbers instead, such as 1.0 * n * n"
        )


def below_zero(who: str, what: str, before: str, after: str) -> str:
    """The sentence for a transition that makes a count negative."""
    return (
        f"{who} takes {what} below 0, from state {before} to {after}: its rate must be 0 there, such as rate * (n > 0); "
        "where whole numbers may be negative, say so in the class: signed = True"
    )


def component(path) -> str:
    """A component of the state by its path in the tree."""
    return f"component {jax.tree_util.keystr(path, simple=True, separator='.')} of the state" if path else "the state"


def _look(system: MarkovProcess, state) -> tuple[Any, Any]:
    rates = jnp.stack([jnp.asarray(rate, jnp.float32) for rate in system.rates(state)])
    switch = system.next_switch(state) if system.drifts else None
    return rates, None if switch is None else jnp.asarray(switch, jnp.float32)


def _move(system: MarkovProcess, state, k, elapsed) -> Any:
    moved = system.transition(system.drift(state, elapsed) if system.drifts else state, k)
    return jax.tree.map(lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), moved, state)


def _lost(process: MarkovProcess, *example) -> Interpreted:
    """Of each walker, whether an index lies beyond its array in what is seen of its state or in what it does."""
    process = jax.tree.map(compute_leaf, process)

    def whole(state, k, elapsed):
        seen = process.observe(state), process.counters(state), process.overflow(state)
        return _look(process, state), _move(process, state, k, elapsed), seen

    return Interpreted(jax.vmap(lambda *event: as_bool(watched(whole)(*event)[1])), *example)


@functools.lru_cache(maxsize=64)
def _traced(structure, shapes: tuple, own: tuple, count: int) -> tuple[Interpreted, Interpreted, Interpreted]:
    """(initial states; rates and time to the next switch; states after a transition) of a batch of walkers, which have
    some leaves of their ``own``."""
    leaves = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    system: Any = jax.tree.unflatten(structure, leaves)
    axes = [0 if mine else None for mine in own]

    def mapped(function):
        def one(leaves, *rest):
            return function(jax.tree.unflatten(structure, leaves), *rest)

        return jax.vmap(one, in_axes=(axes, *(0,) * (function.__code__.co_argcount - 1)))

    def begin(system, words):
        return typed(system.init(tuple(words)))

    words = jax.ShapeDtypeStruct((count, system.scan.init_words), np.uint32)
    state = jax.eval_shape(mapped(begin), leaves, words)
    k, elapsed = (jax.ShapeDtypeStruct((count,), dtype) for dtype in (np.int32, np.float32))
    return (
        Interpreted(mapped(begin), leaves, words),
        Interpreted(mapped(_look), leaves, state),
        Interpreted(mapped(_move), leaves, state, k, elapsed),
    )
