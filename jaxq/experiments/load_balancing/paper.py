"""What the experiments of the paper share."""

import math

from jaxq.engine.result import Result
from jaxq.experiments.experiment import Point
from jaxq.stats.estimate import Estimate
from jaxq.systems.load_balancing.speeds import Speeds

PAPER = "Bhambay, Bueke and Mukhopadhyay, Asymptotic Optimality of the Speed-Aware JSQ"
REPLICAS = 256
"""On any machine, so that a seed gives the same figure."""
RATES, FRACTIONS = (2.5, 0.625), (0.2, 0.8)
SPEEDS = Speeds(RATES, FRACTIONS)
"""Of Figures 3.1 and 3.2: M = 2, capacity n."""


def of_estimate(estimate: Estimate, result: Result, where: dict, name: str, value: float) -> Point:
    """A number derived from a result, judged against ``value``."""
    level = result.run["level"]
    width = estimate.half_width(level) if math.isfinite(estimate.standard_error) else None
    row = {"mean": estimate.value, "half_width": width, "level": level}
    return Point.of_difference(row, where, name, value)
