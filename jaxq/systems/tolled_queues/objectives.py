"""What `jaxq.tune` can make large: revenue as a function of rates and tolls, smoothed, and at its jumps."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.objective import Objective, Optimum
from jaxq.systems.tolled_queues.customers import Tunable
from jaxq.systems.tolled_queues.split_search import TEMPERATURES, searchable, smooth_revenue, true_revenue

SEED = 0
MOST_JUMPS = 400
"""Tolls of a server at which revenue is known to jump that are tried, from the highest."""

BELOW = 1e-5
"""How far below a jump a toll is tried, relatively."""


def objectives(system: Tunable) -> dict[str, Objective]:
    """``smooth_revenue``: revenue with logit choices, a function of tolls and service rates that stands for revenue; the
    rates of several servers share the sum that they have at the start.

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

    def all_of(values):
        given = {"service_rates": rates, "tolls": np.atleast_1d(system.tolls), **values}
        return {name: jnp.atleast_1d(x) for name, x in given.items()}

    def smooth(values, temperature=last):
        return revenue(all_of(values), temperature)

    def hard(values):
        if along_paths is None:
            # an oracle leaves out what is 0 on every path
            found = system.replace(**values).oracle().get("revenue")
            return 0.0 if found is None else float(found.value)
        return float(along_paths(all_of(values)))

    kind = "by formula" if exact else "on fixed paths"
    doc = f"revenue {kind}; in the trace with logit choices, temperature {first:g} to {last:g}"
    # where an indifferent customer balks, or rounding decides, the best toll is just below, the best rate just above
    margin = 0.0 if exact and system.rule == "weak" else BELOW
    split = system.servers > 1
    return {
        "smooth_revenue": Objective(
            smooth,
            "revenue",
            doc,
            True,
            ("tolls", "service_rates") if split else ("tolls",),
            temperatures=(first, last),
            hard=hard,
            exact=exact,
            jumps=lambda values: _jumps(system, values, margin),
            optimum=lambda: _optimum(system),
            shares=("service_rates",) if split else (),
        )
    }


def _jumps(system: Tunable, values: dict[str, Any], margin: float) -> dict[str, np.ndarray]:
    """Where a customer of class i that is number n at server j has R_i - theta_j - c_i n s_i / mu_j = 0, n = 1, 2, ... where
    lengths are visible, else 1: tolls or, if those are not tuned, rates, shape (servers, K); 0 where there is none."""
    rates = np.atleast_1d(values.get("service_rates", system.service_rates))[:, None]
    sizes = np.ones(system.classes) if system.mean_sizes is None else np.atleast_1d(system.mean_sizes)
    costs, rewards = np.atleast_1d(system.waiting_costs) * sizes, np.atleast_1d(system.rewards)
    longest = float(np.max(rewards / costs) * np.sum(system.service_rates)) if system.by_numbers else 1.0
    numbers = np.arange(1, max(1, int(min(longest, MOST_JUMPS // system.classes))) + 1)
    waiting, left = np.outer(costs, numbers).ravel(), np.repeat(rewards, numbers.size)
    if "tolls" in values:
        return {"tolls": ((left - waiting / rates) * (1 - margin)).clip(min=0)}
    left = left - np.atleast_1d(system.tolls)[:, None]
    return {"service_rates": np.divide(waiting, left, out=np.zeros_like(left), where=left > 0) * (1 + margin)}


def _optimum(system: Tunable) -> Optimum | None:
    """The best single toll of one server, where a customer whose utility is 0 joins."""
    known = system.single_toll() if system.servers == 1 and system.rule == "weak" else None
    if known is None:
        return None
    toll = np.array([known[0]]) if np.ndim(system.tolls) else np.float64(known[0])
    return Optimum({"tolls": toll}, known[1], "best single toll by formula (Naor 1969 and later)")
