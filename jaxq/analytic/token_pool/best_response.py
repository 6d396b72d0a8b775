"""Best responses in the token-based resource-pooling mechanism as linear programs.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Section 6.3, Appendix D (LP (76)), Appendix A.2 (LP (3)).
Notation as in `jaxq.analytic.token_pool.server_chain`; time unit 1 / mu, costs per server and time unit, holding cost 1.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jaxq.analytic.token_pool.server_chain import best_response, token_server
from jaxq.checks import integer, nonnegative, probability

_NEVER = 1e-9
_MOST_STATES = 6000

_Entries = tuple[NDArray[np.int64], NDArray[np.int64], float]


class Policy(NamedTuple):
    """What the deviating server does at (own queue q_1, pool queue q_0); nan where it never gets to decide.

    Attributes:
        request: probability that an arriving job is routed to the pool, shape (own, pool).
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
        policy: the optimal policy.
    """

    optimal: float
    pooling: float
    gap: float
    policy: Policy


class FluidResponse(NamedTuple):
    """Solution of a server's fluid mean-field problem.

    Attributes:
        cost: cost per mean service time, (1 + rho) times the value of LP (3).
        law: probability of q jobs in the own queue, shape (largest + 1,).
        request: rate of jobs routed to the pool at q, shape (largest + 1,).
        offer: rate of capacity units offered at q, shape (largest + 1,).
    """

    cost: float
    law: NDArray[np.float64]
    request: NDArray[np.float64]
    offer: NDArray[np.float64]


def best_deviation(
    servers: int, rho: float, processing_cost: float = 1.0, charge_after_service: bool = False
) -> Deviation:
    """Best response of a server that sees the pool, the others pooling completely, at phi = rho.

    Formula: LP (76), `best_response_to_streams` at mu = 1. V_CRP = rho (c + 1 / (N (1 - rho))).

    Args:
        servers: N, 2 or more.
        rho: utilisation lambda / mu and probability that an offer earns a token, in (0, 1).
        processing_cost: c, cost of serving a job, 0 or more.
        charge_after_service: as `best_response_to_streams`.

    Returns:
        V_OPT, V_CRP, the gap and the optimal policy.

    Raises:
        ValueError: servers is no integer of at least 2, rho is outside (0, 1) or processing_cost is negative.
        ArithmeticError: the program was not solved, or is not stable with up to 6,000 states.

    Source: Chen, Chen and Qian, Section 6.3 and Appendix D.
    """
    servers = integer("servers", servers, 2)
    rho = probability("rho", rho)
    cost = nonnegative("processing_cost", processing_cost)
    others = (servers - 1) * rho
    optimal, policy = best_response_to_streams(rho, 1.0, rho, others, float(servers), cost, charge_after_service)
    return _against(rho * (cost + 1 / (servers * (1 - rho))), optimal, policy)


def best_unlike_deviation(
    arrival_rate: ArrayLike,
    service_rate: ArrayLike,
    phi: float,
    token_cap: int | None = None,
    wait: float = 0.0,
    processing_cost: float = 1.0,
) -> Deviation:
    """Best response of the first server, which sees the pool, to others that play Lemma 4.2 (with their tokens).

    Formula: `best_response_to_streams` where the others send R_j jobs and R_j / phi units per time (`token_server`).
    With phi >= rho_j and unconstrained tokens their streams are Poisson and the value is exact (R_j = lambda_j).
    Otherwise their queues and tokens modulate the streams, and the value is a limit: of many servers, of a large cap.
    The first server's own tokens balance in the mean only, as in LP (76). V_CRP is its cost if it plays Lemma 4.2 too:
    c lambda_1 + E[q_1] + R_1 w, with phi / (1 - phi) jobs in the pool and w by Little; a limit in the same cases.

    Args:
        arrival_rate: lambda_i, 1/time, shape (N,), N at least 2.
        service_rate: mu_i, 1/time, one number or shape (N,).
        phi: probability that an offer earns a token, in (0, 1).
        token_cap: C, or None for unconstrained tokens.
        wait: anticipated wait that the others answer to, time.
        processing_cost: c, cost of serving a job, 0 or more.

    Returns:
        V_OPT, V_CRP, the gap and the optimal policy.

    Raises:
        ValueError, ArithmeticError: as `token_server` and `best_response_to_streams`.

    Source: Chen, Chen and Qian, Section 7, Theorem 7.2, and Appendix D.
    """
    arrivals, services = np.broadcast_arrays(np.asarray(arrival_rate, np.float64), np.asarray(service_rate, np.float64))
    phi = probability("phi", phi)
    kinds, members = np.unique(np.stack([arrivals, services]), axis=1, return_inverse=True)
    ones = [token_server(a / s, phi, token_cap, wait, s) for a, s in kinds.T]
    requests = np.array([ones[kind]["request_rate"] for kind in np.ravel(members)])
    optimal, policy = best_response_to_streams(
        float(arrivals[0]),
        float(services[0]),
        phi,
        float(requests[1:].sum()),
        float(services.sum()),
        float(processing_cost),
    )
    mean_wait = phi / (1 - phi) / requests.sum()
    own = ones[int(np.ravel(members)[0])]["own_queue"]
    return _against(float(processing_cost * arrivals[0] + own + requests[0] * mean_wait), optimal, policy)


def _against(pooling: float, optimal: float, policy: Policy) -> Deviation:
    return Deviation(optimal, pooling, (pooling - optimal) / optimal, policy)


@functools.lru_cache(maxsize=32)
def best_response_to_streams(
    arrival_rate: float,
    service_rate: float,
    phi: float,
    others: float,
    capacity: float,
    processing_cost: float = 1.0,
    charge_after_service: bool = False,
) -> tuple[float, Policy]:
    """Least cost per time of a server that sees the pool, where the others send Poisson streams to the pool.

    Formula: LP (76), a minimisation, in the stationary law of (q_1, q_0) and the decisions; tokens only balance in the
    mean. A request made at q_0 is charged (q_0 + 1) / capacity, also one made after a service of the pool, q_0 being
    the length before it. Both queues are cut; the cut of the own queue is moved until V_OPT changes by less than 1e-8
    of itself, then that of the pool until it changes by less than 1e-7, which leaves about 1e-9.

    Args:
        arrival_rate, service_rate: lambda_1 and mu_1 of the server, 1/time.
        phi: probability that an offer earns a token, in (0, 1).
        others: jobs that the others send to the pool, 1/time; they send 1 / phi times as many units.
        capacity: sum of mu_i, 1/time, which the pool's services cannot exceed.
        processing_cost: c, cost of serving a job, 0 or more.
        charge_after_service: charge a request made after a service of the pool q_0 / capacity, the jobs it then finds
            and itself, instead of the paper's (q_0 + 1) / capacity.

    Returns:
        V_OPT and the optimal policy.

    Raises:
        ValueError: arrival_rate / service_rate or phi is outside (0, 1), or a cost or rate is negative.
        ArithmeticError: the program was not solved, or is not stable with up to 6,000 states.

    Source: Chen, Chen and Qian, Section 6.3 and Appendix D.
    """
    probability("rho", arrival_rate / service_rate)
    phi = probability("phi", phi)
    nonnegative("processing_cost", processing_cost)

    def solve(own: int, pool: int) -> tuple[float, Policy]:
        if own * pool > _MOST_STATES:
            rates = f"{arrival_rate = }, {service_rate = }, {phi = }, {others = }"
            raise ArithmeticError(f"LP (76) is not stable with {_MOST_STATES} states: {rates}")
        return _deviation(
            arrival_rate, service_rate, phi, others, capacity, processing_cost, charge_after_service, own, pool
        )

    own, pool = 4, math.ceil(math.log(1e-6) / math.log(phi))
    optimal, _ = solve(own, pool)
    while True:
        wider = own + 1 + own // 2
        value, _ = solve(wider, pool)
        if abs(value - optimal) <= 1e-8 * optimal:
            break
        own, optimal = wider, value
    # Each lengthening leaves about a hundredth of the bias, so the last one leaves about 1e-9.
    while True:
        pool += math.ceil(math.log(0.01) / math.log(phi))
        value, policy = solve(own, pool)
        change, optimal = abs(value - optimal), value
        if change <= 1e-7 * optimal:
            return optimal, policy


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


def _deviation(
    arrival_rate: float,
    service_rate: float,
    phi: float,
    others: float,
    capacity: float,
    processing_cost: float,
    charge_after_service: bool,
    own: int,
    pool: int,
) -> tuple[float, Policy]:
    """LP (76) with q_1 < own, q_0 < pool, in rates, the total rate times the paper's probabilities of decisions.

    At the cut of the pool jobs that come to it are lost; at the cut of the own queue every job is routed.
    """
    states = own * pool
    state = np.arange(states)
    q1, q0 = np.divmod(state, pool)
    longer, shorter = np.where(q0 < pool - 1, state + 1, state), np.where(q0 > 0, state - 1, state)
    law, relocate, join, request, serve, offer = np.arange(6 * states).reshape(6, states)
    units, zero = others / phi, np.zeros(states, dtype=np.int64)

    balance: list[_Entries] = []

    def flow(variable: NDArray[np.int64], origin: NDArray[np.int64], target: NDArray[np.int64], rate: float) -> None:
        # The balance of the last state follows from the others: with it the solver can fail.
        for row, value in ((target, rate), (origin, -rate)):
            kept = row < states - 1
            balance.append((row[kept], variable[kept], value))

    flow(law, state, longer, others)
    flow(law, state, shorter, units)
    able = (q1 > 0) & (q0 > 0)
    flow(relocate[able], shorter[able], state[able] - pool, 1.0)
    below, above = q1 < own - 1, q1 > 0
    flow(join[below], state[below], state[below] + pool, 1.0)
    flow(request, state, longer, 1.0)
    flow(serve[above], state[above], state[above] - pool, 1.0)
    flow(offer, state, shorter, 1.0)

    # Rows: balance of each state, decisions on arriving jobs, tokens, then the total.
    tokens = 2 * states + zero
    equal = [
        *balance,
        (states + state, join, 1.0),
        (states + state, request, 1.0),
        (states + state, law, -arrival_rate),
    ]
    equal += [(tokens, relocate, 1.0), (tokens, request, 1.0), (tokens, offer, -phi), (tokens + 1, law, 1.0)]
    least = [(state, relocate, 1.0), (state, law, -units)]
    least += [(states + state, serve, 1.0), (states + state, offer, 1.0), (states + state, law, -service_rate)]
    charge = (q0 + 1) / capacity
    cost = np.concatenate(
        [
            q1,
            charge - charge_after_service / capacity,
            0.0 * charge,
            charge,
            processing_cost + 0.0 * charge,
            processing_cost * (q0 > 0),
        ]
    )
    absent = np.concatenate([relocate[~able], join[~below], serve[~above]])
    value, solution = _minimum(cost, equal, 2 * states + 1, least, absent)

    present = solution[law] > _NEVER
    chance = np.where(present, solution[law], np.nan).reshape(own, pool)

    def share(variable: NDArray[np.int64], rate: float) -> NDArray[np.float64]:
        return np.clip(solution[variable].reshape(own, pool) / (rate * chance), 0.0, 1.0)

    return value, Policy(
        share(request, arrival_rate), share(relocate, units), share(offer, service_rate), share(serve, service_rate)
    )


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
