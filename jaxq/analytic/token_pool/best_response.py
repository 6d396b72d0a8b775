"""Best responses in the token-based resource-pooling mechanism.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Section 6.3, Appendix D (LP (76)), Appendix A.2 (LP (3)).
Notation as in `jaxq.analytic.token_pool.server_chain`; time unit 1 / mu, costs per server and time unit, holding cost 1.
"""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.markov.decisions import Outcome, balanced, least_cost
from jaxq.analytic.token_pool.deviator import Deviator, Others, deviator, one_server, streams
from jaxq.analytic.token_pool.pool_queue import capped_pool_queue
from jaxq.analytic.token_pool.server_chain import best_response, token_server
from jaxq.checks import FieldError, integer, nonnegative, probability

_MOST_STATES = 60_000
"""With a cap; a sixth of it where tokens have a price."""
_MOST_OF_TWO = 25_000
_MOST_ALONG = 20_000

_Entries = tuple[NDArray[np.int64], NDArray[np.int64], float]


class Policy(NamedTuple):
    """What the deviating server does by own queue, pool queue, its tokens, and the queue and the tokens of the other of two
    servers; axes that do not matter are left out from the end.

    Attributes:
        request: probability that an arriving job is routed to the pool, shape (own, pool), (own, pool, tokens) or with
            both axes of the other server.
        relocate: probability that a job is moved to the pool after another server's unit served the pool.
        offer: probability that an arriving capacity unit is offered to the pool.
        serve: probability that an arriving capacity unit serves the own queue.
    """

    request: NDArray[np.float64]
    relocate: NDArray[np.float64]
    offer: NDArray[np.float64]
    serve: NDArray[np.float64]


class Deviation(NamedTuple):
    """Cost of playing along against that of the best deviation.

    Attributes:
        optimal: V_OPT, cost of the deviating server, per mean service time or, of unlike servers, per time.
        pooling: V_CRP, its cost if it plays as the others do (complete pooling).
        gap: (V_CRP - V_OPT) / V_OPT.
        token_price: what one token more is worth where tokens balance in the mean, cost; None with a token cap.
        policy: the optimal policy.
        exact: the others are as they are in the market, not a limit of many.
    """

    optimal: float
    pooling: float
    gap: float
    token_price: float | None
    policy: Policy
    exact: bool


class FluidResponse(NamedTuple):
    """Solution of a server's fluid mean-field problem.

    Attributes:
        cost: cost per mean service time, (1 + rho) times the value of LP (3).
        law: probability of q jobs in the own queue, shape (largest + 1,).
        request: rate of jobs routed to the pool at q, shape (largest + 1,).
        offer: rate of capacity units offered at q, shape (largest + 1,).
    """

    cost: float
    law: Float[np.ndarray, " jobs"]
    request: Float[np.ndarray, " jobs"]
    offer: Float[np.ndarray, " jobs"]


def best_deviation(
    servers: int, rho: float, processing_cost: float = 1.0, charge_after_service: bool = False
) -> Deviation:
    """Best response of a server that sees the pool, the others pooling completely, at phi = rho.

    Formula: LP (76), `best_response_to_others` at mu = 1. V_CRP = rho (c + 1 / (N (1 - rho))).

    Args:
        servers: N, 2 or more.
        rho: utilisation lambda / mu and probability that an offer earns a token, in (0, 1).
        processing_cost: c, cost of serving a job, 0 or more.
        charge_after_service: as `best_response_to_others`.

    Returns:
        V_OPT, V_CRP, the gap and the optimal policy.

    Raises:
        ValueError: servers is no integer of at least 2, rho is outside (0, 1) or processing_cost is negative.
        ArithmeticError: as `best_response_to_others`.

    Source: Chen, Chen and Qian, Section 6.3 and Appendix D.
    """
    servers = integer("servers", servers, 2)
    rho = probability("rho", rho)
    cost = nonnegative("processing_cost", processing_cost)
    optimal, price, policy = best_response_to_others(
        rho, 1.0, rho, None, (servers - 1) * rho, float(servers), cost, charge_after_service
    )
    pooling = rho * (cost + 1 / (servers * (1 - rho)))
    return Deviation(optimal, pooling, (pooling - optimal) / optimal, price, policy, True)


