"""Control policies of multi-class multi-pool networks against exact laws of small ones, permutations, and scalings."""

import functools

import numpy as np
import pytest

import jaxq
from jaxq.analytic.parallel_servers import exact
from jaxq.engine.fields import choice
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.policies.by_name import POLICIES, by_index, by_index_preemptive
from tests.agreement import check_agreement

SMALL = {
    "2x2": jaxq.Network([5, 4], [[2, 0.5], [2, 1.1]], [2, 2], [1, 0.5], [1, 2], classes=("a", "b"), pools=("s", "t")),
    "n": jaxq.Network([1.5, 2], [[1.3, 0.8], [0, 1]], [1, 3], [0.5, 0.7], [1, 3], [1.2, 0.7], ("a", "b"), ("s", "t")),
    "3x2": jaxq.Network(
        [1, 1.2, 0.9], [[1.5, 0], [1, 0.7], [0, 1.3]], [1, 2], [0.5, 0.8, 0.4], [1, 2, 1.1], classes=("a", "b", "c"),
        pools=("s", "t"),
    ),
}  # fmt: skip
ORDERS = {
    "2x2": ("s: b > a; t: a > b", "a: t > s; b: s > t"),
    "n": ("b > a", "s > t"),
    "3x2": ("s: b > a; t: b > c", "t > s"),
}
MOST_WAITING = {"2x2": 6, "n": 6, "3x2": 3}
FIXED = ("priority", "c-mu", "c-mu-theta", "max-weight", "lqfs", "fsf")
PREEMPTIVE = ("priority-preemptive", "c-mu-preemptive", "c-mu-theta-preemptive", "max-weight-preemptive")


def system(network, policy, **fields):
    name = next(key for key, given in SMALL.items() if given is network or key == network)
    if policy.startswith("priority"):
        fields = {"priorities": ORDERS[name][0], "preferences": ORDERS[name][1], **fields}
    if policy == "priority-preemptive":
        # the orders go round in a circle in the 2x2 network; one order for both then
        fields = {**fields, "preferences": None} if name != "2x2" else {**fields, "priorities": "b > a"}
    return jaxq.ParallelServers(network=SMALL.get(network, network), policy=policy, **fields)


def arrays(network):
    return network.at()


def index(network, policy):
    """What the policy multiplies, by class and pool."""
    factor = {"c-mu": 1.0, "max-weight": 1.0, "c-mu-theta": 1 / network.abandonment_rates}[
        policy.removesuffix("-preemptive")
    ]
    return (network.holding_costs * factor)[:, None] * network.service_rates


def places(names, text, node):
    orders = dict(part.split(":") if ":" in part else (node, part) for part in text.split("; "))
    listed = [x.strip() for x in orders[node].split(">")]
    return [names.index(x) for x in listed]


def rules(network, policy, name):
    """(join, serve) as the analytic side has them, written from the definitions of the policies."""
    classes, pools = range(len(network.classes)), range(len(network.pools))
    speeds = network.service_rates
    fastest = exact.in_order([sorted(pools, key=lambda j, i=i: -speeds[i, j]) for i in classes])
    longest = exact.largest([list(classes)] * len(pools))
    if policy == "lqfs":
        return exact.largest([list(pools)] * len(classes)), longest
    if policy == "fsf":
        return fastest, longest
    if policy == "priority":
        first, then = ORDERS[name]
        joins = [places(network.pools, then, node) for node in network.classes]
        return exact.in_order(joins), exact.in_order([places(network.classes, first, node) for node in network.pools])
    value = index(network, policy)
    if policy == "max-weight":
        return fastest, lambda j, queues: max(
            (i for i in classes if queues[i] > 0), key=lambda i: (queues[i] * value[i, j], -i), default=None
        )
    return fastest, exact.in_order([sorted(classes, key=lambda i, j=j: -value[i, j]) for j in pools])


