"""A jump process beside the score of its last events: the likelihood ratio estimator of derivatives of its means.

Formula: d E[f] = E[df] + E[(f(X) - E f) S], S = sum over the last events of d log(rate of what happened) - dR x time, dR the
derivative of the total rate. Of an event the time is the mean that the state before it lasts, and the state that is observed
counts with its time and without its event: so no bound on the rates and no weight needs a derivative of its own. An event
that is forgotten adds a bias, and one that is remembered for nothing adds variance.

S is kept in blocks of half a window: the block that is under way and the two before it. The older of these two alone
is what half the window would have left out.

A control c = Q phi has mean 0 whatever the parameters are, so dc + c S has too, but for the window: like f S it forgets what
is older. Where f - E f = b c, f S - b (dc + c S) = - b dc has neither the noise of the score nor that bias (- b E[dQ phi] is
the derivative, by Poisson's equation); so derivatives are regressed on both c and dc + c S.

Source: Glynn (1990), Likelihood ratio gradient estimation for stochastic systems, Communications of the ACM 33(10), 75-84.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.alternatives import TINY
from jaxq.engine.carry import typed
from jaxq.engine.controls import PREFIX
from jaxq.engine.dependence import moving_rates
from jaxq.engine.differentiated import Differentiated
from jaxq.engine.flags import Flag
from jaxq.engine.integrands import as_float, floats, integrands
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.output_analysis import controls_of, evaluate, regression_on
from jaxq.engine.parameter import Parameter, along_moving
from jaxq.engine.plan import Plan
from jaxq.engine.process import Process
from jaxq.engine.rarity import ordered, seen
from jaxq.engine.record import title
from jaxq.engine.simulate import run
from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import family_bound
from jaxq.stats.regression import Controls

LONGEST = 2**30
"""Events of a window that an int32 counts."""
MEMORIES = 5
"""Correlation times of the slowest metric that a window lasts that is not given: what half of it leaves out is then mostly
under a hundredth. They are known to a few windows of a short run, and so mostly too long."""
SHORT, LONG = 128, 2**17
"""Events of that run, at first and at most."""
PILOTS = 128
"""Its replicas."""
DIGITS = 8
"""To an eighth of a power of two, so that what one machine rounds otherwise than another is mostly the same window."""


class Scored(Differentiated):
    """A process with its score. State: x; by parameter, the scores of the block before the last, of the last one, and of
    the one that is under way; the events of that.

    Sums have the names of `jaxq.engine.integrands`, and their derivatives by parameter p that of ``p|``, of P parameters;
    ``P + p|`` is what the oldest block adds to it. Controls have their derivatives in the same way.
    """

    process: Any
    tangents: tuple  # by parameter, of the leaves ``moving``
    block: Any  # events of half a window
    moving: tuple = eqx.field(static=True)
    touched: tuple = eqx.field(static=True)  # by parameter, the rates that it may move
    functions: tuple | None = eqx.field(static=True, default=None)

    kind = "score"
    without = ()

    @property
    def words(self):
        return self.process.words

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.process.scan._replace(measured_at={})

    def step_time(self):
        return self.process.step_time()

    def init(self, words):
        still = (jnp.float32(0),) * len(self.tangents)
        return typed(self.process.init(words)), (still,) * 3, jnp.int32(0)

    def next_event(self, state, words):
        x, *_ = state
        k, weight = MarkovProcess.next_event(self.process, x, words)  # a process may choose in a way of its own
        r, d = self._rates(x)
        gained = []
        for slopes, mine, idle in zip(d, self.touched, self._waited(r, d), strict=True):
            made = sum((jnp.where(k == i, slopes[i] / jnp.maximum(r[i], TINY), 0.0) for i in mine), jnp.float32(0))
            gained.append(made + idle)
        return (k, tuple(gained)), weight

    def update(self, state, event):
        (x, (before, last, now), age), (k, gained) = state, event
        now = tuple(s + more for s, more in zip(now, gained, strict=True))
        full = age + 1 >= self.block

        def turned(new, old):
            return tuple(jnp.where(full, a, b) for a, b in zip(new, old, strict=True))

        still = (jnp.float32(0),) * len(now)
        scores = turned(last, before), turned(now, last), turned(still, now)
        return self.process.transition(x, k), scores, jnp.where(full, 0, age + 1)

    def observe(self, state):
        x, (before, last, now), _ = state
        values, slopes = self._along(lambda process: integrands(process, x))
        controls, moved = ({}, slopes) if self.functions is None else self._drifts(x)
        found, parameters = {**values, **controls}, len(slopes)
        for p, idle in enumerate(self._waited(*self._rates(x))):
            score, oldest = before[p] + last[p] + now[p] + idle, before[p]
            found |= {f"{p}|w:": score, f"{parameters + p}|w:": oldest}
            for name, f in values.items():
                found[f"{p}|{name}"] = as_float(slopes[p][name]) + as_float(f) * score
                found[f"{parameters + p}|{name}"] = as_float(f) * oldest
            for name, f in controls.items():
                found[f"{PREFIX}{p}|{name}"] = moved[p][name] + f * score
                found[f"{parameters + p}|{name}"] = f * oldest
        return found

    def overflow(self, state):
        return self.process.overflow(state[0])

    def _invalid_rates(self, state):
        """Also where an event of rate 0 would become possible: no path knows what it leads to."""
        x, *_ = state
        r, d = self._rates(x)
        invalid = self.process._invalid_rates(x)
        for slopes, mine in zip(d, self.touched, strict=True):
            for i in mine:
                invalid = invalid | ((r[i] <= 0) & (slopes[i] != 0))
        return invalid

    def _rates(self, x) -> tuple:
        """(the rates in x, their derivatives by parameter)."""
        return self._along(lambda process: floats(process.rates(x)))

    def _waited(self, r, d) -> list:
        """By parameter - dR x the mean time that a state with these rates and their derivatives lasts."""
        clock = self.process.clock()
        time = 1.0 / jnp.maximum(sum(r), TINY) if clock.bound is None else 1.0 / as_float(clock.bound)
        return [-time * sum((s[i] for i in mine), jnp.float32(0)) for s, mine in zip(d, self.touched, strict=True)]


def scored(
    system: Model, process: Process, parameters: Sequence[Parameter], slopes: Sequence[list], side: str | None = None
) -> Scored:
    """A prepared process of the system with its score, of no event yet (`with_window`).

    Raises:
        FieldError: it is no jump process; it drifts; a jump depends on a parameter, or the rates compare it; an event is
            impossible here and possible beside.
    """
    name = f"score: {title(system)}"
    moving = moving_rates(process, slopes, name)
    beside = [process, *(of.at(of.unit * (1e-3 if side == "right" else -1e-3)).process() for of in parameters if side)]
    met = [rates for rates in seen(beside) if rates is not None]
    here, *moved = (rates.max(axis=0) > 0 for rates in met)
    if any(np.any(there & ~here) for there in moved):
        rule = "has an event that is impossible here and possible beside it, which no score knows"
        raise FieldError("method", name, rule)
    return Scored(
        process=ordered(process, met[0]),
        tangents=along_moving(slopes, moving.leaves),
        block=np.int64(0),
        moving=moving.leaves,
        touched=moving.rates,
    )


def with_window(half: Scored, window: int) -> Scored:
    """The same with a window of so many events."""
    return dataclasses.replace(half, block=np.int64(-(-window // 2)))


def found_window(planned: Plan, system: Model, process: Process) -> int:
    """Events of a window that is long against what the metrics of a system remember, by a short run of its process.

    Raises:
        KeyboardInterrupt: it was interrupted; there is nothing yet that could be kept.
    """
    options, events = planned.options, SHORT
    point = planned.points[0]._replace(model=system, stepped=process)
    while True:
        short = Options(replicas=PILOTS, events=events, seed=options.seed, time_limit=options.time_limit)
        (found,) = run(planned._replace(points=[point], options=short, replicas=PILOTS))
        if Flag.UNFINISHED in found.flags:
            raise KeyboardInterrupt
        if Flag.WARMUP_UNDETERMINED not in found.flags or Flag.TRUNCATED in found.flags or events >= LONG:
            break
        events *= 8
    return long_window(found.run["correlation"] or events)


def long_window(correlation: float) -> int:
    """Events of a window that is long against a correlation time in events."""
    least = MEMORIES * correlation
    unit = 2.0 ** np.ceil(np.log2(least)) / DIGITS
    return int(min(np.ceil(least / unit) * unit, LONGEST))


def too_short(biases: Mapping[str, Estimate]) -> bool:
    """Whether half the window would have moved a derivative for sure: by more than chance does in one run in a hundred, with
    all of them."""
    known = [x for x in biases.values() if x.standard_error > 0]
    return any(abs(x.value) > family_bound(len(known), 0.99, x.degrees) * x.standard_error for x in known)


def less_controls(biases: Mapping[str, Any], metrics: Mapping[str, Estimate], view: Any, cut: int) -> dict[str, Any]:
    """The biases of the derivatives that are regressed on controls: what the oldest block adds to what is left of them. Over
    a window a control is no longer 0 on average, by what that of the metric is off, so that its bias is taken off too.

    Args:
        biases: by derivative, without controls.
        metrics: what the run has found, with controls.
        view: of the run, a `jaxq.engine.differences.Moved`.
        cut: windows that it discards.
    """
    controls = controls_of(view.sums(0, cut))
    if controls is None:
        return dict(biases)
    regression, theirs, found = regression_on(view, 0, controls), Controls(view.control_biases(cut)), dict(biases)
    plain = evaluate(view.systems[0], view.sums(0, cut))
    for name, bias in biases.items():
        if isinstance(bias, Estimate) and metrics[name].freedom is not None:
            found[name] = theirs.taken(regression.slopes(plain[name]), 0.0, bias)
    return found
