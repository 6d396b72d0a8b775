import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

import jaxq
from jaxq.analytic.markov import birth_death
from jaxq.analytic.stations.erlang import erlang_b, erlang_c
from jaxq.analytic.stations.mmc import mmc
from jaxq.engine.exact import exact
from jaxq.engine.stationary import stationary_law

TOLERANCE = 1e-10
"""Relative; the solver is good to about 1e-14 on these chains."""


class Tandem(jaxq.JumpProcess):
    """Two M/M/1 queues in a row; the state is a pair, or an array of two."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")
    first_rate: float = jaxq.positive("service rate of the first queue, 1/time")
    second_rate: float = jaxq.positive("service rate of the second queue, 1/time")
    array: bool = jaxq.choice("state layout", ("no", "yes"), default="no")

    def init(self, words):
        return jnp.zeros(2, jnp.int32) if self.array == "yes" else (0, 0)

    def rates(self, state):
        return (
            self.arrival_rate,
            jnp.where(state[0] > 0, self.first_rate, 0.0),
            jnp.where(state[1] > 0, self.second_rate, 0.0),
        )

    def jump(self, state, k):
        n, m = state
        moved = [(n + 1, m), (n - 1, m + 1), (n, m - 1)][k]
        return jnp.stack(moved) if self.array == "yes" else moved

    def total_rate_bound(self):
        return self.arrival_rate + self.first_rate + self.second_rate

    def observe(self, state):
        return {"first": state[0], "second": state[1]}


class Repair(jaxq.JumpProcess):
    """N machines, one repairman: a user's own process, with counters and a tally."""

    failure_rate: float = jaxq.positive("failure rate of a machine, 1/time")
    repair_rate: float = jaxq.positive("repair rate, 1/time")
    machines: int = jaxq.whole("machines")

    def init(self, words):
        return {"broken": 0, "failures": 0, "hours": 0.0}

    def rates(self, state):
        return self.failure_rate * (self.machines - state["broken"]), self.repair_rate * (state["broken"] > 0)

    def jump(self, state, k):
        if k == 0:
            return {
                "broken": state["broken"] + 1,
                "failures": state["failures"] + 1,
                "hours": state["hours"] + state["broken"],
            }
        return {**state, "broken": state["broken"] - 1}

    def observe(self, state):
        return {"broken": state["broken"], "idle": state["broken"] == 0}

    def tally(self, state, event):
        return {"queue_at_failure": jnp.where(event == 0, state["broken"], 0), "failed": event == 0}

    def counters(self, state):
        return {"failures": state["failures"]}

    def metrics(self, sums):
        return {
            "broken": sums["broken"] / sums.time,
            "idle": sums["idle"] / sums.time,
            "failures": sums["failures"] / sums.time,
            "queue_at_failure": sums["queue_at_failure"] / sums["failed"],
        }


class Table(jaxq.JumpProcess):
    """Any chain on 0, ..., n - 1 from a matrix of rates: transition k goes to state k."""

    matrix: Any
    bound: float | None = None
    start: int = 0

    def init(self, words):
        return self.start

    def rates(self, state):
        return tuple(jnp.asarray(self.matrix)[state, k] for k in range(len(self.matrix)))

    def jump(self, state, k):
        return jnp.full_like(state, k)

    def total_rate_bound(self):
        return self.bound

    def observe(self, state):
        return {"state": state}


def close(found, wanted):
    return found == pytest.approx(wanted, rel=TOLERANCE, abs=1e-14)


@pytest.mark.parametrize("load", [0.5, 0.95, 1.0, 1.7])
def test_mm1k_is_geometric(load):
    result = exact(jaxq.MMc(arrival_rate=load, capacity=40))
    geometric = load ** np.arange(41)
    assert result.number_of_states == 41 and result.edge_mass == 0
    np.testing.assert_array_equal(np.sort(result.states), np.arange(41))
    np.testing.assert_allclose(
        result.probabilities[np.argsort(result.states)], geometric / geometric.sum(), rtol=TOLERANCE
    )