@functools.cache
def law(name, policy, most):
    network = SMALL[name]
    limits = [most] * len(network.classes)
    if policy in FIXED:
        join, serve = rules(network, policy, name)
        return exact.nonpreemptive(*arrays(network), join=join, serve=serve, most_waiting=limits)
    if policy == "max-weight-preemptive":
        edges = [(i, j) for i, j in np.argwhere(network.service_rates > 0).tolist()]
        fastest = sorted(edges, key=lambda edge: -network.service_rates[edge])
        allocate = exact.greedy(fastest, network.holding_costs[:, None] * network.service_rates)
    else:
        edges = [(i, j) for i, j in np.argwhere(network.service_rates > 0).tolist()]
        if policy == "priority-preemptive":
            # the priorities of `system`, and the fastest pool (2x2: b goes to s first)
            order = {
                "2x2": [(1, 0), (1, 1), (0, 1), (0, 0)],
                "n": [(1, 1), (0, 0), (0, 1)],
                "3x2": [(1, 0), (0, 0), (1, 1), (2, 1)],
            }[name]
        else:
            value = index(network, policy)
            order = sorted(edges, key=lambda e: -value[e])
        allocate = exact.greedy(order)
    return exact.preemptive(*arrays(network), allocate=allocate, most_customers=limits)


def means(network, found):
    """A law under the names of the metrics."""
    metrics = {"reward_rate": found.reward_rate, "total_queue": found.queue.sum()}
    for i, a in enumerate(network.classes):
        metrics |= {f"queue_{a}": found.queue[i], f"abandonment_{a}": found.abandonment[i]}
        metrics |= {
            f"busy_{a}_{s}": found.busy[i, j] for j, s in enumerate(network.pools) if network.service_rates[i, j] > 0
        }
    for j, s in enumerate(network.pools):
        metrics[f"idle_{s}"] = network.servers[j] - found.busy[:, j].sum()
    return metrics


def cut(policy, most):
    """Which states `jaxq.exact` keeps."""

    def keep(state):
        counts = state.queues if policy in FIXED else state[0]
        return functools.reduce(lambda a, b: a & b, [n <= most for n in counts])

    return keep


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        # c-mu-theta-preemptive has the index of c-mu-theta and the order of c-mu-preemptive
        *(("2x2", policy) for policy in FIXED + PREEMPTIVE if policy != "c-mu-theta-preemptive"),
        # more classes than two, and edges that are missing: one of each form of rule
        *(("3x2", policy) for policy in ("priority", "max-weight", "lqfs", "max-weight-preemptive")),
    ],
)
def test_the_chain_of_every_policy_has_its_exact_law(name, policy):
    """Cut where the analytic chain is cut, so that both laws are the same however much is lost."""
    network, most = SMALL[name], MOST_WAITING[name] + (0 if policy in FIXED else 4)
    found = jaxq.exact(system(name, policy), keep=cut(policy, most))
    for metric, value in means(network, law(name, policy, most)).items():
        assert found[metric] == pytest.approx(value, rel=1e-6, abs=1e-9), metric


def test_random_splitting_makes_every_pool_a_network_of_its_own():
    """Each pool: Poisson streams, the best g_i mu_ij first, non-preemptive."""
    network = SMALL["2x2"]
    lines, servers = np.zeros(2), {}
    for j in range(2):
        order = sorted((0, 1), key=lambda i: -network.rewards[i] * network.service_rates[i, j])
        alone = exact.nonpreemptive(
            network.arrival_rates / 2, network.service_rates[:, [j]], network.servers[[j]], network.abandonment_rates,
            join=exact.in_order([[0], [0]]), serve=exact.in_order([order]), most_waiting=(30, 30),
        )  # fmt: skip
        assert alone.lost.max() < 1e-6
        lines += alone.queue
        servers |= {(i, j): alone.busy[i, 0] for i in range(2)}
    result = jaxq.simulate(system("2x2", "random"), replicas=256, events=40_000)
    for i, name in enumerate(network.classes):
        check_agreement(result[f"queue_{name}"], lines[i], 0.02)
    for (i, j), busy in servers.items():
        check_agreement(result[f"busy_{network.classes[i]}_{network.pools[j]}"], busy, 0.02)


# --- numbering, time, pools -------------------------------------------------------------------------------------------


def renumbered(network, classes, pools):
    """The same network, its classes and pools listed in another order; names go with them."""
    rows = {"arrival_rates", "abandonment_rates", "rewards", "holding_costs", "second_order_arrivals"}
    values = {name: np.asarray(getattr(network, name))[list(classes)] for name in rows}
    return network.replace(
        **values,
        servers=network.servers[list(pools)],
        staffing=network.staffing[list(pools)],
        service_rates=network.service_rates[np.ix_(classes, pools)],
        second_order_services=network.second_order_services[np.ix_(classes, pools)],
        classes=tuple(network.classes[i] for i in classes),
        pools=tuple(network.pools[j] for j in pools),
    )


