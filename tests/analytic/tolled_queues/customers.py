"""A plain simulation of one server with a toll, as a witness."""

import numpy as np


def simulated(rates, rewards, costs, mu, toll, sizes, exponential, seed, replicas=4000, customers=1500):
    """Joining probability of each class and welfare per unit of time, each (mean, standard error)."""
    rng = np.random.default_rng(seed)
    rates, rewards, costs, sizes = map(np.asarray, (rates, rewards, costs, sizes))
    work = np.zeros(replicas)
    joins, came = np.zeros((rates.size, replicas)), np.zeros((rates.size, replicas))
    gained = np.zeros(replicas)
    rows = np.arange(replicas)
    for n in range(2 * customers):
        kind = rng.choice(rates.size, p=rates / rates.sum(), size=replicas)
        own = sizes[kind]
        join = rewards[kind] - toll - costs[kind] * (work + own) / mu >= -1e-9
        size = own * rng.exponential(size=replicas) if exponential else own
        if n >= customers:
            came[kind, rows] += 1
            joins[kind, rows] += join
            gained += join * (rewards[kind] - costs[kind] * (work + size) / mu)
        work = np.maximum(work + join * size - mu * rng.exponential(1 / rates.sum(), replicas), 0)
    ratio = joins.sum(axis=1) / came.sum(axis=1)
    errors = (joins - ratio[:, None] * came).std(axis=1) / np.sqrt(replicas) / came.mean(axis=1)
    scale = rates.sum() / customers
    return ratio, errors, gained.mean() * scale, gained.std() / np.sqrt(replicas) * scale
