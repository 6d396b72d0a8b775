import math

import numpy as np
import pytest

from jaxq.analytic.token_pool.mean_field_equilibrium import (
    centralised_cost,
    equilibria,
    fluid_cost,
    fluid_queue,
    fluid_rates,
    induced_wait,
    minimum_servers,
)
from jaxq.analytic.token_pool.modes import pool_queue_estimate
from jaxq.analytic.token_pool.pool_queue import policy_pool_queue
from jaxq.analytic.token_pool.server_chain import best_response, centralised_jobs, switching_wait, token_server


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_fluid_curves_are_those_of_one_server_without_cap(rho: float) -> None:
    for phi in (0.02, 0.1, 0.29, rho**3, rho**2, 0.5, 0.64, 0.79, rho, 0.81, 0.95):
        server = token_server(rho, phi, None)
        requests, offers = fluid_rates(rho, phi)
        assert fluid_queue(rho, phi) == pytest.approx(server["own_queue"], rel=1e-11, abs=1e-14)
        assert requests == pytest.approx(server["request_rate"], rel=1e-11)
        assert offers == pytest.approx(server["offer_rate"], rel=1e-11)


def test_fluid_queue_is_the_largest_of_the_lines() -> None:
    for phi in np.linspace(0.01, 0.99, 50):
        lines = [k - switching_wait(0.8, k) * 0.2 / (1 - phi) for k in range(40)]
        assert fluid_queue(0.8, phi) == pytest.approx(max(lines), abs=1e-13)
    assert fluid_queue(0.8, 0.6) == pytest.approx((0.8 + 0.64 - 2 * 0.6) / 0.4)
    assert fluid_queue(0.8, 0.9) == 0.0


@pytest.mark.parametrize(("rho", "phi", "wait"), [(0.8, 0.4, 0.0), (0.8, 0.4, 2.0), (0.8, 0.4, 12.0), (0.6, 0.7, 2.0)])
def test_fluid_cost_is_printed_equation(rho: float, phi: float, wait: float) -> None:
    k = math.floor(math.log(phi) / math.log(rho))
    z, _, _ = best_response(rho, phi, wait)
    if wait < switching_wait(rho, k):
        expected = 0.9 * rho + (sum(rho**i for i in range(1, k + 1)) - k * phi + (1 - rho) * phi * wait) / (1 - phi)
    else:
        law = [rho**i * (1 - rho) / (1 - rho ** (z + 1)) for i in range(z + 1)]
        expected = 0.9 * rho + sum(i * law[i] for i in range(z + 1)) + law[z] * rho * wait
    assert fluid_cost(rho, phi, wait, 0.9) == pytest.approx(expected, rel=1e-12)


def test_planner() -> None:
    assert centralised_cost(1, 0.8, 2.0) == pytest.approx(0.8 / 0.2 + 1.6)
    assert centralised_cost(10, 0.8, 0.0) * 10 == pytest.approx(centralised_jobs(8.0, 10.0))


def test_induced_wait() -> None:
    assert induced_wait(10, 0.8, 0.8, 0.3) == pytest.approx((0.5, 0.5))
    # At w = m(1) = 1 thresholds 0 and 1 are both optimal.
    before, after = induced_wait(10, 0.8, 0.8, switching_wait(0.8, 1))
    assert before == pytest.approx(0.5)
    assert after == pytest.approx(induced_wait(10, 0.8, 0.8, 1.5)[0])
    # At w = m(k), k = 1 for phi = .7, the mixed policy below and the plain threshold above.
    low, high = induced_wait(4, 0.8, 0.7, 1.0)
    assert (low, low) == induced_wait(4, 0.8, 0.7, 0.9)
    assert (high, high) == induced_wait(4, 0.8, 0.7, 1.1)
    assert low == pytest.approx(policy_pool_queue(4, 0.8, 1, 0.06 / 0.16, 1.0) / (4 * fluid_rates(0.8, 0.7)[0]))


@pytest.mark.slow
@pytest.mark.parametrize("servers", [1, 2, 3, 4])
def test_small_markets_do_not_cooperate(servers: int) -> None:
    assert equilibria(servers, 0.8, 0.8) == ([], math.inf)


@pytest.mark.slow
def test_ten_servers_have_several_equilibria() -> None:
    found, complete_to = equilibria(10, 0.8, 0.8)
    pure = [equilibrium for equilibrium in found if equilibrium.mix == 0]
    mixed = [equilibrium for equilibrium in found if equilibrium.mix > 0]
    assert [round(equilibrium.wait, 2) for equilibrium in pure] == [0.5, 1.97, 4.49, 8.18]
    assert [equilibrium.wait for equilibrium in mixed] == [switching_wait(0.8, z) for z in (1, 2, 3)]
    # Threshold 4 has 1001 phases: the mixed equilibrium at m(4) is not looked for.
    assert complete_to == switching_wait(0.8, 4)
    for equilibrium in pure:
        assert induced_wait(10, 0.8, 0.8, equilibrium.wait) == pytest.approx((equilibrium.wait, equilibrium.wait))
        assert best_response(0.8, 0.8, equilibrium.wait) == pytest.approx(equilibrium[1:4])


