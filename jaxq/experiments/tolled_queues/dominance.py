"""Theorem 2.1 of Shen on every path: a split server never has more joiners than the pooled one, at any prefix.

Random instances on a lattice, in integers, so that ties are exact and nothing is rounded: work in units of 1/240 of a
job, time such that server j works off mu_j units per tick, and prices in units of one waiting-cost unit of 1/(12 mu_s)
ticks, in which every delay (W_j + S)/mu_j is whole. The same customers are shown to m servers of rates mu_j and to one of
rate sum mu_j.
"""

import dataclasses
import functools
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxq.checks import integer, one_of
from jaxq.experiments.tolled_queues.counterexample import Customer, Instance, shortest_path

JOB = 240
"""Units of work of a job of size 1."""
MULTIPLE = 12
"""A common multiple of the service rates, which are 1, 2, 3 and 4."""
MOST_SERVERS, MOST_CLASSES, ABREAST = 6, 4, 512
FAR = 2**30
PARAMETERS = 64
"""Words of an instance but for its customers."""
STREAMS = ("constant gaps", "geometric gaps", "batches", "modulated", "rush hours", "heavy tails")
"""The kinds of arrival processes."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is changed of the theorem's hypotheses (unit sizes, equal tolls, work visible, one rule for both, the best
    server); ``holds``: True if no hypothesis is changed, so that a single violation refutes the theorem."""

    doc: str
    holds: bool = False
    strict_pool: bool = False
    any_acceptable: bool = False
    random_sizes: bool = False
    lengths: bool = False
    unequal_tolls: bool = False

    @property
    def changes(self) -> "_Changes":
        """What is changed, for the compiled search."""
        return _Changes(*(jnp.asarray(getattr(self, name)) for name in _Changes._fields))


class _Changes(NamedTuple):
    """`Claim`, each a boolean that is known at run time: all claims are one program."""

    strict_pool: Any
    any_acceptable: Any
    random_sizes: Any
    lengths: Any
    unequal_tolls: Any


CLAIMS = {
    "theorem": Claim("unit sizes, equal tolls, work visible, any tie rule, weak or strict on both sides", holds=True),
    "strict-pool": Claim("a weak split against a strict pool", strict_pool=True),
    "any-acceptable": Claim("customers take any acceptable server, not the best", any_acceptable=True),
    "random-sizes": Claim("sizes differ, each customer knowing its own", random_sizes=True),
    "lengths": Claim("unit sizes, queue lengths alone visible", lengths=True),
    "unequal-tolls": Claim("unequal tolls against a pool at the smallest", unequal_tolls=True),
}


@dataclasses.dataclass(frozen=True)
class Dominance:
    """What was found. ``first``: the earliest customer, from 1, after which a split had more joiners; None without
    one. ``counterexample``: an instance with the fewest customers that was found, or None. ``ahead``: of each instance in
    which a split was ahead, the first such customer, sorted, shape (violations,)."""

    claim: str
    instances: int
    customers: int
    violations: int
    first: int | None
    counterexample: Instance | None
    ahead: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, int), repr=False)

    def __str__(self) -> str:
        head = f"{self.claim} ({CLAIMS[self.claim].doc}): {self.violations} of {self.instances} instances"
        head += f" x {self.customers} customers have a prefix with more joiners in the split system"
        return head if self.counterexample is None else f"{head}\n{self.counterexample}"


class _Drawn(NamedTuple):
    """One instance, padded: rates 0 where there is no server."""

    rates: Any
    tolls: Any
    rewards: Any
    costs: Any
    gaps: Any
    kinds: Any
    sizes: Any
    priorities: Any
    strict: Any


