"""What a user holds: the fields of a queueing system, what is reported of it, and what is known of it."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxq.engine.objective import Objective, Search
from jaxq.engine.process import Process
from jaxq.engine.quantity import Quantity
from jaxq.engine.record import Record
from jaxq.engine.reference import Reference, Statement
from jaxq.engine.sums import Sums


class Model(Record):
    """A queueing system as it is asked for: `process` makes the `Process` that is simulated, `metrics` what is reported.

    Declare the fields. A system that is simple enough is model and process in one: `System`, `JumpProcess`.
    """

    headline: ClassVar[tuple[str, ...]] = ()
    """Metrics the precision stop applies to; empty: every metric."""
    metric_table: ClassVar[tuple[Quantity, ...]] = ()
    """What the metrics are and their units; one that has no row has neither."""
    wandering: ClassVar[tuple[str, ...]] = ()
    """Metrics of what may walk without end and moves nothing else: no run waits for them, and each is a mean over the span
    of the run, not a stationary one."""
    untuned: ClassVar[Mapping[str, str]] = {}
    """Fields that no gradient moves -> why, and what to do instead: the sentence that `jaxq.tune` refuses with."""

    @abstractmethod
    def process(self) -> Process:
        """The process that the compiled loop steps, with constants derived on the host in float64."""

    def metrics(self, sums: Sums) -> dict[str, Any]:
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

    def check_stationary(self) -> None:
        """Raise ValueError if a formula says that there is no stationary regime."""

    def heavy_tail(self) -> str | None:
        """The flag of a run whose laws have so heavy a tail that a stationary mean is infinite (``infinite_mean``), or the
        variance of an average over time (``heavy_tail``); None elsewhere."""
        return None

    def switches(self) -> tuple[float, ...]:
        """Model times, increasing, at which the system changes by itself (rates that switch); means begin after the last."""
        return ()

    def jump_process(self) -> Process:
        """The system as a `MarkovProcess`, for `exact`: what `process` returns, unless it steps in another way. Raises
        ValueError, with the reason, where there is none."""
        return self.process()
