from itertools import product

import numpy as np
import pytest

from jaxq.analytic.token_pool.mean_field_equilibrium import fluid_queue
from jaxq.analytic.token_pool.pool_queue import capped_pool_queue, policy_pool_queue, pool_queue
from jaxq.analytic.token_pool.server_chain import best_response, token_server


def brute_force(
    servers: int, rho: float, phi: float, policy: tuple[int, float, float], token_cap: int | None, tail: int, pool: int
) -> float:
    """E[Q_0] of the chain of all servers one by one, word for word, with the pool cut at `pool`."""
    from scipy.sparse import lil_matrix
    from scipy.sparse.linalg import spsolve

    threshold, mix, offer = policy
    if token_cap is None:
        own = [(q, None) for q in range(threshold + 1)]
    else:
        own = [(q, s) for s in range(token_cap + 1) for q in range(threshold + 1 if s else threshold + tail)]
    states = [
        (joint, length)
        for joint in product(own, repeat=servers)
        for length in range(pool)
        if token_cap is None or length + sum(s or 0 for _, s in joint) <= servers * token_cap
    ]
    index = {state: i for i, state in enumerate(states)}
    balance = lil_matrix((len(states), len(states)))
    for joint, length in states:
        moves = []
        for i, (q, s) in enumerate(joint):

            def to(new: tuple, i: int = i, joint: tuple = joint) -> tuple:
                return (*joint[:i], new, *joint[i + 1 :])

            spent, earned = (None, None) if s is None else (s - 1, s + 1)
            routed = 1.0 if q >= threshold else mix if q == threshold - 1 else 0.0
            routed = 0.0 if s == 0 else routed
            moves += [((to((q, spent)), length + 1), rho * routed), ((to((q + 1, s)), length), rho * (1 - routed))]
            if q:
                moves.append(((to((q - 1, s)), length), 1.0))
            elif s is None or s < token_cap:
                served = max(length - 1, 0)
                moves += [((to((q, earned)), served), offer * phi), ((joint, served), offer * (1 - phi))]
        for target, rate in moves:
            if rate > 0 and target in index:
                balance[index[target], index[joint, length]] += rate
                balance[index[joint, length], index[joint, length]] -= rate
    balance[0, :] = 1.0
    law = spsolve(balance.tocsc(), np.eye(len(states))[0])
    return float(law @ np.array([length for _, length in states]))


@pytest.mark.parametrize(
    ("servers", "phi", "expected"),
    [
        (2, 0.6, 3.250792),
        (10, 0.6, 2.694877),
        (100, 0.7, 2.608838),
        (1, 0.8, 4.0),
        (1000, 0.8, 4.0),
        (7, 0.9, 9.0),
    ],
)
def test_reference_values(servers: int, phi: float, expected: float) -> None:
    assert pool_queue(servers, 0.8, phi) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(
    ("servers", "rho", "phi", "wait"),
    [
        (2, 0.5, 0.4, 0.0),
        (2, 0.7, 0.3, 0.0),
        (3, 0.6, 0.3, 0.0),
        (2, 0.6, 0.5, 3.0),
        (3, 0.5, 0.25, 0.0),
        (2, 0.4, 0.55, 1.5),
    ],
)
def test_against_the_chain_of_single_servers(servers: int, rho: float, phi: float, wait: float) -> None:
    expected = brute_force(servers, rho, phi, best_response(rho, phi, wait), None, 0, 90)
    assert pool_queue(servers, rho, phi, wait) == pytest.approx(expected, rel=1e-8)


def test_both_ways_to_write_a_policy_agree() -> None:
    assert policy_pool_queue(6, 0.8, 2, 1.0, 0.8) == pytest.approx(policy_pool_queue(6, 0.8, 1, 0.0, 0.8), rel=1e-12)
    assert policy_pool_queue(9, 0.8, 0, 0.0, 0.9) == pytest.approx(8.0, rel=1e-12)


@pytest.mark.parametrize("phi", [0.1, 0.4, 0.6, 0.8])
def test_a_lone_server_has_the_jobs_of_a_single_server_queue(phi: float) -> None:
    assert pool_queue(1, 0.8, phi) + fluid_queue(0.8, phi) == pytest.approx(4.0, rel=1e-12)


@pytest.mark.slow
def test_many_servers_tend_to_poisson_streams() -> None:
    excess = [pool_queue(servers, 0.8, 0.7) - 0.7 / 0.3 for servers in (100, 200, 400)]
    assert excess[0] > excess[1] > excess[2] > 0
    assert excess[1] / excess[2] == pytest.approx(2, rel=0.07)


def test_close_to_no_stationary_regime() -> None:
    # The pool's mean times 1 - load tends to a constant.
    near = [policy_pool_queue(3, 0.5, 1, 0.0, offer=0.25 / (1 - gap)) * gap for gap in (1e-4, 1e-6)]
    assert near[0] == pytest.approx(near[1], rel=3e-4)


def test_capped_reference_values() -> None:
    pool = capped_pool_queue(2, 0.5, 0.4, 3)
    assert pool == pytest.approx(0.581658, abs=6e-7)
    assert pool / (2 * token_server(0.5, 0.4, 3)["request_rate"]) == pytest.approx(1.410437, abs=6e-7)


@pytest.mark.parametrize(("phi", "wait"), [(0.4, 0.0), (0.2, 0.0), (0.7, 0.0), (0.4, 3.0)])
def test_capped_against_the_chain_of_single_servers(phi: float, wait: float) -> None:
    expected = brute_force(2, 0.4, phi, best_response(0.4, phi, wait), 2, 18, 5)
    assert capped_pool_queue(2, 0.4, phi, 2, wait) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("phi", [0.2, 0.5, 0.6])
@pytest.mark.parametrize("token_cap", [1, 2, 5])
def test_a_lone_capped_server_has_the_jobs_of_a_single_server_queue(phi: float, token_cap: int) -> None:
    own = token_server(0.6, phi, token_cap)["own_queue"]
    assert capped_pool_queue(1, 0.6, phi, token_cap) + own == pytest.approx(1.5, rel=1e-9)


def test_a_loose_cap_comes_near_no_cap() -> None:
    gaps = [pool_queue(1, 0.5, 0.4) - capped_pool_queue(1, 0.5, 0.4, cap) for cap in (20, 40, 80)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[1] / gaps[2] == pytest.approx(2, rel=0.05)


def test_rejected_arguments() -> None:
    with pytest.raises(ValueError, match=r"servers = 0: must"):
        pool_queue(0, 0.8, 0.4)
    with pytest.raises(ValueError, match=r"servers = 60 with threshold = 4: these are 635376 phases"):
        pool_queue(60, 0.8, 0.4)
    with pytest.raises(ValueError, match=r"must be at most 100000"):
        capped_pool_queue(5, 0.5, 0.4, 10)
    with pytest.raises(ValueError, match=r"token_cap = 0: must"):
        capped_pool_queue(2, 0.5, 0.4, 0)
    with pytest.raises(ValueError, match=r"no stationary regime"):
        policy_pool_queue(2, 0.8, 1, 0.0, 0.5)
    for field, values in (("mix", (1.5, 1.0)), ("offer", (0.5, -0.1))):
        with pytest.raises(ValueError, match=field):
            policy_pool_queue(2, 0.5, 1, *values)
