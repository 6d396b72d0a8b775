"""Dispatching policies against exact laws, identities, limits, a plain simulator, and their own refusals."""

import itertools
import math
import random as plain_random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.__main__ import main
from jaxq.analytic.load_balancing import exact, policies
from jaxq.analytic.markov.sparse import stationary
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import POLICIES, Rule, compare, join_probabilities, parse_policy, ranking
from tests.agreement import check_agreement
from tests.analytic.load_balancing import ranks

SPEEDS = "2.5:0.2,0.625:0.8"
RUN = {"replicas": 128, "events": 100_000}


def system(policy="sa-jsq", servers=50, speeds=SPEEDS, **fields):
    return LoadBalancing(servers=servers, speeds=speeds, policy=policy, **fields)


# --- the rule of every policy, against the telescoping rule of the analytic side --------------------------------------

RULES = {
    "sa-jsq": ranks.SA_JSQ,
    "jsq": ranks.JSQ,
    "jsq-slowest": policies.Policy(lambda jobs, rate: (jobs, rate)),
    "led": ranks.LEAST_DELAY,
    "jiq": ranks.JIQ,
    "sa-jiq": ranks.SA_JIQ,
    "sa-jiq-weighted": ranks.SA_JIQ._replace(weights=(3.0, 1.0)),
    "uniform": ranks.RANDOM,
    "random": policies.Policy(ranks.indifferent, 1, weights=(3.0, 1.0)),
    "pod2": policies.Policy(ranks.shortest, 2, distinct=True),
    "pod3r": policies.Policy(ranks.shortest, 3, weights=(3.0, 1.0)),
    "sa-pod3": policies.Policy(ranks.shortest_fastest, 3, distinct=True),
}


@pytest.mark.parametrize("name", RULES)
def test_probabilities_of_joining_are_the_analytic_ones(name):
    rng, policy, mu = np.random.default_rng(1), parse_policy(name), np.array([3.0, 1.0])
    groups = ranking(policy.rule.rank, mu, 4)
    weights = RULES[name].weights
    for _ in range(12):
        held = rng.integers(0, 5, (2, 5)) * (rng.random((2, 5)) < 0.6)
        held[0, 2] += 1
        held[1, 3] += 3
        found = join_probabilities(policy, groups, held.tolist(), held.sum(axis=1).tolist(), weights)
        classes = [(j, i, int(held[j, i])) for j in range(2) for i in range(5)]
        wanted = {(j, i): chance for j, i, chance in policies.routing(RULES[name], tuple(mu), classes)}
        for cell, chance in found.items():
            assert float(chance) == pytest.approx(wanted.get(cell, 0.0), abs=2e-6), (cell, held)


# --- tiny systems -----------------------------------------------------------------------------------------------------

# notebooks/mathematics/load_balancing.md, section 6
TINY = {
    ("sa-jsq", 2, "2.5:0.5,0.625:0.5", 40): 3.364218,
    ("jsq", 2, "2.5:0.5,0.625:0.5", 40): 3.797258,
    ("modified", 2, "2.5:0.5,0.625:0.5", None): 1.436617,
    ("sa-jsq", 5, SPEEDS, 6): 5.027458,
    ("jsq", 2, "1:1", 60): 2.951476,
}


def tiny(policy, servers, speeds, buffer):
    return system(policy, servers, speeds, load=0.7, buffer=buffer)


def test_oracles_of_tiny_systems():
    for case, jobs in TINY.items():
        assert tiny(*case).oracle()["number_in_system"].value == pytest.approx(jobs, abs=6e-7)


@pytest.mark.parametrize("case", [case for case in TINY if case[1] == 2 and case[2] != "1:1"], ids=str)
def test_tiny_systems_have_these_means_by_their_chain(case):
    assert jaxq.exact(tiny(*case))["number_in_system"] == pytest.approx(TINY[case], abs=6e-7)