def best_unlike_deviation(
    arrival_rate: ArrayLike,
    service_rate: ArrayLike,
    phi: float,
    token_cap: int | None = None,
    wait: float = 0.0,
    processing_cost: float = 1.0,
) -> Deviation:
    """Best response of the first server, which sees the pool and its tokens, to others that play Lemma 4.2 with theirs.

    Formula: `best_response_to_others`. Of two servers the first one sees the queue and the tokens of the other as well,
    and the value, a bound for every strategy, is exact, as long as there are few states (some 25,000: C = 3 at
    utilisations of .6; fewer tokens where serving costs so much that jobs are kept for them). Otherwise the others send
    R_j jobs and R_j / phi units per time (`token_server`), as Poisson streams: exact with phi >= rho_j and unconstrained
    tokens (R_j = lambda_j), and a limit of many servers where queues and tokens modulate the streams. V_CRP is the
    first server's cost if it plays Lemma 4.2 too: c lambda_1 + E[q_1] + R_1 w, with w by Little from the pool's exact
    queue where servers are alike and few, and from phi / (1 - phi) jobs otherwise, which is exact and a limit in the
    same cases.

    Args:
        arrival_rate: lambda_i, 1/time, shape (N,), N at least 2.
        service_rate: mu_i, 1/time, one number or shape (N,).
        phi: probability that an offer earns a token, in (0, 1).
        token_cap: C, or None for unconstrained tokens, which then balance in the mean only, as in LP (76).
        wait: anticipated wait that the others answer to, time.
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        V_OPT, V_CRP, the gap and the optimal policy.

    Raises:
        ValueError, ArithmeticError: as `token_server` and `best_response_to_others`.

    Source: Chen, Chen and Qian, Section 7, Theorem 7.2, and Appendix D.
    """
    arrivals, services = np.broadcast_arrays(np.asarray(arrival_rate, np.float64), np.asarray(service_rate, np.float64))
    phi = probability("phi", phi)
    kinds, members = np.unique(np.stack([arrivals, services]), axis=1, return_inverse=True)
    ones = [token_server(a / s, phi, token_cap, wait, s) for a, s in kinds.T]
    requests = np.array([ones[kind]["request_rate"] for kind in np.ravel(members)])

    def against(others: float | tuple[float, float, float]) -> tuple[float, float | None, Policy]:
        rates = float(arrivals[0]), float(services[0])
        return best_response_to_others(*rates, phi, token_cap, others, float(services.sum()), float(processing_cost))

    optimal, price, policy = against(float(requests[1:].sum()))
    exact = token_cap is None and bool(np.all(arrivals[1:] <= phi * services[1:]) and wait <= 1 / services[1:].max())
    if arrivals.size == 2:
        with contextlib.suppress(FieldError):  # more states than are solved here
            optimal, price, policy = against((float(arrivals[1]), float(services[1]), float(wait)))
            exact = True
    queue = phi / (1 - phi)
    if len(ones) == 1 and token_cap is not None:
        arguments = (arrivals.size, arrivals[0] / services[0], phi, token_cap, float(wait * services[0]))
        with contextlib.suppress(ValueError):  # more states than are solved here
            queue = capped_pool_queue(*arguments, most_states=_MOST_ALONG)
    own = ones[int(np.ravel(members)[0])]["own_queue"]
    pooling = float(processing_cost * arrivals[0] + own + requests[0] * queue / requests.sum())
    return Deviation(optimal, pooling, (pooling - optimal) / optimal, price, policy, exact)


