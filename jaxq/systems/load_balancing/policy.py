"""Dispatching policies: which server an arriving job joins.

A policy is a *rank*: a function of the jobs at a server and of its service rate to numbers. Servers are drawn (all of them,
or d); of those drawn the smallest rank wins, numbers being compared one after the other; servers whose numbers are all the
same tie, and one of these is taken at random. To add a policy, write its rank and a row of `POLICIES`: every layout, the
oracles and the command line read that row.

A rank is written with operators alone, so that the jobs may be a number of the host or of a compiled step.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError

Rank = tuple[Any, ...]
FAR = 1000
"""Jobs of a long queue."""
ROUNDING = 1e-6
"""Relative difference of two real numbers up to which they tie: that of float32, in which steps are compiled."""


def shortest(jobs, rate) -> Rank:
    """The shortest queue, ties at random."""
    return (jobs,)


def shortest_fastest(jobs, rate) -> Rank:
    """The shortest queue, ties to the fastest server."""
    return (jobs, -rate)


def shortest_slowest(jobs, rate) -> Rank:
    """The shortest queue, ties to the slowest server."""
    return (jobs, rate)


def least_delay(jobs, rate) -> Rank:
    """The least expected delay (jobs + 1)/rate, ties to the fastest server."""
    return ((jobs + 1) / rate, -rate)


def idle(jobs, rate) -> Rank:
    """An idle server; all busy ones tie."""
    return (jobs > 0,)


def fastest_idle(jobs, rate) -> Rank:
    """The fastest idle server; all busy ones tie."""
    return (jobs > 0, -rate * (jobs == 0))


def indifferent(jobs, rate) -> Rank:
    """All servers tie."""
    return ()


def least_pooled_delay(jobs, rate, servers) -> Rank:
    """Of types with one queue each: the fastest with an idle server, else the least delay (jobs - servers)/(servers rate),
    ties to the fastest."""
    full = jobs >= servers
    return (full, full * (jobs - servers) / (servers * rate), -rate)


class Rule(NamedTuple):
    """A row of `POLICIES`.

    Attributes:
        doc: what it does, in a few words.
        rank: (jobs at a server, its service rate) -> `Rank`; of a type with one queue also of its servers.
        draws: servers that are drawn, 0 for all of them; None where the name says how many (``<d>``).
        replacement: whether they are drawn with replacement.
        by_speed: whether a server is drawn, and wins a tie, in proportion to its speed unless routing is given.
        routed: whether routing probabilities may be given.
        cyclic: whether the servers come in turn instead of being drawn, as often as draws would take them.
        queues: ``"own"`` of each server, ``"pooled"`` by type, or ``"shared"`` by servers that move between them.
    """

    doc: str
    rank: Callable[..., Rank]
    draws: int | None = 0
    replacement: bool = False
    by_speed: bool = False
    routed: bool = False
    cyclic: bool = False
    queues: str = "own"


POLICIES: dict[str, Rule] = {
    "sa-jsq": Rule("join the shortest queue, ties to the fastest server (Definition 2.1)", shortest_fastest),
    "jsq": Rule("join the shortest queue, ties at random", shortest),
    "jsq-slowest": Rule("join the shortest queue, ties to the slowest server", shortest_slowest),
    "led": Rule("least expected delay (i + 1)/mu_j, ties to the fastest server", least_delay),
    "sa-jiq": Rule(
        "join an idle queue, the fastest; if none is idle, any server, or by the routing probabilities if given",
        fastest_idle,
        routed=True,
    ),
    "sa-jiq-weighted": Rule(
        "join an idle queue, the fastest; if none is idle, a server in proportion to its speed",
        fastest_idle,
        by_speed=True,
    ),
    "jiq": Rule("join an idle queue, any; if none is idle, any server", idle),
    "uniform": Rule("any server at random", indifferent, draws=1),
    "random": Rule(
        "a type by the routing probabilities, then any of its servers",
        indifferent,
        draws=1,
        by_speed=True,
        routed=True,
    ),
    "round-robin": Rule("the servers in turn, type by type", indifferent, draws=1, cyclic=True),
    "weighted-round-robin": Rule(
        "the servers in a cycle that takes each in proportion to its speed, as evenly as nginx does",
        indifferent,
        draws=1,
        by_speed=True,
        cyclic=True,
    ),
    "pod<d>": Rule(
        "power of d choices: the shortest queue of d distinct servers, ties at random",
        shortest,
        draws=None,
        routed=True,
    ),
    "pod<d>r": Rule("power of d choices, drawn with replacement", shortest, draws=None, replacement=True, routed=True),
    "sa-pod<d>": Rule("power of d choices, distinct, ties to the fastest server", shortest_fastest, draws=None),
    "med-fsf": Rule(
        "one queue a type; to the fastest idle server, else to the least expected delay queue_j / (N_j mu_j)",
        least_pooled_delay,
        queues="pooled",
    ),
    "modified": Rule(
        "n queues of two jobs at most, servers moving so that the fastest serve the longest queues",
        shortest,
        queues="shared",
    ),
}


class Policy(eqx.Module):
    """A policy by the name of its row in `POLICIES`; ``draws`` is d where that does not say how many servers are drawn.

    Where routing probabilities are given, they are those of the type of each draw, independent of the others; then any
    server of that type, of ``pod<d>`` one not drawn before. ``modified`` is the lower bound of Section 7, ``med-fsf`` the
    system of Tezcan (2008).
    """

    name: str = eqx.field(static=True)
    draws: int = eqx.field(static=True, default=0)

    def __str__(self) -> str:
        return self.name.replace("<d>", str(self.draws))

    @property
    def rule(self) -> Rule:
        """Its row."""
        return POLICIES[self.name]

    @property
    def balances(self) -> bool:
        """Whether long queues are told apart, so that none grows while others are shorter."""
        return self.rule.rank(FAR, 1.0) != self.rule.rank(FAR + 1, 1.0)


def parse_policy(text: str) -> Policy:
    """A policy from its name. Raises ValueError."""
    for name, rule in POLICIES.items():
        found = re.fullmatch(name.replace("<d>", "([1-9][0-9]?)"), text)
        if found:
            return Policy(name, int(found[1]) if rule.draws is None else rule.draws)
    raise FieldError("policy", text, f"must be one of {', '.join(POLICIES)}, with a number from 1 to 99 for <d>")


def compare(one: Rank, other: Rank):
    """(whether ``one`` is the smaller, whether they tie): the rule that every layout compares ranks by."""
    smaller, same = False, True
    for x, y in zip(one, other, strict=True):
        if jnp.issubdtype(jnp.result_type(x, y), jnp.floating):
            slack = ROUNDING * abs(y)
            below, even = x < y - slack, abs(x - y) <= slack
        else:
            below, even = x < y, x == y
        smaller, same = smaller | (same & below), same & even
    return smaller, same


def ranking(
    rank: Callable[..., Rank], rates: Float[np.ndarray, " types"], levels: int
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The cells (j, i), servers of type j with i <= levels jobs, best first, in groups that tie."""
    groups: dict[Rank, list[tuple[int, int]]] = {}
    for i in range(levels + 1):
        for j, rate in enumerate(rates.tolist()):
            # as many digits as float32 has, so that all layouts have the same ties
            key = tuple(float(f"{float(x):.7g}") for x in rank(i, rate))
            groups.setdefault(key, []).append((j, i))
    return tuple(tuple(groups[key]) for key in sorted(groups))


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
        k = 0 if policy.rule.replacement else k
        chance = chance * jnp.maximum(left - k, 0) / (everything - k)
    return chance
