import math

import pytest

from jaxq.analytic.token_pool.modes import one_server, pool_queue_estimate, pool_queue_of_modes
from jaxq.analytic.token_pool.pool_queue import policy_pool_queue
from jaxq.analytic.token_pool.server_chain import best_response


@pytest.mark.parametrize(
    ("servers", "rho", "phi"), [(1, 0.8, 0.3), (3, 0.8, 0.3), (2, 0.5, 0.05), (5, 0.8, 0.6), (4, 0.9, 0.8)]
)
def test_all_products_give_the_chain_of_all_phases(servers: int, rho: float, phi: float) -> None:
    policy = best_response(rho, phi)
    expected = policy_pool_queue(servers, rho, *policy)
    assert pool_queue_of_modes(servers, one_server(rho, *policy), servers) == pytest.approx(expected, rel=1e-9)
    assert pool_queue_estimate(servers, rho, *policy, order=servers) == (pytest.approx(expected, rel=1e-9), 0.0)


@pytest.mark.parametrize("phi", [0.3, 0.6])
def test_no_modes_are_poisson_streams(phi: float) -> None:
    # M/M/1 with the rates of requests and offers, whose ratio is phi
    server = one_server(0.8, *best_response(0.8, phi))
    assert pool_queue_of_modes(40, server, 0) == pytest.approx(phi / (1 - phi), rel=1e-12)


@pytest.mark.slow
def test_higher_orders_come_near_and_the_error_is_of_their_size() -> None:
    policy = best_response(0.8, 0.3)
    exact = policy_pool_queue(6, 0.8, *policy)
    found = [pool_queue_estimate(6, 0.8, *policy, order=order) for order in range(1, 6)]
    misses = [abs(value - exact) for value, _ in found]
    assert misses == sorted(misses, reverse=True) and misses[-1] < 1e-7 * exact
    assert found[0][1] == math.inf
    assert all(miss < error for miss, (_, error) in zip(misses, found, strict=True))


def test_size_does_not_grow_with_the_servers() -> None:
    policy = best_response(0.8, 0.7)
    assert policy_pool_queue(100, 0.8, *policy) == pytest.approx(
        pool_queue_estimate(100, 0.8, *policy, order=5)[0], rel=1e-6
    )
    # many servers tend to Poisson streams, like 1 / N
    excess = [pool_queue_estimate(n, 0.8, *policy, order=4)[0] - 0.7 / 0.3 for n in (10**4, 2 * 10**4)]
    assert excess[0] / excess[1] == pytest.approx(2, rel=1e-3)