@functools.lru_cache(maxsize=32)
def best_response_to_others(
    arrival_rate: float,
    service_rate: float,
    phi: float,
    token_cap: int | None,
    others: float | tuple[float, float, float],
    capacity: float,
    processing_cost: float = 1.0,
    charge_after_service: bool = False,
) -> tuple[float, float | None, Policy]:
    """Least cost per time of a server that sees all that the others do.

    Formula: the chain of `jaxq.analytic.token_pool.deviator`, its least mean cost by policy iteration. With a cap the
    server's tokens, 0 to C, are part of the state. Without one they need to balance in the mean only: LP (76), a
    minimisation, whose dual is a price on tokens. A request made at q_0 is charged (q_0 + 1) / capacity, also one made
    after a service of the pool, q_0 being the length before it. Both queues are cut; the cut of the own queue is moved
    until V_OPT changes by less than 1e-8 of itself, then that of the pool until it changes by less than 1e-7, which
    leaves about 1e-9. With a cap and one other server, how many states there will be is told by the cuts
    that suffice against a stream of its requests.

    Args:
        arrival_rate, service_rate: lambda_1 and mu_1 of the server, 1/time.
        phi: probability that an offer earns a token, in (0, 1).
        token_cap: C, or None for unconstrained tokens.
        others: jobs that they send to the pool as a Poisson stream, 1/time, with 1 / phi times as many units; or the
            arrival rate, the service rate and the anticipated wait of the one other server, which plays Lemma 4.2.
        capacity: sum of mu_i, 1/time, which the pool's services cannot exceed.
        processing_cost: c, cost of serving a job, 0 or more.
        charge_after_service: charge a request made after a service of the pool q_0 / capacity, the jobs it then finds
            and itself, instead of the paper's (q_0 + 1) / capacity.

    Returns:
        V_OPT, what a token is worth (None with a cap), and the optimal policy.

    Raises:
        ValueError: arrival_rate / service_rate or phi is outside (0, 1), a cost or rate is negative, or the token cap
            makes more than 60,000 states (25,000 with the state of another server).
        ArithmeticError: V_OPT is not stable with up to 10,000 states.

    Source: Chen, Chen and Qian, Section 6.3 and Appendix D.
    """
    probability("rho", arrival_rate / service_rate)
    phi = probability("phi", phi)
    nonnegative("processing_cost", processing_cost)
    capped = token_cap is not None
    longest = math.inf
    if not isinstance(others, tuple):
        market = streams(others, phi)
    else:
        market = one_server(others[0], others[1], phi, token_cap, others[2])
        longest = 2 * token_cap + 1 if token_cap is not None else math.inf  # in the pool is what was paid for

    def solve(
        cuts: list[int], start: tuple[Deviator, list] | None = None, market: Others = market
    ) -> tuple[Deviator, Outcome, float | None]:
        check(cuts, market)
        chain = deviator(
            *(arrival_rate, service_rate, phi, token_cap, market, capacity, processing_cost, charge_after_service),
            *cuts,
        )
        along = chain.chances(0, 0.0, 1.0)
        if not capped:
            best, price = balanced(chain.holding, chain.events, along)
            return chain, best, price
        begin = along if start is None else chain.carried(*start, along)
        return chain, least_cost(chain.holding, chain.events, begin), None

    def check(cuts: list[int], market: Others) -> None:
        rich, own, pool = cuts
        states = (own + (rich * token_cap if token_cap is not None else 0)) * pool * market.phases
        most = _MOST_STATES if market.phases == 1 else _MOST_OF_TWO
        most = most if capped else _MOST_STATES // 6
        if states > most and capped:
            rule = f"must be less for the best response: {states} states or more, and at most {most} are solved"
            raise FieldError("token_cap", token_cap, rule)
        if states > most:
            rates = f"{arrival_rate = }, {service_rate = }, {phi = }, {others = }"
            raise ArithmeticError(f"LP (76) is not stable with {most} states: {rates}")

    def widen(cuts: list[int], market: Others) -> tuple[list[int], tuple[Deviator, Outcome, float | None]]:
        found = solve(cuts, market=market)
        for axis in (1, 0) if capped else (1,):
            while True:
                wider = _wider(cuts, axis)
                value = solve(wider, (found[0], found[1].chances), market)
                if abs(value[1].cost - found[1].cost) <= 1e-8 * found[1].cost:
                    break
                cuts, found = wider, value
        return cuts, found

    cuts = [4, 8 if capped else 4, math.ceil(math.log(1e-6) / math.log(phi))]
    if isinstance(others, tuple) and token_cap is not None:
        arrivals, services, wait = others
        rate = token_server(arrivals / services, phi, token_cap, wait, services)["request_rate"]
        enough, _ = widen(cuts, streams(rate, phi))
        cuts[2] = int(min(cuts[2], longest))
        check([*_wider(enough, 0)[:2], cuts[2]], market)
    cuts, found = widen(cuts, market)
    # Each lengthening leaves about a hundredth of the bias, so the last one leaves about 1e-9.
    while cuts[2] < longest:
        cuts[2] = int(min(cuts[2] + math.ceil(math.log(0.01) / math.log(phi)), longest))
        value = solve(cuts, (found[0], found[1].chances))
        change, found = abs(value[1].cost - found[1].cost), value
        if change <= 1e-7 * found[1].cost:
            break
    chain, best, price = found
    return best.cost, price, _policy(chain, best.chances, market)


