"""The limiting diffusion of tree networks, simulated, against Remark 6.5 and the Halfin-Whitt law."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.analytic.staffing import drift, gains
from jaxq.analytic.staffing.demand import second_order_demand
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.network.network import Network
from tests.agreement import check_agreement
from tests.analytic.staffing.random_trees import random_tree

POOLED = Network([1.3, 0.48], [[1.0], [1.0]], [1.78], staffing=[0.6])


def simulated(step, events=8000, warmup=1200, **fields):
    """Of one length whatever the step, so that a program is compiled once."""
    system = StaffingDiffusion(step=step, **fields)
    found = jaxq.simulate(system, replicas=1024, events=events, warmup=warmup, seed=3)
    assert not found.flags
    return system, found


@pytest.mark.parametrize("step", [0.4, 0.05])
@pytest.mark.parametrize(
    ("fields", "spare"),
    [({}, 0.8425), ({"idle_pool": 1}, 0.56167), ({"control": "balanced"}, 0.8425), ({"network": "w"}, 0.70833)],
    ids=["constant", "other-pool", "balanced", "w"],
)
def test_remark_6_5_holds_for_every_step(step, fields, spare):
    system, found = simulated(step, **fields)
    reference = system.oracle()["weighted_idle"]
    assert reference.kind == "identity" and reference.value == pytest.approx(spare, abs=5e-6)
    check_agreement(found["weighted_idle"], reference.value, 0.02)
    # the same idle servers are worth different numbers of servers of pools 1 and 2, and wait in one class only
    if fields.get("control") != "balanced":
        check_agreement(found["total_idle"], reference.value, 0.02)
        assert [found[f"queue_{c}"].mean > 0 for c in system.network.classes].count(True) == 1


def test_equal_rates_have_the_halfin_whitt_law():
    system, long = simulated(0.4, 10_000, 300, network=POOLED)
    _, short = simulated(0.2, 10_000, 300, network=POOLED)
    exact = system.oracle()["total_queue"]
    assert exact.kind == "limit" and exact.value == pytest.approx(1.61226, abs=5e-6)
    first, second = long["total_queue"], short["total_queue"]
    # the bias is of first order, and extrapolation takes it away
    assert first.mean - exact.value > 8 * first.standard_error
    error = (4 * second.standard_error**2 + first.standard_error**2) ** 0.5
    assert error < 0.015 * exact.value
    assert abs(2 * second.mean - first.mean - exact.value) < 4.5 * error
    check_agreement(short["total_idle"], 0.6, 0.01)


@pytest.mark.parametrize("law", ["erlang:2", "hyperexponential:3"])
def test_renewal_arrivals_change_the_noise_as_in_gi_m_n(law):
    single = Network([1.0], [[1.0]], [1.0], staffing=[0.6])
    limit = StaffingDiffusion(single, arrival_laws=law).oracle()["total_queue"].value
    scaled = []
    for n in (100, 900):
        station = jaxq.GGc(arrival_rate=n, service_rate=1.0, servers=round(n + 0.6 * n**0.5), arrival_law=law)
        scaled.append(station.oracle()["queue_length"].value / n**0.5)
    # GI/M/n exactly; the error is of order 1/sqrt(n), and what is left of it after extrapolation of order 1/n
    assert (3 * scaled[1] - scaled[0]) / 2 == pytest.approx(limit, rel=5e-3)
    assert abs(StaffingDiffusion(single).oracle()["total_queue"].value - limit) > 0.1 * limit


def test_renewal_noise_is_simulated():
    system = StaffingDiffusion(POOLED, step=0.05, arrival_laws="erlang:2,hyperexponential:3")
    assert system.variances() == pytest.approx([1.3 * 1.5, 0.48 * 4])
    found = jaxq.simulate(system, replicas=1024, events=12_000, warmup=1200, seed=3)
    # the bias of the steps is .19 h of the value
    check_agreement(found["total_queue"], system.oracle()["total_queue"].value, 0.04, 0.015)


def test_drift_is_that_of_the_matrices():
    rng = np.random.default_rng(2)
    for _ in range(100):
        t = random_tree(rng)
        network = Network(
            t.arrival_rates,
            t.service_rates,
            t.servers,
            second_order_arrivals=t.second_order_arrivals,
            second_order_services=t.second_order_services,
            staffing=t.staffing,
        )
        idle = int(rng.integers(t.servers.size))
        system = StaffingDiffusion(network, safety=t.weights, idle_pool=idle + 1)
        limit, (b1, b2, _) = system.limit(), drift.drift_matrices(t.service_rates, idle)
        a = second_order_demand(t.second_order_arrivals, t.second_order_services, t.shares * t.servers)
        theta = gains.safety_staffing(t.service_rates, a, t.staffing, t.weights)
        assert limit.theta == pytest.approx(theta, abs=1e-9)
        x, queue, free = rng.normal(size=t.weights.size), rng.dirichlet(t.weights), rng.dirichlet(t.servers)
        up, down = max(x.sum(), 0), max(-x.sum(), 0)
        ours = limit.drift + limit.of_classes @ (x - up * queue) + limit.of_pools @ (down * free)
        np.testing.assert_allclose(ours, -theta * t.weights - b1 @ (x - up * queue) + down * b2 @ free, atol=1e-8)
        np.testing.assert_allclose(limit.worth / limit.worth[idle], gains.gains(t.service_rates).pools[:, idle])


def test_too_few_servers_grow_at_the_predicted_rate():
    system = StaffingDiffusion(staffing=[-0.5, 0.2], step=0.1)
    with pytest.raises(ValueError, match="theta is -0.673333: must be > 0"):
        jaxq.simulate(system, events=10)
    found = jaxq.paths(system, [100.0, 300.0], replicas=1024, keep_paths=1024, seed=5)
    slopes = np.diff(found.paths["total_queue"], axis=1)[:, 0] / 200
    # rho = -.7575 servers of pool 2, and class 2 is worth 1/.8 of them
    error = slopes.std(ddof=1) / 32
    assert error < 0.01 and abs(slopes.mean() - 0.7575 * 0.8) < 4.5 * error


def larger(x):
    """The class with the larger x_i waits; the idle servers are where the other one works."""
    first = x[0] > x[1]
    return (first, ~first), (jnp.where(first, 0.25, 1.0), jnp.where(first, 0.75, 0.0))


def test_any_markov_control_has_the_spare_capacity_of_remark_6_5():
    for control in (larger, "constant:0.25,0.75;0.5,0.5"):
        system, found = simulated(0.1, 4000, 600, control=control)
        check_agreement(found["weighted_idle"], 0.8425, 0.02)
        assert found["queue_1"].mean > 0.05 < found["queue_2"].mean and found["idle_1"].mean > 0.05
    assert found["queue_2"].mean == pytest.approx(3 * found["queue_1"].mean, rel=1e-5)
    assert (
        str(system.control) == "constant:0.25,0.75;0.5,0.5"
        and str(StaffingDiffusion(control=larger).control) == "larger"
    )


def test_a_written_control_is_the_named_one():
    # u^c = e_2 and u^s = e_2, Eq. 56 on N
    written = StaffingDiffusion(step=0.1, control=lambda x: ((0, 1), (0, 1)))
    named = StaffingDiffusion(step=0.1)
    first, second = (jaxq.simulate(s, replicas=64, events=2000, warmup=600, seed=1) for s in (written, named))
    assert first["total_queue"].mean == pytest.approx(second["total_queue"].mean, rel=1e-5)


def test_a_control_that_leaves_the_simplex_where_it_was_not_tried_is_flagged():
    # 60 is beyond all 193 trials, and with theta < 0 the queue grows by .606 a unit of time
    system = StaffingDiffusion(control=lambda x: ((0, jnp.where(x[1] > 60, 1.01, 1.0)), (0, 1)), staffing=[-0.5, 0.2])
    found = jaxq.paths(system, [1.0, 300.0], replicas=16, seed=1)
    assert "invalid_rates" in found.flags


@pytest.mark.parametrize(
    ("control", "message"),
    [
        (lambda x: ((x[0], 1 - x[0]), (0, 1)), r"shares >= 0 that sum to 1; at x = \(.*\) those of the queue are"),
        (lambda x: ((0, 1), (0.5, 0.6)), r"at x = \(0, 0\) those of the idle servers are \(0.5, 0.6\)"),
        (lambda x: ((0, 0, 1), (0, 1)), r"2 shares, one a class \(1, 2\), not 3"),
        (lambda x: 1.0, "two lists of numbers, written in jax.numpy"),
        (lambda x: ((1, 0), (0, 1)) if x[0] > 0 else ((0, 1), (0, 1)), "jax.numpy .TracerBoolConversionError"),
    ],
)
def test_a_written_control_must_be_on_the_simplex(control, message):
    with pytest.raises(ValueError, match=message):
        StaffingDiffusion(control=control).process()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"control": "best"}, "control = best: must be constant, constant:u"),
        ({"control": "balanced:1"}, "control = balanced:1: must be constant"),
        ({"control": "constant:1,0"}, "control = constant:1,0: must be constant"),
        ({"control": "constant:1,1;0,1"}, r"must have 2 shares >= 0 that sum to 1, one a class \(1, 2\), not 1, 1"),
        ({"control": "constant:0,1;1"}, r"must have 2 shares >= 0 that sum to 1, one a pool \(1, 2\), not 1"),
        ({"control": 3}, "control = 3: must be a Control or its text"),
        ({"network": "x"}, "class 2 - pool 2 closes a cycle"),
        ({"network": Network([1.3, 0.5], [[1.5, 1], [0, 0.8]], [0.6, 1])}, "pool 2 has -0.025 of 1 left over"),
        ({"staffing": [1.0]}, r"staffing = \[1.0\]: must be 2 numbers"),
        ({"safety": [1.0, 0.0]}, r"safety = \[1.0, 0.0\]: each must be > 0"),
        ({"idle_pool": 3}, "idle_pool = 3: must be at most 2"),
        ({"idle_pool": 1, "queued_class": 2}, "queued_class = 2: must be a class that pool 1 serves"),
        ({"step": 0.7}, "step = 0.7: must be < 1/1.5, the fastest service rate"),
    ],
)
def test_what_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        StaffingDiffusion(**fields)


def test_a_list_of_one_may_be_a_number():
    one, listed = (StaffingDiffusion(network="v", staffing=nh, step=0.01) for nh in (0.8, [0.8]))
    assert one.limit().theta == listed.limit().theta
    assert one.oracle() == listed.oracle()
