"""The token mechanism beside alternatives to itself, O(1) an event for any number of servers.

Own queues and tokens do not depend on the pool, so a path in which one job or capacity unit has done otherwise differs in
that server and in the pool alone, for ever: an alternative is a server and what it has more. Tokens count only where there
is a cap: they are then long remembered, and with 10 servers, 10 tokens and phi < lambda differences are narrower.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.alternatives import TINY, Alternatives, first_of, pick
from jaxq.engine.integrands import as_float
from jaxq.engine.process import Scan
from jaxq.random import scaled
from jaxq.systems.token_pool.processes.event import CHANGES, Event

OWN, TOKENS, EMPTY, FULL = range(4)
"""What a path has more than the process x, by one at most, two bits each of its word: jobs and tokens at its server; of all
servers those without a token and those with all. Above stand the server, and what it has more in the pool."""
OFFERS, POOL = EMPTY, FULL
"""In the word of what a path does more in an event, beside own and tokens."""
SERVER = 8
"""Where the server begins."""
SUMS = {"own": OWN, "tokens": TOKENS, "empty": EMPTY, "full": FULL}
"""What is observed but for the pool, and what of it a path has more."""
NONE, JOIN, REQUEST, OFFER, EARN = range(5)


def fields(*which: int, value: int = 1) -> int:
    """A word with so much in these fields."""
    return sum(value << 2 * field for field in which)


ALIKE = fields(OWN, TOKENS, EMPTY, FULL)
"""The word of a path, or of what it does, that differs in nothing."""
HERE, COUNTED = fields(OWN, TOKENS, value=3), fields(EMPTY, FULL, value=3)


def more(word, field: int):
    """What a path has, or does, more than x: -1, 0 or 1."""
    return ((word >> 2 * field) & 3) - 1


class Slopes(NamedTuple):
    """How a parameter moves the mechanism: rates by themselves, then the probabilities of its decisions."""

    arrival: Any
    service: Any
    mix: Any
    offer: Any
    earn: Any


class Step(NamedTuple):
    """An event. Each array of it is worked out by a loop of its own, from the random words on, so that they are few."""

    server: Any
    held: Any  # tokens of x after it, where it happens; None where they are not counted
    words: tuple  # what each path does more in it, four a word; last the newborn before, what is born, and what x does
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
        paths = (jnp.int32(ALIKE),) * (self.slots + 1)
        return self.process.init(words), paths, ((jnp.float32(0),) * len(self.slopes),) * (self.slots + 1)

    def next_event(self, state, words):
        x, paths, weights = state
        server, arrival, decision = self.process.drawn(words)
        entry = x.servers.at[server].get(mode="promise_in_bounds")
        q, s = entry >> 16, entry & 0xFFFF

        def does(own, tokens, pool):
            return self._changes(self.process.decisions(own, tokens, pool, server, arrival, decision))

        made = self.process.decisions(q, s, x.pool, server, arrival, decision)
        alike = ALIKE - self._changes(made)

        def done(path):
            mine = self._server(path) == server
            own, tokens = (jnp.where(mine, more(path, field), 0) for field in (OWN, TOKENS))
            return does(q + own, s + tokens, x.pool + self._pooled(path)) + alike

        of_x, _ = self.process.next_event(x, words)
        rows = [self._flips(slope, q, s, arrival, made) for slope in self.slopes]
        masses = [sum(self.scales[p] * jnp.abs(row[m]) for p, row in enumerate(rows)) for m in range(len(rows[0]))]
        mass = sum(masses)
        m, _ = first_of(scaled(words[2], mass), masses[:-1])
        chosen = pick(m, masses)
        share = jnp.where(chosen > 0, mass / jnp.maximum(chosen, TINY), 0.0)
        created = tuple(pick(m, row) * share for row in rows)
        plan, grow = self._plan(
            [self._apart(a) for a in paths], [self._same(paths[-1], a) for a in paths[:-1]], weights, words[3]
        )
        offers = m >= OFFER
        newborn = {
            "joins": m == JOIN, "request": m == REQUEST, "offers": offers, "helps": offers & (x.pool > 0), "earns": m == EARN
        }  # fmt: skip
        held = None if self.process.token_cap is None else s + made["earns"] - made["request"]
        born = self._changes(newborn) + alike & 255  # of no weight it may be anything
        codes = [*map(done, paths), born]
        *most, last = (codes[first : first + 4] for first in range(0, len(codes), 4))
        words = tuple(_word(part) for part in (*most, [*last, of_x.changes]))
        return Step(of_x.server, held, words, plan, grow, created), None

    def _changes(self, made: dict):
        """What such decisions change, as a word from which another can be taken."""
        token = 0 if self.process.token_cap is None else fields(TOKENS)
        of = {
            "joins": fields(OWN), "serves": -fields(OWN), "request": fields(POOL) - token, "helps": -fields(POOL),
            "offers": fields(OFFERS), "earns": token,
        }  # fmt: skip
        return sum(jnp.where(made[name], jnp.int32(change), 0) for name, change in of.items() if name in made)

    def _read(self, event: Step):
        """(the event of x, what each path does more in it and what is born of it)."""
        codes = [event.words[i // 4] >> 8 * (i % 4) for i in range(self.slots + 3)]
        return Event(event.server, codes[-1], None), codes[:-1]

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
        of_x, (*done, of_born) = self._read(event)
        server = event.server
        *old, new = (self._after(path, code, server, event.held) for path, code in zip(paths, done, strict=True))
        kept = [jnp.where(self._replaced(event.plan, s), new, path) for s, path in enumerate(old)]
        born = self._after(ALIKE | server << SERVER, of_born, server, event.held)
        weights = self._weighed(event.plan, event.grow, weights, event.created)
        return self.process.update(x, of_x), (*kept, born), weights

    @property
    def _pool(self) -> int:
        """Where in the word of a path the pool begins."""
        return SERVER + (self.process.servers - 1).bit_length()

    def _server(self, path):
        return path >> SERVER & (1 << self._pool - SERVER) - 1

    def _pooled(self, path):
        return path >> self._pool

    def _apart(self, path):
        """Whether it differs from x; what it has more servers of follows from the rest."""
        read = HERE | -1 << self._pool
        return path & read != ALIKE & read

    def _same(self, a, b):
        """Whether two paths are the same, wherever no server differs."""
        read = jnp.where(a & HERE == ALIKE & HERE, jnp.int32(HERE | -1 << self._pool), ~jnp.int32(COUNTED))
        return (a ^ b) & read == 0

    def _after(self, path, done, server, held):
        """The path after an event in which it did so much otherwise, at the ``server`` where x then has so many tokens."""
        cap = self.process.token_cap
        path = path + (done & HERE) - (ALIKE & HERE) + (more(done, POOL) << self._pool)
        if cap is None:
            return path
        tokens = held + more(path, TOKENS)

        def at(count: int, field: int):
            return (tokens == count).astype(jnp.int32) - (held == count) + 1 << 2 * field

        mine = self._server(path) == server
        return jnp.where(mine, path & ~COUNTED | at(0, EMPTY) | at(cap, FULL), path)

    def observe(self, state):
        x, paths, weights = state
        observed = self.process.observe(x)
        found = {f"o:{name}": value for name, value in observed.items()}
        for p in range(len(self.slopes)):
            for name in observed:
                extra = [self._pooled(a) if name == "pool_queue" else more(a, SUMS[name]) for a in paths]
                found[f"{p}|o:{name}"] = sum(w[p] * as_float(m) for w, m in zip(weights, extra, strict=True))
        return found | {"mass": self._mass([self._apart(a) for a in paths], weights)}

    def tally(self, state, event):
        """Of a counter the weights times what the paths, and what is born, count more in this event."""
        weights, found = state[2], {"created": self._size(event.created)}
        of_x, codes = self._read(event)
        arrives = sum(CHANGES.of(of_x.changes, name) for name in ("joins", "request"))
        extra = [self._counted(done, arrives) for done in codes]
        for p in range(len(self.slopes)):
            mine = [*[w[p] for w in weights], event.created[p]]
            for name in extra[0]:
                found[f"{p}|c:{name}"] = sum(w * as_float(x[name]) for w, x in zip(mine, extra, strict=True))
        return found

    def _counted(self, done, arrives) -> dict:
        """What a path counts more in an event, an arrival or a capacity unit."""
        own, pool = (more(done, field) for field in (OWN, POOL))
        return {
            "requests": arrives * pool,
            "offers": more(done, OFFERS),
            "helped": (arrives - 1) * pool,
            "served": (arrives - 1) * (own + pool),
        }

    def counters(self, state):
        return {f"c:{name}": value for name, value in self.process.counters(state[0]).items()}

    def overflow(self, state):
        """As well where what a path has more in the pool is halfway to what its word holds."""
        most = 1 << 30 - self._pool
        far = [abs(self._pooled(path)) >= most for path in state[1]]
        return functools.reduce(jnp.logical_or, far, self.process.overflow(state[0]))

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


def _word(codes):
    """Codes of 8 bits, the last of as many as are left, as one word."""
    return sum(code << 8 * i for i, code in enumerate(codes))
