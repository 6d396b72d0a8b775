"""Dispatching policies: which server an arriving job joins.

A cell (j, i) is the set of type-j servers with i jobs, type 0 the fastest. A policy draws servers (all of them, or d), keeps
those of the best cell or level, and takes one of these at random; servers of a type are exchangeable, so that the
probability of every cell follows from how many servers are in each.
"""

import re
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError

NAMES = (
    "sa-jsq",
    "jsq",
    "jsq-slowest",
    "led",
    "sa-jiq",
    "sa-jiq-weighted",
    "jiq",
    "uniform",
    "random",
    "pod<d>",
    "pod<d>r",
    "sa-pod<d>",
    "med-fsf",
    "modified",
)


MEANINGS = {
    "sa-jsq": "join the shortest queue, ties to the fastest server (Definition 2.1)",
    "jsq": "join the shortest queue, ties at random",
    "jsq-slowest": "join the shortest queue, ties to the slowest server",
    "led": "least expected delay (i + 1)/mu_j, ties to the fastest server",
    "sa-jiq": "join an idle queue, the fastest; if none is idle, any server, or by the routing probabilities if given",
    "sa-jiq-weighted": "join an idle queue, the fastest; if none is idle, a server in proportion to its speed",
    "jiq": "join an idle queue, any; if none is idle, any server",
    "uniform": "any server at random",
    "random": "a type by the routing probabilities, then any of its servers",
    "pod<d>": "power of d choices: the shortest queue of d distinct servers, ties at random",
    "pod<d>r": "power of d choices, drawn with replacement",
    "sa-pod<d>": "power of d choices, distinct, ties to the fastest server",
    "med-fsf": "one queue a type; to the fastest idle server, else to the least expected delay queue_j / (N_j mu_j)",
    "modified": "n queues of two jobs at most, servers moving so that the fastest serve the longest queues",
}
"""What each policy does."""


class Policy(eqx.Module):
    """A policy by name (`MEANINGS`); ``draws`` is d of the power of d choices, 1 where a server is drawn at random, 0 where
    all are seen.

    Where routing probabilities are given, they are those of the type of each draw, independent of the others; then any
    server of that type, of ``pod<d>`` one not drawn before. ``modified`` is the lower bound of Section 7, ``med-fsf`` the
    system of Tezcan (2008).
    """

    name: str = eqx.field(static=True)
    draws: int = eqx.field(static=True, default=0)

    def __str__(self) -> str:
        if self.family in ("pod", "sa-pod"):
            return f"{self.family}{self.draws}" + ("r" if self.replacement else "")
        return self.name

    @property
    def family(self) -> str:
        """The rule by which the drawn servers are ranked: the name without d and without how servers are drawn."""
        return {"podr": "pod", "sa-jiq-weighted": "sa-jiq"}.get(self.name, self.name)

    @property
    def replacement(self) -> bool:
        """Whether the d servers are drawn with replacement."""
        return self.name == "podr"

    @property
    def shallow(self) -> bool:
        """Whether queues stay short wherever the system is stable, so that levels can be counted."""
        return self.draws == 0


def parse_policy(text: str) -> Policy:
    """A policy from its name. Raises ValueError."""
    found = re.fullmatch(r"(sa-pod|pod)([1-9][0-9]?)(r?)", text)
    if found and not (found[1] == "sa-pod" and found[3]):
        return Policy(found[1] + found[3], int(found[2]))
    if text not in NAMES or "<" in text:
        raise FieldError("policy", text, f"must be one of {', '.join(NAMES)}, with a number from 1 to 99 for <d>")
    return Policy(text, int(text in ("uniform", "random")))


def ranking(name: str, rates: np.ndarray, levels: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The cells (j, i), i <= levels, best first, in groups of equal rank; types of equal speed are alike."""
    cells = [(j, i) for i in range(levels + 1) for j in range(len(rates))]
    places = speed_ranks(rates)

    def key(cell):
        j, i = places[cell[0]], cell[1]
        return {
            "sa-jsq": (i, j),
            "sa-pod": (i, j),
            "jsq-slowest": (i, -j),
            "led": ((i + 1) / rates[j], j),
            "jiq": (min(i, 1),),
            "sa-jiq": (0, j) if i == 0 else (1,),
            "uniform": (0,),
            "random": (0,),
        }.get(name, (i,))

    ranks: dict[Any, list] = {}
    for cell in sorted(cells, key=key):
        ranks.setdefault(key(cell), []).append(cell)
    return tuple(tuple(group) for group in ranks.values())


def speed_ranks(rates: np.ndarray) -> list[int]:
    """The place of each speed among the distinct ones, the fastest first: a type and its equals have the same."""
    return [len(set(rates.tolist()[:j])) - (rate in rates[:j]) for j, rate in enumerate(rates)]


def join_probabilities(policy: Policy, groups: Sequence, held: Sequence, servers: Sequence, weights) -> dict:
    """Probability that an arriving job joins a server of each cell, by cell; sums to one.

    Args:
        policy: the policy.
        groups: `ranking` of its cells.
        held: servers in each cell, ``held[j][i]``.
        servers: N_j.
        weights: relative weight of one server of each type in a draw, shape (M,), or None for equal ones.
    """
    total = sum(servers)
    if weights is None:
        size = {cell: held[cell[0]][cell[1]] for group in groups for cell in group}
        everything = jnp.asarray(total, jnp.result_type(float))
    else:
        size = {cell: held[cell[0]][cell[1]] * weights[cell[0]] for group in groups for cell in group}
        everything = sum(n * w for n, w in zip(servers, weights, strict=True))
    found, before = {}, 0
    for group in groups:
        here = sum(size[cell] for cell in group)
        if policy.draws == 0:
            wins = (before == 0) & (here > 0)
            if len(group) == 1:
                found[group[0]] = jnp.where(wins, 1.0, 0.0)
                before = before + here
                continue
            chance = jnp.where(wins, 1.0 / jnp.where(here > 0, here, 1), 0.0)
        else:
            missed = none_drawn(policy, before, everything) - none_drawn(policy, before + here, everything)
            chance = jnp.where(here > 0, missed / jnp.where(here > 0, here, 1), 0.0)
        for cell in group:
            found[cell] = chance * size[cell]
        before = before + here
    return found


def none_drawn(policy: Policy, among, everything):
    """Probability that no draw hits ``among`` servers: C(m, d)/C(n, d) with m = n - among, or (m/n)**d."""
    left, chance = everything - among, 1.0
    for k in range(policy.draws):
        k = 0 if policy.replacement else k
        chance = chance * jnp.maximum(left - k, 0) / (everything - k)
    return chance
