"""Solvers of `jaxq.fluid.rest_point`'s equations side by side: ours, and Newton's method of optimistix.

``python benchmarks/roots.py``: rest points of 150 random overloaded 3 x 3 networks under priorities, smoothing layers 1e-3
and 1e-6; a solution counts if the slope left is under 1e-6 of the arrivals and nothing is negative. Needs optimistix.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix

from jaxq.fluid.rest_point import rest_point
from jaxq.systems.parallel_servers import fluid

NETWORKS, LAYERS = 150, (1e-3, 1e-6)


def newton(slope, start, first_step):
    """The root by `optimistix.Newton`, from the same start."""
    solver = optimistix.Newton(rtol=1e-10, atol=1e-10)
    return optimistix.root_find(lambda x, _: slope(x), solver, start, max_steps=300, throw=False).value


def failures() -> int:
    """How many rest points are not found."""
    missed = 0
    for seed in range(NETWORKS):
        rng = np.random.default_rng(seed)
        services, servers = rng.uniform(0.5, 4, (3, 3)), rng.integers(5, 60, 3).astype(float)
        arrivals = rng.uniform(0.2, 1.5) * rng.dirichlet(np.ones(3)) * (services.mean(0) @ servers) * 1.5
        order = tuple(rng.permutation(3).tolist())
        network = fluid.class_queues(jnp.asarray(arrivals), services, servers, rng.uniform(0.2, 3, 3), order)
        for layer in LAYERS:
            queues, busy = fluid.rest(network, layer)
            left = fluid.slope(network, queues, busy[network.of_class, network.of_pool], layer)
            worst = max(float(jnp.max(jnp.abs(x))) for x in left)
            missed += not (worst < 1e-6 * arrivals.sum() and min(float(queues.min()), float(busy.min())) > -1e-3)
    return missed


if __name__ == "__main__":
    with jax.enable_x64(True):
        for name, solver in (("ours", rest_point), ("optimistix.Newton", newton)):
            fluid.rest_point = solver
            jax.clear_caches()
            print(f"{name}: {failures()} of {NETWORKS * len(LAYERS)} not found", flush=True)