@pytest.mark.parametrize("case", [case for case in TINY if case[0] != "jsq"], ids=str)
def test_tiny_systems_have_these_means_in_simulation(case):
    result = jaxq.simulate(tiny(*case), **RUN)
    check_agreement(result["number_in_system"], TINY[case], 0.03)


@pytest.mark.parametrize(
    "policy", ["jsq", "jsq-slowest", "pod2", "jiq", "led", "sa-jiq", "uniform", "random", "sa-pod2"]
)
def test_every_policy_in_every_layout_has_its_exact_law(policy):
    """Three servers with room for three jobs: the few-queues layout by exact and simulation, counts by exact."""
    few = system(policy, 3, "2:0.33333333333333333,1:0.66666666666666667", load=0.8, buffer=3)
    rule = RULES.get(policy) or policies.Policy(ranks.shortest_fastest, 2, distinct=True)
    rule = rule._replace(weights=(2.0, 1.0)) if policy == "random" else rule
    law = exact.small_system(few.arrival_rate, (2.0, 1.0), (1, 2), 3, rule)
    counted = jaxq.exact(few.replace(laws="yes"))
    for found in (jaxq.exact(few), counted):
        assert found["number_in_system"] == pytest.approx(law["number_in_system"], rel=1e-6)
        assert found["probability_lost"] == pytest.approx(law["loss_probability"], rel=1e-5)
        assert found["response_time"] == pytest.approx(law["response_time"], rel=1e-6)
        assert found["all_busy"] == pytest.approx(law["probability_all_busy"], rel=1e-6)
    assert counted["level_1_2"] == pytest.approx(law["levels"][0, 1], rel=1e-6)
    result = jaxq.simulate(few, replicas=128, events=20_000)
    for metric in result.metrics.values():
        assert metric.z is None or abs(metric.z) < 4.5
    assert result["number_in_system"].half_width < 0.02 * law["number_in_system"], "no power"


def test_types_of_equal_speed_have_the_exact_law_too():
    few = system("sa-jsq", 3, "1:0.3333333333333333,1:0.3333333333333333,0.5:0.3333333333333333", load=0.8, buffer=3)
    law = exact.small_system(few.arrival_rate, (1.0, 1.0, 0.5), (1, 1, 1), 3, ranks.SA_JSQ)["number_in_system"]
    for found in (jaxq.exact(few), jaxq.exact(few.replace(laws="yes"))):
        assert found["number_in_system"] == pytest.approx(law, rel=1e-6)


# --- a policy is one function -------------------------------------------------------------------------------------------


def test_ranks_order_servers_as_the_analytic_ones_do():
    """`analytic` has ranks of its own, which the oracles are not built with: both must agree on every pair of servers."""
    cells = [(jobs, rate) for jobs in range(5) for rate in (3.0, 1.0, 0.5)]
    for name, rule in RULES.items():
        ours = parse_policy(name).rule.rank
        for one, other in itertools.product(cells, cells):
            assert (ours(*one) < ours(*other)) == (rule.rank(*one) < rule.rank(*other)), (name, one, other)
            smaller, same = compare(ours(*one), ours(*other))
            assert (bool(smaller), bool(same)) == (ours(*one) < ours(*other), ours(*one) == ours(*other))


def below_two(jobs, rate):
    """Join below a threshold: a server with fewer than two jobs, the fastest of them."""
    return (jobs >= 2, -rate * (jobs < 2))


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setitem(POLICIES, "jbt", Rule("join below two jobs, the fastest", below_two))
    monkeypatch.setitem(POLICIES, "jbt<d>", Rule("the same of d servers", below_two, draws=None))


