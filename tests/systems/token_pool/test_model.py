"""The token mechanism against an independent plain simulator, exact values, identities, and its own bookkeeping."""

import heapq
import math
import random as plain_random

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import jaxq
from jaxq.analytic.token_pool import server_chain
from jaxq.engine.ensemble import Ensemble
from jaxq.systems.token_pool.policy import best_response
from jaxq.systems.token_pool.processes.mechanism import alias_table
from tests.agreement import check_agreement

K = 4.5
"""Standard errors allowed; seeds are fixed."""
RUN = {"events": 200_000, "replicas": 128}
"""One length for all, so that points of one structure share a compilation."""


# --- a slow witness, written from Section 6.1 of the paper ------------------------------------------------------------


def witness(servers, arrival_rate, phi, cap, route, horizon, warmup, seed):
    """Event by event, with real clocks and a list of arrival times as the pool: (pool queue, own queue, wait of those
    served by the pool, share of time without tokens, share of offers that find a job), time averages over ``horizon``.

    ``route(q)`` is the probability that a job that finds q jobs in its own queue asks for help.
    """
    rng = plain_random.Random(seed)
    queue, tokens, pool = [0] * servers, [cap // 2] * servers, []
    clock = [(rng.expovariate(arrival_rate), i, "job") for i in range(servers)]
    clock += [(rng.expovariate(1.0), i, "unit") for i in range(servers)]
    heapq.heapify(clock)
    now, area_pool, area_own, area_empty = 0.0, 0.0, 0.0, 0.0
    waits, offers, found = [], 0, 0
    while now < warmup + horizon:
        time, i, what = heapq.heappop(clock)
        if now >= warmup:
            area_pool += (time - now) * len(pool)
            area_own += (time - now) * sum(queue)
            area_empty += (time - now) * sum(s == 0 for s in tokens)
        now = time
        heapq.heappush(clock, (now + rng.expovariate(arrival_rate if what == "job" else 1.0), i, what))
        if what == "job":
            if tokens[i] > 0 and rng.random() < route(queue[i]):
                tokens[i] -= 1
                pool.append(now)
            else:
                queue[i] += 1
        elif queue[i] > 0:
            queue[i] -= 1
        elif tokens[i] < cap:
            # an offer earns a token with probability phi, whether or not the pool has a job
            if rng.random() < phi:
                tokens[i] += 1
            if now >= warmup:
                offers, found = offers + 1, found + bool(pool)
            if pool:
                began = pool.pop(0)
                if began >= warmup:
                    waits.append(now - began)
    return (
        area_pool / horizon,
        area_own / horizon / servers,
        sum(waits) / len(waits),
        area_empty / horizon / servers,
        found / offers,
    )


# notebooks/mathematics/token_pool.md, section 7
EXACT = {"pool_queue": 0.581658, "own_queue": 0.497020, "pool_wait": 1.410437, "no_tokens": 0.373063}


@pytest.fixture(scope="module")
def small():
    return jaxq.simulate(jaxq.TokenPool(2, 0.5, 0.4, 3), **RUN)


def test_the_mechanism_meets_the_plain_simulator(small):
    """N = 2, C = 3, lambda = .5, phi = .4: k = 1, so a job that finds 1 asks, one that finds 0 with probability
    (.4 - .25)/(.5 - .25) = .6."""
    runs = np.array(
        [witness(2, 0.5, 0.4, 3, lambda q: 1.0 if q >= 1 else 0.6, 2500.0, 100.0, seed) for seed in range(24)]
    )
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    for name, mean, se in zip((*EXACT, "pool_busy_on_offer"), runs.mean(axis=0)[[0, 1, 2, 3, 4]], error, strict=True):
        assert 1.96 * se < 0.06 * mean, "no power"
        assert abs(small[name].mean - mean) < K * math.hypot(se, small[name].standard_error)


def test_the_mechanism_meets_the_exact_chain(small):
    for name, value in {**EXACT, "full_tokens": 0.216130}.items():
        # the printed value has six digits
        assert small[name].half_width < 0.008 * value, "no power"
        assert abs(small[name].mean - value) < K * small[name].standard_error + 1e-6


def test_every_metric_with_an_oracle_agrees(small):
    assert not small.flags
    for metric in small.metrics.values():
        assert metric.z is None or abs(metric.z) < K
    assert {name for name, m in small.metrics.items() if m.z is not None} >= {
        *("own_queue", "request_rate", "offer_rate", "no_tokens", "full_tokens", "tokens", "pool_busy_on_offer")
    }


# --- exact facts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "arrival_rate", "phi", "cap"),
    [(2, 0.5, 0.7, 1), (2, 0.8, 0.6, 4), (20, 0.8, 0.8, 10), (5, 0.6, 0.5, None)],
)
def test_offers_find_a_job_with_probability_phi(servers, arrival_rate, phi, cap):
    result = jaxq.simulate(jaxq.TokenPool(servers, arrival_rate, phi, cap), **RUN)
    check_agreement(result["pool_busy_on_offer"], phi, 0.02)
    assert result["pool_busy_on_offer"].kind == "identity"
    requests, offers = result.estimates["request_rate"], result.estimates["offer_rate"]
    balance = requests - phi * offers
    assert balance.half_width() < 0.02 * requests.value, "no power"
    assert abs(balance.value) < K * balance.standard_error
    for metric in result.metrics.values():
        assert metric.z is None or abs(metric.z) < K


