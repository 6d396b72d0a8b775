"""The token mechanism as a jump process, for `jaxq.exact`: small markets, every transition of every server by name.

It shares with `Mechanism` what servers play and nothing of its steps, so that each is a witness for the other.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxq.engine.fields import whole
from jaxq.engine.jump_process import MarkovProcess
from jaxq.systems.token_pool.processes.mechanism import MOST_QUEUED, Mechanism

TAIL = 1e-12
"""Share of its weight beyond which an unbounded queue is cut: an own queue without tokens, a pool without a cap."""
MOST_SERVERS = 8
"""Each has five transitions, and all are compiled."""
COUNTED = 6
"""Servers up to which the states are counted one by one; beyond, those without a token."""
KINDS_OF_EVENT = ("join", "request", "serve", "earn", "help")


class ChainState(NamedTuple):
    """State of one replica; what only counts comes last."""

    servers: Any  # (N,) int32, q << 16 | s, sorted where servers are alike
    pool: Any
    requests: Any
    offers: Any
    helped: Any
    served: Any
    kind_requests: Any  # (K,)
    kind_served: Any  # (K,)


class TokenChain(MarkovProcess):
    """Servers with rates and a policy of Section 6.1 each; own queues and the pool cut at ``longest`` and ``deepest``."""

    token_cap: int | None
    arrivals: Any  # (N,)
    services: Any
    threshold: Any  # (N,)
    mix: Any
    offer: Any
    phi: Any
    longest: Any  # (N,) jobs an own queue can hold
    deepest: Any  # jobs the pool can hold
    kind: Any  # (N,)
    servers: int = whole("servers", static=True)
    kinds: int = whole("kinds of servers", static=True, low=0)
    alike: bool = eqx.field(static=True, default=True)

    def init(self, words):
        n, zero = self.servers, jnp.int32(0)
        tokens = 0 if self.token_cap is None else self.token_cap // 2
        none = jnp.zeros(max(self.kinds, 1), jnp.int32)
        return ChainState(jnp.zeros(n, jnp.int32) + tokens, zero, zero, zero, zero, zero, none, none)

    def rates(self, state):
        found = []
        for i in range(self.servers):
            q, s = state.servers[i] >> 16, state.servers[i] & 0xFFFF
            has_token, has_room = (True, True) if self.token_cap is None else (s > 0, s < self.token_cap)
            has_place = True if self.token_cap is not None else state.pool < self.deepest
            wants = jnp.where(q >= self.threshold[i], 1.0, jnp.where(q == self.threshold[i] - 1, self.mix[i], 0.0))
            request = self.arrivals[i] * wants * has_token
            offers = self.services[i] * self.offer[i] * (q == 0) * has_room
            found += [
                (self.arrivals[i] - request) * (q < self.longest[i]),
                request * has_place,
                self.services[i] * (q > 0),
                offers * self.phi,
                offers * (1 - self.phi),
            ]
        return tuple(found)

    def jump(self, state, k):
        i, what = divmod(k, len(KINDS_OF_EVENT))
        event = KINDS_OF_EVENT[what]
        token = 0 if self.token_cap is None else 1
        change = {"join": 1 << 16, "request": -token, "serve": -(1 << 16), "earn": token, "help": 0}[event]
        servers = state.servers.at[i].add(change)
        if self.alike:
            servers = jnp.sort(servers)
        offers = event in ("earn", "help")
        helps = (state.pool > 0).astype(jnp.int32) if offers else 0
        served = helps if offers else int(event == "serve")
        kind, request = self.kind[i], int(event == "request")
        return ChainState(
            servers,
            state.pool + request - helps,
            state.requests + request,
            state.offers + int(offers),
            state.helped + helps,
            state.served + served,
            state.kind_requests.at[kind].add(request),
            state.kind_served.at[kind].add(served),
        )

    def total_rate_bound(self):
        return jnp.sum(self.arrivals) + jnp.sum(self.services)

    def observe(self, state):
        q, s = state.servers >> 16, state.servers & 0xFFFF
        seen = {"own": jnp.sum(q), "pool_queue": state.pool}
        if self.token_cap is not None:
            seen |= {"tokens": jnp.sum(s), "empty": jnp.sum(s == 0), "full": jnp.sum(s == self.token_cap)}
        return seen | {f"own_{k + 1}": jnp.sum(q * (self.kind == k)) for k in range(self.kinds)}

    def counters(self, state):
        found = {name: getattr(state, name) for name in ("requests", "offers", "helped", "served")}
        for k in range(self.kinds):
            found |= {f"requests_{k + 1}": state.kind_requests[k], f"served_{k + 1}": state.kind_served[k]}
        return found

    def count_states(self):
        """States with q_i <= threshold_i where a token is held (q_i <= longest_i where none), Q_0 + sum s_i <= N C."""
        n, cap, held = self.servers, self.token_cap, [int(x) + 1 for x in self.threshold]
        if cap is None:
            ways = math.comb(n + held[0] - 1, n) if self.alike else math.prod(held)
            return ways * (int(self.deepest) + 1)
        bare = [int(x) + 1 for x in self.longest]
        if n > COUNTED:
            return math.comb(bare[0] + n - 1, n) if self.alike else math.prod(bare)
        # ways[m][t]: m servers hold t tokens together
        ways = [{0: 1}, *[{} for _ in range(n)]]
        groups = [(n, tokens, held[0] if tokens else bare[0]) for tokens in range(cap + 1)] if self.alike else []
        for most, tokens, states in groups:
            ways = [
                _total((ways[m - j], tokens * j, math.comb(states + j - 1, j)) for j in range(min(m, most) + 1))
                for m in range(n + 1)
            ]
        for i in range(0 if self.alike else n):
            steps = [(ways[i], tokens, held[i] if tokens else bare[i]) for tokens in range(cap + 1)]
            ways[i + 1] = _total(steps)
        return sum(count * (n * cap - tokens + 1) for tokens, count in ways[n].items())


def _total(parts) -> dict[int, int]:
    """Ways by tokens: of each part, moved by its tokens and multiplied."""
    found: dict[int, int] = {}
    for ways, shift, factor in parts:
        for tokens, count in ways.items():
            found[tokens + shift] = found.get(tokens + shift, 0) + factor * count
    return found


def token_chain(mechanism: Mechanism, arrivals: np.ndarray, services: np.ndarray) -> TokenChain:
    """The chain of what the mechanism plays; rates of all servers, shape (N,)."""
    n, policy = mechanism.servers, mechanism.policy
    threshold, mix, offer = (np.broadcast_to(x, n) for x in vars(policy).values())
    rho = arrivals / services
    bounded = mechanism.token_cap is not None
    cut = np.ceil(math.log(TAIL) / np.log(rho)).astype(np.int64) if bounded else 0
    ratio = 1.0 if bounded else pool_decay(arrivals, services, threshold, mix, offer)
    alike = all(bool(np.ptp(x) == 0) for x in (arrivals, services, threshold, mix, offer))
    return TokenChain(
        servers=n,
        token_cap=mechanism.token_cap,
        arrivals=arrivals,
        services=services,
        threshold=threshold.astype(np.int64),
        mix=mix.astype(np.float64),
        offer=offer.astype(np.float64),
        phi=np.float64(mechanism.phi),
        longest=np.minimum(threshold + cut, MOST_QUEUED),
        deepest=np.int64(0 if bounded else math.ceil(math.log(TAIL) / math.log(ratio))),
        kind=np.zeros(n, np.int64) if mechanism.kind is None else np.asarray(mechanism.kind),
        kinds=mechanism.kinds,
        alike=alike,
    )


def pool_decay(arrivals, services, threshold, mix, offer) -> float:
    """r with P[Q_0 > n] ~ r^n where tokens are unconstrained.

    Formula: sum_i L_i(1/r) = 0, with L_i(x) the largest eigenvalue of the generator of server i's own queue plus (x - 1)
    times its rates of jobs to the pool plus (1/x - 1) times those of units. Arguments: of each server, shape (N,).

    Source: effective bandwidths of independent Markov-modulated streams (Glasserman and Yao; Whitt 1993).
    """
    from scipy.optimize import brentq

    def growth(x: float) -> float:
        total = 0.0
        for rate, service, most, chance, share in zip(arrivals, services, threshold, mix, offer, strict=True):
            jobs = np.arange(most + 1)
            routed = rate * np.where(jobs == most, 1.0, np.where(jobs == most - 1, chance, 0.0))
            up, down = (rate - routed)[:-1], service * np.ones(most)
            units = service * share * (jobs == 0)
            inside = np.diag(up, 1) + np.diag(down, -1)
            matrix = inside + np.diag(routed * (x - 1) + units * (1 / x - 1) - inside.sum(axis=1))
            total += np.linalg.eigvals(matrix).real.max()
        return total

    high = 1 + 1e-3
    while growth(high) <= 0:
        high = 1 + 2 * (high - 1)
    low = 1 + (high - 1) / 2
    while growth(low) >= 0:
        low = 1 + (low - 1) / 2
    root: Any = brentq(growth, low, high, xtol=1e-12)
    return 1 / root