@functools.partial(jax.jit, static_argnames="customers")
def _draw(key, claim: _Changes, customers: int) -> _Drawn:
    """A random instance. Half of the rewards are such that a class leaves exactly where work is a whole number of jobs."""
    words = jax.random.bits(key, (PARAMETERS + 3 * customers,), jnp.uint32)
    position, shift = itertools.count(), 0
    of_gap, of_customer, of_tie = (words[PARAMETERS:] >> 1).astype(jnp.int32).reshape(3, customers)

    def whole(low, high):
        return low + ((words[next(position) + shift] >> 1).astype(jnp.int32) % (high - low + 1))

    def several(count, low, high):
        return jnp.stack([whole(low, high) for _ in range(count)])

    servers = whole(2, MOST_SERVERS)
    rates = jnp.where(jnp.arange(MOST_SERVERS) < servers, several(MOST_SERVERS, 1, 4), 0)
    total = rates.sum()
    toll = whole(0, 4) * JOB * MULTIPLE
    tolls = toll + jnp.where(claim.unequal_tolls, several(MOST_SERVERS, 0, 8) * JOB * MULTIPLE, 0)
    shift = jnp.where(claim.unequal_tolls, 0, -MOST_SERVERS)  # words that are not needed go to what comes next
    costs = 2 ** several(MOST_CLASSES, 0, 4)
    at = jnp.where(
        several(MOST_CLASSES, 0, 1) == 1, total, jnp.where(several(MOST_CLASSES, 0, 1) == 1, rates[0], rates[1])
    )
    room = several(MOST_CLASSES, 1, 4) * JOB + several(MOST_CLASSES, 0, 1) * several(MOST_CLASSES, 0, JOB)
    rewards = jnp.min(jnp.where(rates > 0, tolls, FAR)) + costs * room * (MULTIPLE * total // at)
    mean = jnp.maximum(1, (JOB * whole(4, 30)) // (10 * total))  # gap, ticks: loads from a third to 2.5
    stream = whole(0, len(STREAMS) - 1)
    gaps = _gaps(of_gap, stream, mean)
    kinds = of_customer % whole(1, MOST_CLASSES)
    sizes = jnp.where(claim.random_sizes, JOB // 8 + of_customer // 16 % (2 * JOB), JOB)
    tied = jnp.arange(MOST_SERVERS)[:, None]
    drawn = (of_tie >> (5 * tied) & 31) * jnp.where(claim.any_acceptable, 1, whole(0, 1))
    shift = shift - claim.any_acceptable
    strict = (whole(0, 1) == 1) & ~claim.strict_pool
    return _Drawn(rates, tolls, rewards, costs, gaps, kinds, sizes, 8 * drawn - tied, strict)


def _gaps(words, stream, mean):
    """Whole gaps of mean about ``mean`` ticks of the six kinds (of which ``stream`` is one), int32.

    Quantiles come from tables of whole numbers, so that an instance can be drawn again to the bit.
    """
    middle = (np.arange(256) + 0.5) / 256
    position, place, other = jnp.arange(words.size), words % 256, words // 256 % 256

    def quantile(values):
        return jnp.asarray(np.round(64 * values).astype(np.int32))[place] * mean // 64

    exponential = quantile(-np.log(middle))
    busy = jnp.cumsum(other < 26) % 2 == 0
    kinds = (
        jnp.full(words.shape, mean),
        exponential,
        jnp.where(place < 154, 0, 5 * mean // 2),
        jnp.where(busy, exponential // 4, 2 * exponential),
        jnp.where(position // 8 % 2 == 0, mean // 4, 2 * mean),
        quantile(0.4 * middle**-0.7),
    )
    return jnp.stack(kinds)[stream]


def _first_violation(instance: _Drawn, claim: _Changes):
    """The number of customers before the first prefix at which the split has more joiners; all of them if there is none."""
    servers = range(MOST_SERVERS)
    rates, tolls, total = list(instance.rates), list(instance.tolls), instance.rates.sum()
    real = [rate > 0 for rate in rates]
    scale = [MULTIPLE * total // jnp.maximum(rate, 1) for rate in rates]
    toll = jnp.min(jnp.where(instance.rates > 0, instance.tolls, FAR))
    strict, strict_pool = instance.strict, instance.strict | claim.strict_pool

    def seen(work, size):
        return jnp.where(claim.lengths, (work + (JOB - 1)) // JOB * JOB + JOB, work + size)

    def accepts(utility, strict):
        return (utility > 0) | ((utility == 0) & ~strict)

    def step(carry, customer):
        work, pooled, ahead, count, first = carry
        gap, kind, size, priority = customer
        reward, cost = (
            functools.reduce(lambda found, i: jnp.where(kind == i, of[i], found), range(1, MOST_CLASSES), of[0])
            for of in (instance.rewards, instance.costs)
        )
        utility = [reward - tolls[j] - cost * seen(work[j], size) * scale[j] for j in servers]
        good = [real[j] & accepts(utility[j], strict) for j in servers]
        best = functools.reduce(jnp.maximum, [jnp.where(real[j], utility[j], -FAR) for j in servers])
        good = [good[j] & (claim.any_acceptable | (utility[j] == best)) for j in servers]
        wanted = [jnp.where(good[j], priority[j], -FAR) for j in servers]
        most = functools.reduce(jnp.maximum, wanted)
        chosen = [good[j] & (wanted[j] == most) for j in servers]
        joins = functools.reduce(jnp.logical_or, chosen)
        enters = accepts(reward - toll - cost * seen(pooled, size) * MULTIPLE, strict_pool)
        ahead = ahead + joins.astype(jnp.int32) - enters.astype(jnp.int32)
        first = jnp.where(ahead > 0, jnp.minimum(first, count), first)
        work = [jnp.maximum(work[j] + jnp.where(chosen[j], size, 0) - rates[j] * gap, 0) for j in servers]
        pooled = jnp.maximum(pooled + jnp.where(enters, size, 0) - total * gap, 0)
        return (work, pooled, ahead, count + 1, first), None

    zero = jnp.int32(0)
    start = ([zero] * MOST_SERVERS, zero, zero, zero, jnp.int32(instance.gaps.shape[0]))
    customers = (instance.gaps, instance.kinds, instance.sizes, list(instance.priorities))
    return lax.scan(step, start, customers)[0][-1]


@functools.partial(jax.jit, static_argnames=("customers", "instances"))
def _search(seed, claim: _Changes, customers: int, instances: int):
    """(first violation, servers) of every instance."""

    def one(number):
        instance = _draw(jax.random.fold_in(seed, number), claim, customers)
        return _first_violation(instance, claim), (instance.rates > 0).sum()

    batches = -(-instances // ABREAST)
    found = lax.map(jax.vmap(one), jnp.arange(batches * ABREAST).reshape(batches, ABREAST))
    return jax.tree.map(lambda x: x.reshape(-1)[:instances], found)


def check_dominance(claim: str = "theorem", instances: int = 20_000, customers: int = 400, seed: int = 0) -> Dominance:
    """Count the random instances in which the split system is ahead of the pooled one at any prefix.

    Args:
        claim: a name in `CLAIMS`: the theorem, or one of the ways in which its hypotheses fail.
        instances: random instances: 2 to 6 servers, 1 to 4 classes, `STREAMS` of arrivals, ties at random or to the first.
        customers: customers of each.
        seed: whole number >= 0 and < 2**32; with another one come other instances.

    Returns:
        A `Dominance`. Its counterexample has been replayed in exact fractions by other code, and shortened.

    Raises:
        ValueError: an unknown claim, a number that is not allowed.
    """
    instances, customers = integer("instances", instances, 1, 2**24), integer("customers", customers, 1, 10**5)
    chosen, key = CLAIMS[one_of("claim", claim, CLAIMS)], jax.random.key(integer("seed", seed, 0, 2**32 - 1))
    first, servers = (np.asarray(x) for x in _search(key, chosen.changes, customers, instances))
    violations = int((first < customers).sum())
    if not violations:
        return Dominance(claim, instances, customers, 0, None, None)
    number = int(np.lexsort((servers, first))[0])
    drawn = jax.tree.map(np.asarray, _draw(jax.random.fold_in(key, number), chosen.changes, customers))
    found = shortest_path(_instance(drawn, chosen, int(first[number]) + 1))
    ahead = np.sort(first[first < customers]) + 1
    return Dominance(claim, instances, customers, violations, int(ahead[0]), found, ahead)


def _instance(drawn: _Drawn, claim: Claim, customers: int) -> Instance:
    """The first customers of an instance in exact fractions: sizes in jobs, rates in jobs per time."""
    from fractions import Fraction

    real = drawn.rates > 0
    total = int(drawn.rates.sum())

    def money(x) -> Fraction:
        return Fraction(int(x), JOB * MULTIPLE * total)

    times = np.concatenate([[0], np.cumsum(drawn.gaps)])
    stream = [
        Customer(
            Fraction(int(times[k]), JOB),
            int(drawn.kinds[k]),
            Fraction(int(drawn.sizes[k]), JOB),
            tuple(drawn.priorities[real, k].tolist()),
        )
        for k in range(customers)
    ]
    return Instance(
        tuple(Fraction(int(r)) for r in drawn.rates[real]),
        tuple(money(x) for x in drawn.tolls[real]),
        tuple((money(r), Fraction(int(c))) for r, c in zip(drawn.rewards, drawn.costs, strict=True)),
        tuple(stream),
        bool(drawn.strict),
        bool(drawn.strict) or claim.strict_pool,
        claim.any_acceptable,
        claim.lengths,
    )
