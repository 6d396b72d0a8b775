"""The token mechanism beside alternatives to itself, O(1) an event for any number of servers.

Own queues and tokens do not depend on the pool, so a path in which one job or capacity unit has done otherwise differs in
that server and in the pool alone, for ever: an alternative is a server and what it has more.
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
from jaxq.systems.token_pool.processes.changes import bit, packed

SUMS = {"own": "own", "pool_queue": "pool", "tokens": "tokens", "empty": "empty", "full": "full"}
"""What is observed, and the part of an `Apart` that it is more by."""
COUNTS = {"requests": ("request",), "offers": ("offers",), "helped": ("helps",), "served": ("serves", "helps")}
"""The counters, and the changes that they count."""
NONE, JOIN, REQUEST, OFFER, EARN = range(5)


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

    def after(self, changes, of_x, touched) -> "Apart":
        """The path after an event: its ``changes`` and those of x, at the server that is ``touched`` if it is its own."""

        def more(*signs):
            return sum(sign * (bit(changes, name) - bit(of_x, name)) for sign, name in signs)

        def there(old, new):
            return old + jnp.where(touched, new, 0)

        return Apart(
            self.server,
            there(self.own, more((1, "joins"), (-1, "serves"))),
            there(self.tokens, more((1, "earns"), (-1, "request"))),
            self.pool + more((1, "request"), (-1, "helps")),
            there(self.empty, more((1, "gets_empty"), (-1, "leaves_empty"))),
            there(self.full, more((1, "gets_full"), (-1, "leaves_full"))),
        )


class Slopes(NamedTuple):
    """How a parameter moves the mechanism: rates by themselves, then the probabilities of its decisions."""

    arrival: Any
    service: Any
    mix: Any
    offer: Any
    earn: Any


class Step(NamedTuple):
    """An event: of x; the changes of each path, the newborn's before last; what is born of it."""

    of_x: Any
    changes: tuple
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
    scan = Scan(stride=5)
    automatic = False  # at 10 servers and phi < lambda alternatives last long: differences are seven times narrower

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

        def decided(path):
            mine = path.server == server
            own, tokens = q + jnp.where(mine, path.own, 0), s + jnp.where(mine, path.tokens, 0)
            return self.process.decided(own, tokens, x.pool + path.pool, server, arrival, decision)

        of_x, _ = self.process.next_event(x, words)
        rows = [self._flips(slope, q, s, arrival, of_x.changes) for slope in self.slopes]
        masses = [sum(self.scales[p] * jnp.abs(row[m]) for p, row in enumerate(rows)) for m in range(len(rows[0]))]
        mass = sum(masses)
        m, _ = first_of(scaled(words[2], mass), masses[:-1])
        chosen = pick(m, masses)
        share = jnp.where(chosen > 0, mass / jnp.maximum(chosen, TINY), 0.0)
        created = tuple(pick(m, row) * share for row in rows)
        plan, grow = self._plan([a.there() for a in paths], [paths[-1].same(a) for a in paths[:-1]], weights, words[3])
        return Step(of_x, tuple(map(decided, paths)), self._made(m, s, x.pool), plan, grow, created), None

    def _flips(self, slope: Slopes, q, s, arrival, changes):
        """The signed weight of a newborn by what it does instead."""
        process, cap = self.process, self.process.token_cap
        has, room = (True, True) if cap is None else (s > 0, s < cap)
        policy, made = process.policy, {name: bit(changes, name) > 0 for name in ("request", "offers", "earns")}
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

    def _made(self, m, s, pool):
        """The changes that what a newborn does makes."""
        request, earns, offers = m == REQUEST, m == EARN, m >= OFFER
        moved = self.process.tokens_moved(s, request, earns)
        return packed(joins=m == JOIN, request=request, offers=offers, helps=offers & (pool > 0), **moved)

    def update(self, state, event):
        (x, paths, weights), of_x = state, event.of_x
        kept = []
        for s in range(self.slots):
            replaced = self._replaced(event.plan, s)
            path = jax.tree.map(lambda new, old, here=replaced: jnp.where(here, new, old), paths[-1], paths[s])
            changes = jnp.where(replaced, event.changes[-1], event.changes[s])
            kept.append(path.after(changes, of_x.changes, path.server == of_x.server))
        born = Apart(of_x.server, *[jnp.int32(0)] * 5).after(event.born, of_x.changes, True)
        weights = self._weighed(event.plan, event.grow, weights, event.created)
        return self.process.update(x, of_x), (*kept, born), weights

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
        for name, changes in COUNTS.items():
            more = [
                as_float(sum(bit(path, change) - bit(event.of_x.changes, change) for change in changes))
                for path in (*event.changes, event.born)
            ]
            for p in range(len(self.slopes)):
                mine = [*[w[p] for w in weights], event.created[p]]
                found[f"{p}|c:{name}"] = sum(w * m for w, m in zip(mine, more, strict=True))
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
