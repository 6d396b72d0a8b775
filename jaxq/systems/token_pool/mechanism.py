"""The token mechanism's transitions, O(1) an event for any number of servers.

Policy pi-bar^F of Section 6.1. Events of all servers form one Poisson process; a word picks the server and whether a job
or a capacity unit came, a second word decides (mixing, offering, earning). A server's own queue q and tokens s share one
int32, ``q << 16 | s``, so that an event gathers and scatters one entry.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxq import random
from jaxq.engine.fields import whole
from jaxq.engine.system import System
from jaxq.systems.token_pool.policy import ThresholdPolicy

MOST_QUEUED = 2**15 - 1
"""Jobs the packed own queue can hold; half of it, looked for once a block, raises the overflow flag."""
MOST_TOKENS = 2**16 - 1
MOST_SERVERS = 2**15


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


class Event(NamedTuple):
    """Which server is touched, and all that changes as one bit each of ``changes`` (see `_BITS`).

    One word, because it is worked out once and read by every count; as separate values the compiler would work the
    decision out anew for each of them.
    """

    server: jax.Array
    changes: jax.Array


_BITS = (
    "joins",
    "serves",
    "request",
    "offers",
    "helps",
    "earns",
    "leaves_empty",
    "gets_empty",
    "leaves_full",
    "gets_full",
)


def _packed(**flags) -> Any:
    return sum(flags[name].astype(jnp.int32) << i for i, name in enumerate(_BITS) if name in flags)


def _bit(changes, name: str):
    return (changes >> _BITS.index(name)) & 1


class Picker(NamedTuple):
    """An alias table over 2N kinds of event: server i's arrivals are kind i, its capacity units kind N + i."""

    keep: np.ndarray  # (2N,) uint32: keep the kind if the rest of the word is below
    other: np.ndarray  # (2N,) int64: the kind taken otherwise


def alias_table(rates: np.ndarray) -> Picker:
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
    return Picker(np.minimum(np.round(keep * 2.0**32), 2**32 - 1).astype(np.uint32), other)


class Mechanism(System):
    """The compiled half of `TokenPool`: constants worked out on the host in float64, and the transitions."""

    token_cap: int | None
    total_rate: float
    arrival_below: np.uint32 | None  #: a job arrives if the rest of the word is below (homogeneous)
    picker: Picker | None  # heterogeneous
    policy: ThresholdPolicy
    earn: Any  # probability that a capacity unit at q = 0 is offered and earns a token; one or (N,)
    servers: int = whole("servers", static=True)

    words = 2
    stride = 5

    @property
    def tile(self):
        """Replicas whose servers fill some 512 KB, the share of the second-level cache a core can count on; at least
        512, so that the fixed cost of an iteration is shared."""
        return min(1024, max(512, 1 << (512 * 1024 // (4 * self.servers)).bit_length() - 1))

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
        )

    def choose(self, state, words):
        n = self.servers
        if self.picker is None:
            server, rest = random.below(words[0], n)
            arrival = rest < self.arrival_below
        else:
            kind, rest = random.below(words[0], 2 * n)
            kind = jnp.where(rest < self.picker.keep[kind], kind, self.picker.other[kind])
            server, arrival = jnp.where(kind < n, kind, kind - n), kind < n
        return Event(server, self._decide(state, server, arrival, random.grid24(words[1]))), None

    def _decide(self, state: State, server, arrival, decision):
        """What the chosen job or capacity unit does, as bits."""

        def own(x):
            return x if jnp.ndim(x) == 0 else x.at[server].get(mode="promise_in_bounds")

        threshold, mix, offer = own(self.policy.threshold), own(self.policy.mix), own(self.policy.offer)
        entry = state.servers.at[server].get(mode="promise_in_bounds")
        q, s = entry >> 16, entry & 0xFFFF
        cap = self.token_cap
        wants = (q >= threshold) | ((q == threshold - 1) & (decision < mix))
        request = arrival & wants & (True if cap is None else s > 0)
        idle = ~arrival & (q == 0) & (True if cap is None else s < cap)
        offers = idle & (decision < offer)
        flags = {
            "joins": arrival & ~request,
            "serves": ~arrival & (q > 0),
            "request": request,
            "offers": offers,
            "helps": offers & (state.pool > 0),
        }
        if cap is None:
            return _packed(**flags)
        earns = idle & (decision < own(self.earn))
        return _packed(
            **flags,
            earns=earns,
            leaves_empty=earns & (s == 0),
            gets_empty=request & (s == 1),
            leaves_full=request & (s == cap),
            gets_full=earns & (s == cap - 1),
        )

    def apply(self, state, event):
        changes = event.changes
        request, helps, serves = (_bit(changes, name) for name in ("request", "helps", "serves"))
        change = _bit(changes, "joins") - serves
        update = change << 16
        if self.token_cap is not None:
            gain = _bit(changes, "earns") - request
            update = update + gain
            state = state._replace(
                tokens=state.tokens + gain,
                empty=state.empty + _bit(changes, "gets_empty") - _bit(changes, "leaves_empty"),
                full=state.full + _bit(changes, "gets_full") - _bit(changes, "leaves_full"),
            )
        return state._replace(
            servers=state.servers.at[event.server].add(update, mode="promise_in_bounds"),
            own=state.own + change,
            pool=state.pool + request - helps,
            requests=state.requests + request,
            offers=state.offers + _bit(changes, "offers"),
            helped=state.helped + helps,
            served=state.served + serves + helps,
        )

    def observe(self, state):
        jobs = {"own": state.own, "pool_queue": state.pool}
        return (
            jobs
            if self.token_cap is None
            else {**jobs, "tokens": state.tokens, "empty": state.empty, "full": state.full}
        )

    def counters(self, state):
        return {name: getattr(state, name) for name in ("requests", "offers", "helped", "served")}

    def overflow(self, state):
        return jnp.max(state.servers >> 16) >= MOST_QUEUED // 2