def test_erlang_b_and_c():
    loss = exact(jaxq.MMc(arrival_rate=90, servers=100, capacity=100))
    assert close(loss["probability_block"], erlang_b(100, 90.0))
    delay = exact(jaxq.MMc(arrival_rate=90, servers=100), keep=lambda n: n <= 600)
    assert close(delay["probability_wait"], erlang_c(100, 90.0))
    assert delay.edge_mass < 1e-20 and delay.oracle()["queue_length"].kind == "exact"


@pytest.mark.parametrize(
    "fields",
    [
        dict(arrival_rate=9.0, servers=10, abandonment_rate=0.3, capacity=60),
        dict(arrival_rate=25.0, servers=10, service_rate=2.0, abandonment_rate=2.5, capacity=30),
        dict(arrival_rate=12.0, servers=10, abandonment_rate=0.05, capacity=1500),  # the sparse solver
        dict(arrival_rate=1e-3, service_rate=1e-3, servers=2, capacity=5),
    ],
)
def test_many_servers_with_abandonment(fields):
    result, oracle = exact(jaxq.MMc(**fields)), mmc(**{"service_rate": 1.0, **fields})
    for name, value in result.metrics.items():
        assert close(value, oracle[name]), name


@pytest.mark.parametrize("array", ["no", "yes"])
def test_tandem_against_product_form(array):
    """Queues in a row are independent and geometric (Burke); loads .4 and .5, so the cut at 36 leaves 2**-36."""
    result = exact(Tandem(1.0, 2.5, 2.0, array), keep=lambda s: (s[0] <= 36) & (s[1] <= 36))
    assert result.number_of_states == 37**2
    n, m = result.states.T if array == "yes" else result.states
    np.testing.assert_allclose(result.probabilities, 0.6 * 0.4**n * 0.5 * 0.5**m, rtol=1e-3, atol=2e-11)
    assert result["first"] == pytest.approx(2 / 3, abs=1e-9)
    assert result["second"] == pytest.approx(1.0, abs=1e-9)
    assert 0.1 * 2**-36 < result.edge_mass < 10 * 2**-36
    assert result.expectation(lambda s: s[0] * s[1]) == pytest.approx(2 / 3, abs=1e-8)
    np.testing.assert_allclose(result.expectation(lambda s: jnp.stack([s[0] == 0, s[1] == 0])), [0.6, 0.5], atol=1e-9)


def test_a_coarse_cut_of_a_reversible_chain_is_the_conditioned_law():
    result = exact(jaxq.MMc(arrival_rate=0.5), keep=lambda n: n <= 3)
    np.testing.assert_allclose(result.probabilities, np.array([8, 4, 2, 1]) / 15, rtol=TOLERANCE)
    assert close(result.edge_mass, 1 / 15)
    assert result.oracle()["number_in_system"].kind == "limit"
    assert "edge mass 0.0667" in str(result) and "4 states" in str(result)


def test_a_users_own_process():
    """Counters and float sums kept in the state are no reason to enumerate them."""
    result = exact(Repair(failure_rate=0.2, repair_rate=1.0, machines=6))
    law = birth_death.stationary(0.2 * np.arange(6, 0, -1), np.ones(6))
    broken = law @ np.arange(7)
    assert result.number_of_states == 7 and set(result.states) == {"broken", "failures", "hours"}
    assert close(result["broken"], broken)
    assert close(result["idle"], law[0])
    assert close(result["failures"], 0.2 * (6 - broken))
    seen_at_failure = law * (6 - np.arange(7))
    assert close(result["queue_at_failure"], seen_at_failure @ np.arange(7) / seen_at_failure.sum())


def test_references_judge_a_simulation():
    system = Repair(failure_rate=0.2, repair_rate=1.0, machines=6)
    references = exact(system).oracle()
    result = jaxq.simulate(system, replicas=256, events=4000, warmup=200, devices=1)
    for name, reference in references.items():
        estimate = result.estimates[name]
        assert estimate.half_width() < 0.02 * reference.value, name
        assert abs(estimate.value - reference.value) < 4.5 * estimate.standard_error, name


