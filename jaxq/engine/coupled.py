"""A jump process beside alternatives to itself, from which derivatives of its means follow without a step and without bias.

Smoothed perturbation analysis with pruning: where a parameter would have made another transition a little likelier, an
alternative path is born that made it, with a weight; all paths run on one clock, and each transition of the process is
followed by an alternative as far as its rates allow (pair-max). The derivative of a mean of f is that of
df + sum of weight x (f(alternative) - f(process)).

Sources: Gong and Ho (1987), IEEE Transactions on Automatic Control 32(10), 858-866; Arya, Schauer, Schaefer and Rackauckas
(2022), NeurIPS, "Automatic differentiation of programs with discrete randomness".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.alternatives import TINY, Alternatives, first_of, pick
from jaxq.engine.bits import packed, unpacked
from jaxq.engine.carry import typed
from jaxq.engine.controls import PREFIX
from jaxq.engine.dependence import moving_rates
from jaxq.engine.differentiated import Differentiated
from jaxq.engine.integrands import as_float, floats, integrands
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.once import once
from jaxq.engine.parameter import Parameter, along_moving
from jaxq.engine.process import Process, Scan
from jaxq.engine.rarity import rare_first
from jaxq.random import scaled

SLOTS = 4
"""Alternatives that are kept for each parameter; those that are equal count once, and of more the lightest are drawn out."""


class Step(NamedTuple):
    """An event; whole numbers travel packed."""

    codes: tuple  # uint32: transition of x, of the newborn that it leaves, of each path; the plan of `Alternatives`
    created: tuple  # weight of the next newborn, by parameter


class Coupled(Differentiated, Alternatives):
    """A process of few transitions beside alternatives to itself.

    State: x; the S + 1 paths, the newborn last; the weight of each by parameter.
    """

    process: Any
    tangents: tuple  # by parameter, of the leaves ``moving``
    scales: Any  # (P,) what makes parameters comparable, |theta|
    null: Any  # rate of an explicit event that changes nothing, 1/time; None
    moving: tuple = eqx.field(static=True)  # places of the leaves that a parameter moves
    touched: tuple = eqx.field(static=True)  # by parameter, the rates that it may move
    varying: tuple = eqx.field(static=True)  # the rates that depend on the state; the others are those of all paths
    positive: tuple = eqx.field(static=True)  # those of the others that are no 0
    slots: int = eqx.field(static=True)
    essential: tuple = eqx.field(static=True)  # by leaf of the state
    transitions: int = eqx.field(static=True)
    functions: tuple | None = eqx.field(static=True, default=None)  # what `WithControls` takes beside a process

    words = 3

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        here = self.process.scan
        return Scan(here.stride, tile=128, init_words=here.init_words)  # two thirds of the compile time of 64, as fast

    def at(self, process, slopes):
        rates = _first_rates(process)
        if not all(rates[i] > 0 for i in self.positive):
            raise ValueError("a rate that the program takes for more is 0")
        return super().at(process, slopes)

    def step_time(self):
        return self.process.step_time()

    def init(self, words):
        x, zero = typed(self.process.init(words)), jnp.float32(0)
        return x, (x,) * (self.slots + 1), ((zero,) * len(self.tangents),) * (self.slots + 1)

    def next_event(self, state, words):
        x, paths, weights = state
        r, d = self._along(lambda process: floats(process.rates(x)))
        others = [floats(self.process.rates(a)) for a in paths]
        bound = self.process.clock().bound
        if bound is None:
            total = sum(r)
            for rates in others:
                total = jnp.maximum(total, sum(rates))
            total = total if self.null is None else total + self.null
        else:
            total = jnp.asarray(bound, jnp.float32)
        k, off = map(self._once, first_of(scaled(words[0], total), r))
        followed = [self._partner(r, rates, k, off) for rates in others]
        created, m = self._newborn(r, d, k, total - sum(r), words[1])
        apart, alike = [~self._same(a, x) for a in paths], [self._same(a, paths[-1]) for a in paths[:-1]]
        plan = self._plan(apart, alike, weights, words[2])
        event = Step(packed([k, *followed, plan, *m], self._sizes), created)
        return event, (None if bound is not None else 1.0 / total)

    def update(self, state, event):
        x, paths, weights = state
        slots, move = self.slots, self.process.transition
        k, *followed = unpacked(event.codes, self._sizes)
        followed, plan, m = followed[: slots + 1], followed[slots + 1], followed[slots + 2 :]
        after, kept = move(x, k), []
        for s in range(slots):
            replaced = self._replaced(plan, s)
            source = jax.tree.map(lambda new, old, here=replaced: jnp.where(here, new, old), paths[slots], paths[s])
            kept.append(self._own(move(source, jnp.where(replaced, followed[slots], followed[s])), after))
        kept.append(self._own(move(x, *m) if m else x, after))
        return after, tuple(kept), self._weighed(plan, weights, event.created)

    @property
    def _sizes(self) -> list[int]:
        """Bits of the whole numbers of an event, in their order: what x makes, and each path; the plan; what a newborn has
        made, where that may be anything."""
        code = self.transitions.bit_length()
        return [code] * (self.slots + 2) + [self._plan_bits] + [code] * (len(self._made) > 1)

    @property
    def _made(self) -> list[int]:
        """What a newborn may have made, in order, nothing last: it takes two rates, or one that may be 0, for another
        transition to be likelier in place of one that is less so."""
        of = [mine for mine in self.touched if len(mine) > 1 or not {*mine} <= {*self.positive}]
        return [*sorted({i for mine in of for i in mine}), self.transitions]

    def _control_sums(self, x, paths, weights):
        """The controls of x, and their derivatives by parameter; of the paths side by side, as they are many."""
        values, slopes = self._drifts(x)
        others = jax.vmap(self.controlled.drifts)(jax.tree.map(lambda *leaves: jnp.stack(leaves), *paths))
        found = dict(values)
        for p, slope in enumerate(slopes):
            sizes = jnp.stack([w[p] for w in weights])
            for name, f in values.items():
                found[f"{PREFIX}{p}|{name}"] = slope[name] + jnp.sum(sizes * (others[name] - f))
        return found

    def observe(self, state):
        x, paths, weights = state
        weights = self._alive([~self._same(a, x) for a in paths], weights)
        values, slopes = self._along(lambda process: integrands(process, x))
        others = [integrands(self.process, a) for a in paths]
        found = dict(values)
        for p, slope in enumerate(slopes):
            for name, f in values.items():
                apart = sum(
                    w[p] * (as_float(other[name]) - as_float(f)) for other, w in zip(others, weights, strict=True)
                )
                found[f"{p}|{name}"] = as_float(slope[name]) + apart
        if self.functions is not None:
            found |= self._control_sums(x, paths, weights)
        return found | {"mass": self._mass(weights)}

    def tally(self, state, event):
        return {"created": self._size(event.created)}

    def overflow(self, state):
        over = self.process.overflow(state[0])
        for path in state[1]:
            over = over | self.process.overflow(path)
        return over

    def _invalid_rates(self, state):
        return self.process._invalid_rates(state[0])

    def _once(self, x):
        """What the weight of each parameter reads."""
        return once(x) if len(self.tangents) > 1 else x

    def _newborn(self, r, d, k, spare, word):
        """(its weight by parameter; the transition that it makes where x makes k, as a tuple, empty if that is always none).
        ``spare``: the rate of events that change nothing."""
        made = self._made
        rows = self._flips(r, d, k, spare)
        if len(made) == 1:
            return tuple(row[-1] for row in rows), ()
        masses = [sum(self.scales[p] * jnp.abs(row[j]) for p, row in enumerate(rows)) for j in range(len(made))]
        mass = sum(masses)
        j = self._once(first_of(scaled(word, mass), masses[:-1])[0])
        chosen = pick(j, masses)
        share = jnp.where(chosen > 0, mass / jnp.maximum(chosen, TINY), 0.0)
        return tuple(pick(j, row) * share for row in rows), (pick(j, made),)

    def _flips(self, r, d, k, spare):
        """By parameter the signed weight of a newborn where x makes k, by what it makes instead."""
        count, rows = len(r), []
        for slopes, mine in zip(d, self.touched, strict=True):
            plus, minus = ({i: jnp.maximum(sign * slopes[i], 0.0) for i in mine} for sign in (1, -1))
            up, down = sum(plus.values()), sum(minus.values())
            over = 1.0 / jnp.maximum(jnp.maximum(up, down), TINY)
            stuck = jnp.bool_(False)
            for i in {*mine} - {*self.positive}:
                stuck = stuck | ((slopes[i] > 0) & (r[i] <= 0))
            rising = sum(jnp.where(slopes[i] > 0, r[i], 0.0) for i in mine)
            falling = sum(jnp.where(slopes[i] < 0, r[i], 0.0) for i in mine)
            share = jnp.where(stuck, 0.0, rising / jnp.maximum(rising + falling, TINY))
            if {*mine} & {*self.varying}:
                slope = sum(jnp.where(k == i, slopes[i], 0.0) for i in mine) / jnp.maximum(pick(k, [*r, 1.0]), TINY)
            else:
                slope = sum(jnp.where(k == i, slopes[i] / jnp.maximum(r[i], TINY), 0.0) for i in mine)
            rises, weight, excess = slope > 0, jnp.abs(slope) * over, up - down
            only = stuck & (excess > 0)
            null = jnp.where(only & (k == count), excess / jnp.maximum(spare * up, TINY), 0.0)
            to_minus = jnp.where(rises, -weight * share, 0.0)
            to_plus = jnp.where(rises, 0.0, weight * (1 - share)) + null
            lost = jnp.where(only, 0.0, -jnp.maximum(excess, 0.0))
            row = {i: to_minus * minus[i] + to_plus * plus[i] for i in mine}
            row[count] = weight * jnp.where(rises, lost, jnp.maximum(-excess, 0.0))
            rows.append([row.get(m, jnp.float32(0.0)) for m in self._made])
        return rows

    def _partner(self, r, rates, k, off):
        """The transition of a path where x made k, ``off`` inside its interval: what the two have in common stays together,
        and what is left of them is laid over each other."""
        common, count = pick(k, [*rates, 0.0]), len(r)
        y, edge, alone = off - common, 0.0, jnp.int32((*self.varying, count)[0])
        for i in self.varying:
            y = y + jnp.where(k > i, jnp.maximum(r[i] - rates[i], 0.0), 0.0)
        for i, following in zip(self.varying, (*self.varying[1:], count), strict=False):
            edge = edge + jnp.maximum(rates[i] - r[i], 0.0)
            alone = jnp.where(y >= edge, following, alone)
        return jnp.where(off < common, k, alone)

    def _same(self, a, b):
        equal = jnp.bool_(True)
        for u, v, mine in zip(jax.tree.leaves(a), jax.tree.leaves(b), self.essential, strict=True):
            if mine:
                equal = equal & jnp.all(jnp.asarray(u) == jnp.asarray(v))
        return equal

    def _own(self, path, x):
        """A path with the counters of x: its own are of no use."""
        pairs = zip(jax.tree.leaves(path), jax.tree.leaves(x), self.essential, strict=True)
        return jax.tree.unflatten(jax.tree.structure(x), [a if mine else b for a, b, mine in pairs])


def coupled(process: Process, parameters: Sequence[Parameter], slopes: Sequence[list], title: str) -> Alternatives:
    """The coupled half of a prepared process: its own, or that of a jump process.

    Raises:
        FieldError: it has none of its own and is no jump process; it drifts; a jump depends on a
            parameter, or the rates compare it; transitions are too rare for one word.
    """
    name, slots = f"coupling: {title}", SLOTS * max(1, len(parameters))
    scales = np.array([of.unit for of in parameters])
    half = process._beside_alternatives(scales, slopes, slots)
    if isinstance(half, Alternatives):
        return half
    moving = moving_rates(process, slopes, name)
    assert isinstance(process, MarkovProcess)
    if getattr(rare_first(process), "_order", None) is not None:
        raise FieldError("method", name, "has transitions too rare for one random word")
    bound, null, rates = process.clock().bound, None, _first_rates(process)
    if bound is None and any(of.value == 0 for of in parameters):
        null = np.float64(max(sum(rates), 1.0))
    return Coupled(
        process=process,
        tangents=along_moving(slopes, moving.leaves),
        scales=scales,
        null=null,
        moving=moving.leaves,
        touched=moving.rates,
        varying=moving.varying,
        positive=tuple(i for i, rate in enumerate(rates) if rate > 0 and i not in moving.varying),
        slots=slots,
        essential=moving.essential,
        transitions=moving.transitions,
    )


def _first_rates(process: MarkovProcess) -> list[float]:
    words = tuple(random.words_for(0, random.START, 0, process.scan.init_words))
    return [float(rate) for rate in process.rates(process.init(words))]
