"""What the papers say of tolled queues: Naor's numbers, the best single toll, thresholds, whether Theorem 2.1 applies."""

import math
from typing import Any

import numpy as np

from jaxq.analytic.tolled_queues.chain import TooManyStates, visible
from jaxq.analytic.tolled_queues.customers import accepted
from jaxq.analytic.tolled_queues.naor import naor
from jaxq.engine.reference import Statement

NAOR, SHEN = "Naor (1969), Econometrica 37(1), 15-24", "Shen, splitting a server under tolls"
MOST_CUSTOMERS = 100_000
"""Customers of whom Naor's numbers are worked out."""
MOST_STATES = 4000
NUMBERS = {
    "n_s": "most customers, the one who joins included, without a toll",
    "n_o": "most customers with most welfare",
    "n_r": "most customers with most revenue",
    "toll_o": "highest toll that induces n_o, money",
    "toll_r": "highest toll that induces n_r, money",
    "welfare_s": "welfare at n_s, money/time",
    "welfare": "welfare at n_o, money/time",
    "revenue": "revenue at n_r, money/time",
}


def of_naor(arrival_rates, rewards, waiting_costs, mean_sizes, capacity: float, hold: bool) -> dict[str, Statement]:
    """n_s, n_o, n_r of each class alone at one server of the whole capacity, exponential sizes, lengths visible.

    Args:
        arrival_rates, rewards, waiting_costs, mean_sizes: of each class, shape (I,).
        capacity: of the server, work/time.
        hold: whether that is the system asked about.
    """
    found: dict[str, list] = {name: [] for name in NUMBERS}
    for rate, reward, cost, size in zip(arrival_rates, rewards, waiting_costs, mean_sizes, strict=True):
        accepts = 1 <= accepted(np.array(reward), np.array(cost), capacity / size, 0.0) <= MOST_CUSTOMERS
        numbers = naor(rate, capacity / size, reward, cost) if accepts else {}
        for name, values in found.items():
            values.append(numbers.get(name))
    whose = "" if hold else "; each class alone, one server, exponential sizes, lengths visible"
    return {
        f"naor_{name}": Statement(values[0] if len(values) == 1 else values, NUMBERS[name] + whose, NAOR)
        for name, values in found.items()
    }


def best_single_toll(single: tuple[float, float] | str) -> dict[str, Statement]:
    """OPTn, or the sentence why it is not here."""
    toll, revenue = (single, single) if isinstance(single, str) else single
    return {
        "optn_toll": Statement(toll, "the single toll of most revenue, one server of the whole capacity, money", OPTN),
        "optn_revenue": Statement(revenue, "its revenue, money/time", OPTN),
    }


OPTN = f"{SHEN}, Definition 2"


def thresholds(
    rewards, waiting_costs, mean_sizes, service_rates, tolls, information: str, ahead: float | None, strict: bool
) -> dict[str, Statement]:
    """Most customers, or most work, that each class accepts at each server at the given tolls.

    Formula: w_ij = (R_i - theta_j) mu_j / c_i - s_i, the work before it; n_s = floor(w_ij / a) + 1 customers, where only
    their number is seen and each is taken for a.

    Args:
        rewards, waiting_costs, mean_sizes: of each class, shape (I,).
        service_rates, tolls: of each server, shape (m,).
        information: what customers see, as `TolledQueues`.
        ahead: a, where that is ``lengths``, else None.
        strict: whether a customer whose utility is 0 balks.
    """
    found = {}
    for j, (rate, toll) in enumerate(zip(service_rates, tolls, strict=True), 1):
        work = accepted(np.asarray(rewards, float), np.asarray(waiting_costs, float), rate, toll) - mean_sizes
        if ahead is None:
            rule = "less than that" if strict else "at most that"
            seen = "mean sizes of those before it" if information == "classes" else "work before it"
            values = [float(w) if w > 0 or (w == 0 and not strict) else None for w in work]
            found[f"most_ahead_{j}"] = Statement(
                values,
                f"each class joins server {j} if the {seen} is {rule}, work; - never",
                f"{SHEN}, Section 1",
            )
            continue
        number = np.round(work / ahead, 9)
        most = np.ceil(number) - 1 if strict else np.floor(number)
        values = [int(x) for x in np.maximum(most + 1, 0)]
        found[f"n_s_{j}"] = Statement(
            values, f"most customers at server {j} at its toll, the one who joins included, by class", f"{NAOR}; {SHEN}"
        )
    return found


def theorem(servers: int, equal_sizes: bool, equal_tolls: bool, work_visible: bool) -> dict[str, Statement]:
    """Theorem 2.1 and Lemma 1: which hypotheses hold, and whether both do."""
    applies = equal_sizes and equal_tolls and work_visible and servers > 1
    bound = "the pooled server has as many joiners at every prefix of arrivals, and no less revenue at the same toll"
    where = f"{SHEN}, Theorem 2.1"
    return {
        "equal_sizes": Statement(equal_sizes, "hypothesis of Theorem 2.1: all sizes are one number", where),
        "equal_tolls": Statement(equal_tolls, "hypothesis: all tolls are the same", where),
        "times_known": Statement(
            work_visible, "hypothesis: customers know the time in each queue, for which lengths are not enough", where
        ),
        "general_arrivals": Statement(True, "hypothesis: arrivals do not depend on the system", where),
        "theorem_2_1": Statement(applies, f"all hold, of two servers or more: {bound}", where),
        "lemma_1": Statement(applies and servers == 2, "the same of two servers", f"{SHEN}, Lemma 1"),
    }


def expectations(
    arrival_rates,
    rewards,
    waiting_costs,
    mean_sizes,
    service_rates,
    tolls,
    ahead: float,
    strict: bool,
    random_ties: bool,
) -> dict[str, Statement]:
    """What customers who see numbers take each one before them for, and what those in the system really are."""
    try:
        chain: Any = visible(
            arrival_rates,
            rewards,
            waiting_costs,
            service_rates,
            tolls,
            mean_sizes,
            strict,
            random_ties,
            MOST_STATES,
            ahead,
            MOST_STATES,
        )
    except TooManyStates:
        present: Any = f"not computed: the chain of who is in line has more than {MOST_STATES} states"
    else:
        present = None if math.isnan(chain["size_present"]) else chain["size_present"]
    source = f"{SHEN}, Section 1: customers are risk neutral"
    return {
        "size_ahead": Statement(ahead, "mean size that a customer expects of each one before it, work", source),
        "size_present": Statement(
            present, "mean size of those in the system, which a size_ahead may be given as", source
        ),
    }
