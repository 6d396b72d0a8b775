"""What is known of tolled queues without simulating them: exact laws of one server and of lengths, Theorem 2.1's bound."""

import contextlib
import functools
from typing import Any, NamedTuple

import numpy as np

from jaxq.analytic.tolled_queues import best_toll
from jaxq.analytic.tolled_queues.chain import TooManyStates, visible
from jaxq.analytic.tolled_queues.exponential import exponential
from jaxq.analytic.tolled_queues.level_crossing import TooManyCells, deterministic
from jaxq.engine.reference import Reference

MOST_STATES = 4000
"""States up to which a chain is solved beside a run."""
MOST_STATES_A_TOLL = 1000
"""States up to which the chain of one of many tolls is solved."""
VISIBLE = "lengths", "classes"
"""What customers see where a chain is solved."""


class Market(NamedTuple):
    """Who comes and what they know; hashable.

    Attributes:
        arrival_rates: lambda_i, 1/time, Poisson.
        rewards: R_i, money.
        waiting_costs: c_i, money/time.
        mean_sizes: s_i, work.
        size_law: name of the law of the sizes.
        information: ``workload``, ``workload-only``, ``lengths`` or ``classes``.
        ahead: where lengths are visible, the mean size that a customer expects of each one before it, work.
    """

    arrival_rates: tuple[float, ...]
    rewards: tuple[float, ...]
    waiting_costs: tuple[float, ...]
    mean_sizes: tuple[float, ...]
    size_law: str
    information: str
    ahead: float | None = None

    @property
    def classes(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """The first three, as the analytic functions take them."""
        return self.arrival_rates, self.rewards, self.waiting_costs

    @property
    def size(self) -> float | None:
        """The mean size if all classes have the same one."""
        return self.mean_sizes[0] if len(set(self.mean_sizes)) == 1 else None


def market(arrival_rates, rewards, waiting_costs, mean_sizes, size_law, information, ahead=None) -> Market:
    """A `Market` of arrays of shape (classes,) and names."""
    rates, gains, costs, sizes = map(_numbers, (arrival_rates, rewards, waiting_costs, mean_sizes))
    return Market(rates, gains, costs, sizes, size_law, information, ahead)


def _numbers(values) -> tuple[float, ...]:
    return tuple(np.atleast_1d(values).astype(float).tolist())


def tolled_queues(market: Market, service_rates, tolls, rule, ties) -> dict[str, Reference]:
    """References of the metrics of `TolledQueues` with Poisson arrivals.

    Exact for one server with equal deterministic sizes (level crossing, any information) or exponential ones of which
    only the means are known, and for any servers with exponential sizes and lengths or classes visible. Split servers with
    unit sizes, equal tolls and workloads visible earn at most what the pooled one does (Shen, Theorem 2.1): a bound.
    Nothing where a law has more states or cells than are solved beside a run.

    Args:
        market: who comes.
        service_rates: mu_j, work/time, shape (m,).
        tolls: theta_j, money, shape (m,).
        rule: ``weak`` or ``strict``.
        ties: ``first`` or ``random``.
    """
    try:
        return dict(_references(market, _numbers(service_rates), _numbers(tolls), rule == "strict", ties == "random"))
    except (TooManyCells, TooManyStates):
        return {}


def single_toll(market: Market, capacity: float) -> tuple[float, float] | None:
    """OPTn, (toll, revenue), of one server of rate ``capacity`` with Poisson arrivals; None where no formula is known."""
    return _single_toll(market, float(capacity))


@functools.lru_cache(maxsize=64)
def _references(market: Market, rates, tolls, strict: bool, random_ties: bool) -> dict[str, Reference]:
    if len(rates) == 1:
        values = _one_server(market, rates[0], tolls[0], strict)
    elif market.size_law == "exponential" and market.information in VISIBLE:
        values = _chain(market, rates, tolls, strict, random_ties)
    else:
        values = None
    if values is not None:
        return _exact(values)
    shared = market.size_law == "deterministic" and market.size is not None and market.information not in VISIBLE
    if shared and len(set(tolls)) == 1:
        pooled = deterministic(*market.classes, sum(rates) / market.mean_sizes[0], tolls[0], strict)
        return {name: Reference(pooled[name], "bound") for name in ("revenue", "throughput")}
    return {}


def _one_server(market: Market, rate: float, toll: float, strict: bool) -> dict[str, Any] | None:
    law, size = market.size_law, market.size
    lengths = market.information == "lengths"
    if law == "deterministic" and size is not None:
        return deterministic(*market.classes, rate / size, toll, strict, lengths)
    if law == "exponential" and market.information in VISIBLE:
        return _chain(market, (rate,), (toll,), strict, False)
    if law == "exponential" and market.information == "workload-only":
        return exponential(*market.classes, rate, toll, market.mean_sizes, strict)
    return None


def _chain(market: Market, rates, tolls, strict: bool, random_ties: bool) -> dict[str, Any]:
    known = {"most": MOST_STATES, "most_states": MOST_STATES, "size_ahead": market.ahead}
    return visible(*market.classes, rates, tolls, market.mean_sizes, strict, random_ties, **known)


def _exact(values: dict[str, Any]) -> dict[str, Reference]:
    """The values by metric, but for those that are 0 on every path."""
    join, servers = np.asarray(values["join"]), np.size(values["utilisation"])
    join = join.reshape(-1, servers)
    found = {name: values[name] for name in ("revenue", "throughput", "welfare")}
    found["customer_utility"] = values["welfare"] - values["revenue"]
    found |= {f"join_{i + 1}": row.sum() for i, row in enumerate(join)}
    found |= {f"join_{i + 1}_{j + 1}": p for i, row in enumerate(join) for j, p in enumerate(row)}
    found |= {f"utilisation_{j + 1}": u for j, u in enumerate(np.atleast_1d(values["utilisation"]))}
    found |= {name: values[name] for name in ("number_in_system", "sojourn_time") if name in values}
    return {name: Reference(float(value)) for name, value in found.items() if abs(value) > 1e-12}


@functools.lru_cache(maxsize=64)
def _single_toll(market: Market, rate: float) -> tuple[float, float] | None:
    law, size, information = market.size_law, market.size, market.information
    if law == "deterministic" and size is not None:
        return best_toll.deterministic_best_toll(*market.classes, rate / size, information == "lengths")
    if law == "exponential" and information == "workload-only":
        return best_toll.exponential_best_toll(*market.classes, rate, market.mean_sizes)
    if law == "exponential" and information in VISIBLE:
        with contextlib.suppress(TooManyStates):
            limits = {"most": MOST_STATES, "most_states": MOST_STATES_A_TOLL}
            return best_toll.visible_best_toll(
                *market.classes, rate, market.mean_sizes, size_ahead=market.ahead, **limits
            )
    return None
