"""One metric of a result: mean, interval, oracle and z."""

import dataclasses
import math
from typing import Any

from jaxq.engine.plain import finite
from jaxq.engine.reference import Reference
from jaxq.stats.estimate import Estimate


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric: mean, half-width at ``level``, oracle with its kind, z; ``mean`` is None where it is withheld, ``unit``
    where the system names none.

    ``upper``: where what the metric counts was never seen, mean 0 has no half-width; instead it is under ``upper`` with a
    probability of 95 %, if occurrences are independent (the rule of three). A ratio to it has no mean, and no bound.
    """

    mean: float | None
    half_width: float | None
    level: float
    standard_error: float | None = None
    oracle: float | None = None
    kind: str | None = None
    z: float | None = None
    quantiles: dict[str, dict[str, float | None]] | None = None
    upper: float | None = None
    unit: str | None = None

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        level: float,
        reference=None,
        quantiles=None,
        withheld=False,
        upper: float | None = None,
        unit: str | None = None,
    ) -> "Metric":
        """A metric from its estimate and reference; z only against ``exact`` and ``identity`` references."""
        reference = None if reference is None else as_reference(reference)
        error, z = estimate.standard_error, None
        keep = not withheld and math.isfinite(estimate.value)
        if reference is not None and reference.kind in ("exact", "identity") and keep:
            z = standardised(estimate, reference)
        return cls(
            estimate.value if keep else None,
            finite(estimate.half_width(level)) if keep and upper is None else None,
            level,
            finite(error) if keep else None,
            None if reference is None else finite(reference.value),
            None if reference is None else reference.kind,
            None if z is None else finite(z),
            None if withheld else quantiles,
            upper if keep or (upper == math.inf and not withheld) else None,
            unit,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values without the entries that are absent; ``mean`` and ``half_width`` are always there."""
        values = {k: None if v == math.inf else v for k, v in dataclasses.asdict(self).items()}
        return {k: v for k, v in values.items() if v is not None or k in ("mean", "half_width")}


ROUNDING = 2.0**-23
"""What the float32 parameters of the compiled loop may move a metric by, as a share of it."""


def standardised(estimate: Estimate, reference: Reference) -> float | None:
    """The difference in standard errors; in units of rounding where that is larger. None without an interval.

    Of what was hardly seen, or never: the root of how many occurrences the difference is, their number being Poisson, if
    each lasts a correlation time of the run.
    """
    difference, error = estimate.value - reference.value, estimate.standard_error
    if not math.isfinite(error):
        return None
    size = max(abs(estimate.value), abs(reference.value))
    hardly = math.sqrt(estimate.episode * abs(difference))
    spread = max(math.hypot(error, reference.error), estimate.rounding, ROUNDING * size, hardly)
    return difference / spread if spread else 0.0  # both are under the least number of floating point


def as_reference(x) -> Reference:
    """A bare number counts as an exact reference."""
    return x if isinstance(x, Reference) else Reference(float(x))