def _wider(cuts: list[int], axis: int) -> list[int]:
    return [cut + (1 + cut // 2 if axis == place else 0) for place, cut in enumerate(cuts)]


def _policy(chain: Deviator, chances: list[NDArray[np.float64]], others: Others) -> Policy:
    """Tables of the chances; a phase is a queue and tokens of the other server, where there are phases."""
    # A longer queue than is met: as the longest with as many tokens.
    place = np.maximum.accumulate(chain.place, axis=0)
    if others.phases > 1 and others.place is not None:
        place = place[..., np.maximum.accumulate(others.place, axis=0)]
    else:
        place = place[..., 0] if chain.place.shape[2] > 1 else place[..., 0, 0]
    request, relocate, offer, serve = chances[0][1], chances[2][1], chances[1][2], chances[1][1]
    return Policy(*(x[place] for x in (request, relocate, offer, serve)))


def fluid_best_response_lp(rho: float, phi: float, wait: float, processing_cost: float = 1.0) -> FluidResponse:
    """Optimal policy of a server in the fluid mean-field problem, found without Lemma 4.2.

    Formula: LP (3) in the stationary law of the own queue and the decisions, times 1 + rho. The own queue is cut 20
    jobs above the threshold of `best_response`; nothing else of Lemma 4.2 is used.

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).
        wait: expected wait in the pool, in mean service times.
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        Cost, law of the own queue and the rates at which the server requests and offers help from each length.

    Raises:
        ValueError: as `best_response`, or processing_cost is negative or not finite.
        ArithmeticError: the program was not solved.

    Source: Chen, Chen and Qian, Eq. (3).
    """
    rho = probability("rho", rho)
    phi = probability("phi", phi)
    wait = nonnegative("wait", wait)
    processing_cost = nonnegative("processing_cost", processing_cost)
    states = best_response(rho, phi, wait)[0] + 21
    jobs, zero = np.arange(states), np.zeros(states, dtype=np.int64)
    law, join, request, serve, offer = np.arange(5 * states).reshape(5, states)
    # Rows: jobs of each length go somewhere, the cuts between lengths balance, then tokens, then the total.
    equal = [(jobs, join, 1.0), (jobs, request, 1.0), (jobs, law, -rho)]
    equal += [(states + jobs[:-1], join[:-1], 1.0), (states + jobs[:-1], serve[1:], -1.0)]
    equal += [
        (2 * states - 1 + zero, request, 1.0),
        (2 * states - 1 + zero, offer, -phi),
        (2 * states + zero, law, 1.0),
    ]
    least = [(jobs, serve, 1.0), (jobs, offer, 1.0), (jobs, law, -1.0)]
    cost = np.concatenate([jobs, 0.0 * jobs, wait + zero, processing_cost + zero, processing_cost * phi + zero])
    value, solution = _minimum(cost, equal, 2 * states, least, np.array([join[-1], serve[0]]))
    return FluidResponse(value, solution[law], solution[request], solution[offer])


def _minimum(
    cost: NDArray[np.generic],
    equal: Sequence[_Entries],
    total: int,
    least: Sequence[_Entries],
    absent: NDArray[np.int64],
) -> tuple[float, NDArray[np.float64]]:
    """Least cost over x >= 0 with the rows `equal` zero (one for row `total`), `least` at most zero, `absent` zero."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    def matrix(entries: Sequence[_Entries], rows: int) -> Any:
        row, column, value = (
            np.concatenate(part)
            for part in zip(*((r, c, np.broadcast_to(v, r.shape)) for r, c, v in entries), strict=True)
        )
        return coo_matrix((value, (row, column)), shape=(rows, cost.size)).tocsr()

    largest = np.full(cost.size, np.inf)
    largest[absent] = 0.0
    right = np.zeros(total + 1)
    right[total] = 1.0
    rows = 1 + max(int(row.max()) for row, _, _ in least)
    message = ""
    for method in ("highs-ds", "highs-ipm"):
        result = linprog(
            cost,
            A_ub=matrix(least, rows),
            b_ub=np.zeros(rows),
            A_eq=matrix(equal, total + 1),
            b_eq=right,
            bounds=np.column_stack([np.zeros(cost.size), largest]),
            method=method,
            options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
        )
        if result.status == 0:
            return float(result.fun), result.x
        message = result.message
    raise ArithmeticError(f"the linear program was not solved: {message}")