def test_one_server_is_work_conserving_whatever_the_cap():
    """N = 1, phi <= lambda: total jobs = lambda/(1 - lambda) for every C; the cap is traced, so one compilation."""
    for cap in (1, 3, 8):
        result = jaxq.simulate(jaxq.TokenPool(1, 0.6, 0.5, cap), **RUN)
        check_agreement(result["total_jobs"], 1.5, 0.02)
        assert result["total_jobs"].oracle == pytest.approx(1.5)


def test_one_server_that_holds_back_offers_is_not_work_conserving():
    """An anticipated wait above m(1) = 1 makes a server offer with probability lambda^2/phi only: total jobs is not
    lambda/(1 - lambda), and no oracle may say so."""
    result = jaxq.simulate(jaxq.TokenPool(1, 0.5, 0.5, 4, wait=1.2), **RUN)
    metric = result["total_jobs"]
    assert abs(metric.mean - 1.0) > 20 * metric.standard_error
    assert metric.oracle is None or abs(metric.z) < K


@pytest.mark.parametrize("phi", [0.8, 0.9])
def test_without_a_cap_the_pool_has_its_closed_form(phi):
    result = jaxq.simulate(jaxq.TokenPool(5, 0.8, phi), **RUN)
    check_agreement(result["pool_queue"], phi / (1 - phi), 0.06)
    assert result["own_queue"].mean == 0
    assert result["pool_queue"].oracle == pytest.approx(phi / (1 - phi))
    check_agreement(result["cost"], (phi / (1 - phi) + 4) / 5, 0.06)
    assert "tokens" not in result.metrics


def test_unlike_servers_meet_their_chains():
    system = jaxq.TokenPool(3, [0.2, 0.5, 1.4], 0.75, 4, [1.0, 1.0, 2.0])
    result = jaxq.simulate(system, **RUN)
    chains = [server_chain.token_server(rho, 0.75, 4, 0.0, mu) for rho, mu in ((0.2, 1.0), (0.5, 1.0), (0.7, 2.0))]
    for name in ("own_queue", "request_rate", "offer_rate", "no_tokens", "full_tokens"):
        check_agreement(result[name], np.mean([c[name] for c in chains]), 0.03)
    check_agreement(result["pool_busy_on_offer"], 0.75, 0.02)


# --- bookkeeping ------------------------------------------------------------------------------------------------------


def states(system, launches, replicas=64):
    """The states of all replicas after each launch."""
    ensemble = Ensemble([system], replicas, 3, tuple(jax.devices()[:1]), tile=replicas, blocks=2, observations=64)
    for _ in range(launches):
        yield jax.tree.map(np.asarray, ensemble._parts[0][1].state)
        ensemble.launch()
    yield jax.tree.map(np.asarray, ensemble._parts[0][1].state)


BOOKS = {
    "capped": (jaxq.TokenPool(7, 0.8, 0.6, 3), 3),
    "one token": (jaxq.TokenPool(7, 0.9, 0.5, 1), 1),
    "unlike": (jaxq.TokenPool(3, [0.2, 0.5, 0.7], 0.8, 4), 4),
}


