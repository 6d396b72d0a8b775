"""What is asked of the distribution of a quantity, quantiles and service levels, beside its exact law."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from jaxq.engine.metric import standardised
from jaxq.engine.plain import finite
from jaxq.engine.reference import Reference, Tail
from jaxq.stats.distribution import SLACK, Distribution, counts_to
from jaxq.stats.estimate import Estimate

LEAST_GROUPS = 30
"""Groups of replicas from which a difference is judged."""
CURVE = 1024
"""Points of an exact law at most."""
ROUNDING = 1e-12
ATOM = 1e-5
"""Of an exact law, what lies between a threshold and the last number that counts as at most it: from here on a probability
of its own and no density."""
Row = dict[str, float | None]
"""A value, the ends of its interval and half its length; where the law is known the exact value and z."""


@dataclasses.dataclass(frozen=True)
class Law:
    """What a run has seen of a quantity, and what is known of it; nothing is told of what is ``withheld``."""

    seen: Distribution
    tail: Tail | None
    level: float
    withheld: bool = False

    def quantiles(self, probabilities: Sequence[float]) -> dict[str, Row]:
        """Quantiles by probability."""
        return {f"{p:.12g}": self._quantile(p) for p in probabilities}

    def service_levels(self, thresholds: Sequence[float]) -> dict[str, Row]:
        """P(X <= x) by threshold x, in [0, 1] with the ends of its interval."""
        return {f"{x:.12g}": self._service_level(x) for x in thresholds}

    def histogram(self) -> dict[str, list]:
        """The pooled distribution as plain lists, by bin; ``exact``, where the law is known, is P(X <= right), of every bin
        or of enough to draw a curve through."""
        counts = self.seen.counts.sum(axis=0)
        apart = -(-counts.size // CURVE)
        known = {}
        if self.tail is not None:
            right = enumerate(self.seen.right.tolist())
            known = {"exact": [None if k % apart else 1 - float(self.tail(x)) for k, x in right]}
        return {
            "left": [finite(x) for x in self.seen.left],
            "right": [finite(x) for x in self.seen.right],
            "probability": (counts / counts.sum()).tolist(),
            **known,
        }

    def _quantile(self, p: float) -> Row:
        value, low, high = (math.nan,) * 3 if self.withheld else self.seen.quantile(p, self.level)
        row = _row(value, low, high, (high - low) / 2)
        if self.tail is None:
            return row
        exact = quantile(self.tail, p, self.seen.whole)
        if not math.isfinite(exact) or not self._judged:
            return row | {"oracle": finite(exact), "z": None}
        end, found = self.seen.below_end(exact)
        near, far = ((1 - float(self.tail(x))) for x in (end - SLACK * abs(end), counts_to(end, self.seen.whole)))
        apart = 0.0 if self.seen.whole or end <= counts_to(exact) else far - near  # what is at the end is in either bin
        return row | {"oracle": finite(exact), "z": self._z(found, far, apart)}

    def _service_level(self, threshold: float) -> Row:
        nothing = self.withheld or self.seen.empty
        value, width = (math.nan, math.nan) if nothing else self.seen.probability_below(threshold, self.level)
        low, high = np.clip([value - width, value + width], 0.0, 1.0)
        row = _row(value, low, high, width)
        if self.tail is None:
            return row
        exact, counted = (1 - float(self.tail(x)) for x in (threshold, counts_to(threshold, self.seen.whole)))
        if counted - exact > ATOM:
            exact = counted
        z = self._z(self.seen.below(threshold), exact, counted - exact) if self._judged else None
        return row | {"oracle": finite(exact), "z": z}

    @property
    def _judged(self) -> bool:
        """Whether enough was seen to be compared."""
        return not (self.withheld or self.seen.empty) and len(self.seen.counts) >= LEAST_GROUPS

    def _z(self, found: Estimate, exact: float, rounding: float) -> float | None:
        error, share = found.standard_error, found.value * (1 - found.value)
        if not (error > 0 or found.episode):
            return None  # one value was seen and no other
        # where less of a tail was seen than there is, its error looks small too: the same share of the exact probability
        scaled = error * max(exact * (1 - exact), 0.0) / share if share > 0 else 0.0
        z = standardised(dataclasses.replace(found, rounding=max(scaled, rounding)), Reference(exact))
        return None if z is None else finite(z)


def quantile(tail: Tail, probability: float, whole: bool = False) -> float:
    """The smallest x with ``P(X > x) <= 1 - probability``, by bisection to the last digit; of whole numbers if ``whole``.

    Args:
        tail: ``x -> P(X > x)``, not increasing, continuous from the right.
        probability: of the values up to the quantile, in (0, 1).
    """
    least = (1 - probability) * (1 + ROUNDING)
    if tail(0.0) <= least < tail(math.nextafter(0.0, -1.0)):
        return 0.0
    low, high = (-1.0, 0.0) if tail(0.0) <= least else (0.0, 1.0)
    while tail(high) > least and high < math.inf:
        low, high = high, 2 * high
    while tail(low) <= least and low > -math.inf:
        low, high = 2 * low, low
    if not math.isfinite(high - low):
        return high
    nearest = 1.0 if whole else 0.0
    while high - low > max(nearest, ROUNDING * max(abs(low), abs(high))):
        middle = math.floor((low + high) / 2) if whole else (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if tail(middle) <= least else (middle, high)
    return high


def _row(value: float, low: float, high: float, half_width: float) -> Row:
    return {key: finite(x) for key, x in {"value": value, "half_width": half_width, "low": low, "high": high}.items()}
