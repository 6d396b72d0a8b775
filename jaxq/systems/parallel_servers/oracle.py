"""What is known of a network without simulating it: planning problems, balances, fluid limits and exact laws."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from jaxq.analytic.parallel_servers import exact, planning
from jaxq.analytic.parallel_servers.fluid import routed_rest_point
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.parallel_servers.x_model import x_model
from jaxq.analytic.staffing import drift, fluid, gains, growth
from jaxq.analytic.staffing.demand import second_order_demand
from jaxq.analytic.stations.erlang import halfin_whitt
from jaxq.analytic.stations.mmc import TooManyStates, mmc
from jaxq.engine.reference import Reference

ROUNDED = 1e-12
"""Share of a pool below which what is left of it after the busy ones is rounding."""
MOST_STATES = 20_000
"""States up to which a law with busy servers by edge is solved beside a run."""
MOST_NUMBERS = 120_000
"""The same of a law of the numbers in system."""
LOST = 1e-9
"""Share of arrivals that may be lost to a cut."""
UNSTABLE = 1e-3
"""Share lost that does not fall as the cut moves up, above which it is given up."""
SPREAD = 6.5
"""Standard deviations above its mean at which a Poisson number is cut."""


class Control(NamedTuple):
    """A policy in plain numbers, by (class, pool), shape (I, J), infinite where a pool does not serve a class.

    Attributes:
        policy: its name.
        preemptive: whether services are interrupted.
        holding_costs: h_i, shape (I,).
        index: the smallest is served first; None: not by a static order.
        weight: the largest weight x line is served first; None: not by length.
        preference: an arrival goes to the smallest; None: to the freest pool.
        routing: p_ij, of random splitting, or None.
        softmax: w_i and b_i of drawn priorities, shape (2, I), or None.
    """

    policy: str
    preemptive: bool
    holding_costs: np.ndarray
    index: np.ndarray | None = None
    weight: np.ndarray | None = None
    preference: np.ndarray | None = None
    routing: np.ndarray | None = None
    softmax: np.ndarray | None = None


def parallel_servers(given: Rates, classes, pools, control: Control, poisson: bool = True) -> dict[str, Reference]:
    """References of the metrics of `ParallelServers`.

    Under every policy customers leave at the rate at which they come, and earn no more than the planning problem. Small
    networks have an exact law, M/M/N+M is known if pools and classes are alike, and overloaded X-models and pools fed
    by random splitting have a fluid limit. Shadow routing has the first two only, and renewal arrivals, with which nobody
    who arrives sees the average over time, no exact law.

    Args:
        given: the network.
        classes, pools: names.
        control: the policy.
        poisson: whether all arrivals are.
    """
    best = planning.static_planning(*given[:3], given.rewards)
    found = {"reward_rate": Reference(best.reward, "bound")}
    for name, rate in zip(classes, given.arrival_rates, strict=True):
        found[f"departures_{name}"] = Reference(float(rate), "identity")
    if control.index is None and control.weight is None and control.softmax is None:
        return found
    found |= _named(fluid_rest(given, control), "limit", given, control, classes, pools)
    if not poisson:
        return found
    key = tuple(None if x is None else (x.shape, x.tobytes()) for x in (*given, *control[2:]))
    found |= _named(_exact(_Key(given, control, key)), "exact", given, control, classes, pools)
    return found | _alike(given, control, classes, pools)


def _named(law: Any, kind: str, given: Rates, control: Control, classes, pools) -> dict[str, Reference]:
    """Metrics of a law or a rest point, with queues by class; none for None."""
    if law is None:
        return {}
    inside = law.queue + law.busy.sum(axis=1)
    found = {
        "number_in_system": inside.sum(),
        "total_queue": law.queue.sum(),
        "holding_cost": control.holding_costs @ inside,
    }
    if kind == "exact":
        found["reward_rate"] = law.reward_rate
    idle = given.servers - law.busy.sum(axis=0)
    idle = np.where(idle > ROUNDED * given.servers, idle, 0.0)
    for i, name in enumerate(classes):
        found[f"queue_{name}"] = law.queue[i]
        if given.abandonment_rates[i] > 0 and given.arrival_rates[i] > 0:
            found[f"abandonment_{name}"] = law.abandonment[i]
        for j in np.flatnonzero(given.service_rates[i]):
            found[f"busy_{name}_{pools[j]}"] = law.busy[i, j]
    found |= {f"idle_{pool}": x for pool, x in zip(pools, idle, strict=True)}
    return {name: Reference(float(value), kind) for name, value in found.items()}


# --- orders -------------------------------------------------------------------------------------------------------------


def _by_pool(ranks: np.ndarray, served: np.ndarray) -> list[list[int]]:
    return [[i for i in np.argsort(r, kind="stable").tolist() if served[i, j]] for j, r in enumerate(ranks.T)]


def _filling(pools_first: list[list[int]], classes_first: list[list[int]]) -> list[tuple[int, int]]:
    """Edges so that each is the first that is left of its pool and of its class."""
    edges = [(i, j) for j, order in enumerate(pools_first) for i in order]
    found = []
    while edges:
        first = next(
            (i, j)
            for i, j in edges
            if i == next(c for c in pools_first[j] if (c, j) in edges)
            and j == next(p for p in classes_first[i] if (i, p) in edges)
        )
        edges.remove(first)
        found.append(first)
    return found


# --- limits and closed forms --------------------------------------------------------------------------------------------


def fluid_rest(given: Rates, control: Control):
    """The fluid rest point where a formula has it and everybody abandons; queues by class."""
    if not (given.abandonment_rates > 0).all():
        return None
    if control.routing is not None:
        orders = np.argsort(np.asarray(control.index), axis=0, kind="stable").T
        routed = given.arrival_rates[:, None] * control.routing
        rest = routed_rest_point(routed, *given[1:4], orders, given.rewards)
        queue = rest.queue.sum(axis=1)
        rate = np.where(given.arrival_rates > 0, given.arrival_rates, np.inf)
        return rest._replace(queue=queue, abandonment=given.abandonment_rates * queue / rate)
    if control.index is None or control.preemptive or not given.served.all():
        return None
    orders = _by_pool(control.index, given.served)
    if any(order != orders[0] for order in orders):
        return None
    try:
        return x_model(*given[:4], orders[0], given.rewards)
    except ValueError:
        return None


def _alike(given: Rates, control: Control, classes, pools) -> dict[str, Reference]:
    """M/M/N+M: every pool serves every class at one rate, one patience, and no server idles while somebody waits."""
    rate, patience = given.service_rates[0, 0], given.abandonment_rates[0]
    alike = (given.service_rates == rate).all() and (given.abandonment_rates == patience).all() and rate > 0
    servers, arrivals = int(given.servers.sum()), float(given.arrival_rates.sum())
    if not alike or arrivals == 0 or (control.routing is not None and len(pools) > 1):
        return {}
    if patience == 0 and arrivals >= servers * rate:
        return {}
    try:
        law = mmc(arrivals, float(rate), servers, float(patience) or None)
    except TooManyStates:
        return {}
    found = {"number_in_system": law["number_in_system"], "total_queue": law["queue_length"]}
    if len(classes) == 1:
        found |= {f"queue_{classes[0]}": law["queue_length"]}
        found |= {f"abandonment_{classes[0]}": law["probability_abandon"]} if patience > 0 else {}
        found["reward_rate"] = float(given.rewards[0] * rate) * servers * law["utilisation"]
        found["holding_cost"] = float(control.holding_costs[0]) * law["number_in_system"]
    if len(pools) == 1:
        found[f"idle_{pools[0]}"] = servers * (1 - law["utilisation"])
    return {name: Reference(float(value)) for name, value in found.items()}


# --- exact laws ---------------------------------------------------------------------------------------------------------


class _Key:
    """Arrays as a dictionary key."""

    def __init__(self, given: Rates, control: Control, key: tuple):
        self.given, self.control, self.key = given, control, (control.preemptive, *key)

    def __hash__(self):
        return hash(self.key)

    def __eq__(self, other):
        return self.key == other.key


@functools.lru_cache(maxsize=64)
def _exact(key: _Key) -> exact.Law | None:
    """The exact law of a small network; None if it is not small."""
    given, control = key.given, key.control
    served = given.served
    if control.routing is not None:
        return _split(given, control)
    near = None if control.preference is None else _by_pool(control.preference.T, served.T)
    if control.softmax is not None and near is not None:
        return _numbers(given, exact.drawn(control.softmax[0], control.softmax[1], near))
    if control.preemptive and control.index is None:
        edges = [(i, j) for i, j in np.argwhere(served).tolist()]
        fastest = sorted(edges, key=lambda edge: -given.service_rates[edge])
        return _numbers(given, exact.greedy(fastest, control.weight))
    if control.index is None:
        weights = np.where(served, np.asarray(control.weight), 1.0)
        serve = exact.largest([np.flatnonzero(row).tolist() for row in served.T], weights.T)
    else:
        first = _by_pool(control.index, served)
        if control.preemptive and near is not None:
            return _numbers(given, exact.greedy(_filling(first, near)))
        serve = exact.in_order(first)
    freest = exact.largest([np.flatnonzero(row).tolist() for row in served])
    return _queues(given, freest if near is None else exact.in_order(near), serve)


def _split(given: Rates, control: Control) -> exact.Law | None:
    """Random splitting: each pool by itself."""
    shape, shares = given.service_rates.shape, np.asarray(control.routing)
    queue, busy, states = np.zeros(shape), np.zeros(shape), 0
    orders = _by_pool(np.asarray(control.index), given.served)
    for j, order in enumerate(orders):
        # in the order of priority; a stream without arrivals is not there
        mine = [i for i in order if given.arrival_rates[i] * shares[i, j] > 0]
        if not mine:
            continue
        rates = given.arrival_rates[mine] * shares[mine, j]
        pool = Rates(
            rates,
            given.service_rates[mine, j][:, None],
            given.servers[j : j + 1],
            given.abandonment_rates[mine],
            given.rewards[mine],
        )
        law = _queues(pool, exact.in_order([[0]] * len(mine)), exact.in_order([range(len(mine))]))
        if law is None:
            return None
        queue[mine, j], busy[mine, j], states = law.queue, law.busy[:, 0], states + law.states
    through = (given.service_rates * busy).sum(axis=1)
    rate = np.where(given.arrival_rates > 0, given.arrival_rates, np.inf)
    waiting = queue.sum(axis=1)
    lost = np.zeros(len(rate))
    reward = float(given.rewards @ through)
    return exact.Law(waiting, busy, given.abandonment_rates * waiting / rate, reward, lost, states)


def _queues(given: Rates, join: exact.Rule, serve: exact.Rule) -> exact.Law | None:
    crews = math.prod(
        math.comb(int(n) + int(k), int(k)) for n, k in zip(given.servers, given.served.sum(axis=0), strict=True)
    )

    def solve(most: list[int]) -> exact.Law:
        return exact.nonpreemptive(*given, join=join, serve=serve, most_waiting=most)

    return _cut(solve, given, given.abandonment_rates, MOST_STATES // crews)


def _numbers(given: Rates, allocate: exact.Allocation) -> exact.Law | None:
    slowest = np.where(given.served, given.service_rates, np.inf).min(axis=1)

    def solve(most: list[int]) -> exact.Law:
        return exact.preemptive(*given, allocate=allocate, most_customers=most)

    return _cut(solve, given, np.minimum(slowest, given.abandonment_rates), MOST_NUMBERS)


def _cut(solve, given: Rates, leaving: np.ndarray, most_states: int) -> exact.Law | None:
    """The law with numbers cut where they are rare: those of an infinite-server queue for impatient classes; for patient
    ones the cut moves up until nobody is lost."""
    mean = np.divide(given.arrival_rates, leaving, out=np.zeros_like(leaving), where=leaving > 0)
    poisson = np.ceil(mean + SPREAD * np.sqrt(mean) + 8)
    most = np.where(leaving > 0, poisson, 30 + given.servers.sum())
    most = np.where(given.arrival_rates > 0, most, 0)
    before = 1.0
    while np.prod(most + 1) <= most_states:
        law = solve([int(k) for k in most])
        if np.all(law.lost <= LOST):
            return law
        if law.lost.max() > max(0.8 * before, UNSTABLE):
            return None
        before = law.lost.max()
        most = np.where(law.lost > LOST, np.ceil(1.5 * most), most)
    return None


# --- staffing of trees


def weighted_idle(arrival_rates, service_rates, servers) -> float:
    """Idle servers in servers of the last pool: sum_j w_j E idle_j = w.N - v.lambda under every stable policy, trees."""
    spare = growth.lone_growth(arrival_rates, service_rates, servers)[0]
    return float(-spare / gains.gains(service_rates).class_pool[0, -1])


def diffusion(
    arrival_rates, service_rates, servers, second_order_arrivals, second_order_services, staffing, idle_pool, variances
) -> dict[str, Reference]:
    """References of `StaffingDiffusion`: Remark 6.5, and with one pool and equal rates the Halfin-Whitt law of e.x, in units
    of sqrt(sum of the ``variances``/(2 mu))."""
    ell = _drift(arrival_rates, service_rates, servers, second_order_arrivals, second_order_services, staffing)
    spare = drift.spare_capacity(service_rates, ell, idle_pool)
    found = {"weighted_idle": Reference(spare, "identity")}
    rates = service_rates[:, 0]
    if len(servers) == 1 and np.ptp(rates) == 0 and spare > 0:
        size = float(np.sqrt(variances.sum() / (2 * rates[0])))
        found["total_queue"] = Reference(size * halfin_whitt(spare / size) / (spare / size), "limit")
    return found


def diffusion_growth(
    arrival_rates,
    service_rates,
    servers,
    second_order_arrivals,
    second_order_services,
    staffing,
    idle_pool,
    queued_class,
) -> float:
    """Growth of (e.x)^+ in the diffusion under constant control without enough staff; 0 at theta = 0."""
    ell = _drift(arrival_rates, service_rates, servers, second_order_arrivals, second_order_services, staffing)
    return growth.diffusion_growth(service_rates, ell, idle_pool, queued_class)


def _drift(arrival_rates, service_rates, servers, second_order_arrivals, second_order_services, staffing) -> np.ndarray:
    """ell of the diffusion."""
    allocation = fluid.fluid_allocation(arrival_rates, service_rates, servers)
    demand = second_order_demand(second_order_arrivals, second_order_services, allocation.busy)
    return drift.constant_drift(service_rates, demand, staffing, allocation.shares)