@pytest.mark.parametrize("name", BOOKS)
def test_counts_are_recounts_and_tokens_bound_the_pool(name):
    system, cap = BOOKS[name]
    n, before, moved = system.servers, None, 0
    for i, state in enumerate(states(system, 6)):
        queue, tokens = state.servers >> 16, state.servers & 0xFFFF
        assert np.all(queue >= 0) and np.all(tokens <= cap) and np.all(state.pool >= 0)
        assert np.array_equal(queue.sum(axis=1), state.own)
        assert np.array_equal(tokens.sum(axis=1), state.tokens)
        assert np.array_equal((tokens == 0).sum(axis=1), state.empty)
        assert np.array_equal((tokens == cap).sum(axis=1), state.full) or (i == 0 and cap == 0)
        # Q_0 + sum S_i <= N C on every path that starts so
        assert np.all(state.pool + state.tokens <= n * cap)
        assert np.array_equal(state.requests - state.helped, state.pool)
        assert np.all(state.helped <= state.offers)
        if i == 0:
            assert np.all(queue == 0) and np.all(tokens == cap // 2) and np.all(state.pool == 0)
        if before is not None:
            moved += int((state.served > before.served).sum())
            assert np.all(state.offers >= before.offers)
        before = state
    assert moved > 0 and before.own.std() > 0 and before.pool.max() > 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=40))
def test_alias_table_has_the_right_probabilities(rates):
    rates = np.array(rates)
    keep, other = alias_table(rates)
    kept = (keep.astype(float) + (keep == 2**32 - 1)) / 2**32
    found = kept / len(rates)
    np.add.at(found, other, (1 - kept) / len(rates))
    np.testing.assert_allclose(found, rates / rates.sum(), rtol=1e-6, atol=2.0**-31)
    assert np.all((other >= 0) & (other < len(rates)))


# --- policies ---------------------------------------------------------------------------------------------------------


def same_policy(one, other, tolerance=1e-8):
    """Equal up to rounding: routing at (threshold, mix) is continuous in threshold - mix."""
    return abs((one[0] - one[1]) - (other[0] - other[1])) < tolerance and abs(one[2] - other[2]) < tolerance


@settings(max_examples=300, deadline=None)
@given(st.floats(0.02, 0.98), st.floats(0.01, 0.99), st.just(0.0) | st.floats(0, 40))
def test_best_response_is_lemma_4_2(rho, phi, wait):
    far = all(wait == 0 or abs(wait - server_chain.switching_wait(rho, z)) > 1e-9 * (1 + wait) for z in range(60))
    assume(far)
    assert same_policy(best_response(rho, phi, wait), server_chain.best_response(rho, phi, wait))


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0.05, 0.97),
    st.integers(1, 12),
    st.sampled_from(["power", "product", "below", "above"]),
    st.just(0.0) | st.floats(0, 9),
)
def test_best_response_at_powers_of_rho(rho, j, form, wait):
    phi = math.prod([rho] * j) if form == "product" else rho**j
    phi = np.nextafter(phi, 0) if form == "below" else np.nextafter(phi, 1) if form == "above" else phi
    phi = float(phi)
    assume(0 < phi < 1)
    assume(all(wait == 0 or abs(wait - server_chain.switching_wait(rho, z)) > 1e-9 for z in range(30)))
    one, other = best_response(rho, phi, wait), server_chain.best_response(rho, phi, wait)
    assert same_policy(one, other)
    assert 0 <= one[1] <= 1 and 0 < one[2] <= 1
    if wait == 0:
        # q >= j - 1 asks, and every idle unit is offered
        assert same_policy(one, (j - 1, 0.0, 1.0))


@pytest.mark.parametrize(
    ("rho", "phi", "wait", "policy"),
    [
        (0.8, 0.8, 0.0, (0, 0.0, 1.0)),
        (0.8, 0.9, 0.0, (0, 0.0, 0.8 / 0.9)),
        (0.5, 0.4, 0.0, (1, 0.6, 1.0)),
        (0.5, 0.5, 1.2, (1, 0.0, 0.5)),
        (0.5, 0.5, 1.0, (0, 0.0, 1.0)),
    ],
)
def test_best_response_by_hand(rho, phi, wait, policy):
    assert best_response(rho, phi, wait) == pytest.approx(policy)


def test_a_wait_changes_the_policy_played():
    system = jaxq.TokenPool(2, 0.5, 0.5, 4, [2.0], wait=0.6)
    policy = system.replace(arrival_rate=1.0).process().policy
    # 0.6 time units are 1.2 mean services
    assert (policy.threshold, policy.mix, policy.offer) == pytest.approx((1, 0.0, 0.5))


