"""A process beside the derivative of its path: where a step moves continuously with the parameters, the mean of the
derivative is the derivative of the mean (infinitesimal perturbation analysis).

Source: Glasserman (1991), Gradient Estimation via Perturbation Analysis; for Lindley's recursion Suri and Zazanis (1988),
Management Science 34(1), 39-64.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.carry import typed
from jaxq.engine.compiling import ONCE
from jaxq.engine.continuity import Motion, motions
from jaxq.engine.integrands import as_float
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.model import Model
from jaxq.engine.outline import sums_of
from jaxq.engine.parameter import along_moving, moving_leaves
from jaxq.engine.process import Process
from jaxq.engine.record import title
from jaxq.engine.sums import Sums

DRAWN = 512
"""Events that are drawn to see whether they are of a lattice."""


class Pathwise(Process):
    """A prepared process x with the derivatives of its path.

    State: x; by parameter, the derivatives of its real numbers. What is summed has the names of `jaxq.engine.integrands`,
    and its derivative by parameter p that of ``p|``; ``p|w:`` is the derivative of an event's weight.
    """

    process: Any
    tangents: tuple  # by parameter, of the leaves ``moving``
    moving: tuple = eqx.field(static=True)
    continuous: frozenset = eqx.field(static=True)  # the sums that have a derivative
    without: tuple = eqx.field(static=True)  # the metrics that have none

    kind = "pathwise"
    size = 0

    @property
    def words(self):
        return self.process.words

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.process.scan._replace(unroll=1, measured_at={})

    def init(self, words):
        x = typed(self.process.init(words))
        still = [jnp.zeros_like(leaf) for leaf in jax.tree.leaves(x) if _real(leaf)]
        return x, (still,) * len(self.tangents)

    def next_event(self, state, words):
        x, slopes = state
        (event, weight), pushed = self.along(lambda process, x: process.next_event(x, words), x, slopes)
        return (event, weight, pushed), weight

    def update(self, state, event):
        (x, slopes), (event, _, pushed) = state, event
        both = [[*s, *p[:-1]] for s, p in zip(slopes, pushed, strict=True)]
        after, found = self.along(lambda process, pair: process.update(*pair), (x, event), both)
        return after, tuple(found)

    def observe(self, state):
        return {f"o:{name}": value for name, value in self.process.observe(state[0]).items()}

    def tally(self, state, event):
        (x, slopes), (event, weight, pushed) = state, event
        both = [[*s, *p[:-1]] for s, p in zip(slopes, pushed, strict=True)]

        def floats(process, pair):
            tallied, observed = process.tally(*pair), process.observe(pair[0])
            return [[as_float(sums[name]) for name in sorted(sums)] for sums in (tallied, observed)]

        tallied, observed = self.process.tally(x, event), self.process.observe(x)
        _, found = self.along(floats, (x, event), both)
        summed = {f"t:{name}": value for name, value in tallied.items()}
        for p, ((*_, rate), slope) in enumerate(zip(pushed, found, strict=True)):
            rising = dict(zip(sorted(tallied), slope, strict=False))
            timed = dict(zip(sorted(observed), slope[len(tallied) :], strict=True))
            of = {f"t:{name}": s for name, s in rising.items() if name in self.continuous}
            of |= {
                f"o:{n}": weight * s + rate * as_float(observed[n]) for n, s in timed.items() if n in self.continuous
            }
            of |= {f"c:{name}": jnp.float32(0.0) for name in self.process.counters(x) if name in self.continuous}
            summed |= {f"{p}|{name}": slope for name, slope in of.items()} | {f"{p}|w:": rate}
        return summed

    def counters(self, state):
        return {f"c:{name}": value for name, value in self.process.counters(state[0]).items()}

    def overflow(self, state):
        return self.process.overflow(state[0])

    def _invalid_rates(self, state):
        return self.process._invalid_rates(state[0])

    def at(self, process: Process, slopes: Sequence[list]) -> "Pathwise":
        """The same program with other parameters. ValueError where these move what was still before."""
        return dataclasses.replace(self, process=process, tangents=along_moving(slopes, self.moving, self.tangents))

    def along(self, function, x, slopes):
        """(a function of the process and x, by parameter the derivatives of its real numbers), as x moves by ``slopes``."""
        leaves, structure = jax.tree.flatten(self.process)
        flat, shape = jax.tree.flatten(x)
        real = [i for i, leaf in enumerate(flat) if _real(leaf)]

        def of(moved, numbers):
            filled, here = list(leaves), list(flat)
            for place, value in zip(self.moving, moved, strict=True):
                filled[place] = value
            for place, value in zip(real, numbers, strict=True):
                here[place] = value
            found = function(jax.tree.unflatten(structure, filled), jax.tree.unflatten(shape, here))
            return [leaf for leaf in map(jnp.asarray, jax.tree.leaves(found)) if _real(leaf)]

        primal = [as_float(leaves[place]) for place in self.moving], [as_float(flat[i]) for i in real]
        pushed = []
        for tangent, slope in zip(self.tangents, slopes, strict=True):
            pushed.append(jax.jvp(of, primal, ([as_float(t) for t in tangent], [as_float(s) for s in slope]))[1])
        return function(self.process, x), pushed


def _real(leaf) -> bool:
    return jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating)


def pathwise(system: Model, process: Process, slopes: Sequence[list]) -> Pathwise:
    """A prepared process of the system beside the derivative of its path.

    Raises:
        FieldError: it is uniformised; the weight of an event or every metric jumps as the parameters move; its events are of
            a lattice, on which a maximum has a kink with a probability of its own.
    """
    name = f"pathwise: {title(system)}"
    if process.step_time() is not None:
        raise FieldError("method", name, "chooses its events by comparing rates")
    moving = moving_leaves(slopes)
    weight, sums = motions(process, moving)
    metrics, without = _metrics(system, process, {name for name, motion in sums.items() if motion == Motion.JUMPS})
    if weight == Motion.JUMPS or len(without) == metrics:
        raise FieldError("method", name, "jumps as the parameter moves")
    if _of_a_lattice(process):
        raise FieldError("method", name, "has events of a lattice, where ties are kinks")
    continuous = frozenset(name for name, motion in sums.items() if motion != Motion.JUMPS)
    return Pathwise(process, along_moving(slopes, moving), moving, continuous, without)


def _metrics(system: Model, process: Process, jumpy: set[str]) -> tuple[int, tuple[str, ...]]:
    """(how many metrics there are, those that depend on a sum that jumps)."""
    kinds = [{name: math.nan if name in jumpy else 0.5 for name in kind} for kind in sums_of(process)]
    with np.errstate(all="ignore"):
        found = system.metrics(Sums(np.float64(1.0), np.float64(1.0), *kinds))
    return len(found), tuple(name for name, x in found.items() if math.isnan(x))


def _of_a_lattice(process: Process) -> bool:
    """Whether its events at the start are a few numbers, each with a probability of its own."""
    leaves, structure = jax.tree.flatten(process)
    words = random.words_for(0, random.START, np.arange(DRAWN), process.scan.init_words + process.words)

    def event(leaves, words):
        traced = jax.tree.unflatten(structure, leaves)
        state = typed(traced.init(tuple(words[: process.scan.init_words])))
        return jax.tree.leaves(traced.next_event(state, tuple(words[process.scan.init_words :])))

    drawn = jax.jit(jax.vmap(event, in_axes=(None, 1)), compiler_options=ONCE)(list(map(compute_leaf, leaves)), words)
    rows = np.concatenate([np.asarray(leaf, np.float64).reshape(DRAWN, -1) for leaf in drawn], axis=1)
    return len(np.unique(rows, axis=0)) < DRAWN / 2
