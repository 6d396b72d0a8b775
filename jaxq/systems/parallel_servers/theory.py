"""What the two papers say of a network without simulating it: planning, overload under c-mu/theta, safety staffing.

Values are by class or by pool in the network's order. Nothing here is stepped with.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxq.analytic.parallel_servers.capacity import capacity
from jaxq.analytic.parallel_servers.fluid import routed_rest_point
from jaxq.analytic.parallel_servers.planning import load_balancing, static_planning
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.parallel_servers.x_model import x_model
from jaxq.analytic.staffing import fluid, gains
from jaxq.analytic.staffing.demand import of_system, second_order_demand
from jaxq.engine.reference import Statement
from jaxq.systems.parallel_servers.network.network import Network

COMPANION = "Stolyar, Tezcan 2011"
STAFFING = "arXiv 2009.01942"
TIGHT = 1e-7
"""Slack of a constraint, as a share of its bound, that counts as 0."""


def _of(kind: str, names: Sequence[str]) -> str:
    """ "class 1", "pools 3, 4"."""
    plural = {"class": "classes", "pool": "pools"}[kind]
    return f"{kind if len(names) == 1 else plural} {', '.join(names)}"


def _names(kind: str, names: Any, chosen: Any) -> list[str]:
    return [f"{kind} {name}" for name, there in zip(names, chosen, strict=True) if there]


def planning(network: Network, rates: Rates) -> dict[str, Statement]:
    """The planning problem: its value, its solution, its duals and what binds."""
    plan = static_planning(*rates[:3], rates.rewards)
    served, filled = (rates.service_rates * plan.busy).sum(axis=1), plan.busy.sum(axis=0)
    full = _names("pool", network.pools, filled >= rates.servers * (1 - TIGHT))
    full += _names("class", network.classes, served >= rates.arrival_rates * (1 - TIGHT))
    problem = f"{COMPANION}, planning problem"
    pools, classes = _of("pool", network.pools), _of("class", network.classes)
    found = {"planning_reward": Statement(plan.reward, "largest reward/time of any policy, a linear program", problem)}
    for i, name in enumerate(network.classes):
        meaning = f"servers of {pools} that serve class {name} at the optimum"
        found[f"planned_busy_{name}"] = Statement(plan.busy[i], meaning, problem)
    return found | {
        "pool_prices": Statement(plan.pool_prices, f"duals: what a server of {pools} is worth, money/time", problem),
        "class_prices": Statement(plan.class_prices, f"duals: what a customer of {classes} is worth, money", problem),
        "binding": Statement(tuple(full), "full pools and classes served in full: the constraints that bind", problem),
    }


def load(network: Network, rates: Rates) -> dict[str, Statement]:
    """The load of the network and what is left of it."""
    found = capacity(*rates[:3])
    source = f"{COMPANION}, SHADOW-LB"
    neck = [*_names("pool", network.pools, found.bottleneck), *_names("class", network.classes, found.bound)]
    classes = _of("class", network.classes)
    stated = {
        "load": Statement(found.load, "load of the busiest pool where it is least; > 1: overload", source),
        "bottleneck": Statement(tuple(neck), "pools of that load, and the classes that depend on them", source),
    }
    if found.load < 1:
        meaning = f"how much the rate of {classes}, each alone, may rise, 1/time"
        return stated | {"headroom": Statement(found.headroom, meaning, source)}
    meaning = "customers/time that are not served in time, at least, under every policy"
    return stated | {"least_unserved": Statement(found.growth, meaning, source)}


def overload(network: Network, rates: Rates) -> dict[str, Statement]:
    """Conditions EC.27 and EC.28 and, where they hold, EC.29-EC.32, whatever the policy of the system is."""
    order, why = _ranked(network, rates)
    ranked = order is not None
    classes = [network.classes[i] for i in order] if order else []
    text = "one order of all classes by c-mu/theta at every pool" + (f": {' > '.join(classes)}" if ranked else "")
    found = {"ec_27": Statement(ranked, text, f"{COMPANION}, EC.27")}
    if order is None:
        return found | {"closed_form": _none(why)}
    first = order[:-1]
    fits = capacity(np.where(np.isin(range(len(order)), first), rates.arrival_rates, 0.0), *rates[1:3]).load <= 1
    text = f"all pools together can serve {_of('class', classes[:-1])}" if first else "one class"
    found["ec_28"] = Statement(fits, text, f"{COMPANION}, EC.28")
    if not fits:
        return found | {"closed_form": _none("EC.28 fails: the classes that come first do not fit, y_2 = 0 is wrong")}
    try:
        rest = x_model(*rates[:3], rates.abandonment_rates, order, rates.rewards)
    except ValueError:
        return found | {
            "closed_form": _none("the network is not overloaded: servers idle and nobody waits in the fluid")
        }
    source = f"{COMPANION}, EC.29-EC.32"
    words = "EC.29-EC.32 apply under c-mu/theta; y_2 = 0 needs pools whose servers are freed often"
    found["closed_form"] = Statement(True, words, source)
    return (
        found
        | _rest("closed_form", rest.busy, rest.queue, network, source)
        | {
            "closed_form_abandonment": Statement(
                rest.abandonment, f"share of {_of('class', network.classes)} that abandons", source
            ),
            "closed_form_reward": Statement(rest.reward_rate, "reward/time under c-mu/theta, in the fluid", source),
        }
    )


def fluid_of(network: Network, rates: Rates, closed: Any, control: Any) -> dict[str, Statement]:
    """The fluid rest point of the policy of the system, or a sentence.

    Args:
        network, rates: the network, and what it has at the size of the system.
        closed: a `RestPoint` with queues by class where a formula has it, or None.
        control: the policy, a `Control` of the oracle.
    """
    policy = control.policy
    if closed is not None:
        return _fluid(
            network,
            rates,
            closed.busy,
            closed.queue,
            f"{COMPANION}, {'EC.17' if policy == 'random' else 'EC.29-EC.32'}",
        )
    if policy.startswith("shadow"):
        return _shadow(policy, network, rates)
    if control.preemptive or control.index is None or control.routing is not None:
        return _no_fluid(f"EC.6-EC.15 are equations of static priority that is not preemptive, not of {policy}")
    if not (rates.abandonment_rates > 0).all():
        return _no_fluid("a class never abandons, so that the fluid need not come to rest")
    return _fluid(network, rates, *_equations(rates, control), f"{COMPANION}, EC.6-EC.15")


def _shadow(policy: str, network: Network, rates: Rates) -> dict[str, Statement]:
    """Shadow routing rests where its planning problem has it (EC.17)."""
    admitted, source = rates.arrival_rates, f"{COMPANION}, EC.17"
    if policy != "shadow-lb":
        busy = static_planning(*rates[:3], rates.rewards).busy
        if policy != "shadow-tandem":
            lost = np.zeros(len(admitted))
            if policy == "shadow-rm-tag":
                return _no_fluid("the tagged wait at a pool that the paper does not fix")
            return _fluid(network, rates, busy, lost, source)
        admitted = (rates.service_rates * busy).sum(axis=1)
    routed = load_balancing(admitted, *rates[1:3]).rates
    orders = np.argsort(-rates.rewards[:, None] * rates.service_rates, axis=0, kind="stable").T
    rest = routed_rest_point(routed, *rates[1:3], rates.abandonment_rates, orders, rates.rewards)
    return _fluid(network, rates, rest.busy, rest.queue.sum(axis=1), source)


def _equations(rates: Rates, control: Any) -> tuple[np.ndarray, np.ndarray]:
    """(busy, queues) where the differential equations rest."""
    import jax

    from jaxq.systems.parallel_servers.fluid import class_queues, rest

    with jax.enable_x64(True):
        numbers = rates._replace(servers=rates.servers.astype(np.float64))[:4]
        queues, busy = rest(class_queues(*numbers, control.index, control.preference))
        # the layer of an empty queue and a full pool is 1e-6 of the servers
        digits = 4 - int(np.ceil(np.log10(max(rates.servers.sum(), 10))))
        return np.round(np.asarray(busy), digits) + 0.0, np.round(np.asarray(queues), digits) + 0.0


def _fluid(network: Network, rates: Rates, busy: np.ndarray, queues: np.ndarray, source: str) -> dict[str, Statement]:
    served = (rates.service_rates * busy).sum(axis=1)
    reward = Statement(float(rates.rewards @ served), "reward/time of this policy, in the fluid", source)
    return _rest("fluid", busy, queues, network, source) | {"fluid_reward": reward}


def _no_fluid(why: str) -> dict[str, Statement]:
    return {"fluid": Statement(None, f"no rest point of this policy: {why}", f"{COMPANION}, EC.6-EC.17")}


def _rest(prefix: str, busy: np.ndarray, queues: np.ndarray, network: Network, source: str) -> dict[str, Statement]:
    pools, found = _of("pool", network.pools), {}
    for i, name in enumerate(network.classes):
        found[f"{prefix}_busy_{name}"] = Statement(busy[i], f"servers of {pools} with class {name}", source)
    waiting = f"customers of {_of('class', network.classes)} that wait"
    return found | {f"{prefix}_queues": Statement(queues, waiting, source)}


def _ranked(network: Network, rates: Rates) -> tuple[list[int] | None, str]:
    """The classes by falling h_i mu_ij/theta_i if that is one strict order at all pools; else why not."""
    for name, rate in zip(network.classes, rates.abandonment_rates, strict=True):
        if rate == 0:
            return None, f"class {name} never abandons, and c-mu/theta needs theta_i > 0"
    for (i, j), rate in np.ndenumerate(rates.service_rates):
        if rate == 0:
            return (
                None,
                f"pool {network.pools[j]} does not serve class {network.classes[i]}, and EC.29 lets every pool serve all",
            )
    index: np.ndarray = (network.holding_costs / rates.abandonment_rates)[:, None] * rates.service_rates
    orders = np.argsort(-index, axis=0, kind="stable").T
    if (np.diff(np.sort(index, axis=0), axis=0) <= 0).any():
        return None, "EC.27 fails: two classes have the same c-mu/theta index at a pool"
    if (orders != orders[0]).any():
        j = int(np.argmax((orders != orders[0]).any(axis=1)))
        first, other = (_order(network, orders[k]) for k in (0, j))
        return (
            None,
            f"EC.27 fails: c-mu/theta ranks {first} at pool {network.pools[0]} and {other} at pool {network.pools[j]}",
        )
    return orders[0].tolist(), ""


def _order(network: Network, order: np.ndarray) -> str:
    return " > ".join(network.classes[i] for i in order)


def _none(why: str) -> Statement:
    return Statement(False, f"EC.29-EC.32 do not apply: {why}", f"{COMPANION}, EC.27-EC.32")


def staffing(
    network: Network,
    rates: Rates,
    size: float,
    shares: Float[np.ndarray, " classes"],
    variations: Float[np.ndarray, " classes"],
    refuses: bool,
) -> dict[str, Statement]:
    """The safety staffing of a tree without abandonment, or a sentence.

    Args:
        network, rates: the network with its second-order terms, and what it has at size n.
        size: n.
        shares: p, how classes share the safety, shape (I,).
        variations: c_i^2 of the times between arrivals, shape (I,).
        refuses: whether the policy drops customers.
    """
    why = "customers are refused" if refuses else inapplicable(network)
    if why is not None:
        return {"theta": Statement(None, f"no safety staffing: {why}", STAFFING)}
    first = (network.arrival_rates, network.service_rates, network.servers)
    second = (network.second_order_arrivals, network.second_order_services)
    demand = second_order_demand(*second, fluid.fluid_allocation(*first).busy)
    theta = gains.safety_staffing(network.service_rates, demand, network.staffing, shares)
    finite = of_system(size, rates.arrival_rates, rates.servers)
    theta_n = gains.safety_staffing(rates.service_rates, *finite, shares)
    verdict = (
        "stabilisable" if theta_n > 0 else "transient under every policy" if theta_n < 0 else "not positive recurrent"
    )
    return {
        "theta": Statement(theta, "system-wide safety staffing of the limit, rate units", f"{STAFFING}, Theorem 3.1"),
        "theta_n": Statement(theta_n, f"the same at n = {size:g}, exact", f"{STAFFING}, Definition 2.1"),
        "covariance": Statement(
            network.arrival_rates * (1 + variations),
            f"noise of the diffusion in {_of('class', network.classes)}: lambda_i (1 + c_i^2)",
            f"{STAFFING}, Remark 4.6",
        ),
        "verdict": Statement(verdict, "what the sign of theta^n says", f"{STAFFING}, Theorems 5.6 and 6.11"),
    }


def inapplicable(network: Network) -> str | None:
    """Why the theory of safety staffing says nothing of a network per n; None where it applies."""
    if network.abandonment_rates.any():
        return "the theory of safety staffing is for networks without abandonment"
    try:
        fluid.fluid_allocation(network.arrival_rates, network.service_rates, network.servers)
    except ValueError as error:
        return str(error)
    return None
