"""Waits job by job, a first server with a policy of its own, and unlike servers: against a plain simulator that keeps
the whole line, exact values, and recounts."""

import functools
import math
import random as plain_random

import numpy as np
import pytest

import jaxq
from jaxq.analytic.token_pool import best_response, heterogeneous
from jaxq.systems.token_pool.policy import NamedPolicy, TablePolicy
from tests.agreement import check_agreement
from tests.systems.token_pool.test_model import states

K = 4.5
RUN = {"events": 100_000, "replicas": 128}


# --- a slow witness: the pool is a list of (owner, arrival time), each server a list of arrival times -----------------


def witness(servers, rate, phi, cap, table, horizon, warmup, seed):
    """Averages over ``horizon`` with others that route every job and offer every idle unit: (own queue of the first
    server, its mean wait in the pool, its cost, others' cost per server, its charged cost)."""
    rng = plain_random.Random(seed)
    queue, tokens, pool, now = [0] * servers, [cap // 2 if cap else 0] * servers, [], 0.0
    area = {"own": 0.0, "mine": 0.0, "all": 0.0}
    waits, charged, served, served_first = [], 0, 0, 0

    def chance(kind):
        rows = table[kind]
        row = rows[min(queue[0], len(rows) - 1)]
        return row[min(len(pool), len(row) - 1)]

    def may_ask(i):
        return cap is None or tokens[i] > 0

    while now < warmup + horizon:
        gap, measured = rng.expovariate(servers * (rate + 1)), now >= warmup
        if measured:
            area["own"] += gap * queue[0]
            area["mine"] += gap * sum(owner == 0 for owner, _ in pool)
            area["all"] += gap * (sum(queue) + len(pool))
        now += gap
        i = rng.randrange(servers)
        if rng.random() < rate / (rate + 1):
            if may_ask(i) and (i > 0 or rng.random() < chance("request")):
                charged += measured * (i == 0) * (len(pool) + 1)
                tokens[i] -= 1
                pool.append((i, now))
            else:
                queue[i] += 1
            continue
        roll, before = rng.random(), len(pool)
        if i == 0:
            offers = roll < chance("offer") and (cap is None or tokens[0] < cap)
            serves = not offers and roll < chance("offer") + chance("serve") and queue[0] > 0
            move = 0.0
        else:
            offers, serves = queue[i] == 0 and (cap is None or tokens[i] < cap), queue[i] > 0
            move = chance("relocate")
        if serves:
            queue[i] -= 1
        if offers:
            tokens[i] += rng.random() < phi
            if pool:
                owner, began = pool.pop(0)
                if owner == 0 and began >= warmup:
                    waits.append(now - began)
        if measured:
            done = serves or (offers and before > 0)
            served, served_first = served + done, served_first + (done and i == 0)
        if i > 0 and offers and before > 0 and queue[0] > 0 and may_ask(0) and rng.random() < move:
            charged += measured * (before + 1)
            tokens[0] -= 1
            queue[0] -= 1
            pool.append((0, now))
    cost = (area["own"] + area["mine"] + served_first) / horizon
    others = (area["all"] + served) / horizon - cost
    account = (area["own"] + charged / servers + served_first) / horizon
    return area["own"] / horizon, sum(waits) / len(waits), cost, others / (servers - 1), account


TABLE = {
    "request": [[1.0, 0.9, 0.5, 0.2], [1.0, 0.8, 0.6, 0.4]],
    "relocate": [[0.0, 0.0, 0.0, 0.0], [0.0, 0.7, 0.4, 0.2]],
    "offer": [[1.0, 0.9, 0.7, 0.5], [0.3, 0.2, 0.1, 0.0]],
    "serve": [[0.0, 0.0, 0.0, 0.0], [0.6, 0.7, 0.9, 1.0]],
}
METRICS = ("deviator_own_queue", "deviator_wait", "deviator_cost", "others_cost", "deviator_charged_cost")


@functools.cache
def of_table(cap):
    return jaxq.simulate(jaxq.TokenPool(3, 0.7, 0.7, cap, deviator=TablePolicy(*TABLE.values())), **RUN)


@pytest.mark.parametrize(("cap", "share"), [(None, 0.1), (4, 0.2)])
def test_a_deviator_that_sees_the_pool_meets_the_plain_simulator(cap, share):
    result = of_table(cap)
    runs = np.array([witness(3, 0.7, 0.7, cap, TABLE, 2500.0, 200.0, seed) for seed in range(16)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    for name, mean, se in zip(METRICS, runs.mean(axis=0), error, strict=True):
        assert 1.96 * se < share * mean and result[name].half_width < share * mean, f"no power: {name}"
        assert abs(result[name].mean - mean) < K * math.hypot(se, result[name].standard_error), name


def test_the_costs_of_all_servers_add_up():
    metrics = of_table(None).metrics
    total = metrics["deviator_cost"].mean + 2 * metrics["others_cost"].mean
    assert total == pytest.approx(3 * metrics["cost"].mean, rel=1e-9)


@pytest.fixture(scope="module")
def optimal():
    return jaxq.compare([jaxq.TokenPool(4, 0.8, deviator=name) for name in ("mean-field", "optimal")], **RUN)


def test_a_deviator_that_plays_along_changes_nothing(optimal):
    """V_CRP = lambda (c + 1/(N (1 - lambda))) by every account, and the tokens balance."""
    result = optimal[0]
    value = 0.8 * (1 + 1 / (4 * 0.2))
    for name in ("deviator_cost", "deviator_charged_cost", "others_cost"):
        check_agreement(result[name], value, 0.03)
        assert result[name].oracle == pytest.approx(value)
    drift = result["deviator_token_drift"]
    assert drift.half_width < 0.01 and abs(drift.mean) < K * drift.standard_error
    assert result["deviator_own_queue"].mean == 0


def test_the_optimal_policy_of_lp_76_costs_what_the_programme_says(optimal):
    found = best_response.best_deviation(4, 0.8)
    check_agreement(optimal[1]["deviator_charged_cost"], found.optimal, 0.02)
    assert optimal[1]["deviator_charged_cost"].oracle == pytest.approx(found.optimal)
    drift = optimal[1]["deviator_token_drift"]
    assert drift.half_width < 0.01 and abs(drift.mean) < K * drift.standard_error


def test_the_optimal_deviation_gains_less_than_its_relaxation_promises(optimal):
    found = best_response.best_deviation(4, 0.8)
    difference = next(d for d in optimal.differences if d["metric"] == "deviator_cost")
    gain, promised = -difference["mean"], found.pooling - found.optimal
    assert difference["half_width"] < 0.2 * promised, "no power"
    assert 0 < gain - 2.3 * difference["half_width"] and gain + 2.3 * difference["half_width"] < promised


def test_the_best_response_of_an_unlike_server_costs_what_the_program_says():
    """Both sides of Theorem 7.2: c lambda_1 <= V_OPT <= cost of the optimal policy <= cost of playing along."""
    market = jaxq.TokenPool(3, (0.5, 0.6, 1.6), service_rate=(1.0, 0.8, 2.0))
    pair = jaxq.compare([market.replace(deviator=name) for name in ("mean-field", "optimal")], **RUN)
    along, best = pair
    found = best_response.best_unlike_deviation([0.5, 0.6, 1.6], [1.0, 0.8, 2.0], 0.8)
    check_agreement(best["deviator_charged_cost"], found.optimal, 0.01)
    assert best["deviator_charged_cost"].kind == "exact" and abs(best["deviator_token_drift"].mean) < 0.003
    # by hand: pool of 4 jobs, 4/2.7 time each; charged (4 + 1) / 3.8 a request
    check_agreement(along["deviator_cost"], 0.5 + 0.5 * 4 / 2.7, 0.02)
    check_agreement(along["deviator_charged_cost"], 0.5 + 0.5 * 5 / 3.8, 0.02)
    check_agreement(along["others_cost"], 1.1 + 1.1 * 4 / 2.7, 0.03)
    check_agreement(along["total_jobs"], 4.0, 0.02)
    assert (
        along["own_queue"].mean == along["own_queue"].oracle == 0 and "not_seen" not in along.flags
    )  # all is in the pool
    assert 0.5 < found.optimal < best["deviator_cost"].mean < along["deviator_cost"].mean
    assert found.pooling == pytest.approx(along["deviator_cost"].oracle)


def test_under_a_cap_the_simulated_best_response_costs_what_the_chain_says():
    """Two servers, C = 2: the first knows its tokens, and the queue and tokens of the other; what it gains is in the bounds
    of Theorem 7.2 with a cap."""
    market = jaxq.TokenPool(2, 0.5, 0.5, 2)
    pair = jaxq.compare([market.replace(deviator=name) for name in ("mean-field", "optimal")], **RUN)
    along, best = pair
    found = best_response.best_unlike_deviation([0.5, 0.5], 1.0, 0.5, 2)
    check_agreement(best["deviator_charged_cost"], found.optimal, 0.01)
    assert best["deviator_charged_cost"].kind == "exact"
    check_agreement(along["deviator_cost"], found.pooling, 0.01)
    drift = best["deviator_token_drift"]
    assert drift.half_width < 0.005 and abs(drift.mean) < K * drift.standard_error
    gain = next(d for d in pair.differences if d["metric"] == "deviator_cost")
    assert 0 < -gain["mean"] - 2.3 * gain["half_width"] < found.pooling - found.optimal
    bound = 0.5 / (2 * 0.5) + (0.5 / 0.5**2) / 2  # Theorem 7.2(1) and M_3 / C
    assert 0.5 < found.optimal < best["deviator_cost"].mean < along["deviator_cost"].mean < 0.5 + bound


def test_many_servers_and_a_cap_are_a_limit():
    oracle = {cap: jaxq.TokenPool(10, 0.8, 0.8, cap, deviator="optimal").oracle() for cap in (2, None)}
    assert {cap: x["deviator_charged_cost"].kind for cap, x in oracle.items()} == {2: "limit", None: "exact"}
    keeping = jaxq.TokenPool(10, 0.8, 0.6, deviator="optimal").oracle()["deviator_charged_cost"]
    assert keeping.kind == "limit"


def test_a_table_of_two_servers_needs_two():
    with pytest.raises(ValueError, match="servers = 3: must be 2"):
        jaxq.TokenPool(3, 0.7, 0.7, 2, deviator=TablePolicy(*np.full((4, 1, 1, 1, 1, 1), 0.5)))
    with pytest.raises(ValueError, match="must have 2 axes"):
        TablePolicy(*np.full((4, 1, 1, 1, 1), 0.5))


def test_threshold_text_and_table_are_one_policy():
    """One server that never asks and never helps is M/M/1 on its own."""
    system = jaxq.TokenPool(3, 0.5, 0.5, 4, deviator="1000:0:0")
    result = jaxq.simulate(system, **RUN)
    check_agreement(result["deviator_own_queue"], 1.0, 0.05)
    assert result["deviator_request_rate"].mean == 0 and result["deviator_offer_rate"].mean == 0
    check_agreement(result["deviator_cost"], 1.5, 0.05)
    with pytest.raises(ValueError, match="deviator"):
        system.replace(deviator=jaxq.ThresholdPolicy([1, 2, 3]))


# --- waits job by job -------------------------------------------------------------------------------------------------


def test_tagged_waits_in_an_m_m_1_pool_are_exponential():
    """Unconstrained tokens, phi >= lambda: the pool is M/M/1, so a wait is exponential of mean phi/((1 - phi) N lambda)."""
    system = jaxq.TokenPool(5, 0.8, 0.9, waits="tagged")
    result = jaxq.simulate(system, replicas=64, events=100_000, quantiles=("tagged_wait:0.5,0.9,0.99",))
    mean = 9 / (5 * 0.8)
    check_agreement(result["tagged_wait"], mean, 0.1)
    assert result["tagged_wait"].oracle == pytest.approx(mean)
    for p, found in result["tagged_wait"].quantiles.items():
        exact = -mean * math.log(1 - float(p))
        assert found["half_width"] < 0.15 * exact, "no power"
        assert abs(found["value"] - exact) < 2.3 * found["half_width"] + 0.016 * exact


def test_tagged_waits_agree_with_little_and_the_exact_chain():
    """N = 2, C = 3, lambda = .5, phi = .4: requests come in bursts, so a careless choice of jobs would show."""
    result = jaxq.simulate(jaxq.TokenPool(2, 0.5, 0.4, 3, waits="tagged"), **RUN)
    check_agreement(result["tagged_wait"], 1.410437, 0.03, error=1e-6)
    assert abs(result["pool_wait"].z) < K and result["pool_wait"].oracle == pytest.approx(1.410437, abs=1e-6)


# --- unlike servers ---------------------------------------------------------------------------------------------------

UNLIKE = jaxq.TokenPool(5, [0.5, 0.8, 0.8, 1.2, 0.5], service_rate=[1.0, 1.0, 1.0, 2.0, 1.0])


def test_unlike_servers_pay_for_the_jobs_they_bring():
    result = jaxq.simulate(UNLIKE, **RUN)
    paid = heterogeneous.processing_costs(UNLIKE.arrival_rate, UNLIKE.service_rate)
    for kind, server in ((1, 0), (2, 1), (3, 3)):
        check_agreement(result[f"processing_cost_{kind}"], paid.mechanism[server], 0.02)
        wait = 4.0 / 3.8
        check_agreement(result[f"cost_{kind}"], UNLIKE.arrival_rate[server] * (1 + wait), 0.05)
        bound = heterogeneous.deviation_bound(UNLIKE.arrival_rate, UNLIKE.service_rate)
        assert result[f"cost_{kind}"].mean < paid.mechanism[server] + bound
    mean = np.average([result[f"cost_{kind}"].mean for kind in (1, 2, 3)], weights=[2, 2, 1])
    assert mean == pytest.approx(result["cost"].mean, rel=1e-9)


def test_phi_is_the_largest_utilisation_unless_it_is_given():
    assert UNLIKE.earning_probability == pytest.approx(0.8)
    assert UNLIKE.replace(phi=0.7).earning_probability == 0.7
    assert jaxq.TokenPool(3, 0.6).process().earn == pytest.approx(0.6)


def test_kinds_are_numbered_as_listed():
    rates, kind = UNLIKE.kinds()
    assert rates.tolist() == [[0.5, 1.0], [0.8, 1.0], [1.2, 2.0]]
    assert kind.tolist() == [0, 1, 1, 2, 0]


@pytest.mark.parametrize("cap", [4, None])
def test_sums_are_recounts(cap):
    system = UNLIKE.replace(token_cap=cap, deviator=TablePolicy(*TABLE.values()))
    _, kind = system.kinds()
    tags = 0
    for state in states(system, 16):
        queue, tokens = state.servers >> 16, state.servers & 0xFFFF
        assert np.all(queue >= 0) and np.array_equal(queue.sum(axis=1), state.own)
        for k in range(3):
            assert np.array_equal(queue[:, kind == k].sum(axis=1), state.kinds.own[:, k])
        assert np.array_equal(state.kinds.requests.sum(axis=1), state.requests)
        assert np.array_equal(state.kinds.served.sum(axis=1), state.served)
        assert np.array_equal(state.requests - state.helped, state.pool)
        assert np.all(state.first.requests <= state.kinds.requests[:, 0])
        assert np.all((state.tag.position >= 0) & (state.tag.position <= state.pool)) and not state.tag.missed.any()
        tags += np.count_nonzero(state.tag.position)
        if cap is not None:
            assert np.array_equal(tokens.sum(axis=1), state.tokens) and np.all(tokens <= cap)
            assert np.array_equal((tokens == 0).sum(axis=1), state.empty)
            assert np.array_equal((tokens == cap).sum(axis=1), state.full)
            assert np.all(state.pool + state.tokens <= 5 * cap)
    assert state.first.requests.min() > 0 and state.first.charged.min() > 0 and tags > 0


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"servers": 1, "deviator": "optimal"}, "servers = 1: must be >= 2 where one deviates"),
        ({"policy": "1", "deviator": "optimal"}, "deviator = optimal: .* servers that play Lemma 4.2; policy = 1:0:1"),
        ({"deviator": "selfish"}, "policy = selfish: must be one of mean-field, optimal"),
        ({"deviator": "optimal", "waits": "tagged"}, "waits = tagged: must be little"),
        ({"waits": "fcfs"}, "waits = fcfs: must be one of little, tagged"),
        ({"servers": 3, "arrival_rate": [0.5, 1.5, 0.6]}, "arrival_rate = 1.5: .*utilisation 1.5 at server 2"),
        ({"phi": 1.0}, "phi = 1.0: must be a number > 0 and < 1"),
        ({"phi": 0.0}, "phi = 0.0: must be"),
        ({"token_cap": 0}, "token_cap = 0: must be a whole number >= 1"),
    ],
)
def test_bad_input_names_field_value_and_rule(fields, words):
    with pytest.raises(ValueError, match=words):
        jaxq.TokenPool(**fields)


def test_a_table_must_hold_probabilities_of_one_shape():
    good = np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match="offer"):
        TablePolicy(good, good, 0.6 * np.ones((2, 3)), good)
    with pytest.raises(ValueError, match="relocate"):
        TablePolicy(good, good + 1, good, good)
    with pytest.raises(ValueError, match="serve"):
        TablePolicy(good, good, good, good[:1])
    assert str(TablePolicy(good, good, good, good)) == "table of 2 x 3" and str(NamedPolicy("optimal")) == "optimal"
