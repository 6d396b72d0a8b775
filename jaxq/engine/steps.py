"""A walk of a process that steps itself, before a run: are its numbers finite, and its indices inside their arrays?

A few dozen walkers take random words through the methods of the process, as `check` has traced them, a hundred events each.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxq.engine.carry import typed, watches
from jaxq.engine.indices import as_bool, watched
from jaxq.engine.interpret import Interpreted
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.process import Process
from jaxq.engine.walk import check_wrapped, refuse_access, shown

WALKERS, EVENTS, LEAST_EVENTS = 32, 100, 8
OPERATIONS = 4000
"""Of NumPy, in all; a process of many operations gets fewer events."""


class Steps:
    """The first states and one event of `WALKERS` replicas, for NumPy: what each gives, and by walker whether an index lay
    beyond its array.

    ``process``: with shapes for leaves; ``methods``: its own by name, functions of its leaves and of their arguments.
    """

    def __init__(self, process: Process, leaves: list, methods: Mapping[str, Callable]):
        watching = watches(process)

        def begin(leaves, words):
            return typed(methods["init"](leaves, words))

        def event(leaves, state, words):
            chosen, weight = methods["next_event"](leaves, state, words)
            seen = {name: methods[name](leaves, state) for name in ("observe", "counters", "overflow")}
            tallied = methods["tally"](leaves, state, chosen)
            after = methods["update"](leaves, state, chosen)
            after = jax.tree.map(lambda new, old: new.astype(old.dtype), after, state)
            return after, chosen, weight, {**seen, "tally": tallied}

        def mapped(function: Callable, *example) -> Interpreted:
            def call(*args):
                if not watching:
                    return function(*args), False
                found, lost = watched(function)(*args)
                return found, as_bool(lost)

            return Interpreted(jax.vmap(call, in_axes=(None, *(0,) * len(example))), leaves, *example)

        first, drawn = (
            tuple(jax.ShapeDtypeStruct((WALKERS,), np.uint32) for _ in range(count))
            for count in (process.scan.init_words, process.words)
        )
        self.begin = mapped(begin, first)
        self.event = mapped(event, self.begin.shape[0], drawn)


def walk_steps(process: Process, steps: Steps) -> None:
    """Walk over some thousand states of a prepared process.

    Raises:
        ValueError: an index lies beyond its array; a weight is negative; it, an observation or a tally is not finite; a
            whole number that is observed passes 32 bits.
    """
    leaves = [compute_leaf(leaf) for leaf in jax.tree.leaves(process)]
    rng = np.random.default_rng(0)

    def words(count: int) -> tuple:
        return tuple(rng.integers(2**32, size=(count, WALKERS), dtype=np.uint32))

    def at(tree, walker: int) -> Any:
        return jax.tree.map(lambda x: x[walker], tree)

    first = words(process.scan.init_words)
    state, lost = steps.begin(leaves, first)
    if lost.any():
        given = (at(first, int(np.argmax(lost))),)
        refuse_access(process, {"init": (process.init, given)}, "init", "at the start")
    for _ in range(min(EVENTS, max(LEAST_EVENTS, OPERATIONS // max(steps.event.work, 1)))):
        drawn = words(process.words)
        (after, event, weight, seen), lost = steps.event(leaves, state, drawn)
        if lost.any():
            i = int(np.argmax(lost))
            asked: dict[str, tuple[Callable, tuple]] = {
                name: (getattr(process, name), (at(state, i),)) for name in ("observe", "counters", "overflow")
            }
            asked["next_event"] = process.next_event, (at(state, i), at(drawn, i))
            asked |= {name: (getattr(process, name), (at(state, i), at(event, i))) for name in ("tally", "update")}
            refuse_access(process, asked, "update", f"in state {shown(state, i)}")
        _check_finite(process, state, weight, seen)
        if steps.event.multiplies:
            check_wrapped(process, state)
        state = after


def _check_finite(process: Process, state: Any, weight, seen: Mapping[str, Mapping]) -> None:
    """ValueError unless what is added up of some states, an axis in front, is finite, and no weight negative."""
    given = {f"{method}: {name}": x for method in ("observe", "tally") for name, x in seen[method].items()}
    wrong = {what: ~np.isfinite(x) for what, x in given.items()}
    if weight is not None:
        given["next_event: the weight"] = weight
        wrong["next_event: the weight"] = ~(np.isfinite(weight) & (weight >= 0))
    for what, walkers in wrong.items():
        if walkers.any():
            i = int(np.argmax(walkers))
            rule = "finite and >= 0" if what.endswith("weight") else "finite"
            raise ValueError(
                f"{type(process).__name__}.{what} is {given[what][i]:g} in state {shown(state, i)}: must be {rule}"
            )
