"""How fast queues grow, with an interval: the verdict on stability that a simulation can give."""

import dataclasses
from typing import Any

import numpy as np

from jaxq.checks import integer, positive
from jaxq.engine.paths import paths
from jaxq.stats.estimate import Estimate
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers

LEVEL = 0.95
MOST_EVENTS = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Growth:
    """Customers a unit of time that the queues gain over the second half of a run from the initial state.

    ``total``: of all queues; ``queues``: by class. Each is a mean over replicas of one difference, an `Estimate`.
    """

    total: Estimate
    queues: dict[str, Estimate]
    horizon: float
    replicas: int
    flags: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        width = {name: q.half_width(LEVEL) for name, q in self.queues.items()}
        return {
            "total_queue": {"slope": self.total.value, "half_width": self.total.half_width(LEVEL), "level": LEVEL},
            **{
                f"queue_{n}": {"slope": q.value, "half_width": width[n], "level": LEVEL} for n, q in self.queues.items()
            },
            "horizon": self.horizon,
            "replicas": self.replicas,
            "flags": list(self.flags),
        }


def growth(system: ParallelServers | StaffingDiffusion, horizon: float, replicas: int = 256, seed: int = 0) -> Growth:
    """The slope of the queues between half the horizon and its end.

    A stable system has slope 0 once half the horizon is long enough to forget the start; one with theta^n < 0 grows at its
    predicted rate once all queues are there.

    Args:
        system: a network under a policy, or its diffusion; need not be stable.
        horizon: model time, > 0.
        replicas: independent runs, 2 or more.
        seed: of the run.

    Raises:
        ValueError: an argument is not allowed.
    """
    horizon, replicas = positive("horizon", horizon), integer("replicas", replicas, 2)
    found = paths(
        system,
        [horizon / 2, horizon],
        replicas=replicas,
        seed=seed,
        keep_paths=replicas,
        max_events=MOST_EVENTS,
    )
    gains = {
        name: np.diff(np.asarray(found.paths[f"queue_{name}"], np.float64), axis=1)[:, 0] / (horizon / 2)
        for name in system.network.classes
    }
    total = Estimate.of(np.sum(list(gains.values()), axis=0))
    return Growth(total, {n: Estimate.of(g) for n, g in gains.items()}, horizon, replicas, found.flags)
