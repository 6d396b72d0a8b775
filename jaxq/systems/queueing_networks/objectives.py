"""What `jaxq.tune` can make small: the mean cost of a network of product form, by its service rates and its routing."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxq.analytic.queueing_networks.rates import Rates
from jaxq.engine.objective import Objective, Optimum

MOST_SERVERS = 10_000
"""Of a station, up to which Erlang's formula is differentiated."""


def objectives(rates: Rates, probabilities: np.ndarray, holding_costs: np.ndarray) -> dict[str, Objective]:
    """The objectives of a network of product form with these rates: its mean holding cost, in which the service rates share
    the sum that they have at the start, and where a class has a choice the same of the routing too; none with more than
    10,000 servers at a station.

    Formula: sum over stations of (sum_k h_k a_k)/a L(a, c), a_k = lambda_k/mu_k, a their sum at the station, L the mean
    number in M/M/c of load a, lambda = alpha + P' lambda. With one class and one server a station the best rates are
    mu_k = lambda_k + (sum mu - sum lambda) sqrt(h_k lambda_k) / sum sqrt(h lambda).

    Args:
        rates: of the network.
        probabilities: P_kl and, last, of leaving, shape (K, K + 1).
        holding_costs: h_k, shape (K,).

    Source: Kleinrock (1964), Communication Nets, Chapter 4, for the best rates.
    """
    if rates.servers.max() > MOST_SERVERS:
        return {}
    through = rates.throughputs()

    def cost(values: dict[str, Any]):
        flows = _throughputs(rates.arrival_rates, values["routing"]) if "routing" in values else through
        loads = flows / values.get("service_rates", rates.service_rates)
        worth = jnp.asarray(0.0)
        for j, servers in enumerate(rates.servers.tolist()):
            here = np.array(rates.of_station(j))
            total = loads[here].sum()
            worth = worth + (loads[here] * holding_costs[here]).sum() * _slowness(total, servers)
        return worth

    unset = {"service_rates": rates.service_rates, "routing": probabilities}
    single = (rates.servers == 1).all() and len(rates.stations) == len(rates.servers)
    found = {
        "product_form": Objective(
            cost,
            "holding_cost",
            "holding cost of the product form, exact; service rates share their sum",
            parameters=("service_rates",),
            unset=unset,
            optimum=(lambda: _square_roots(through, rates.service_rates, holding_costs)) if single else None,
            shares=("service_rates",),
        )
    }
    if (np.count_nonzero(probabilities, axis=1) > 1).any():
        found["product_form_routed"] = Objective(
            cost,
            "holding_cost",
            "holding cost of the product form, exact, also of the routing; service rates share their sum",
            parameters=("routing", "service_rates"),
            unset=unset,
            shares=("service_rates",),
        )
    return found


def _throughputs(arrivals: np.ndarray, probabilities: Any):
    """lambda = alpha + P' lambda, shape (K,); infinite where somebody never leaves."""
    through = jnp.linalg.solve(jnp.eye(len(arrivals)) - probabilities[:, :-1].T, arrivals)
    return jnp.where((through >= 0).all(), through, jnp.inf)


def _slowness(load: Any, servers: int):
    """L(a, c)/a: 1/(1 - a) of one server; infinite where a >= c."""
    inverse = lax.scan(lambda x, k: (1 + k / load * x, None), 1.0, jnp.arange(1.0, servers + 1))[0]
    spare = jnp.where(load < servers, servers - load, 0.0)
    waits = servers / (servers + spare * (inverse - 1))
    return 1 + waits / spare


def _square_roots(through: np.ndarray, rates: np.ndarray, costs: np.ndarray) -> Optimum | None:
    """The best rates of the same sum, by Kleinrock's rule."""
    roots, spare = np.sqrt(costs * through), float(rates.sum() - through.sum())
    if not roots.any() or spare <= 0:
        return None
    values = {"service_rates": through + spare * roots / roots.sum()}
    return Optimum(values, float(roots.sum()) ** 2 / spare, "square-root rule, Kleinrock 1964")
