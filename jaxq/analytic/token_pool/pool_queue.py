"""Exact mean of the shared pool of the token-based resource-pooling mechanism, homogeneous servers.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Sections 3.2, 4.2 and 6.1.
Notation as in `jaxq.analytic.token_pool.server_chain`, time unit 1 / mu. The servers' states do not depend on the pool: they
modulate the rates at which jobs and capacity units come to it, and only how many servers are in each state matters.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from jaxq.analytic.token_pool.server_chain import best_response
from jaxq.checks import FieldError, integer, number, probability

_MOST_PHASES = 2000
_MOST_STATES = 100_000
_TAIL = 1e-12


def pool_queue(servers: int, rho: float, phi: float, wait: float = 0.0) -> float:
    """Mean jobs in the shared pool when all servers play the mean-field policy and tokens are unconstrained.

    Formula: phi / (1 - phi) if the policy routes every job (threshold 0); otherwise `policy_pool_queue` of
    `best_response(rho, phi, wait)`.

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: expected wait in the pool the policy answers to, in mean service times.

    Returns:
        E[Q_0], jobs.

    Raises:
        ValueError: as `best_response` and `policy_pool_queue`.

    Source: Chen, Chen and Qian, Lemma 4.2 and Section 4.2; Theorem 5.1(2) for threshold 0.
    """
    servers = integer("servers", servers, 1)
    threshold, mix, offer = best_response(rho, phi, wait)
    if threshold == 0:
        return float(phi) / (1 - float(phi))
    return policy_pool_queue(servers, rho, threshold, mix, offer)


def policy_pool_queue(servers: int, rho: float, threshold: int, mix: float, offer: float) -> float:
    """Mean jobs in the shared pool when all servers play one threshold policy and tokens are unconstrained.

    Formula: phase = how many servers have q = 0, ..., threshold jobs: comb(N + threshold, threshold) phases, moving by
    T with the multinomial law d. Jobs come to the pool at the rate A and units at the rate S, diagonal in the phase.
    G, the phase in which the pool is first one job shorter, by logarithmic reduction; with the law d (I - R) R^n of
    level n, E[Q_0] = d A y where (S - T - A G) y = 1. Ten digits or more; close to load 1 fewer (five at 1 - 1e-6).

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        threshold: a job that finds q >= threshold jobs is routed to the pool.
        mix: probability that a job that finds q = threshold - 1 is routed, in [0, 1]; of no meaning at threshold 0.
        offer: probability that a capacity unit that finds q = 0 is offered, in [0, 1].

    Returns:
        E[Q_0], jobs.

    Raises:
        ValueError: an argument is outside its range, there are more than 2000 phases, or requests do not stay below
            offers (no stationary regime).

    Source: Latouche and Ramaswami (1993), Journal of Applied Probability 30(3), 650-674, for the reduction.
    """
    servers = integer("servers", servers, 1)
    rho = probability("rho", rho)
    threshold = integer("threshold", threshold, 0)
    mix = number("mix", mix, 0, 1)
    offer = number("offer", offer, 0, 1)
    phases = math.comb(servers + threshold, threshold)
    if phases > _MOST_PHASES:
        raise FieldError(
            "servers",
            f"{servers} with threshold = {threshold}",
            f"these are {phases} phases of the servers' queues, it must be at most {_MOST_PHASES}",
        )

    routed = routed_share(threshold, mix)
    weights = rho ** np.arange(threshold + 1, dtype=np.float64)
    weights[threshold] *= 1 - routed[threshold - 1] if threshold else 1.0
    one_server = weights / weights.sum()
    load = float(rho * (routed @ one_server)), float(offer * one_server[0])
    if not load[0] < load[1]:
        raise ValueError(f"no stationary regime: request rate = {load[0]!r} must be below the offer rate = {load[1]!r}")

    jobs, units, moves = _phase_rates(servers, rho, routed, offer)
    outflow = jobs + units + moves.sum(axis=1)
    local = np.diag(outflow) - moves
    passage = first_passage(local, np.diag(jobs), np.diag(units))
    # The pool empties surely; row sums that miss 1 by rounding would count against 1 - load.
    passage /= passage.sum(axis=1, keepdims=True)
    sojourn = np.linalg.solve(np.diag(outflow - jobs) - moves - jobs[:, None] * passage, np.ones(phases))
    return float(_multinomial(servers, one_server) @ (jobs * sojourn))


def capped_pool_queue(
    servers: int, rho: float, phi: float, token_cap: int, wait: float = 0.0, most_states: int = _MOST_STATES
) -> float:
    """Mean jobs in the shared pool when all servers play the mean-field policy with at most C tokens each.

    Formula: the chain of (how many servers are in each state (q, s), Q_0), finite as Q_0 + sum_i S_i <= N C, solved by
    a sparse LU factorisation. Above the threshold, where a server holds no token, q is cut where rho^i < 1e-12.

    Args:
        servers: N, 1 or more.
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        token_cap: C, tokens, 1 or more.
        wait: expected wait in the pool the policy answers to, in mean service times.
        most_states: states that the chain may have.

    Returns:
        E[Q_0], jobs.

    Raises:
        ValueError: as `best_response`, servers or token_cap is no integer of at least 1, or the chain could have more
            than ``most_states`` states.

    Source: Chen, Chen and Qian, Section 6.1.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    servers = integer("servers", servers, 1)
    token_cap = integer("token_cap", token_cap, 1)
    threshold, mix, offer = best_response(rho, phi, wait)
    own = [(q, s) for s in range(1, token_cap + 1) for q in range(threshold + 1)]
    own += [(q, 0) for q in range(threshold + math.ceil(math.log(_TAIL) / math.log(rho)) + 1)]
    states = math.comb(servers + len(own) - 1, servers) * (servers * token_cap + 1)
    if states > most_states:
        raise FieldError(
            "servers",
            f"{servers} with token_cap = {token_cap}",
            f"the chain could have {states} states, it must be at most {most_states}",
        )

    counts = count_vectors(servers, len(own))
    pool = np.arange(servers * token_cap + 1)
    used = counts @ np.array([s for _, s in own])
    kept = used[:, None] + pool <= servers * token_cap
    number_of = np.cumsum(kept).reshape(kept.shape) - 1
    origins, targets, rates = [], [], []

    def add(origin: int, target: int, step: int, rate: float, level: NDArray[np.bool_]) -> None:
        phase = np.flatnonzero(counts[:, origin])
        after = moved(counts[phase], origin, target)
        row, length = np.nonzero(kept[phase] & level)
        origins.append(number_of[phase[row], length])
        targets.append(number_of[after[row], length + step])
        rates.append(rate * counts[phase[row], origin])

    place = {state: i for i, state in enumerate(own)}
    always, filled, empty = pool >= 0, pool > 0, pool == 0
    for (q, s), i in place.items():
        routed = (1.0 if q >= threshold else mix if q == threshold - 1 else 0.0) * (s > 0)
        if routed > 0:
            add(i, place[q, s - 1], 1, rho * routed, always)
        if routed < 1 and (q + 1, s) in place:
            add(i, place[q + 1, s], 0, rho * (1 - routed), always)
        if q > 0:
            add(i, place[q - 1, s], 0, 1.0, always)
        elif s < token_cap:
            add(i, place[q, s + 1], 0, offer * phi, empty)
            add(i, place[q, s + 1], -1, offer * phi, filled)
            add(i, i, -1, offer * (1 - phi), filled)

    origin, target, rate = np.concatenate(origins), np.concatenate(targets), np.concatenate(rates)
    size = int(kept.sum())
    balance = coo_matrix(
        (np.concatenate([rate, -rate]), (np.concatenate([target, origin]), np.concatenate([origin, origin]))),
        shape=(size, size),
    ).tocsc()
    full = np.zeros(len(own), dtype=np.int64)
    full[place[0, token_cap]] = servers
    fixed = int(number_of[_rank(full[None, :])[0], 0])
    others = np.delete(np.arange(size), fixed)
    inflow = np.asarray(balance[others][:, [fixed]].toarray())[:, 0]
    law = np.ones(size)
    law[others] = np.asarray(spsolve(balance[others][:, others], -inflow))
    return float(law @ np.nonzero(kept)[1] / law.sum())


