"""The token mechanism's transitions, O(1) an event for any number of servers.

Policy pi-bar^F of Section 6.1. Events of all servers form one Poisson process; a word picks the server and whether a job
or a capacity unit came, a second word decides (mixing, offering, earning). A server's own queue q and tokens s share one
int32, ``q << 16 | s``, so that an event gathers and scatters one entry.

Two parts are compiled only where they are asked for: the tag that measures waits in the pool job by job, and the first
server playing a policy of its own that sees the pool.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.engine.entry import add_at
from jaxq.engine.fields import whole
from jaxq.engine.initial import Beginning, Number
from jaxq.engine.process import Process, Scan
from jaxq.engine.tagged import Tag
from jaxq.systems.token_pool.policy import ThresholdPolicy
from jaxq.systems.token_pool.processes.event import CHANGES, Event

MOST_QUEUED = 2**15 - 1
"""Jobs the packed own queue can hold; half of it, looked for once a block, raises the overflow flag."""
MOST_TOKENS = 2**16 - 1
MOST_SERVERS = 2**15


class DeviatorCounts(NamedTuple):
    """Counts of the first server where it plays a policy of its own."""

    requests: jax.Array  # jobs it moved to the pool so far, on arrival or later
    offers: jax.Array  # capacity units it offered so far
    served: jax.Array  # jobs that its capacity served so far, own or the pool's
    charged: jax.Array  # pool queue plus one, summed over its requests so far


class TypeTotals(NamedTuple):
    """Sums by kind of server, shape (K,)."""

    own: jax.Array
    requests: jax.Array
    served: jax.Array


class State(NamedTuple):
    """State of one replica; the counts are kept because they change by at most one an event."""

    servers: jax.Array  # (N,) int32, q << 16 | s
    own: jax.Array  # jobs in own queues
    pool: jax.Array  # jobs in the shared pool
    tokens: jax.Array  # tokens of all servers
    empty: jax.Array  # servers with s = 0
    full: jax.Array  # servers with s = C
    requests: jax.Array  # jobs routed to the pool so far
    offers: jax.Array  # capacity units offered so far
    helped: jax.Array  # offers that found a job in the pool so far
    served: jax.Array  # jobs served so far, own or pool
    tag: Tag | None
    first: DeviatorCounts | None
    kinds: TypeTotals | None


class AliasTable(NamedTuple):
    """An alias table over 2N kinds of event: server i's arrivals are kind i, its capacity units kind N + i."""

    keep: np.ndarray  # (2N,) uint32: keep the kind if the rest of the word is below
    other: np.ndarray  # (2N,) int64: the kind taken otherwise


