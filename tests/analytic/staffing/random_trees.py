"""Random critically loaded trees with second-order terms."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Instance(NamedTuple):
    """A regime. Rates within a factor of 4 and paths of at most 9 edges: all ways lose at most three digits."""

    service_rates: NDArray
    arrival_rates: NDArray
    servers: NDArray
    shares: NDArray
    second_order_arrivals: NDArray
    second_order_services: NDArray
    staffing: NDArray
    weights: NDArray


def random_tree(rng: np.random.Generator, most: int = 5) -> Instance:
    """A tree of up to ``most`` classes and pools each: nodes are hung one by one from a random one of the other kind."""
    classes, pools = (int(k) for k in rng.integers(1, most + 1, 2))
    mu, waiting = np.zeros((classes, pools)), [*range(1, classes), *range(classes, classes + pools - 1)]
    mu[0, 0] = rng.uniform(0.5, 2)
    rng.shuffle(waiting)
    hung = [[0], [0]]
    for k in waiting:
        i, j = (k, rng.choice(hung[1])) if k < classes else (rng.choice(hung[0]), k - classes + 1)
        hung[k >= classes].append(i if k < classes else j)
        mu[i, j] = rng.uniform(0.5, 2)
    shares = np.where(mu > 0, rng.uniform(0.1, 1, mu.shape), 0)
    shares /= shares.sum(axis=0)
    servers = rng.uniform(0.3, 1.5, pools)
    weights = rng.uniform(0.1, 1, classes)
    return Instance(
        mu,
        (mu * shares * servers).sum(axis=1),
        servers,
        shares,
        rng.normal(size=classes),
        np.where(mu > 0, rng.normal(size=mu.shape), 0),
        rng.normal(size=pools),
        weights / weights.sum(),
    )


def random_targets(rng: np.random.Generator) -> tuple[list[tuple[int, int]], NDArray]:
    """Edges of a small random tree, and one or two servers of its pool kept for its class on each, shape (I, J)."""
    served = random_tree(rng, 3).service_rates > 0
    return list(map(tuple, np.argwhere(served).tolist())), np.where(served, rng.integers(1, 3, served.shape), 0)
