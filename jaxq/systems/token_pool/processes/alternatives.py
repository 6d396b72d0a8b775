"""The token mechanism beside alternatives to itself, O(1) an event for any number of servers.

Own queues and tokens do not depend on the pool, so a path in which one job or capacity unit has done otherwise differs in
that server and in the pool alone, for ever: an alternative is a server and what it has more. Tokens count only where there
is a cap: they are then long remembered, and with 10 servers, 10 tokens and phi < lambda differences are narrower.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.alternatives import TINY, Alternatives, first_of, pick
from jaxq.engine.integrands import as_float
from jaxq.engine.process import Scan
from jaxq.random import scaled

SUMS = {"own": "own", "pool_queue": "pool", "tokens": "tokens", "empty": "empty", "full": "full"}
"""What is observed, and the part of an `Apart` that it is more by."""
COUNTS = {"requests": ("request",), "offers": ("offers",), "helped": ("helps",), "served": ("serves", "helps")}
"""The counters, and the decisions that they count."""
DECISIONS = "joins", "serves", "request", "offers", "helps", "earns"
"""Each has two bits of a word, so that words can be taken from each other."""
ONES = sum(1 << 2 * i for i in range(len(DECISIONS)))
NONE, JOIN, REQUEST, OFFER, EARN = range(5)


def word(made: dict) -> Any:
    """Decisions by name as one word."""
    return sum(made[name].astype(jnp.int32) << 2 * i for i, name in enumerate(DECISIONS) if name in made)


def more(apart, name: str):
    """How often more a path has decided so, plus 1: of `ONES` and its word less that of x."""
    return (apart >> 2 * DECISIONS.index(name)) & 3


class Apart(NamedTuple):
    """A path by what it has more than the process x, int32: at ``server`` jobs and tokens, in the pool jobs, and of all
    servers those without a token and those with all."""

    server: Any
    own: Any
    tokens: Any
    pool: Any
    empty: Any
    full: Any

    def there(self):
        """Whether it differs from x; what follows from these does too."""
        return (self.own != 0) | (self.tokens != 0) | (self.pool != 0)

    def same(self, other: "Apart"):
        """Whether another path is the same."""
        at_server = (self.server == other.server) | ((other.own == 0) & (other.tokens == 0))
        return at_server & (self.own == other.own) & (self.tokens == other.tokens) & (self.pool == other.pool)

    def after(self, apart, server, held, cap: int | None) -> "Apart":
        """The path after an event in which it decided by so much otherwise (`more`), at the ``server`` where x then has so
        many tokens. Where tokens are not counted, no path has more."""
        own, pool = more(apart, "joins") - more(apart, "serves"), more(apart, "request") - more(apart, "helps")
        path = self._replace(own=self.own + own, pool=self.pool + pool)
        if cap is None:
            return path
        tokens, touched = self.tokens + more(apart, "earns") - more(apart, "request"), self.server == server

        def there(old, at: int):
            return jnp.where(touched, (held + tokens == at).astype(jnp.int32) - (held == at), old)

        return path._replace(tokens=tokens, empty=there(self.empty, 0), full=there(self.full, cap))


class Slopes(NamedTuple):
    """How a parameter moves the mechanism: rates by themselves, then the probabilities of its decisions."""

    arrival: Any
    service: Any
    mix: Any
    offer: Any
    earn: Any


class Step(NamedTuple):
    """An event: of x; by how much each path decides otherwise, that of the newborn before last; what is born of it."""

    of_x: Any
    held: Any  # tokens of x after it, where it happens
    apart: tuple
    born: Any
    plan: Any
    grow: Any
    created: tuple


class MechanismBesideAlternatives(Alternatives):
    """`Mechanism` of alike servers that play threshold policies; state: its own, the S + 1 paths, the weights of each.

    Born are: without the job (or capacity unit) that came, since another rate is so much more or less of them; a request in
    place of a join, or the other way round, where the threshold mixes; and what an idle unit may do: nothing, be offered, be
    offered and earn.
    """

    process: Any  # `Mechanism`
    slopes: tuple  # by parameter, `Slopes`
    scales: Any
    slots: int = eqx.field(static=True)

    transitions: int = eqx.field(static=True, default=5)

    words = 4
    scan = Scan(stride=5, tile=128)  # compiles in half the time of 64, at the same speed
    automatic = False  # with a cap alternatives last long; and tuning goes across changes of a threshold by differences

    def step_time(self):
        return self.process.step_time()

    def init(self, words):
        zero = jnp.int32(0)
        paths = (Apart(*[zero] * 6),) * (self.slots + 1)
        return self.process.init(words), paths, ((jnp.float32(0),) * len(self.slopes),) * (self.slots + 1)

    def next_event(self, state, words):
        x, paths, weights = state
        server, arrival, decision = self.process.drawn(words)
        entry = x.servers.at[server].get(mode="promise_in_bounds")
        q, s = entry >> 16, entry & 0xFFFF

        def decided(own, tokens, pool):
            return self.process.decisions(own, tokens, pool, server, arrival, decision)

        made = decided(q, s, x.pool)

        def apart(path):
            mine = path.server == server
            own, tokens = q + jnp.where(mine, path.own, 0), s + jnp.where(mine, path.tokens, 0)
            return word(decided(own, tokens, x.pool + path.pool)) + (ONES - word(made))

        of_x, _ = self.process.next_event(x, words)
        rows = [self._flips(slope, q, s, arrival, made) for slope in self.slopes]
        masses = [sum(self.scales[p] * jnp.abs(row[m]) for p, row in enumerate(rows)) for m in range(len(rows[0]))]
        mass = sum(masses)
        m, _ = first_of(scaled(words[2], mass), masses[:-1])
        chosen = pick(m, masses)
        share = jnp.where(chosen > 0, mass / jnp.maximum(chosen, TINY), 0.0)
        created = tuple(pick(m, row) * share for row in rows)
        plan, grow = self._plan([a.there() for a in paths], [paths[-1].same(a) for a in paths[:-1]], weights, words[3])
        offers = m >= OFFER
        newborn = {
            "joins": m == JOIN, "request": m == REQUEST, "offers": offers, "helps": offers & (x.pool > 0), "earns": m == EARN
        }  # fmt: skip
        held = s + made["earns"] - made["request"]
        born = word(newborn) + (ONES - word(made))
        return Step(of_x, held, tuple(map(apart, paths)), born, plan, grow, created), None

    def _flips(self, slope: Slopes, q, s, arrival, made: dict):
        """The signed weight of a newborn by what it does instead."""
        process, cap = self.process, self.process.token_cap
        has, room = (True, True) if cap is None else (s > 0, s < cap)
        policy = process.policy
        mixing, idle = arrival & (q == policy.threshold - 1) & has, ~arrival & (q == 0) & room
        swap = jnp.where(mixing, slope.mix, 0.0)
        earning = jnp.where(idle, slope.earn / jnp.maximum(policy.offer, TINY), 0.0)
        offering = jnp.where(idle, slope.offer / jnp.maximum(1.0 - process.earn, TINY), 0.0)
        earns = made["earns"] if cap is not None else jnp.bool_(False)
        offers = made["offers"] & ~earns
        row = [jnp.float32(0.0)] * 5
        row[NONE] = -jnp.where(arrival, slope.arrival, slope.service) - jnp.where(offers, offering, 0.0)
        row[JOIN] = jnp.where(made["request"], -swap, 0.0)
        row[REQUEST] = jnp.where(made["request"], 0.0, swap)
        row[OFFER] = jnp.where(earns, -earning, 0.0) + jnp.where(made["offers"], 0.0, offering)
        row[EARN] = jnp.where(offers, earning, 0.0)
        return [as_float(x) for x in row]

    def update(self, state, event):
        x, paths, weights = state
        server, cap, kept = event.of_x.server, self.process.token_cap, []
        for s in range(self.slots):
            replaced = self._replaced(event.plan, s)
            path = jax.tree.map(lambda new, old, here=replaced: jnp.where(here, new, old), paths[-1], paths[s])
            kept.append(path.after(jnp.where(replaced, event.apart[-1], event.apart[s]), server, event.held, cap))
        born = Apart(server, *[jnp.int32(0)] * 5).after(event.born, server, event.held, cap)
        weights = self._weighed(event.plan, event.grow, weights, event.created)
        return self.process.update(x, event.of_x), (*kept, born), weights

    def observe(self, state):
        x, paths, weights = state
        found = {f"o:{name}": value for name, value in self.process.observe(x).items()}
        for p in range(len(self.slopes)):
            for name in self.process.observe(x):
                more = [w[p] * as_float(getattr(a, SUMS[name])) for a, w in zip(paths, weights, strict=True)]
                found[f"{p}|o:{name}"] = sum(more)
        return found | {"mass": self._mass([a.there() for a in paths], weights)}

    def tally(self, state, event):
        """Of a counter the weights times what the paths, and what is born, count more in this event."""
        weights, found = state[2], {"created": self._size(event.created)}
        for name, decisions in COUNTS.items():
            extra = [
                as_float(sum(more(path, decision) - 1 for decision in decisions)) for path in (*event.apart, event.born)
            ]
            for p in range(len(self.slopes)):
                mine = [*[w[p] for w in weights], event.created[p]]
                found[f"{p}|c:{name}"] = sum(w * m for w, m in zip(mine, extra, strict=True))
        return found

    def counters(self, state):
        return {f"c:{name}": value for name, value in self.process.counters(state[0]).items()}

    def overflow(self, state):
        return self.process.overflow(state[0])

    def at(self, process: Any, slopes) -> "MechanismBesideAlternatives":
        """The same program with other parameters."""
        return dataclasses.replace(self, process=process, slopes=slopes_of(process, slopes))


def beside_alternatives(process: Any, scales, slopes, slots: int) -> MechanismBesideAlternatives:
    """The mechanism beside alternatives to itself; arguments as `Process._beside_alternatives`."""
    return MechanismBesideAlternatives(process=process, slopes=slopes_of(process, slopes), scales=scales, slots=slots)


def slopes_of(process: Any, slopes) -> tuple[Slopes, ...]:
    """By parameter how the mechanism moves, from the derivatives of its leaves."""
    structure, found = jax.tree.structure(process), []
    for slope in slopes:
        of = jax.tree.unflatten(structure, slope)
        rates = of.arrival_rate / process.arrival_rate, of.service_rate / process.service_rate
        found.append(Slopes(*map(np.float64, (*rates, of.policy.mix, of.policy.offer, of.earn))))
    return tuple(found)