def alias_table(rates: np.ndarray) -> AliasTable:
    """Walker's alias table (Vose's construction) of ``rates`` (K,): kind k has probability ``rates[k] / sum``."""
    scaled = rates / rates.sum() * len(rates)
    keep, other = np.ones(len(rates)), np.arange(len(rates))
    small = [k for k in range(len(rates)) if scaled[k] < 1]
    large = [k for k in range(len(rates)) if scaled[k] >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], other[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return AliasTable(np.minimum(np.round(keep * 2.0**32), 2**32 - 1).astype(np.uint32), other)


class Mechanism(Process):
    """The compiled half of `TokenPool`: constants worked out on the host in float64, and the transitions."""

    token_cap: int | None
    arrival_rate: float  # of all servers together
    service_rate: float
    arrival_below: Any  #: uint32 or None: a job arrives if the rest of the word is below (homogeneous)
    picker: AliasTable | None  # heterogeneous
    policy: ThresholdPolicy
    earn: Any  # probability that a capacity unit at q = 0 is offered and earns a token; one or (N,)
    phi: float
    tag_every: int | None  # requests (the first server's, where it deviates) from one tag to the next
    deviator: Any  # `TablePolicy` that the first server plays; None
    kind: Any  # (N,) int64, where costs are wanted by kind of server; None
    servers: int = whole("servers", static=True)
    kinds: int = whole("kinds of servers", static=True, low=0, default=0)

    @property
    def words(self):
        """Which event, and its decision (24 bits; the other 8 go on where the first word ends); then the time between
        events; then the relocation."""
        return 4 if self.deviator is not None else 3 if self.tag_every is not None else 2

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every event is observed where tagged jobs must be seen to leave; otherwise every fifth."""
        return Scan(5 if self.tag_every is None else 1, measured_at={"tagged_wait": ("tagged",)})

    @property
    def total_rate(self):
        """Events per unit of time."""
        return self.arrival_rate + self.service_rate

    def step_time(self):
        return 1.0 / float(self.total_rate)

    def init(self, words):
        n = self.servers
        tokens = 0 if self.token_cap is None else self.token_cap // 2
        zero = jnp.int32(0)
        return State(
            servers=jnp.zeros(n, jnp.int32) + tokens,
            own=zero,
            pool=zero,
            tokens=zero + n * tokens,
            empty=jnp.where(tokens == 0, n, zero),
            full=zero,
            requests=zero,
            offers=zero,
            helped=zero,
            served=zero,
            tag=None if self.tag_every is None else Tag.none(),
            first=None if self.deviator is None else DeviatorCounts(zero, zero, zero, zero),
            kinds=None if self.kind is None else TypeTotals(*[jnp.zeros(self.kinds, jnp.int32)] * 3),
        )

    def _beginning(self):
        n, cap = self.servers, self.token_cap
        tokens = {} if cap is None else {"tokens": Number(cap, n, otherwise=cap // 2)}
        return Beginning({"own_queue": Number(MOST_QUEUED // 2, n), "pool_queue": Number(), **tokens}, self._begun)

    def _begun(self, state, given):
        own = np.array(given["own_queue"])
        tokens = np.array(given.get("tokens", [0] * self.servers))
        kinds = state.kinds
        if kinds is not None:
            kinds = kinds._replace(own=np.bincount(self.kind, own, self.kinds))
        return state._replace(
            servers=own << 16 | tokens,
            own=own.sum(),
            pool=given["pool_queue"],
            tokens=tokens.sum(),
            empty=(tokens == 0).sum(),
            full=state.full if self.token_cap is None else (tokens == self.token_cap).sum(),
            kinds=kinds,
        )

    def next_event(self, state, words):
        server, arrival, decision = self.drawn(words)
        gap = None if self.tag_every is None else random.exponential(words[2]) / self.total_rate
        if self.deviator is None:
            return Event(server, self._decide(state, server, arrival, decision), gap), None
        return Event(server, self._decide_all(state, server, arrival, decision, random.uniform(words[3])), gap), None

    def drawn(self, words):
        """(server, whether a job came to it or a capacity unit, what its decision is compared with)."""
        n = self.servers
        if self.picker is None:
            server, rest = random.below(words[0], n, low=words[1])
            arrival = rest < self.arrival_below
        else:
            kind, rest = random.below(words[0], 2 * n, low=words[1])
            kind = jnp.where(rest < self.picker.keep[kind], kind, self.picker.other[kind])
            server, arrival = jnp.where(kind < n, kind, kind - n), kind < n
        return server, arrival, random.grid24(words[1])

    def _decide(self, state: State, server, arrival, decision):
        """What the chosen job or capacity unit does, as bits, where all servers play threshold policies."""
        entry = state.servers.at[server].get(mode="promise_in_bounds")
        return self.decided(entry >> 16, entry & 0xFFFF, state.pool, server, arrival, decision)

    def decided(self, q, s, pool, server, arrival, decision):
        """The same at a server with q jobs and s tokens of its own, beside so many in the pool."""
        made = self.decisions(q, s, pool, server, arrival, decision)
        return CHANGES.packed(**made | self.tokens_moved(s, made["request"], made.pop("earns")))

    def decisions(self, q, s, pool, server, arrival, decision) -> dict:
        """What it does, by name; where tokens are not counted, earning one changes nothing."""

        def own(x):
            return x if jnp.ndim(x) == 0 else x.at[server].get(mode="promise_in_bounds")

        threshold, mix, offer = own(self.policy.threshold), own(self.policy.mix), own(self.policy.offer)
        cap = self.token_cap
        wants = q >= jnp.where(decision < mix, threshold - 1, threshold)
        request = arrival & wants & (True if cap is None else s > 0)
        idle = ~arrival & (q == 0) & (True if cap is None else s < cap)
        offers = idle & (decision < offer)
        return {
            "joins": arrival & ~request,
            "serves": ~arrival & (q > 0),
            "request": request,
            "offers": offers,
            "helps": offers & (pool > 0),
            "earns": idle & (decision < own(self.earn)),
        }

    def tokens_moved(self, s, request, earns) -> dict:
        """What becomes of the tokens s of the server that an event touches."""
        cap = self.token_cap
        if cap is None:
            return {}
        return {
            "earns": earns,
            "leaves_empty": earns & (s == 0),
            "gets_empty": request & (s == 1),
            "leaves_full": request & (s == cap),
            "gets_full": earns & (s == cap - 1),
        }

    def _decide_all(self, state: State, server, arrival, decision, relocation):
        """`_decide` where the first server plays `deviator`: it looks its decision up by what the axes of the table are, and
        may move a job of its own to the pool after another server has served the pool."""
        cap, table = self.token_cap, self.deviator
        first = server == 0
        shape = jnp.shape(table.request)
        q0, s0 = state.servers[0] >> 16, state.servers[0] & 0xFFFF
        seen = [q0, state.pool, s0]
        if len(shape) == 5:
            seen += [state.servers[1] >> 16, state.servers[1] & 0xFFFF]
        at = tuple(jnp.minimum(x, most - 1) for x, most in zip(seen, shape, strict=False))
        ask, move, offer, serve = (chances[at] for chances in vars(table).values())
        has_token, has_room = (True, True) if cap is None else (s0 > 0, s0 < cap)
        mine = {
            "request": arrival & (decision < ask) & has_token,
            "offers": ~arrival & (decision < offer) & has_room,
        }
        mine["joins"] = arrival & ~mine["request"]
        mine["serves"] = ~arrival & ~mine["offers"] & (decision < offer + serve) & (q0 > 0)
        mine["helps"] = mine["offers"] & (state.pool > 0)
        mine |= self.tokens_moved(s0, mine["request"], mine["offers"] & (decision < offer * self.phi))
        others = self._decide(state, server, arrival, decision)
        relocates = ~first & (CHANGES.of(others, "helps") > 0) & (q0 > 0) & (relocation < move) & has_token
        more = {"relocates": relocates}
        if cap is not None:
            more |= {"relocating_empties": relocates & (s0 == 1), "relocating_unfills": relocates & (s0 == cap)}
        return jnp.where(first, CHANGES.packed(**mine), others) | CHANGES.packed(**more)

    def update(self, state, event):
        changes = event.changes
        request, helps, serves = (CHANGES.of(changes, name) for name in ("request", "helps", "serves"))
        relocates = 0 if self.deviator is None else CHANGES.of(changes, "relocates")
        change = CHANGES.of(changes, "joins") - serves
        update = change << 16
        if self.token_cap is not None:
            gain = CHANGES.of(changes, "earns") - request
            update = update + gain
            state = state._replace(
                tokens=state.tokens + gain - relocates,
                empty=state.empty + CHANGES.of(changes, "gets_empty") - CHANGES.of(changes, "leaves_empty"),
                full=state.full + CHANGES.of(changes, "gets_full") - CHANGES.of(changes, "leaves_full"),
            )
        servers = add_at(state.servers, event.server, update)
        pool, offers = state.pool + request - helps + relocates, CHANGES.of(changes, "offers")
        first, joins = state.first, request
        if first is not None:
            servers = servers.at[0].add(-relocates * (1 << 16 if self.token_cap is None else 1 << 16 | 1))
            here = (event.server == 0).astype(jnp.int32)
            joins = here * request + relocates
            first = DeviatorCounts(
                first.requests + joins,
                first.offers + here * offers,
                first.served + here * (serves + helps),
                first.charged + joins * (state.pool + 1),
            )
            if self.token_cap is not None:
                state = state._replace(
                    empty=state.empty + CHANGES.of(changes, "relocating_empties"),
                    full=state.full - CHANGES.of(changes, "relocating_unfills"),
                )
        return state._replace(
            servers=servers,
            own=state.own + change - relocates,
            pool=pool,
            requests=state.requests + request + relocates,
            offers=state.offers + offers,
            helped=state.helped + helps,
            served=state.served + serves + helps,
            tag=None if state.tag is None else state.tag.step(self.tag_every, joins, pool, helps, event.gap),
            first=first,
            kinds=None
            if self.kind is None
            else self._by_kind(state.kinds, event, relocates, (change, request, serves + helps)),
        )

    def _by_kind(self, kinds: TypeTotals, event: Event, relocates, changes) -> TypeTotals:
        here = jnp.arange(self.kinds) == self.kind.at[event.server].get(mode="promise_in_bounds")
        first = relocates * (jnp.arange(self.kinds) == self.kind[0])
        own, requests, served = (total + here * change for total, change in zip(kinds, changes, strict=True))
        return TypeTotals(own - first, requests + first, served)

    def observe(self, state):
        seen = {"own": state.own, "pool_queue": state.pool}
        if self.token_cap is not None:
            seen |= {"tokens": state.tokens, "empty": state.empty, "full": state.full}
        if state.kinds is not None:
            seen |= {f"own_{i + 1}": state.kinds.own[i] for i in range(self.kinds)}
        return seen if state.first is None else {**seen, "first_own": state.servers[0] >> 16}

    def tally(self, state, event):
        if state.tag is None:
            return {}
        wait, ended = state.tag.finished(CHANGES.of(event.changes, "helps"), event.gap)
        return {"tagged_wait": wait, "tagged": ended}

    def counters(self, state):
        found = {name: getattr(state, name) for name in ("requests", "offers", "helped", "served")}
        if state.kinds is not None:
            for i in range(self.kinds):
                found |= {f"requests_{i + 1}": state.kinds.requests[i], f"served_{i + 1}": state.kinds.served[i]}
        first = {} if state.first is None else state.first._asdict()
        return found | {f"first_{name}": value for name, value in first.items()}

    def overflow(self, state):
        deep = jnp.max(state.servers >> 16) >= MOST_QUEUED // 2
        return deep if state.tag is None else deep | state.tag.too_many_missed(self.tag_every)

    def _beside_alternatives(self, scales, slopes, slots):
        if any(x is not None for x in (self.picker, self.tag_every, self.deviator, self.kind)):
            return None
        from jaxq.systems.token_pool.processes.alternatives import beside_alternatives

        return beside_alternatives(self, scales, slopes, slots)
