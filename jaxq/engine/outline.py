"""What is known of a system's program before it is compiled: shapes, names, bytes, and about how long compiling takes."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.carry import seeded, start, typed
from jaxq.engine.compiling import ONCE
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.model import Model
from jaxq.engine.observation import contributions, sampled
from jaxq.engine.process import Process
from jaxq.engine.sums import Sums
from jaxq.engine.totals import Quantity, quantities


class Outline(NamedTuple):
    """Shapes and types of what one replica of a process carries and adds up, found without running it: the carry, what
    `contributions` gives, and the counters."""

    carry: Any
    exact: dict[str, Any]
    rounded: dict[tuple[str, str], Any]
    counted: dict[str, Any]


def outline(process: Process) -> Outline:
    """The outline of a prepared system; it is traced once, whatever its numbers are."""
    return _outline(*_form(process))


@functools.lru_cache(maxsize=64)
def _outline(structure, form: tuple) -> Outline:
    def seen(process, carry):
        return Outline(carry, *contributions(process, carry), process.counters(carry.state))

    return _shapes(structure, form, seen)


def _form(process: Process) -> tuple[Any, tuple]:
    """The structure of a process, and (shape, type) of its leaves."""
    leaves, structure = jax.tree.flatten(process)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in map(compute_leaf, leaves))


def _shapes(structure, form: tuple, function):
    """The shapes that ``function(process, carry)`` returns for one replica at the start."""

    def one(leaves, seeds):
        process = jax.tree.unflatten(structure, leaves)
        return function(process, start(process, seeds))

    leaves = [jax.ShapeDtypeStruct(*leaf) for leaf in form]
    words = jax.tree.unflatten(structure, leaves).scan.init_words + 4
    return jax.eval_shape(one, leaves, jax.ShapeDtypeStruct((words,), np.uint32))


def lanes_bytes(system: Process) -> int:
    """Bytes one replica of a prepared system keeps in flight: its carry and sums."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(outline(system)))


def summed(system: Process) -> list[Quantity]:
    """The sums that a run of a prepared system keeps of one replica: of each observation, tally and counter, and of the time
    where events differ in length."""
    return summed_by(*_form(system))


def summed_by(structure, form: tuple) -> list[Quantity]:
    """`summed` of a structure and the (shape, type) of its leaves."""
    return quantities(*_outline(structure, form)[1:])


def samples(system: Process, names: tuple[str, ...]) -> list[tuple[bool, int]]:
    """Of each quantity that histograms are kept of: whether it is a whole number, and the bytes of a sample and its
    weight."""
    if not names:
        return []
    shapes = _shapes(*_form(system), lambda s, carry: list(sampled(s, carry, names).values()))
    return [(x[0].dtype == jnp.int32, sum(leaf.dtype.itemsize for leaf in jax.tree.leaves(x))) for x in shapes]


def followed(system: Process, totals: bool) -> int:
    """Values that `jaxq.engine.paths` sees of one replica of a prepared system at one time."""

    def seen(s, carry):
        observed = s.observe(carry.state)
        rates = s.rates(carry.state) if isinstance(s, MarkovProcess) else ()
        added = (observed, s.counters(carry.state), tuple(rates)) if totals else ()
        return jax.tree.map(jnp.asarray, (observed or s.tally(carry.state, carry.event), added))

    return len(jax.tree.leaves(_shapes(*_form(system), seen)))


MOST_COMPILE_SECONDS = 300.0
"""Estimated time to compile a system on CPU from which it is refused."""


def compile_seconds(process: Process, title: str) -> float:
    """About how long a process takes to compile on one quiet CPU core: .5 s + (n / 72)^2 s.

    n is the number of arrays in its state and observations: XLA compiles a loop for each, all into one kernel, and LLVM
    takes time as the square of its loops. Measured: 2 x 2 networks .8 s, 8 x 8 ones 5.2 s (n = 152), 16 s under shadow
    routing; beside other work several times as long. Rates and jumps are not traced.

    Raises:
        ValueError: the estimate is above 300 s.
    """
    leaves, structure = jax.tree.flatten(process)

    def one(leaves, words):
        prepared = jax.tree.unflatten(structure, leaves)
        state = typed(prepared.init(tuple(words)))
        return state, jax.tree.map(jnp.asarray, prepared.observe(state))

    words = np.zeros(jax.tree.unflatten(structure, leaves).scan.init_words, np.uint32)
    count = len(jax.tree.leaves(jax.eval_shape(one, [compute_leaf(leaf) for leaf in leaves], words)))
    seconds = 0.5 + (count / 72) ** 2
    if seconds > MOST_COMPILE_SECONDS:
        raise ValueError(
            f"{title}: has {count} numbers in its state and observations, so that compiling would take about "
            f"{seconds:.0f} s (it grows with the square): must be at most {MOST_COMPILE_SECONDS:.0f} s; fewer of them "
            "help, such as alike pools or classes taken as one, or arrays in place of many numbers"
        )
    return seconds


def initial_rate(process: Process) -> float:
    """Events per unit of time at the start: what a block's length is chosen by when only a horizon is given."""
    step_time = process.step_time()
    if step_time is not None:
        return 1.0 / step_time
    leaves, structure = jax.tree.flatten(process)

    def weights(leaves):
        traced = jax.tree.unflatten(structure, leaves)
        return jax.vmap(lambda seeds: start(traced, seeds).weight)(seeded(process, 0, np.arange(64)))

    return 1.0 / float(jax.jit(weights, compiler_options=ONCE)([compute_leaf(leaf) for leaf in leaves]).mean())


def names(system: Model, process: Process) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(metrics, quantities that histograms can be kept of) of a system and its process, found without running
    it."""
    observed, tallied, _ = sums_of(process)
    has_more = type(process)._values is not Process._values
    beside = _shapes(*_form(process), lambda s, carry: s._values(carry.state, carry.event)) if has_more else ()
    measured = [name for name in (*observed, *tallied, *beside) if process.scan.measured_at.get(name, True)]
    return tuple(at_halves(system, process)), tuple(measured)


def at_halves(system: Model, process: Process) -> dict[str, Any]:
    """The metrics where every sum of the process is one half."""
    halves = [dict.fromkeys(part, np.float64(0.5)) for part in sums_of(process)]
    return system.metrics(Sums(np.float64(1.0), np.float64(1.0), *halves))


def plain_means(system: Model, process: Process) -> set[str]:
    """Metrics that are the mean over time of the observation of the same name, and no other function of the sums."""
    parts = [
        {name: np.float64(0.31 + 0.17 * k + 0.013 * i) for i, name in enumerate(part)}
        for k, part in enumerate(sums_of(process))
    ]
    with np.errstate(all="ignore"):
        metrics = system.metrics(Sums(np.float64(1.0), np.float64(0.83), *parts))
    return {name for name, x in parts[0].items() if name in metrics and abs(float(metrics[name]) - x) < 1e-12}


def sums_of(process: Process) -> list[dict[str, Any]]:
    """What is observed, tallied and counted, by name."""
    found = outline(process)
    observed, tallied = ([name for kind, name in found.rounded if kind == part] for part in ("observed", "tallied"))
    return [dict.fromkeys(sorted(part), 0.0) for part in ((*found.exact, *observed), tallied, found.counted)]