def test_one_function_adds_a_policy_to_every_layout_and_oracle(added):
    small = system("jbt", 3, "2:0.33333333333333333,1:0.66666666666666667", load=0.8, buffer=4)
    rule = policies.Policy(lambda jobs, rate: (0, -rate) if jobs < 2 else (1, 0))
    law = exact.small_system(small.arrival_rate, (2.0, 1.0), (1, 2), 4, rule)["number_in_system"]
    assert small.oracle()["number_in_system"].value == pytest.approx(law, rel=1e-12)
    assert jaxq.exact(small)["number_in_system"] == pytest.approx(law, rel=1e-6)
    assert jaxq.exact(small.replace(laws="yes"))["number_in_system"] == pytest.approx(law, rel=1e-6)
    check_agreement(jaxq.simulate(small, **RUN)["number_in_system"], law, 0.02)
    assert "not told apart" in small.replace(buffer=None).theory()["stability"].meaning

    # two servers drawn: their exact law by counts, and queues one by one beside the mean field
    drawn = system("jbt2", 4, "2:0.5,1:0.5", load=0.5, buffer=3)
    found = jaxq.exact(drawn)["number_in_system"]
    assert found == pytest.approx(drawn.oracle()["number_in_system"].value, rel=1e-6)
    many = system("jbt2", 2000, "2:0.5,1:0.5", load=0.5)
    check_agreement(
        jaxq.simulate(many, replicas=64, events=100_000)["response_time"], many.oracle()["response_time"].value, 0.01
    )


def test_an_added_policy_is_a_choice_of_the_command_line(added, capsys):
    assert main(["theory", "load-balancing", "--policy", "jbt"]) == 0
    assert "not told apart" in capsys.readouterr().out
    assert main(["run", "load-balancing", "--policy", "jbt0"]) == 2
    assert "jbt, jbt<d>, with a number" in capsys.readouterr().err


# --- queues one by one, against a plain simulator ---------------------------------------------------------------------


def witness(servers, speeds, rate, draws, aware, horizon, warmup, seed):
    """Time averages of (jobs, servers of type 1 with two jobs or more) under the power of d distinct choices."""
    rng = plain_random.Random(seed)
    jobs, now, area, deep = [0] * servers, 0.0, 0.0, 0.0
    total = rate + sum(speeds)
    fast = [i for i in range(servers) if speeds[i] == max(speeds)]
    while now < warmup + horizon:
        gap = rng.expovariate(total)
        if now >= warmup:
            area += gap * sum(jobs)
            deep += gap * sum(jobs[i] >= 2 for i in fast)
        now += gap
        if rng.random() * total < rate:
            drawn = rng.sample(range(servers), draws)
            key = {i: (jobs[i], -speeds[i] if aware else 0, rng.random()) for i in drawn}
            jobs[min(drawn, key=key.__getitem__)] += 1
        else:
            i = rng.choices(range(servers), speeds)[0]
            jobs[i] -= jobs[i] > 0
    return area / horizon, deep / horizon


@pytest.mark.parametrize(("policy", "draws", "aware"), [("pod2", 2, False), ("sa-pod3", 3, True)])
def test_the_power_of_d_meets_the_plain_simulator(policy, draws, aware):
    speeds = [2.0] * 4 + [1.0] * 6
    found = jaxq.simulate(system(policy, 10, "2:0.4,1:0.6", load=0.7), **RUN)
    runs = np.array([witness(10, speeds, 0.7 * 14, draws, aware, 800.0, 50.0, seed) for seed in range(10)])
    error = runs.std(axis=0, ddof=1) / math.sqrt(len(runs))
    for mean, se, ours, scale in zip(
        runs.mean(axis=0), error, ("number_in_system", "y_1_2"), (1, math.sqrt(10)), strict=True
    ):
        metric = found[ours]
        assert 1.96 * se < 0.05 * mean and metric.half_width * scale < 0.05 * mean, "no power"
        assert abs(metric.mean * scale - mean) < 4.5 * math.hypot(se, metric.standard_error * scale)


def test_random_routing_is_m_m_1_at_every_server():
    result = jaxq.simulate(system("random", 10, "2:0.4,1:0.6", load=0.6, routing=[0.7, 0.3]), **RUN)
    assert result["response_time"].half_width < 0.02 * result["response_time"].mean, "no power"
    exacts = [name for name, metric in result.metrics.items() if metric.kind == "exact"]
    assert {"number_in_system", "waiting_jobs", "all_busy", "y_1_2", "idle_servers_2"} <= set(exacts)
    assert all(abs(metric.z) < 4.5 for metric in result.metrics.values() if metric.z is not None)