def routed_share(threshold: int, mix: float) -> Float[np.ndarray, " jobs"]:
    """Share of jobs routed to the pool that find q = 0, ..., threshold, shape (threshold + 1,)."""
    routed = np.zeros(threshold + 1)
    routed[threshold] = 1.0
    if threshold:
        routed[threshold - 1] = mix
    return routed


def _phase_rates(
    servers: int, rho: float, routed: Float[np.ndarray, " jobs"], offer: float
) -> tuple[Float[np.ndarray, " phases"], Float[np.ndarray, " phases"], Float[np.ndarray, "phases phases"]]:
    """Rates of jobs and of units to the pool, shape (phases,), and of the moves among phases, (phases, phases)."""
    counts = count_vectors(servers, routed.size)
    moves = np.zeros((len(counts), len(counts)))
    for q in range(routed.size - 1):
        phase = np.flatnonzero(counts[:, q])
        moves[phase, moved(counts[phase], q, q + 1)] = rho * (1 - routed[q]) * counts[phase, q]
        phase = np.flatnonzero(counts[:, q + 1])
        moves[phase, moved(counts[phase], q + 1, q)] = counts[phase, q + 1]
    return rho * (counts @ routed), offer * counts[:, 0], moves


def first_passage(
    local: Float[np.ndarray, "phases phases"],
    up: Float[np.ndarray, "phases phases"],
    down: Float[np.ndarray, "phases phases"],
) -> Float[np.ndarray, "phases phases"]:
    """G = local^-1 (down + up G^2), by logarithmic reduction; `local` is minus the generator within a level."""
    phases = len(local)
    both = np.linalg.solve(local, np.hstack([up, down]))
    up, down = both[:, :phases], both[:, phases:]
    passage, ascent = down.copy(), up
    # A load of 1 - 1e-9 takes about 30 steps: each squares the probability to climb before falling.
    for _ in range(60):
        both = np.linalg.solve(np.eye(phases) - up @ down - down @ up, np.hstack([up @ up, down @ down]))
        up, down = both[:, :phases], both[:, phases:]
        change = ascent @ down
        passage += change
        ascent = ascent @ up
        if np.abs(change).max() < 1e-16:
            break
    return passage