def test_uniformisation_does_not_matter():
    rates = np.array([[0, 1, 2], [0.5, 0, 0], [0, 3, 0]])
    plain, uniform, wider = (exact(Table(rates, bound)) for bound in (None, 3.0, 50.0))
    np.testing.assert_array_equal(plain.probabilities, uniform.probabilities)
    np.testing.assert_array_equal(plain.probabilities, wider.probabilities)
    assert plain.metrics == uniform.metrics == wider.metrics


def test_transient_states_have_probability_zero():
    rates = np.zeros((4, 4))
    rates[0, 1] = rates[1, 2] = rates[2, 3] = rates[3, 2] = 1.0
    result = exact(Table(rates))
    np.testing.assert_allclose(result.probabilities[np.argsort(result.states)], [0, 0, 0.5, 0.5], atol=1e-15)
    absorbed = exact(Table(rates[:3, :3]))
    assert absorbed["state"] == 2.0


def test_several_closed_classes_are_an_error():
    rates = np.zeros((5, 5))
    rates[0, 1] = rates[0, 3] = rates[1, 2] = rates[2, 1] = rates[3, 4] = rates[4, 3] = 1.0
    with pytest.raises(ValueError, match=r"2 closed classes, such as those of the states 1 and 3"):
        exact(Table(rates))
    assert exact(Table(rates, start=3)).number_of_states == 2


def test_nearly_decomposable_chain():
    """Two pairs of states that meet once in 1e9 events: the elimination keeps all digits."""
    rates = np.array([[0, 1, 0, 0], [2, 0, 1e-9, 0], [0, 3e-9, 0, 1], [0, 0, 4, 0]])
    result = exact(Table(rates))
    order = np.argsort(result.states)
    wanted = birth_death.stationary([1, 1e-9, 1], [2, 3e-9, 4])
    np.testing.assert_allclose(result.probabilities[order], wanted, rtol=1e-13)


def test_sparse_solution_is_accurate_far_from_where_it_starts():
    birth, death = np.full(3000, 1.1), np.full(3000, 1.0)
    rates = sparse.csr_array(sparse.diags_array([birth, death], offsets=[1, -1]))
    np.testing.assert_allclose(stationary_law(rates), birth_death.stationary(birth, death), rtol=1e-10, atol=1e-15)


def slow_switch(size, eps):
    """Two birth-death chains of ``size`` states, loads .5 and .8, that switch from one to the other at rates 3 eps and eps:
    the first has a quarter of the time."""
    chains = [sparse.diags_array([np.full(size - 1, rho), np.ones(size - 1)], offsets=[1, -1]) for rho in (0.5, 0.8)]
    there, back = (sparse.diags_array(np.full(size, rate)) for rate in (3 * eps, eps))
    return sparse.csr_array(sparse.block_array([[chains[0], there], [back, chains[1]]]))


@pytest.mark.parametrize("eps", [1e-3, 1e-6, 1e-9, 1e-11, 1e-12, 1e-13, 1e-20, 1e-40])
def test_a_slow_switch_of_many_states(eps):
    law = stationary_law(slow_switch(300, eps)).reshape(2, 300)
    assert law[0].sum() == pytest.approx(0.25, abs=1e-8)
    for mine, rho in zip(law, (0.5, 0.8), strict=True):
        if eps < 1e-8:  # each chain is in its own equilibrium
            np.testing.assert_allclose(mine / mine.sum(), (1 - rho) * rho ** np.arange(300), atol=1e-6)


def test_a_chain_that_float64_does_not_hold_is_refused():
    """A line with rates that fall by a half at every step has no weak place at which to cut it."""
    rates = 0.5 ** np.arange(599)
    with pytest.raises(ValueError, match=r"^600 states: parts of this chain meet too seldom \(rates from 9.6"):
        stationary_law(sparse.csr_array(sparse.diags_array([rates, rates], offsets=[1, -1])))


def test_long_line_is_enumerated_in_few_calls():
    result = exact(jaxq.MMc(arrival_rate=0.9), keep=lambda n: n < 20_000)
    assert result.number_of_states == 20_000
    assert close(result["number_in_system"], 9.0)


def test_float64_stays_local():
    before = jax.config.jax_enable_x64
    exact(jaxq.MMc(arrival_rate=0.9, capacity=5))
    assert jax.config.jax_enable_x64 == before and jnp.zeros(1).dtype == jnp.float32