# --- identities, the control variate, large systems -------------------------------------------------------------------


@pytest.fixture(scope="module")
def fifty():
    return jaxq.simulate(system(servers=50, beta=2.0), replicas=256, events=200_000)


def test_speed_aware_jsq_at_fifty_servers(fifty):
    """Values of `python benchmarks/witnesses.py "sa-jsq 50"`, a plain simulation, each with its own half-width."""
    witness = {
        "y_1_1": (-0.173982, 2.7e-4),
        "y_2_1": (-2.50839, 0.0051),
        "y_1_2": (0.00583834, 2.3e-4),
        "y_plus_1": (-2.67575, 0.0055),
        "all_busy": (0.00295899, 1.1e-4),
    }
    # of a longer plain simulation: notebooks/mathematics/load_balancing.md, section 4
    longer = {
        "y_1_1": (-0.17379, 8e-5),
        "y_2_1": (-2.5048, 3e-4),
        "y_1_2": (0.00586, 7e-5),
        "y_plus_1": (-2.6720, 3e-4),
        "all_busy": (0.002979, 2.9e-5),
    }
    for name, (value, half_width) in [*witness.items(), *longer.items()]:
        check_agreement(fifty[name], value, 0.12, error=half_width / 1.96)
    assert fifty["busy_capacity"].kind == "identity" and abs(fifty["busy_capacity"].z) < 4.5
    assert fifty["number_in_system"].mean > fifty["number_in_system"].oracle  # the lower bound


def test_the_control_variate_narrows_the_interval(fifty):
    plain, controlled = fifty["number_observed"], fifty["number_in_system"]
    assert controlled.half_width < plain.half_width / 4
    assert abs(plain.mean - controlled.mean) < 4.5 * plain.standard_error


def chances(prepared, state):
    """Exact probability of each event in a state: how many of the 2**32 words choose it, by bisection."""
    choose = jax.jit(jax.vmap(lambda word: prepared.next_event(state, (word,))[0]))
    count = len(prepared.rates(state)) + 1
    edges = [0]
    for k in range(count - 1):
        low, high = 0, 2**32  # the least word that chooses an event after k
        while low < high:
            words = np.unique(np.linspace(low, high - 1, 257).astype(np.uint64))
            after = np.asarray(choose(words.astype(np.uint32))) > k
            if not after.any():
                low = high
                break
            first = int(np.argmax(after))
            high = int(words[first])
            low = int(words[first - 1]) + 1 if first else high
        edges.append(low)
    return np.diff([*edges, 2**32]) / 2**32


def test_the_grid_of_a_word_is_fine_enough_for_a_million_servers():
    """In a typical state the net drift of the capacity in use is off by less than 1e-4 of what idle capacity brings."""
    prepared = system(servers=10**6, beta=2.0).process()
    levels = ((200_000, 12, 0, 0)[: prepared.levels], (796_800, 0, 0, 0)[: prepared.levels])
    state = (tuple(tuple(jnp.int32(x) for x in mine) for mine in levels), jnp.int32(0))
    bound = float(prepared.total_rate_bound())
    wanted = np.array([float(rate) for rate in prepared.rates(state)]) / bound
    found = chances(prepared, state)[:-1]
    assert found.sum() == pytest.approx(wanted.sum(), abs=2e-7)
    rare = wanted < 1e-4
    assert np.all(np.abs(found - wanted)[rare & (wanted > 0)] < 1e-4 * wanted[rare & (wanted > 0)])
    idle_capacity = 2000.0
    assert np.all(np.abs(found - wanted) * bound < 1e-4 * idle_capacity)


