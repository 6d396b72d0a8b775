"""What `jaxq.tune` can make large: revenue as a function of the tolls, smoothed, and at its jumps."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.system import Objective, Optimum
from jaxq.systems.tolled_queues.model import TolledQueues
from jaxq.systems.tolled_queues.splitting import TEMPERATURES, searchable, smooth_revenue, true_revenue

SEED = 0
MOST_JUMPS = 400
"""Tolls of a server at which revenue is known to jump that are tried, from the highest."""

BELOW = 1e-5
"""How far below a jump a toll is tried, relatively."""


def objectives(system: TolledQueues) -> dict[str, Objective]:
    """``smooth_revenue``: revenue with logit choices, a function of the tolls that stands for revenue.

    Exact for the chain of lengths (exponential sizes and lengths visible); of fractional joins on fixed paths where
    customers see workloads. The last steps are by the exact revenue, or that of fixed paths where no formula is known.
    Empty where they see lengths or classes, unless sizes are exponential of one mean.
    """
    if not searchable(system):
        return {}
    revenue = smooth_revenue(system, SEED)
    rates = np.atleast_1d(system.service_rates)
    first, last = (float(np.max(system.rewards)) * share for share in TEMPERATURES)
    exact = "revenue" in system.oracle() and system.oracle()["revenue"].kind == "exact"
    along_paths = None if exact else jax.jit(true_revenue(system, SEED + 1))

    def smooth(values, temperature=last):
        return revenue({"service_rates": rates, "tolls": jnp.atleast_1d(values["tolls"])}, temperature)

    def hard(values):
        if along_paths is None:
            # an oracle leaves out what is 0 on every path
            found = system.replace(tolls=values["tolls"]).oracle().get("revenue")
            return 0.0 if found is None else float(found.value)
        return float(along_paths({"service_rates": rates, "tolls": np.atleast_1d(values["tolls"])}))

    kind = "by formula" if exact else "on fixed paths"
    doc = f"revenue {kind}; in the trace with logit choices, temperature {first:g} to {last:g}"
    # where an indifferent customer balks, or rounding decides, the best toll is just below
    jumps = {"tolls": _jumps(system) * (1.0 if exact and system.rule == "weak" else 1 - BELOW)}
    return {
        "smooth_revenue": Objective(
            smooth, "revenue", doc, True, ("tolls",), {}, (first, last), hard, exact, jumps, lambda: _optimum(system)
        )
    }


def _jumps(system: TolledQueues) -> np.ndarray:
    """R_i - c_i n s_i / mu_j, shape (servers, K): the tolls that leave nothing to a customer of class i that is number n
    at server j, n = 1, 2, ... where lengths are visible, else 1."""
    rates, costs = np.atleast_1d(system.service_rates), np.atleast_1d(system.waiting_costs)
    sizes = np.ones(system.classes) if system.mean_sizes is None else np.atleast_1d(system.mean_sizes)
    numbers = np.arange(1, (MOST_JUMPS if system.by_numbers else 1) + 1)
    leave = np.atleast_1d(system.rewards)[:, None] - (costs * sizes)[:, None] * numbers / rates[:, None, None]
    found = np.sort(leave.reshape(system.servers, -1), axis=1)[:, : -MOST_JUMPS - 1 : -1]
    return found[:, (found > 0).any(axis=0)].clip(min=0)


def _optimum(system: TolledQueues) -> Optimum | None:
    """The best single toll of one server, where a customer whose utility is 0 joins."""
    known = system.single_toll() if system.servers == 1 and system.rule == "weak" else None
    if known is None:
        return None
    toll = np.array([known[0]]) if np.ndim(system.tolls) else np.float64(known[0])
    return Optimum({"tolls": toll}, known[1], "best single toll by formula (Naor 1969 and later)")
