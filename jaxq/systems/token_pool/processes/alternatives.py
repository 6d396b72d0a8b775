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
from jaxq.engine.bits import packed, unpacked
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

    place: Any  # the server, and above it what `_counts` of its tokens
    words: tuple  # what each path does more in it, the newborn before, what is born; what x does, and the plan
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
    moved: frozenset = eqx.field(static=True)  # the names of the `Slopes` that are no 0
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
        created, m = self._newborn([self._flips(slope, q, s, arrival, made) for slope in self.slopes], words[2])
        plan = self._plan(
            [self._apart(a) for a in paths], [self._same(paths[-1], a) for a in paths[:-1]], weights, words[3]
        )
        offers = m >= OFFER
        newborn = {
            "joins": m == JOIN, "request": m == REQUEST, "offers": offers, "helps": offers & (x.pool > 0), "earns": m == EARN
        }  # fmt: skip
        born = self._changes(newborn) + alike & 255  # of no weight it may be anything
        words = packed([*map(done, paths), born, of_x.changes, plan], self._sizes)
        place = server
        if self.process.token_cap is not None:
            place = server | self._counts(s + made["earns"] - made["request"]) << self._pool - SERVER
        return Step(place, words, created), None

    @property
    def _sizes(self) -> list[int]:
        """Bits of the whole numbers in the words of an event, in their order."""
        return [8] * (self.slots + 2) + [CHANGES.names.index("relocates"), self._plan_bits]

    def _counts(self, held):
        """What a path has more of the servers without a token and of those with all, where x has so many at its server:
        four bits, as `EMPTY` and `FULL`, if it has one less there, as many, and one more."""
        cap = self.process.token_cap

        def word(empty, full):
            return 1 + empty | 1 + full << 2

        none, some = (held == 0).astype(jnp.int32), (held == 1).astype(jnp.int32)
        every, most = (held == cap).astype(jnp.int32), (held == cap - 1).astype(jnp.int32)
        return word(some, -every) | word(0, 0) << 4 | word(-none, most) << 8

    def _changes(self, made: dict):
        """What such decisions change, as a word from which another can be taken."""
        token = 0 if self.process.token_cap is None else fields(TOKENS)
        of = {
            "joins": fields(OWN), "serves": -fields(OWN), "request": fields(POOL) - token, "helps": -fields(POOL),
            "offers": fields(OFFERS), "earns": token,
        }  # fmt: skip
        return sum(jnp.where(made[name], jnp.int32(change), 0) for name, change in of.items() if name in made)

    def _read(self, event: Step):
        """(the event of x, what each path does more in it and what is born of it, the plan)."""
        *codes, changes, plan = unpacked(event.words, self._sizes)
        return Event(event.place & (1 << self._pool - SERVER) - 1, changes, None), codes, plan

    def _newborn(self, rows, word):
        """(its weight by parameter, what it does)."""
        kinds = list(rows[0])
        masses = [sum(self.scales[p] * jnp.abs(row[m]) for p, row in enumerate(rows)) for m in kinds]
        if {"arrival", "mix"} <= self.moved or len({"service", "offer", "earn"} & self.moved) > 1:
            mass = sum(masses)
            m, _ = first_of(scaled(word, mass), masses[:-1])
            chosen = pick(m, masses)
            share = jnp.where(chosen > 0, mass / jnp.maximum(chosen, TINY), 0.0)
            return tuple(pick(m, list(row.values())) * share for row in rows), pick(m, kinds)
        m = jnp.int32(kinds[-1])  # an event leaves it no choice
        for kind, mass in zip(kinds, masses, strict=True):
            m = jnp.where(mass > 0, kind, m)
        return tuple(sum(row.values()) for row in rows), m

    def _flips(self, slope: Slopes, q, s, arrival, made: dict) -> dict:
        """The signed weight of a newborn by what it does instead."""
        process, cap, moved = self.process, self.process.token_cap, self.moved
        has, room = (True, True) if cap is None else (s > 0, s < cap)
        idle, parts = ~arrival & (q == 0) & room, {m: [] for m in range(5)}
        earns = made["earns"] if cap is not None else jnp.bool_(False)
        offers = made["offers"] & ~earns
        if moved & {"arrival", "service"}:
            parts[NONE].append(-jnp.where(arrival, slope.arrival, slope.service))
        if "mix" in moved:
            swap = jnp.where(arrival & (q == process.policy.threshold - 1) & has, slope.mix, 0.0)
            parts[JOIN].append(jnp.where(made["request"], -swap, 0.0))
            parts[REQUEST].append(jnp.where(made["request"], 0.0, swap))
        if "earn" in moved:
            earning = jnp.where(idle, slope.earn / jnp.maximum(process.policy.offer, TINY), 0.0)
            parts[OFFER].append(jnp.where(earns, -earning, 0.0))
            parts[EARN].append(jnp.where(offers, earning, 0.0))
        if "offer" in moved:
            offering = jnp.where(idle, slope.offer / jnp.maximum(1.0 - process.earn, TINY), 0.0)
            parts[NONE].append(-jnp.where(offers, offering, 0.0))
            parts[OFFER].append(jnp.where(made["offers"], 0.0, offering))
        return {m: as_float(sum(of)) for m, of in parts.items() if of}

    def update(self, state, event):
        x, paths, weights = state
        of_x, (*done, of_born), plan = self._read(event)
        kept = []
        for s in range(self.slots):
            replaced = self._replaced(plan, s)
            path, code = (jnp.where(replaced, of[-1], of[s]) for of in (paths, done))
            kept.append(self._after(path, code, event.place))
        born = self._after(ALIKE | of_x.server << SERVER, of_born, event.place)
        weights = self._weighed(plan, weights, event.created)
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

    def _after(self, path, done, place):
        """The path after an event at this `Step.place`, in which it did so much otherwise."""
        path = path + (done & HERE) - (ALIKE & HERE) + (more(done, POOL) << self._pool)
        if self.process.token_cap is None:
            return path
        counts = place >> self._pool - SERVER + 4 * (1 + more(path, TOKENS))
        mine = self._server(path) == place & (1 << self._pool - SERVER) - 1
        return jnp.where(mine, path & ~COUNTED | (counts & 15) << 2 * EMPTY, path)

    def observe(self, state):
        x, paths, weights = state
        observed = self.process.observe(x)
        found = {f"o:{name}": value for name, value in observed.items()}
        for p in range(len(self.slopes)):
            for name in observed:
                extra = [self._pooled(a) if name == "pool_queue" else more(a, SUMS[name]) for a in paths]
                found[f"{p}|o:{name}"] = sum(w[p] * as_float(m) for w, m in zip(weights, extra, strict=True))
        return found | {"mass": self._mass(self._alive([self._apart(a) for a in paths], weights))}

    def tally(self, state, event):
        """Of a counter the weights times what the paths, and what is born, count more in this event."""
        weights, found = state[2], {"created": self._size(event.created)}
        of_x, codes, _ = self._read(event)
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
        """The same program with other parameters. ValueError where these move what was still before."""
        found = slopes_of(process, slopes)
        if not moved_by(process, found) <= self.moved:
            raise ValueError("the parameters move other numbers of the program than at the start")
        return dataclasses.replace(self, process=process, slopes=found)


def beside_alternatives(process: Any, scales, slopes, slots: int) -> MechanismBesideAlternatives:
    """The mechanism beside alternatives to itself; arguments as `Process._beside_alternatives`."""
    found = slopes_of(process, slopes)
    moved = moved_by(process, found)
    return MechanismBesideAlternatives(process=process, slopes=found, scales=scales, moved=moved, slots=slots)


def slopes_of(process: Any, slopes) -> tuple[Slopes, ...]:
    """By parameter how the mechanism moves, from the derivatives of its leaves."""
    structure, found = jax.tree.structure(process), []
    for slope in slopes:
        of = jax.tree.unflatten(structure, slope)
        rates = of.arrival_rate / process.arrival_rate, of.service_rate / process.service_rate
        found.append(Slopes(*map(np.float64, (*rates, of.policy.mix, of.policy.offer, of.earn))))
    return tuple(found)


def moved_by(process: Any, slopes: tuple[Slopes, ...]) -> frozenset:
    """What any parameter moves of what changes anything: where tokens are not counted, earning one does not."""
    names = {name for slope in slopes for name, x in slope._asdict().items() if x}
    return frozenset(names if process.token_cap is not None else names - {"earn"})
