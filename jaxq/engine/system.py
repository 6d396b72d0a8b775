"""The contract between the engine and a queueing system.

A system is a frozen pytree dataclass that describes one replica with scalars. It never sees a batch axis, a chunk, a
device or a statistic; the engine vmaps it over replicas, scans it over events, and keeps the sums.

One event is ``choose`` then ``apply``. They are two functions because the engine carries the chosen event to the next
iteration: there it is observed, applied and the next one chosen, which lets XLA select the event only once.
"""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import equinox as eqx
import jax
import jax.core

from jaxq.checks import FieldError
from jaxq.engine.fields import rules
from jaxq.engine.quantity import Quantity
from jaxq.engine.unknown import refuse_unknown

State = Any
Event = Any


class Reference(NamedTuple):
    """A value to compare a metric with, from a source that shares no code with the simulator.

    ``kind``: ``exact`` | ``identity`` (an exact relation) | ``limit`` | ``bound``; only the first two give a z.
    ``error``: standard error of the reference itself, entering z.
    """

    value: float
    kind: str = "exact"
    error: float = 0.0


class Statement(NamedTuple):
    """What theory says of a system: a number, a truth, a name, or several of them, with a unit and where it is from."""

    value: Any
    meaning: str
    source: str


class Optimum(NamedTuple):
    """An optimum that is known without tuning: fields by name, the objective there, and the source."""

    values: dict[str, Any]
    objective: float
    source: str


class Objective(NamedTuple):
    """A differentiable stand-in for a simulated mean, to tune fields with (`jaxq.tune`).

    ``function``: values of the tuned fields by name -> scalar, in float64, the other fields being the system's own.
    ``metric``: the simulated metric that it stands for, or None. ``doc``: what it is, one line. ``parameters``: the
    fields that it depends on; empty: any. ``unset``: what a field that is none stands for, by name, where a descent begins.

    ``shares``: fields whose entries keep the sum that they have at the start.

    Where the metric has jumps: ``temperatures``: ``function(values, temperature)`` is smoothed, less and less, from the
    first to the last. ``hard``: values -> the metric itself, evaluated on the host, for the last steps; ``exact``: with no
    error at an edge. ``jumps(values)``: by field, values at which it may jump, the others being as they are, shape
    (entries, K), each in the same place whatever the values. ``optimum()``: the known best point, or None.
    """

    function: Callable[..., Any]
    metric: str | None
    doc: str
    maximise: bool = False
    parameters: tuple[str, ...] = ()
    unset: Mapping[str, Any] = {}
    temperatures: tuple[float, float] | None = None
    hard: Callable[[dict[str, Any]], float] | None = None
    exact: bool = False
    jumps: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None
    optimum: Callable[[], Optimum | None] | None = None
    shares: tuple[str, ...] = ()


class Landscape(NamedTuple):
    """A simulated mean over coordinates z in R^n, on random numbers of its own, and smooth versions of it.

    ``decode(z)``: the fields by name. ``start(rng)``: random coordinates (NumPy generator). ``smooth(z, temperature)``:
    a differentiable scalar that tends to ``hard(decode(z))`` as the temperature falls; it is taken from the first of
    ``temperatures`` to the last. ``hard(fields)``: the mean itself. ``shares``: fields whose entries have a fixed sum.
    """

    decode: Callable[[Any], dict[str, Any]]
    start: Callable[[Any], Any]
    smooth: Callable[[Any, Any], Any]
    hard: Callable[[dict[str, Any]], Any]
    temperatures: tuple[float, float]
    shares: tuple[str, ...] = ()


class Search(NamedTuple):
    """A simulated mean to be made large where it has many hills and cliffs (`jaxq.search`).

    ``metric``: its name. ``doc``: what is looked for, one line. ``parameters``: the fields that are set.
    ``baseline()``: the system that must be beaten. ``landscape(seed)``: where to look.
    """

    metric: str
    doc: str
    parameters: tuple[str, ...]
    baseline: Callable[[], "System"]
    landscape: Callable[[int], Landscape]


