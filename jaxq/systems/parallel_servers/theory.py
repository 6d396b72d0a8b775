"""What the two papers say of a network without simulating it: planning, overload under c-mu/theta, safety staffing.

Values are by class or by pool in the network's order. Nothing here is stepped with.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxq.analytic.parallel_servers.capacity import capacity
from jaxq.analytic.parallel_servers.fluid import routed_rest_point
from jaxq.analytic.parallel_servers.planning import load_balancing, static_planning
from jaxq.analytic.parallel_servers.x_model import x_model
from jaxq.analytic.staffing import fluid, gains
from jaxq.analytic.staffing.demand import of_system, second_order_demand
from jaxq.engine.reference import Statement

COMPANION = "Stolyar, Tezcan 2011"
STAFFING = "arXiv 2009.01942"
TIGHT = 1e-7
"""Slack of a constraint, as a share of its bound, that counts as 0."""


class Given(NamedTuple):
    """A network at one size in plain numbers. ``variations``: c_i^2 of the times between arrivals; ``per_unit``:
    (lambda, mu, nu), per n; ``second_order``: (lh, mh, nh)."""

    arrival_rates: np.ndarray
    service_rates: np.ndarray
    servers: np.ndarray
    abandonment_rates: np.ndarray
    rewards: np.ndarray
    holding_costs: np.ndarray
    classes: tuple[str, ...]
    pools: tuple[str, ...]
    scale: float
    shares: np.ndarray
    variations: np.ndarray
    per_unit: tuple[np.ndarray, np.ndarray, np.ndarray]
    second_order: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def rates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """lambda_i, mu_ij, N_j."""
        return self.arrival_rates, self.service_rates, self.servers


def _of(kind: str, names: Sequence[str]) -> str:
    """ "class 1", "pools 3, 4"."""
    plural = {"class": "classes", "pool": "pools"}[kind]
    return f"{kind if len(names) == 1 else plural} {', '.join(names)}"


def _names(kind: str, names: Any, chosen: Any) -> list[str]:
    return [f"{kind} {name}" for name, there in zip(names, chosen, strict=True) if there]


def planning(given: Given) -> dict[str, Statement]:
    """The planning problem: its value, its solution, its duals and what binds."""
    plan = static_planning(*given.rates, given.rewards)
    served, filled = (given.service_rates * plan.busy).sum(axis=1), plan.busy.sum(axis=0)
    full = _names("pool", given.pools, filled >= given.servers * (1 - TIGHT))
    full += _names("class", given.classes, served >= given.arrival_rates * (1 - TIGHT))
    problem = f"{COMPANION}, planning problem"
    pools, classes = _of("pool", given.pools), _of("class", given.classes)
    found = {"planning_reward": Statement(plan.reward, "largest reward/time of any policy, a linear program", problem)}
    for i, name in enumerate(given.classes):
        meaning = f"servers of {pools} that serve class {name} at the optimum"
        found[f"planned_busy_{name}"] = Statement(plan.busy[i], meaning, problem)
    return found | {
        "pool_prices": Statement(plan.pool_prices, f"duals: what a server of {pools} is worth, money/time", problem),
        "class_prices": Statement(plan.class_prices, f"duals: what a customer of {classes} is worth, money", problem),
        "binding": Statement(tuple(full), "full pools and classes served in full: the constraints that bind", problem),
    }


def load(given: Given) -> dict[str, Statement]:
    """The load of the network and what is left of it."""
    found = capacity(*given.rates)
    source = f"{COMPANION}, SHADOW-LB"
    neck = [*_names("pool", given.pools, found.bottleneck), *_names("class", given.classes, found.bound)]
    classes = _of("class", given.classes)
    stated = {
        "load": Statement(found.load, "load of the busiest pool where it is least; > 1: overload", source),
        "bottleneck": Statement(tuple(neck), "pools of that load, and the classes that depend on them", source),
    }
    if found.load < 1:
        meaning = f"how much the rate of {classes}, each alone, may rise, 1/time"
        return stated | {"headroom": Statement(found.headroom, meaning, source)}
    meaning = "customers/time that are not served in time, at least, under every policy"
    return stated | {"least_unserved": Statement(found.growth, meaning, source)}


def overload(given: Given) -> dict[str, Statement]:
    """Conditions EC.27 and EC.28 and, where they hold, EC.29-EC.32, whatever the policy of the system is."""
    order, why = _ranked(given)
    ranked = order is not None
    classes = [given.classes[i] for i in order] if order else []
    text = "one order of all classes by c-mu/theta at every pool" + (f": {' > '.join(classes)}" if ranked else "")
    found = {"ec_27": Statement(ranked, text, f"{COMPANION}, EC.27")}
    if order is None:
        return found | {"closed_form": _none(why)}
    first = order[:-1]
    fits = capacity(np.where(np.isin(range(len(order)), first), given.arrival_rates, 0.0), *given.rates[1:]).load <= 1
    text = f"all pools together can serve {_of('class', classes[:-1])}" if first else "one class"
    found["ec_28"] = Statement(fits, text, f"{COMPANION}, EC.28")
    if not fits:
        return found | {"closed_form": _none("EC.28 fails: the classes that come first do not fit, y_2 = 0 is wrong")}
    try:
        rest = x_model(*given.rates, given.abandonment_rates, order, given.rewards)
    except ValueError:
        return found | {
            "closed_form": _none("the network is not overloaded: servers idle and nobody waits in the fluid")
        }
    source = f"{COMPANION}, EC.29-EC.32"
    words = "EC.29-EC.32 apply under c-mu/theta; y_2 = 0 needs pools whose servers are freed often"
    found["closed_form"] = Statement(True, words, source)
    return (
        found
        | _rest("closed_form", rest.busy, rest.queue, given, source)
        | {
            "closed_form_abandonment": Statement(
                rest.abandonment, f"share of {_of('class', given.classes)} that abandons", source
            ),
            "closed_form_reward": Statement(rest.reward_rate, "reward/time under c-mu/theta, in the fluid", source),
        }
    )


def fluid_of(given: Given, closed: Any, control: Any) -> dict[str, Statement]:
    """The fluid rest point of the policy of the system, or a sentence.

    Args:
        given: the network.
        closed: a `RestPoint` with queues by class where a formula has it, or None.
        control: the policy, a `Control` of the oracle.
    """
    policy = control.policy
    if closed is not None:
        return _fluid(
            given, closed.busy, closed.queue, f"{COMPANION}, {'EC.17' if policy == 'random' else 'EC.29-EC.32'}"
        )
    if policy.startswith("shadow"):
        return _shadow(policy, given)
    if control.preemptive or control.index is None or control.routing is not None:
        return _no_fluid(f"EC.6-EC.15 are equations of static priority that is not preemptive, not of {policy}")
    if not (given.abandonment_rates > 0).all():
        return _no_fluid("a class never abandons, so that the fluid need not come to rest")
    return _fluid(given, *_equations(given, control), f"{COMPANION}, EC.6-EC.15")


def _shadow(policy: str, given: Given) -> dict[str, Statement]:
    """Shadow routing rests where its planning problem has it (EC.17)."""
    admitted, source = given.arrival_rates, f"{COMPANION}, EC.17"
    if policy != "shadow-lb":
        busy = static_planning(*given.rates, given.rewards).busy
        if policy != "shadow-tandem":
            lost = np.zeros(len(admitted))
            if policy == "shadow-rm-tag":
                return _no_fluid("the tagged wait at a pool that the paper does not fix")
            return _fluid(given, busy, lost, source)
        admitted = (given.service_rates * busy).sum(axis=1)
    rates = load_balancing(admitted, *given.rates[1:]).rates
    orders = np.argsort(-given.rewards[:, None] * given.service_rates, axis=0, kind="stable").T
    rest = routed_rest_point(rates, *given.rates[1:], given.abandonment_rates, orders, given.rewards)
    return _fluid(given, rest.busy, rest.queue.sum(axis=1), source)


def _equations(given: Given, control: Any) -> tuple[np.ndarray, np.ndarray]:
    """(busy, queues) where the differential equations rest."""
    import jax

    from jaxq.systems.parallel_servers.fluid import class_queues, rest

    with jax.enable_x64(True):
        rates = (given.arrival_rates, given.service_rates, given.servers.astype(np.float64), given.abandonment_rates)
        queues, busy = rest(class_queues(*rates, control.index, control.preference))
        # the layer of an empty queue and a full pool is 1e-6 of the servers
        digits = 4 - int(np.ceil(np.log10(max(given.servers.sum(), 10))))
        return np.round(np.asarray(busy), digits) + 0.0, np.round(np.asarray(queues), digits) + 0.0


def _fluid(given: Given, busy: np.ndarray, queues: np.ndarray, source: str) -> dict[str, Statement]:
    served = (given.service_rates * busy).sum(axis=1)
    reward = Statement(float(given.rewards @ served), "reward/time of this policy, in the fluid", source)
    return _rest("fluid", busy, queues, given, source) | {"fluid_reward": reward}


def _no_fluid(why: str) -> dict[str, Statement]:
    return {"fluid": Statement(None, f"no rest point of this policy: {why}", f"{COMPANION}, EC.6-EC.17")}


def _rest(prefix: str, busy: np.ndarray, queues: np.ndarray, given: Given, source: str) -> dict[str, Statement]:
    pools, found = _of("pool", given.pools), {}
    for i, name in enumerate(given.classes):
        found[f"{prefix}_busy_{name}"] = Statement(busy[i], f"servers of {pools} with class {name}", source)
    waiting = f"customers of {_of('class', given.classes)} that wait"
    return found | {f"{prefix}_queues": Statement(queues, waiting, source)}


def _ranked(given: Given) -> tuple[list[int] | None, str]:
    """The classes by falling h_i mu_ij/theta_i if that is one strict order at all pools; else why not."""
    for name, rate in zip(given.classes, given.abandonment_rates, strict=True):
        if rate == 0:
            return None, f"class {name} never abandons, and c-mu/theta needs theta_i > 0"
    for (i, j), rate in np.ndenumerate(given.service_rates):
        if rate == 0:
            return (
                None,
                f"pool {given.pools[j]} does not serve class {given.classes[i]}, and EC.29 lets every pool serve all",
            )
    index = (given.holding_costs / given.abandonment_rates)[:, None] * given.service_rates
    orders = np.argsort(-index, axis=0, kind="stable").T
    if (np.diff(np.sort(index, axis=0), axis=0) <= 0).any():
        return None, "EC.27 fails: two classes have the same c-mu/theta index at a pool"
    if (orders != orders[0]).any():
        j = int(np.argmax((orders != orders[0]).any(axis=1)))
        first, other = (_order(given, orders[k]) for k in (0, j))
        return (
            None,
            f"EC.27 fails: c-mu/theta ranks {first} at pool {given.pools[0]} and {other} at pool {given.pools[j]}",
        )
    return orders[0].tolist(), ""


def _order(given: Given, order: np.ndarray) -> str:
    return " > ".join(given.classes[i] for i in order)


def _none(why: str) -> Statement:
    return Statement(False, f"EC.29-EC.32 do not apply: {why}", f"{COMPANION}, EC.27-EC.32")


def staffing(given: Given, refuses: bool) -> dict[str, Statement]:
    """The safety staffing of a tree without abandonment, or a sentence."""
    why = "customers are refused" if refuses else inapplicable(*given.per_unit, given.abandonment_rates)
    if why is not None:
        return {"theta": Statement(None, f"no safety staffing: {why}", STAFFING)}
    lh, mh, nh = given.second_order
    demand = second_order_demand(lh, mh, fluid.fluid_allocation(*given.per_unit).busy)
    theta = gains.safety_staffing(given.per_unit[1], demand, nh, given.shares)
    finite = of_system(given.scale, given.arrival_rates, given.servers)
    theta_n = gains.safety_staffing(given.service_rates, *finite, given.shares)
    verdict = (
        "stabilisable" if theta_n > 0 else "transient under every policy" if theta_n < 0 else "not positive recurrent"
    )
    return {
        "theta": Statement(theta, "system-wide safety staffing of the limit, rate units", f"{STAFFING}, Theorem 3.1"),
        "theta_n": Statement(theta_n, f"the same at n = {given.scale:g}, exact", f"{STAFFING}, Definition 2.1"),
        "covariance": Statement(
            given.per_unit[0] * (1 + given.variations),
            f"noise of the diffusion in {_of('class', given.classes)}: lambda_i (1 + c_i^2)",
            f"{STAFFING}, Remark 4.6",
        ),
        "verdict": Statement(verdict, "what the sign of theta^n says", f"{STAFFING}, Theorems 5.6 and 6.11"),
    }


def inapplicable(arrival_rates, service_rates, servers, abandonment_rates) -> str | None:
    """Why the theory of safety staffing says nothing of a network per n; None where it applies."""
    if np.any(abandonment_rates):
        return "the theory of safety staffing is for networks without abandonment"
    try:
        fluid.fluid_allocation(arrival_rates, service_rates, servers)
    except ValueError as error:
        return str(error)
    return None
