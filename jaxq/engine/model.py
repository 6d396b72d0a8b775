"""What a user holds: the fields of a queueing system, what is reported of it, and what is known of it."""

from abc import abstractmethod
from typing import Any, ClassVar

from jaxq.engine.objective import Objective, Search
from jaxq.engine.process import Process
from jaxq.engine.quantity import Quantity
from jaxq.engine.record import Record
from jaxq.engine.reference import Reference, Statement, Tail
from jaxq.engine.stationarity import Stationarity
from jaxq.engine.sums import Sums


class Model(Record):
    """A queueing system as it is asked for: `process` makes the `Process` that is simulated, `metrics` what is reported.

    Declare the fields. A system that is simple enough is model and process in one: `System`, `JumpProcess`.
    """

    metric_table: ClassVar[tuple[Quantity, ...]] = ()
    """What the metrics are, their units, and which are primary; one that has no row has neither."""

    @abstractmethod
    def process(self) -> Process:
        """The process that the compiled loop steps, with constants derived on the host in float64."""

    def metrics(self, sums: Sums) -> dict[str, Any]:
        """What is reported, written with + - * / on `Sums`; intervals follow by linearisation.

        The default: every observation averaged over time, every tally over events, every counter per unit of time; those of
        `metric_table` first, in its order.
        """
        found = {
            **{name: sums[name] / sums.time for name in sums.observed},
            **{name: sums[name] / sums.events for name in sums.tallied},
            **{name: sums[name] / sums.time for name in sums.counted},
        }
        first = [row.name for row in self.metric_table if row.name in found]
        return {name: found[name] for name in dict.fromkeys([*first, *found])}

    def oracle(self) -> dict[str, Reference | float]:
        """Values to compare metrics with, by metric name; a bare number counts as exact."""
        return {}

    def tails(self) -> dict[str, Tail]:
        """Exact laws of quantities, by name: ``x -> P(X > x)`` for every x, in float64. What is asked of their histograms
        (``quantiles``, ``service_level``) is compared with them."""
        return {}

    def theory(self) -> dict[str, Statement]:
        """What else is known of the system without simulating it, by name: thresholds, equilibria, conditions."""
        return {}

    def objectives(self) -> dict[str, Objective | Search]:
        """What `jaxq.tune` can make small (or large), by name; the first `Objective`, or `Search`, is the default."""
        return {}

    def stationarity(self) -> Stationarity:
        """What formulas say of the stationary regime; the default: nothing against it."""
        return Stationarity()

    def _mean_by(self, rate: str) -> str:
        """The mean that observed values are scaled to, written by the field that is their rate."""
        return f"1/{rate}"