@pytest.mark.parametrize("policy", [jaxq.ThresholdPolicy(1, 0.6), "1:0.6:1"], ids=["object", "text"])
def test_a_custom_policy_equal_to_the_default_gives_the_same_run(small, policy):
    custom = jaxq.simulate(jaxq.TokenPool(2, 0.5, 0.4, 3, policy=policy), **RUN)
    # the default's mixing probability comes out of a division: the same up to its last digit
    for name, metric in custom.metrics.items():
        assert metric.mean == pytest.approx(small[name].mean, rel=1e-4)
        assert metric.oracle is None


def test_a_deviating_server_is_an_array_of_thresholds():
    """One server that never asks is M/M/1 on its own; the other two still play Lemma 4.2."""
    policy = jaxq.ThresholdPolicy([1000, 0, 0], 0.0, [0.0, 1.0, 1.0])
    result = jaxq.simulate(jaxq.TokenPool(3, 0.5, 0.5, 4, policy=policy), **RUN)
    pair = server_chain.token_server(0.5, 0.5, 4)
    check_agreement(result["own_queue"], (1.0 + 2 * pair["own_queue"]) / 3, 0.03)
    check_agreement(result["request_rate"], 2 * pair["request_rate"] / 3, 0.03)


def test_prepared_constants():
    prepared = jaxq.TokenPool(4, 0.5, 0.4, 3).process()
    assert prepared.step_time() == pytest.approx(1 / 6)
    assert int(prepared.arrival_below) == round(2**32 / 3)
    assert prepared.earn == pytest.approx(0.4)
    assert jaxq.TokenPool(4, 0.5, 0.9, 3).process().earn == pytest.approx(0.5)
    unlike = jaxq.TokenPool(2, [0.5, 0.25], 0.4, 3, [1.0, 2.0]).process()
    assert unlike.step_time() == pytest.approx(1 / 3.75)
    assert unlike.arrival_below is None


def test_rare_arrivals_at_many_servers_have_their_probability():
    """Of 2**40 pairs of a word and 8 bits, 1e-4/1.0001 / 32768 are arrivals at a given server: 3355, to one; with the word
    alone 1 or 2 words of 13, of which 13 x 1e-4 are due."""
    n, rate = 32768, 1e-4
    prepared = jaxq.TokenPool(n, rate).process()
    state = prepared.init(())
    choose = jax.jit(jax.vmap(lambda *words: prepared.next_event(state, words)[0]))
    for server in (0, 7, 20_000, n - 1):
        start = server * 2**17
        low = np.arange(256, dtype=np.uint32) | np.uint32(2**31)
        words = np.arange(max(start - 2, 0), min(start + 30, 2**32), dtype=np.uint64).astype(np.uint32)
        events = choose(np.repeat(words, 256), np.tile(low, words.size))
        requests = (np.asarray(events.changes) >> 2 & 1) * (np.asarray(events.server) == server)
        assert requests.sum() == pytest.approx(rate / (1 + rate) * 2**40 / n, abs=2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arrival_rate": 1e-11}, "arrival_rate = 1e-11: an event has the probability 1e-12, must be 0 or >= 4.5e-11"),
        ({"arrival_rate": [0.5, 1e-12]}, "arrival_rate = 1e-12: an event has the probability"),
        ({"arrival_rate": 0.5, "phi": 1e-7}, "phi = 1e-07: an event has the probability 1e-07, must be 0 or >= 6e-06"),
        ({"arrival_rate": 0.5, "policy": "2:1e-7"}, "policy mix = 1e-07: an event has the probability 1e-07"),
    ],
)
def test_what_is_too_rare_to_be_drawn_is_refused(fields, words):
    servers = np.size(fields["arrival_rate"]) if np.size(fields["arrival_rate"]) > 1 else 10
    with pytest.raises(ValueError) as error:
        jaxq.TokenPool(servers, **fields)
    assert words in str(error.value)


def test_a_pool_that_nobody_asks_is_no_empty_one():
    """Requests and offers come once in 10^8 services, and E[Q_0] = phi / (1 - phi) all the same."""
    result = jaxq.simulate(jaxq.TokenPool(6, 0.0067, 0.62, None, 1.07, 3.57), events=2000, replicas=32)
    assert result["pool_queue"].mean == 0 and result["pool_queue"].oracle == pytest.approx(0.62 / 0.38, rel=0.02)
    assert "not_seen" in result.flags