def test_more_servers_than_16_bits_are_all_drawn():
    """Which server joins or serves, from the words: ``floor(word x 131072 / 2**32)``."""
    prepared = jax.tree.map(jnp.asarray, jaxq.LoadBalancing(131_072, policy="pod2", load=0.5).process())
    state = prepared.init(())
    found = jax.jit(lambda *words: prepared.next_event(state, words)[0].server)
    for word in (0, 2**15 - 1, 2**15, 2**31 + 12345, 2**32 - 1):
        for first in (0, 2**32 - 1):  # a service, an arrival
            words = [np.uint32(x) for x in (first, word, word, word)]
            server = int(found(*words))
            assert abs(server - (word * 131_072 >> 32)) <= bool(first)  # two draws without replacement differ


def test_a_type_too_rare_to_be_drawn_is_refused():
    with pytest.raises(
        ValueError, match=r"^speeds = .*: an event has the probability .*, must be 0 or >= 1.2e-08 to be drawn"
    ):
        jaxq.LoadBalancing(100, "1:0.99,1e-9:0.01", policy="pod2", load=0.5)


def test_a_million_servers_meet_their_identity():
    """The capacity in use is the arrival rate, within a tenth of the idle capacity here."""
    result = jaxq.simulate(system(servers=10**6, beta=2.0), replicas=256, events=1_500_000, warmup=1_000_000)
    metric = result["busy_capacity"]
    assert metric.oracle == 998_000.0 and metric.half_width < 200
    assert abs(metric.z) < 4.5


def test_response_times_are_a_mixture_of_erlangs():
    """JSQ at two unit servers: quantiles against the exact chain's mixture, the mean against Little."""
    tiny = system("jsq", 2, "1:1", load=0.6, buffer=8, laws="yes")
    found, truth = jaxq.simulate(tiny, **RUN), jaxq.exact(tiny)
    admitted = 1 - truth["probability_lost"]
    mean = sum(truth[f"joins_1_{i}"] * (i + 1) for i in range(8)) / admitted
    assert mean == pytest.approx(truth["response_time"], rel=1e-6)
    for name in ("response_0.5", "response_0.9", "response_0.99"):
        check_agreement(found[name], truth[name], 0.05)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_power_of_two_is_reported_unstable_with_its_growth():
    unstable = system("pod2", 400, load=0.9)
    assert unstable.predicted_growth() == pytest.approx(30.26, abs=0.005)
    with pytest.warns(UserWarning, match="pod2 is unstable here: 30.26 jobs more"):
        result = jaxq.simulate(unstable, replicas=128, max_events=6e7, precision=0.01)
    assert "unstable" in result.flags and result["number_in_system"].mean is None
    growth = result.growth["number_in_system"]
    assert growth["half_width"] < 1 and abs(growth["rate"] - 30.26) < 1


def test_too_few_levels_are_an_overflow_and_no_mean():
    result = jaxq.simulate(system("jsq", 20, "1:1", load=0.95, levels=2), replicas=64, events=20_000)
    assert "overflow" in result.flags and result["number_in_system"].mean is None