class System(eqx.Module):
    """One replica of a queueing system. Subclass it (or `JumpProcess`) and declare the fields.

    Number fields are pytree leaves, float64 / int64 on the host, float32 / int32 in the compiled loop, where they are
    traced: a sweep over them never recompiles. Static fields are those that fix a shape or a program.
    """

    words: ClassVar[int] = 1
    """uint32 words one event consumes, each with one purpose."""
    init_words: ClassVar[int] = 1
    """uint32 words that `init` gets, from a stream of their own."""
    measured_at: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Tally -> tallies of which one is 1 where it has a value, and all are 0 elsewhere; quantiles are over those events
    only. A tally or observation with none, ``()``, is a part of a sum and not a value, and has no quantiles."""
    headline: ClassVar[tuple[str, ...]] = ()
    """Metrics the precision stop applies to; empty: every metric."""
    metric_table: ClassVar[tuple[Quantity, ...]] = ()
    """What the metrics are and their units; one that has no row has neither."""
    wandering: ClassVar[tuple[str, ...]] = ()
    """Metrics of what may walk without end and moves nothing else: no run waits for them, and each is a mean over the span
    of the run, not a stationary one."""
    stride: ClassVar[int] = 1
    """Observe every stride-th event (odd: an embedded chain of period 2 would be seen in half its states only)."""
    unroll: ClassVar[int] = 1
    """Events unrolled between two observations; only the cheapest steps gain (each is compiled anew)."""
    untuned: ClassVar[Mapping[str, str]] = {}
    """Fields that no gradient moves -> why, and what to do instead: the sentence that `jaxq.tune` refuses with."""
    signed: ClassVar[bool] = False
    """Whether whole-number components of the state may become negative; of a `JumpProcess` that is refused otherwise."""
    made_by: ClassVar[str] = ""
    """The class whose `prepare` makes this one: it is that class which is simulated."""
    tile: ClassVar[int | None] = None
    """Replicas per tile on CPU; None: the engine chooses from the size of the state."""

    def __new__(cls, *_, **fields):
        known = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        if all(field.name in known for field in dataclasses.fields(cls) if field.init):  # no __init__ of the user's own
            refuse_unknown(fields, known, cls.__name__, "field")
        return super().__new__(cls)

    def init(self, words) -> State:
        """The state at time 0: a pytree of scalars and small arrays (Python numbers are fine)."""
        raise TypeError(f"{type(self).__name__} must define init(words)")

    def choose(self, state: State, words: tuple) -> tuple[Event, Any]:
        """The next event in ``state`` and its weight: the model time that ``state``, before the jump, owns.

        The weight is the conditional mean 1/rate of an embedded chain, a sampled time where a real clock is needed,
        the interarrival time when indexed by customer; None where `step_time` gives it.
        """
        raise TypeError(f"{type(self).__name__} must define choose(state, words)")

    def apply(self, state: State, event: Event) -> State:
        """The state after the event."""
        raise TypeError(f"{type(self).__name__} must define apply(state, event)")

    def observe(self, state: State) -> dict[str, Any]:
        """Scalars whose time average is wanted; whole numbers are summed exactly where the weight is constant."""
        return {}

    def tally(self, state: State, event: Event) -> dict[str, Any]:
        """Float scalars summed once an event, without weight: a customer's wait."""
        return {}

    def counters(self, state: State) -> dict[str, Any]:
        """Monotone int32 counts kept in the state; the engine takes differences, so wrapping is harmless."""
        return {}

    def overflow(self, state: State):
        """True where the state has left its representation; the result is then flagged."""
        return False

    def invalid_rates(self, state: State):
        """True where the rates in ``state`` are none: negative, not finite, above their bound (a `JumpProcess` knows). The
        engine looks once in a while; the result is then flagged."""
        return False

    def step_time(self) -> float | None:
        """The constant model time of one event (a uniformised chain), on the host; None: `choose` gives weights."""
        return None

    def metrics(self, sums: "Sums") -> dict[str, Any]:
        """What is reported, written with + - * / on `Sums`; intervals follow by linearisation.

        The default: every observation averaged over time, every tally over events, every counter per unit of time.
        """
        return {
            **{name: sums[name] / sums.time for name in sums.observed},
            **{name: sums[name] / sums.events for name in sums.tallied},
            **{name: sums[name] / sums.time for name in sums.counted},
        }

    def oracle(self) -> dict[str, Reference | float]:
        """Values to compare metrics with, by metric name; a bare number counts as exact."""
        return {}

    def theory(self) -> dict[str, Statement]:
        """What else is known of the system without simulating it, by name: thresholds, equilibria, conditions."""
        return {}

    def objectives(self) -> dict[str, Objective]:
        """What `jaxq.tune` can make small (or large), by name; the first is the default."""
        return {}

    def searches(self) -> dict[str, Search]:
        """What `jaxq.search` can make large from many starts, by name; the first is the default."""
        return {}

    def heavy_tail(self) -> str | None:
        """The flag of a run whose laws have so heavy a tail that a stationary mean is infinite (``infinite_mean``), or the
        variance of an average over time (``heavy_tail``); None elsewhere."""
        return None

    def last_change(self) -> float:
        """Model time of the last change of the system by itself (rates that switch); means begin after it."""
        return 0.0

    def check_stationary(self) -> None:
        """Raise ValueError if a formula says that there is no stationary regime."""

    def prepare(self) -> "System":
        """The system the compiled loop sees, with constants derived on the host in float64. Default: itself."""
        return self

    def jump_process(self) -> "System":
        """The system as a `JumpProcess`, for `exact`: what `prepare` returns, unless it steps in another way. Raises
        ValueError, with the reason, where there is none."""
        return self.prepare()

    def replace(self, **fields) -> Self:
        """A copy with other fields, converted and checked; the only way to change a system."""
        known = list(self.parameters())
        for name in fields:
            if name not in known:
                raise FieldError(name, ..., f"{self.title()} has no such field; it has {', '.join(known)}")
        return type(self)(**{**{name: getattr(self, name) for name in known}, **fields})

    def parameters(self) -> dict[str, Any]:
        """The fields by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    @classmethod
    def title(cls) -> str:
        """The name in results and on the command line: the class name in kebab-case unless ``name`` is set."""
        return getattr(cls, "name", None) or re.sub(r"(?<!^)(?=[A-Z][a-z])", "-", cls.__name__).lower()

    def check_fields(self) -> None:
        """Raise ValueError where fields do not go together; each one's own rule has been checked before."""

    def __check_init__(self):
        for name, rule in rules(type(self)).items():
            rule.check(name, getattr(self, name))
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(self)):
            self.check_fields()


class Sums(Mapping):
    """Sums over a run that `System.metrics` combines: ``sums["queue"]``, ``sums.time``, ``sums.events``.

    The entries are anything with arithmetic: estimates with per-replica residuals in a simulation, plain floats in
    `exact`. ``observed``, ``tallied``, ``counted`` list the names by kind.
    """

    def __init__(self, time, events, observed: dict, tallied: dict, counted: dict):
        self.time, self.events = time, events
        self.observed, self.tallied, self.counted = tuple(observed), tuple(tallied), tuple(counted)
        self._entries = {**observed, **tallied, **counted}

    def __getitem__(self, name):
        return self._entries[name]

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)