def _multinomial(servers: int, law: NDArray[np.float64]) -> NDArray[np.float64]:
    """Law of the counts of independent servers, in the order of `count_vectors`."""
    from scipy.special import gammaln, xlogy

    counts = count_vectors(servers, law.size)
    logs = xlogy(counts, law).sum(axis=1) - gammaln(counts + 1).sum(axis=1) + gammaln(servers + 1)
    return np.exp(logs)


def count_vectors(servers: int, classes: int) -> Int[np.ndarray, "states classes"]:
    """All ways to put servers into classes, shape (states, classes), in lexicographic order."""
    rows, left = np.zeros((1, 0), dtype=np.int64), np.array([servers])
    for _ in range(classes - 1):
        repeats = left + 1
        first = np.repeat(np.cumsum(repeats) - repeats, repeats)
        chosen = np.arange(repeats.sum()) - first
        rows = np.column_stack([np.repeat(rows, repeats, axis=0), chosen])
        left = np.repeat(left, repeats) - chosen
    return np.column_stack([rows, left])


def moved(counts: Int[np.ndarray, "states classes"], origin: int, target: int) -> Int[np.ndarray, " states"]:
    """Places in `count_vectors` of the rows with one server moved from a class to another."""
    after = counts.copy()
    after[:, origin] -= 1
    after[:, target] += 1
    return _rank(after)


def _rank(counts: Int[np.ndarray, "states classes"]) -> Int[np.ndarray, " states"]:
    """Places in `count_vectors`: with r servers left for a class and m classes after it, sum of C(r+m, m) - C(r-n+m, m)."""
    ways = np.ones(int(counts[0].sum()) + 1, dtype=np.int64)
    rank, left = np.zeros(len(counts), dtype=np.int64), counts[:, -1].copy()
    for column in counts.T[-2::-1]:
        ways = np.cumsum(ways)
        rank += ways[left + column] - ways[left]
        left += column
    return rank