@pytest.mark.parametrize(("servers", "load"), [(2, 0.9), (9, 0.95), (50, 0.9), (400, 0.9), (500, 0.99)])
def test_levels_are_enough_for_the_load(servers, load):
    """A level needs about n jobs more, so that it is reached with probability load**n times that of the one below."""
    levels = system("jsq", servers, "1:1", load=load).counted_levels()
    assert load ** (servers * (levels - 3)) <= 1e-12 < load ** (servers * (levels - 5))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"speeds": "1:0.5,2:0.5"}, "speeds = 1:0.5,2:0.5: must be sorted, the fastest type first"),
        ({"speeds": "2:0.5,0:0.5"}, "every speed must be > 0"),
        ({"speeds": "2:0.5,1:0.6"}, "fractions must be > 0 and sum to 1, not 1.1"),
        ({"speeds": "fast"}, "speeds = fast: must be speed:fraction"),
        ({"servers": 51}, "servers = 51: must be shared into whole numbers of each type, not 10.2, 40.8"),
        ({"policy": "pod60"}, "policy = pod60: must draw at most servers = 50 servers"),
        ({"policy": "jsqq"}, "policy = jsqq: must be one of sa-jsq, jsq"),
        ({"load": 0.0}, "load = 0.0: must be a number > 0"),
        ({"load": 0.9, "beta": 1.0}, "load = 0.9: must be none where beta = 1"),
        ({"beta": 8.0}, "beta = 8: must be < sqrt"),
        ({"routing": [0.5, 0.5]}, "routing: must go with policy sa-jiq, random, pod<d> or pod<d>r, not sa-jsq"),
        (
            {"policy": "uniform", "routing": [0.5, 0.5]},
            "routing: must go with policy sa-jiq, random, pod<d> or pod<d>r, not uniform",
        ),
        ({"policy": "random", "routing": [0.5, 0.6]}, "routing"),
        ({"policy": "random", "routing": [1.0]}, "routing"),
        (
            {"policy": "pod2", "routing": [0.5, 0.5], "buffer": 5},
            "routing: must be none with policy pod2 and a buffer or levels",
        ),
        (
            {"policy": "pod2", "servers": 5, "routing": [0.5, 0.5]},
            "routing: must be none with policy pod2 where a type has 1 servers only: all draws may be of that type",
        ),
        ({"policy": "pod2", "laws": "yes"}, "laws = yes: must be no with policy pod2"),
        ({"buffer": 3, "levels": 3}, "levels = 3: must be none where buffer = 3"),
    ],
)
def test_bad_input_names_field_value_and_rule(fields, words):
    with pytest.raises(ValueError, match=words):
        LoadBalancing(**{"servers": 50, "speeds": SPEEDS, **fields})


def test_no_stationary_regime_above_capacity():
    with pytest.raises(ValueError, match="load = 1.1: must be < 1"):
        jaxq.simulate(system(load=1.1), events=100)
    assert jaxq.simulate(system("jsq", 2, "1:1", load=1.1, buffer=4), **RUN)["probability_lost"].mean > 0.1


def test_distinct_servers_of_types_drawn_by_routing_probabilities():
    """Against the chain of four queues, two of each type: types independent, a second server of one type the other one."""
    rates, routing, most, arrivals = (1.5, 1.5, 0.5, 0.5), (0.7, 0.3), 8, 0.4 * 4
    states = list(itertools.product(range(most + 1), repeat=4))
    place = {state: k for k, state in enumerate(states)}
    origins, targets, flows = [], [], []
    for state in states:
        for s, rate in enumerate(rates):
            if state[s] > 0:
                origins.append(place[state])
                targets.append(place[*state[:s], state[s] - 1, *state[s + 1 :]])
                flows.append(rate)
        for first, second in itertools.permutations(range(4), 2):
            same = first // 2 == second // 2
            chance = routing[first // 2] / 2 * routing[second // 2] / (1 if same else 2)
            s = first if state[first] <= state[second] else second  # first and second in either order: ties are even
            if state[s] < most:
                origins.append(place[state])
                targets.append(place[*state[:s], state[s] + 1, *state[s + 1 :]])
                flows.append(arrivals * chance)
    law = stationary(len(states), origins, targets, flows)
    jobs = np.array(states)
    assert law[jobs.max(axis=1) == most].sum() < 1e-4
    result = jaxq.simulate(system("pod2", 4, "1.5:0.5,0.5:0.5", load=0.4, routing=routing), **RUN)
    check_agreement(result["number_in_system"], float(law @ jobs.sum(axis=1)), 0.02)
    check_agreement(result["idle_servers_1"], float(law @ (jobs[:, :2] == 0).sum(axis=1)), 0.02)
    # with replacement the law is another
    other = jaxq.simulate(system("pod2r", 4, "1.5:0.5,0.5:0.5", load=0.4, routing=routing), **RUN)
    metric = other["number_in_system"]
    assert metric.mean - result["number_in_system"].mean > 5 * metric.standard_error
