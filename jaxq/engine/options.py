"""What a run is asked for, checked before anything is compiled."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from jaxq.checks import FieldError, integer, is_number, one_of, positive, probability, within
from jaxq.engine.files import check_path
from jaxq.engine.host_numbers import host_numbers, off_device
from jaxq.engine.team import team
from jaxq.engine.unknown import refuse_unknown
from jaxq.random import key_data, whole_seed

DEFAULT_PRECISION = 0.01
DEFAULT_MAX_EVENTS = 20_000_000_000
MOST, MOST_EVENTS = 1e30, 2**63 - 1
"""What no time and no count that makes sense exceeds."""
NUMBERS = (
    "replicas",
    "events",
    "horizon",
    "warmup",
    "precision",
    "max_events",
    "time_limit",
    "level",
    "seed",
    "devices",
    "batch",
    "checkpoint_every",
)
CONTROLS = {"none": 0, "linear": 1, "generator": 2}
"""Highest degree of the functions of the state that serve as control variates, by name."""
MOST_REPLICA = 2**31
LEAST_PART = 30
"""Fewer replicas are looked at in shorter windows (`jaxq.engine.layout.FEW`)."""
PROBABILITIES = (0.5, 0.9, 0.95, 0.99)
COUNTED = ("quantiles", "service_level")
"""The options that ask for a histogram of a quantity."""
MOST_ASKED = 1000
"""Probabilities or thresholds of a quantity."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A half-width that a metric must reach: relative to the mean, or absolute."""

    metric: str
    size: float = 0.0
    absolute: bool = False

    @classmethod
    def parse(cls, text: str) -> "Target":
        """``name``, ``name:0.01`` (relative) or ``name:0.001abs``."""
        name, _, size = text.partition(":")
        if not size:
            return cls(name)  # of the size that --precision gives
        absolute = size.endswith("abs")
        try:
            value = float(size.removesuffix("abs"))
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise FieldError("metric", text, "must be a name, name:0.01 (relative) or name:0.001abs, with a number > 0")
        return cls(name, value, absolute)


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of `simulate`, `sweep` and `compare`; the command line has the same names.

    Attributes:
        replicas: independent replicas of each point (default: 1024 on CPU, 65536 on an accelerator).
        events: events per replica after warm-up, rounded up by a thirty-second at most. A run that has not warmed up
            after 20 times as many ends there, flagged ``warmup_undetermined``.
        horizon: model time per replica after warm-up, to about the same accuracy. Averages and counts over [0, t] from the
            initial state, without any warm-up: `jaxq.paths` with ``totals``.
        warmup: "auto" (paired windows and extrapolation), "mser5", or a number of events per replica.
        precision: target relative half-width of the primary metrics (default 0.01 if nothing else ends the run).
        metric: further targets, ``name``, ``name:0.01`` or ``name:0.001abs``.
        max_events: total events, over all replicas and points and warm-up included, that a run may take.
        time_limit: wall-clock seconds, compiling included, after which the run stops; the launch that is under way, about
            a quarter of a second or a block, ends first.
        level: confidence level of the intervals.
        seed: whole number, or a key of ``jax.random`` (``jax.random.key(7)`` is 7); with the same seed and replicas a run
            gives the same numbers.
        devices: how many devices to use (default: all).
        batch: replicas per launch (default: all), to bound the memory of a very large run.
        control: "none", or what narrows the intervals of a jump process for the same run (`jaxq.engine.controls`):
            "generator" (counts of the state and their products), "linear" (counts).
        quantiles: quantities to keep histograms of: ``name`` or ``name:0.5,0.99``.
        service_level: thresholds of quantities, in their unit, ``name:20,30``: the share of the values that are at most so
            large, from a histogram as ``quantiles`` are.
        checkpoint: an .npz file that the run is saved to now and then and at its end, and resumed from if it exists.
        checkpoint_every: seconds between two saves.
        replica_range: ``(a, b)`` or "a:b": run only replicas a to b - 1, a part of a run whose parts are put together by
            `jaxq.merge`. All parts must be as long, so it needs ``events``, a number for ``warmup`` and a ``checkpoint``.
    """

    replicas: int | None = None
    events: int | None = None
    horizon: float | None = None
    warmup: str | int = "auto"
    precision: float | None = None
    metric: tuple[str, ...] = ()
    max_events: int = DEFAULT_MAX_EVENTS
    time_limit: float | None = None
    level: float = 0.95
    seed: int = 0
    devices: int | None = None
    batch: int | None = None
    quantiles: tuple[str, ...] = ()
    service_level: tuple[str, ...] = ()
    control: str = "none"
    checkpoint: str | None = None
    checkpoint_every: float = 60.0
    replica_range: tuple[int, int] | None = None

    def __new__(cls, **given):
        refuse_unknown(given, OPTIONS, "a run", "option")
        return super().__new__(cls)

    def __post_init__(self):
        object.__setattr__(self, "seed", whole_seed(self.seed))
        for name in NUMBERS:
            object.__setattr__(self, name, host_numbers(off_device(getattr(self, name))))
        for name in ("replicas", "events", "max_events", "devices", "batch"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, integer(name, value, 1, MOST_EVENTS))
        for name in ("horizon", "precision", "time_limit", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None:
                positive(name, value, MOST)
        probability("level", self.level)
        if isinstance(self.warmup, str) and self.warmup not in ("auto", "mser5"):
            object.__setattr__(self, "warmup", _warmup_number(self.warmup))
        if not isinstance(self.warmup, str) and not (is_number(self.warmup) and within(self.warmup, 0, MOST_EVENTS)):
            raise FieldError("warmup", self.warmup, "must be auto, mser5 or a number of events >= 0 and < 2**63")
        key_data(self.seed)
        one_of("control", self.control, CONTROLS)
        for name in ("metric", *COUNTED):
            value = getattr(self, name)
            value = (value,) if isinstance(value, str) else value
            if not (isinstance(value, (list, tuple)) and all(isinstance(x, str) for x in value)):
                raise FieldError(name, value, "must be a text or a list of texts")
            object.__setattr__(self, name, tuple(value))
        names = [target.metric for target in map(Target.parse, self.metric)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise FieldError(
                "metric", ", ".join(self.metric), f"must name each metric once, and {twice} is there twice"
            )
        targets = self.targets(())
        if self.precision is None and not targets and self.events is None and self.horizon is None:
            object.__setattr__(self, "precision", DEFAULT_PRECISION)
        if self.wants_precision and self.replicas is not None and self.replicas < 30:
            raise FieldError("replicas", self.replicas, "a precision stop needs at least 30 (or give events)")
        self.counted()
        if self.replica_range is not None:
            self._check_part()
        for name in ("max_events", "checkpoint_every"):
            if getattr(self, name) is None:
                raise FieldError(name, None, "must be a number > 0")
        if self.checkpoint is not None:
            if not str(self.checkpoint).endswith(".npz"):
                raise FieldError("checkpoint", self.checkpoint, "must be a file; its name must end in .npz")
            if team().first:  # the others have no file
                check_path("checkpoint", self.checkpoint, (".npz",))
            object.__setattr__(self, "checkpoint", str(self.checkpoint))

    @property
    def first_replica(self) -> int:
        """The number of the first replica."""
        return 0 if self.replica_range is None else self.replica_range[0]

    def _check_part(self) -> None:
        """Set the replicas of a part; FieldError where parts could not be put together."""
        first, end = _range(self.replica_range)
        object.__setattr__(self, "replica_range", (first, end))
        shown = f"{first}:{end}"
        if end - first < LEAST_PART:
            raise FieldError("replica_range", shown, f"a part must have {LEAST_PART} replicas or more")
        if self.replicas not in (None, end - first):
            raise FieldError("replicas", self.replicas, f"replica_range = {shown} says how many; must not be given")
        object.__setattr__(self, "replicas", end - first)
        if self.events is None or isinstance(self.warmup, str):
            raise FieldError(
                "replica_range", shown, "needs events and a number for warmup, so that all parts are as long"
            )
        if self.checkpoint is None:
            raise FieldError("replica_range", shown, "needs a checkpoint, the file that is merged with the other parts")
        for name in ("horizon", "precision", "metric"):
            if getattr(self, name):
                raise FieldError("replica_range", shown, f"a part has no {name}; ask for it of the whole, once merged")
        if self.control != "none":
            raise FieldError("replica_range", shown, "a part has no control: how many there are goes by all replicas")

    @property
    def wants_precision(self) -> bool:
        """Whether the run ends when its intervals are narrow enough."""
        return self.precision is not None or bool(self.metric)

    def targets(self, primary: tuple[str, ...]) -> list[Target]:
        """The targets over the primary metrics and those added by ``metric``, with their sizes."""
        added = {t.metric: t for t in map(Target.parse, self.metric)}
        base = {} if self.precision is None else {name: Target(name, self.precision) for name in primary}
        for name, target in added.items():
            base[name] = target if target.size else Target(name, self.precision or DEFAULT_PRECISION)
        return list(base.values())

    def quantile_probabilities(self) -> dict[str, tuple[float, ...]]:
        """Probabilities wanted by quantity, all that any text asks for."""
        rule = "must be name or name:p,p,... with probabilities > 0 and < 1"
        return self._numbers("quantiles", PROBABILITIES, lambda p: 0 < p < 1, rule)

    def thresholds(self) -> dict[str, tuple[float, ...]]:
        """Thresholds of the service levels wanted by quantity, in its unit, all that any text asks for."""
        return self._numbers(
            "service_level", (), math.isfinite, "must be name:x,x,... with thresholds that are numbers"
        )

    def counted(self) -> tuple[str, ...]:
        """The quantities that a histogram is kept of."""
        return tuple(dict.fromkeys([*self.quantile_probabilities(), *self.thresholds()]))

    def _numbers(
        self, option: str, default: tuple[float, ...], allowed: Callable[[float], bool], rule: str
    ) -> dict[str, tuple[float, ...]]:
        """The numbers of all texts ``name:x,x,...`` of an option, by name."""
        wanted: dict[str, tuple[float, ...]] = {}
        for text in getattr(self, option):
            name, _, values = text.partition(":")
            try:
                asked = tuple(float(f"{float(x):.12g}") for x in values.split(",")) if values else default
            except ValueError:
                asked = ()
            if not asked or not all(map(allowed, asked)):
                raise FieldError(option, text, rule)
            wanted[name] = tuple(dict.fromkeys([*wanted.get(name, ()), *asked]))
            if len(wanted[name]) > MOST_ASKED:
                raise FieldError(option, f"{len(wanted[name])} of {name}", f"must be at most {MOST_ASKED}")
        return wanted

    def to_dict(self) -> dict[str, Any]:
        """The options by name."""
        return dataclasses.asdict(self)


OPTIONS = tuple(field.name for field in dataclasses.fields(Options))
"""The names of the options of a run."""


def _warmup_number(text: str):
    try:
        return float(text)
    except ValueError:
        raise FieldError("warmup", text, "must be auto, mser5 or a number of events >= 0") from None


def _range(value: Any) -> tuple[int, int]:
    """``(a, b)`` of a pair or of "a:b", 0 <= a < b < 2**31."""
    parts = value.split(":") if isinstance(value, str) else value
    try:
        first, end = (int(x) if isinstance(x, str) else integer("replica_range", x, 0, MOST_REPLICA) for x in parts)
    except (TypeError, ValueError):
        first, end = 0, 0
    if not 0 <= first < end <= MOST_REPLICA:
        raise FieldError("replica_range", value, "must be a:b, whole numbers with 0 <= a < b <= 2**31, b not included")
    return first, end