def test_second_call_with_other_numbers_compiles_nothing(caplog):
    exact(jaxq.MMc(arrival_rate=1.0, servers=3, capacity=7))
    with jax.log_compiles():
        exact(jaxq.MMc(arrival_rate=2.0, servers=4, capacity=9))
        assert not [record for record in caplog.records if "Compiling" in record.getMessage()]
        jax.jit(lambda x: x + 1.25)(0.0)
        assert [record for record in caplog.records if "Compiling" in record.getMessage()]


class Broken(jaxq.JumpProcess):
    kind: str = jaxq.choice("what is wrong", ("float", "negative", "nan", "counter"))

    def init(self, words):
        return (0.5, 0) if self.kind == "float" else (0, 0)

    def rates(self, state):
        up = {"negative": 2.5 - state[0], "nan": jnp.where(state[0] < 3, 1.0, math.nan)}.get(
            self.kind, 1.0 * (state[0] < 5)
        )
        return 1.0 * (state[0] < 2), up

    def jump(self, state, k):
        return (state[0] + 1, 2 * state[1] + 1) if k else (jnp.zeros_like(state[0]), state[1])

    def counters(self, state):
        return {"ups": state[1]} if self.kind == "counter" else {}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("float", r"component \[0\] of the state = 0.5: must be a whole number"),
        ("negative", r"transition 1 has rate -0.5 in state \(3, 0\)"),
        ("nan", r"transition 1 has rate nan in state \(3, 0\)"),
        ("counter", "the increase of ups depends on how far"),
    ],
)
def test_broken_processes(kind, message):
    with pytest.raises(ValueError, match=message):
        exact(Broken(kind))


def test_a_rate_bound_that_does_not_hold():
    rates = np.array([[0, 1, 0], [0, 0, 4.5], [1, 0, 0]])
    with pytest.raises(ValueError, match=r"total_rate_bound = 4: the total rate is 4.5 in state 1"):
        exact(Table(rates, 4.0))
    exact(Table(rates, 4.5 * (1 - 1e-12)))


def test_bad_arguments():
    station = jaxq.MMc(arrival_rate=0.9)
    with pytest.raises(ValueError, match=r"more than max_states = 300 states .* give a larger max_states"):
        exact(station, max_states=300)
    with pytest.raises(ValueError, match="max_states = 0: must be a whole number"):
        exact(station, max_states=0)
    with pytest.raises(ValueError, match="system = MG1: exact needs a JumpProcess"):
        exact(jaxq.MG1(arrival_rate=0.5))
    with pytest.raises(ValueError, match="keep: excludes the initial state 0"):
        exact(station, keep=lambda n: n > 3)
    with pytest.raises(ValueError, match="keep: must return one bool a state, not int64"):
        exact(station, keep=lambda n: n)
    with pytest.raises(ValueError, match="keep: must be written with"):
        exact(station, keep=lambda n: n >= 0 and n < 5)
    with pytest.raises(KeyError, match="mmc has the metrics"):
        exact(station, keep=lambda n: n < 5)["nothing"]


def test_states_that_the_model_cuts_off_are_told(capsys):
    """Join the shortest queue with room for 3 a server: 3.2 customers "exactly", of 9.9, and no word of the lost jobs."""
    small = jaxq.LoadBalancing(servers=2, policy="jsq", load=0.9, levels=3)
    result = exact(small)
    assert result.oracle()["number_in_system"].kind == "limit" and result.rows()[0]["edge_mass"] == result.edge_mass
    lost = 1 - result["busy_capacity"] / 1.8  # of the rate of arrivals
    assert (
        result.cut and lost == pytest.approx(result.edge_mass, rel=1e-9) and lost > 0.1
    )  # Poisson arrivals see averages
    room = exact(small.replace(load=0.2, levels=12))
    assert not room.cut and room["busy_capacity"] == pytest.approx(0.4, rel=1e-9)
    from jaxq.__main__ import main

    code = main(["exact", "load-balancing", "--servers", "2", "--policy", "jsq", "--load", "0.9", "--levels", "3"])
    assert code == 3 and "edge mass" in capsys.readouterr().out