@pytest.mark.parametrize("policy", ["priority", "c-mu-preemptive"])
def test_permuting_classes_and_pools_permutes_every_metric(policy):
    base = system("3x2", policy)
    keep = cut(policy, 3)
    wanted = jaxq.exact(base, keep=keep).metrics
    found = jaxq.exact(base.replace(network=renumbered(SMALL["3x2"], (2, 0, 1), (1, 0))), keep=keep).metrics
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-10), name


def test_permuting_classes_and_pools_under_shadow_routing():
    runs = [
        jaxq.simulate(
            jaxq.ParallelServers(network=network, policy="shadow-rm"), replicas=128, events=80_000, warmup=20_000
        )
        for network in (NETWORKS["x-model"], renumbered(NETWORKS["x-model"], (1, 0), (1, 0)))
    ]
    assert set(runs[0].metrics) == set(runs[1].metrics)
    for name, metric in runs[0].metrics.items():
        spread = np.hypot(metric.standard_error, runs[1][name].standard_error)
        assert abs(metric.mean - runs[1][name].mean) <= 4.5 * spread, name


def test_in_other_units_of_time_only_rates_change():
    base, keep = system("2x2", "c-mu"), cut("c-mu", 6)
    network = base.network
    faster = network.replace(
        **{name: 4 * getattr(network, name) for name in ("arrival_rates", "service_rates", "abandonment_rates")}
    )
    before, after = (jaxq.exact(base.replace(network=n), keep=keep) for n in (network, faster))
    for name, value in before.metrics.items():
        rate = name.startswith(("departures", "reward"))
        assert after[name] == pytest.approx(value * (4 if rate else 1), rel=1e-10), name


@pytest.mark.parametrize("policy", ["lqfs", "max-weight-preemptive"])
def test_a_pool_cut_in_two_is_still_that_pool(policy):
    """One pool of three servers; with lqfs the freest half does not matter, as all servers are alike."""
    whole = jaxq.Network([2, 1.5], [[1], [0.8]], [3], [0.5, 0.7], [1, 2])
    halves = whole.replace(service_rates=[[1, 1], [0.8, 0.8]], servers=[1, 2], pools=(), staffing=None,
                           second_order_services=None)  # fmt: skip
    one, two = (
        jaxq.exact(jaxq.ParallelServers(network=n, policy=policy), keep=cut(policy, 6)) for n in (whole, halves)
    )
    for name in ("queue_1", "queue_2", "number_in_system", "abandonment_1", "reward_rate"):
        assert two[name] == pytest.approx(one[name], rel=1e-9), name
    assert two["busy_1_1"] + two["busy_1_2"] == pytest.approx(one["busy_1_1"], rel=1e-9)


def test_orders_of_many_classes_are_not_drawn():
    network = jaxq.Network([0.1] * 5, [[1]] * 5, [1])
    with pytest.raises(ValueError, match="policy = softmax-preemptive: draws an order of the classes, .* 5 here"):
        jaxq.ParallelServers(network, policy="softmax-preemptive")


# --- a static order is one function -----------------------------------------------------------------------------------


def most_patient(inputs):
    """theta_i by edge: the most patient class first, pools alike."""
    return inputs.of_class(inputs.network.abandonment_rates)


@pytest.fixture
def ordered(monkeypatch):
    """`ParallelServers` with two policies more, made from one index."""
    rows = {"patient": by_index("the most patient", most_patient)}
    rows["patient-preemptive"] = by_index_preemptive("the most patient", most_patient, comparable=False)
    for name, row in rows.items():
        monkeypatch.setitem(POLICIES, name, row)

    class Extended(jaxq.ParallelServers):
        policy: str = choice("policy", {name: row.doc for name, row in POLICIES.items()}, default="patient")

    return Extended


@pytest.mark.parametrize("policy", ["patient", "patient-preemptive"])
def test_one_index_adds_a_policy_with_its_exact_law(ordered, policy):
    network = SMALL["n"]  # a is the most patient
    same = system("n", policy.replace("patient", "priority"), priorities="a > b", preferences=None)
    added = ordered(network, policy)
    truth = same.oracle()
    assert truth["total_queue"].kind == "exact"
    assert {name: reference.value for name, reference in added.oracle().items()} == pytest.approx(
        {name: reference.value for name, reference in truth.items()}
    )
    assert added.theory().keys() == same.theory().keys()
    result = jaxq.simulate(added, replicas=128, events=20_000)
    check_agreement(result["total_queue"], truth["total_queue"].value, 0.03)