@pytest.mark.parametrize(("servers", "phi"), [(6, 0.8), (9, 0.7), (6, 0.6)])
def test_equilibria_are_fixed_points(servers: int, phi: float) -> None:
    found, _ = equilibria(servers, 0.8, phi, phases=60 if phi > 0.6 else 90)
    assert found
    for wait, threshold, mix, offer, pool, error in found:
        assert error == 0
        law = 0.8 ** np.arange(threshold + 1)
        if threshold:
            law[threshold] *= 1 - mix
        law /= law.sum()
        requests = 0.8 * (law[threshold] + (mix * law[threshold - 1] if threshold else 0.0))
        assert requests == pytest.approx(phi * offer * law[0], rel=1e-12)
        assert pool == pytest.approx(policy_pool_queue(servers, 0.8, threshold, mix, offer), rel=1e-12)
        assert wait == pytest.approx(pool / (servers * requests), rel=1e-9)
        below, above = sorted(induced_wait(servers, 0.8, phi, wait))
        assert below * (1 - 1e-9) <= wait <= above * (1 + 1e-9)


def test_the_pool_is_at_least_that_of_poisson_streams() -> None:
    # What the end of the search for equilibria rests on.
    for servers in (1, 2, 6):
        for threshold in (1, 2, 3):
            for mix in (0.0, 0.4, 0.9):
                for phi in (0.3, 0.8, 0.95):
                    offer = 0.5**threshold * (0.5 + 0.5 * mix) / phi
                    if offer <= 1:
                        assert policy_pool_queue(servers, 0.5, threshold, mix, offer) >= phi / (1 - phi)


def test_minimum_servers_of_complete_pooling() -> None:
    for rho, expected in ((0.5, 2), (0.6, 3), (0.7, 4), (0.75, 4), (0.8, 5), (0.9, 10), (0.95, 20), (0.99, 100)):
        assert minimum_servers(rho, rho) == expected
    assert minimum_servers(0.8, 0.9) == 12  # 9 / .8 = 11.25
    assert minimum_servers(0.8, 0.8, wait=0.5) == 10


@pytest.mark.parametrize("phi", [0.6, 0.65, 0.75])
def test_minimum_servers_of_partial_pooling(phi: float) -> None:
    servers = minimum_servers(0.8, phi)
    assert induced_wait(servers, 0.8, phi)[0] <= 1 < induced_wait(servers - 1, 0.8, phi)[0]


@pytest.mark.parametrize(("rho", "phi"), [(0.5, 0.05), (0.6, 0.3), (0.3, 0.02)])
def test_minimum_servers_of_few_tokens_is_that_of_the_chain_of_all_phases(rho: float, phi: float) -> None:
    servers = minimum_servers(rho, phi)
    assert induced_wait(servers, rho, phi)[0] <= 1 < induced_wait(servers - 1, rho, phi)[0]


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "phi"), [(0.8, 0.3), (0.9, 0.5)])
def test_minimum_servers_beyond_the_phases_that_can_be_counted(rho: float, phi: float) -> None:
    # the wait is about 1 / N, so that N and N - 1 differ by far more than order 3 and order 4 do
    servers = minimum_servers(rho, phi)
    k, mix, offer = best_response(rho, phi)
    requests = fluid_rates(rho, phi)[0]
    for order in (3, 4):
        enough, few = (
            pool_queue_estimate(n, rho, k, mix, offer, order)[0] / (n * requests) for n in (servers, servers - 1)
        )
        assert enough < 1 < few
    with pytest.raises(ValueError, match=r"phases"):
        policy_pool_queue(servers, rho, k, mix, offer)


@pytest.mark.parametrize(("rho", "phi", "least"), [(0.95, 0.05, 20), (0.99, 0.05, 100)])
def test_minimum_servers_has_a_reason_where_servers_keep_many_jobs(rho: float, phi: float, least: int) -> None:
    k = best_response(rho, phi)[0]
    with pytest.raises(ValueError, match=rf"phi = {phi} with .* up to k = {k} jobs .* at least {least} are needed"):
        minimum_servers(rho, phi)


def test_rejected_arguments() -> None:
    with pytest.raises(ValueError, match=r"servers = 0: must"):
        equilibria(0, 0.8, 0.8)
    with pytest.raises(ValueError, match=r"phases = 0: must"):
        equilibria(2, 0.8, 0.8, phases=0)
    with pytest.raises(ValueError, match=r"phi = 1.0: must"):
        fluid_rates(0.8, 1.0)
    with pytest.raises(ValueError, match=r"wait = 0.0: must"):
        minimum_servers(0.8, 0.8, 0.0)
    with pytest.raises(ValueError, match=r"processing_cost = -1.0: must"):
        centralised_cost(2, 0.8, -1.0)
