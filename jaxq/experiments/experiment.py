"""What an experiment of a paper is: how it runs, what it finds, how that is drawn."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

from jaxq.engine.metric import Metric
from jaxq.engine.progress import Meter, Silent
from jaxq.engine.result import Result, Results
from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import family_bound

ROUNDING = 1e-9
"""Share of a reference below which a difference of values without error is none."""


@dataclasses.dataclass
class Run:
    """How an experiment is run. ``quick`` asks for a coarse version that takes seconds; after Ctrl-C nothing more runs."""

    seed: int = 0
    quick: bool = False
    meter: Meter = dataclasses.field(default_factory=Silent)
    show: Callable[[str], None] = lambda text: None
    interrupted: bool = False

    def results(self, verb: Callable[..., Result | Results], *args: Any, **options: Any) -> Results:
        """What `jaxq.simulate`, `sweep` or `compare` returns, with this seed and meter; empty after Ctrl-C."""
        if self.interrupted:
            return Results()
        try:
            found = verb(*args, seed=self.seed, meter=self.meter, **options)
            found = Results([found]) if isinstance(found, Result) else found
        except KeyboardInterrupt:
            found = Results()
            self.interrupted = True
        self.interrupted |= "unfinished" in found.flags
        return found

    def result(self, verb: Callable[..., Result | Results], *args: Any, **options: Any) -> Result | None:
        """The first of `results`; None after Ctrl-C."""
        return next(iter(self.results(verb, *args, **options)), None)

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """Inside, where nothing is simulated, Ctrl-C ends the block and what it made so far is kept."""
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            self.meter.close()


@dataclasses.dataclass(frozen=True)
class Point:
    """A simulated value next to the analytic one that is claimed of it; ``where`` says of which system.

    ``relation``: the claim is that the mean equals the value (judged on both sides), is at most, or at least it.
    """

    where: dict[str, Any]
    name: str
    metric: Metric
    flags: tuple[str, ...] = ()
    relation: str = "equals"

    @classmethod
    def of(cls, result: Result, where: dict[str, Any], name: str, value: float, relation: str = "equals") -> "Point":
        """A metric of a result, judged against ``value`` instead of the system's own oracle."""
        metric, z = result[name], None
        if metric.mean is not None and (metric.standard_error or 0.0) > ROUNDING * abs(value):
            z = (metric.mean - value) / (metric.standard_error or 1.0)
        kind = "exact" if relation == "equals" else "bound"
        return cls(where, name, dataclasses.replace(metric, oracle=value, kind=kind, z=z), result.flags, relation)

    @classmethod
    def of_difference(
        cls,
        difference: dict[str, Any],
        where: dict[str, Any],
        name: str,
        value: float,
        relation: str = "equals",
        *,
        sign: int = 1,
    ) -> "Point":
        """A row of `Results.differences`, times ``sign``, judged against ``value``."""
        mean, half_width, level = difference["mean"], difference["half_width"], difference["level"]
        error = None if half_width is None else half_width / family_bound(1, level)
        z = None if mean is None or not error else (sign * mean - value) / error
        kind = "exact" if relation == "equals" else "bound"
        mean = None if mean is None else sign * mean
        return cls(where, name, Metric(mean, half_width, level, error, value, kind, z), (), relation)

    @classmethod
    def of_estimate(
        cls,
        estimate: Estimate,
        result: Result,
        where: dict[str, Any],
        name: str,
        value: float,
    ) -> "Point":
        """A number derived from the estimates of a result, judged against ``value``."""
        level = result.run["level"]
        width = estimate.half_width(level) if math.isfinite(estimate.standard_error) else None
        row = {"mean": estimate.value, "half_width": width, "level": level}
        return cls.of_difference(row, where, name, value)

    @property
    def excess(self) -> float | None:
        """Standard errors against the claim: |z| for equality, z signed towards its violation for a bound; or None."""
        z = self.metric.z
        return None if z is None else {"equals": abs(z), "at most": z, "at least": -z}[self.relation]

    @property
    def differs(self) -> bool:
        """Whether a value without error breaks the claim; any other is judged by its z."""
        mean, value = self.metric.mean, self.metric.oracle or 0.0
        if self.metric.z is not None or mean is None:
            return False
        off = {"equals": abs(mean - value), "at most": mean - value, "at least": value - mean}[self.relation]
        return off > ROUNDING * max(1.0, abs(value))

    def row(self) -> dict[str, Any]:
        """The point for a table or CSV."""
        m = self.metric
        values = {"mean": m.mean, "half_width": m.half_width, "level": m.level}
        claim = {"relation": self.relation, "analytic": m.oracle, "z": m.z}
        return {**self.where, "metric": self.name, **values, **claim, "flags": " ".join(self.flags)}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        tables: rows by the stem of the CSV file they are written to.
        points: simulated values and what they are judged against.
        results: the runs behind them, for their flags.
        published: rows with numbers that the paper prints (``paper``) next to ours (``here``); shown, not judged.
        tested: what the points without a z test, in words that say how often; empty: nothing more than their number.
    """

    tables: dict[str, list[dict[str, Any]]]
    points: list[Point] = dataclasses.field(default_factory=list)
    results: Results = dataclasses.field(default_factory=Results)
    published: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    tested: str = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A figure or table of a paper; ``name`` is ``system/figure``. ``draw`` makes a matplotlib Figure; None: a table."""

    name: str
    title: str
    source: str
    compute: Callable[[Run], Findings]
    draw: Callable[[Findings], Any] | None = None

    @property
    def paper(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def stem(self) -> str:
        """The second part of the name, which its files have."""
        return self.name.partition("/")[2]
