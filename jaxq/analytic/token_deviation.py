"""Best responses in the token-based resource-pooling mechanism as linear programmes.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Section 6.3, Appendix D (LP (76)), Appendix A.2 (LP (3)).
Notation as in `jaxq.analytic.token_chain`; time unit 1 / mu, costs per server and time unit, holding cost 1.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxq.analytic.arguments import count, fraction, non_negative
from jaxq.analytic.token_chain import best_response

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
    """Cost of complete resource pooling against that of the best deviation.

    Attributes:
        optimal: V_OPT, cost per mean service time of the deviating server.
        pooling: V_CRP, its cost if it pools completely as the others do.
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


@functools.lru_cache(maxsize=32)
def best_deviation(
    servers: int, rho: float, processing_cost: float = 1.0, charge_after_service: bool = False
) -> Deviation:
    """Best response of a server that sees the pool, the others pooling completely, at phi = rho.

    Formula: LP (76), a minimisation, in the stationary law of (q_1, q_0) and the decisions; tokens only balance in the
    mean. A request made at q_0 is charged (q_0 + 1) / N, also one made after a service of the pool, q_0 being the
    length before it. V_CRP = rho (c + 1 / (N (1 - rho))). Both queues are cut; the cut of the own queue is
    moved until V_OPT changes by less than 1e-8 of itself, then that of the pool until it changes by less than 1e-7,
    which leaves about 1e-9.

    Args:
        servers: N, 2 or more.
        rho: utilisation lambda / mu and probability that an offer earns a token, in (0, 1).
        processing_cost: c, cost of serving a job, 0 or more.
        charge_after_service: charge a request made after a service of the pool q_0 / N, the jobs it then finds and
            itself, instead of the paper's (q_0 + 1) / N.

    Returns:
        V_OPT, V_CRP, the gap and the optimal policy.

    Raises:
        ValueError: servers is no integer of at least 2, rho is outside (0, 1) or processing_cost is negative.
        ArithmeticError: the programme was not solved, or is not stable with up to 6,000 states.

    Source: Chen, Chen and Qian, Section 6.3 and Appendix D.
    """
    servers = count("servers", servers, 2)
    rho = fraction("rho", rho)
    processing_cost = non_negative("processing_cost", processing_cost)

    def solve(own: int, pool: int) -> tuple[float, Policy]:
        if own * pool > _MOST_STATES:
            raise ArithmeticError(f"LP (76) is not stable with {_MOST_STATES} states: {servers = }, {rho = }")
        return _deviation(servers, rho, processing_cost, charge_after_service, own, pool)

    own, pool = 4, math.ceil(math.log(1e-6) / math.log(rho))
    optimal, _ = solve(own, pool)
    while True:
        wider = own + 1 + own // 2
        value, _ = solve(wider, pool)
        if abs(value - optimal) <= 1e-8 * optimal:
            break
        own, optimal = wider, value
    # Each lengthening leaves about a hundredth of the bias, so the last one leaves about 1e-9.
    while True:
        pool += math.ceil(math.log(0.01) / math.log(rho))
        value, policy = solve(own, pool)
        change, optimal = abs(value - optimal), value
        if change <= 1e-7 * optimal:
            break
    pooling = rho * (processing_cost + 1 / (servers * (1 - rho)))
    return Deviation(optimal, pooling, (pooling - optimal) / optimal, policy)


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
        ArithmeticError: the programme was not solved.

    Source: Chen, Chen and Qian, Eq. (3).
    """
    rho = fraction("rho", rho)
    phi = fraction("phi", phi)
    wait = non_negative("wait", wait)
    processing_cost = non_negative("processing_cost", processing_cost)
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
    servers: int, rho: float, processing_cost: float, charge_after_service: bool, own: int, pool: int
) -> tuple[float, Policy]:
    """LP (76) with q_1 < own, q_0 < pool, in rates N (1 + rho) times the paper's probabilities of decisions.

    At the cut of the pool jobs that come to it are lost; at the cut of the own queue every job is routed.
    """
    states = own * pool
    state = np.arange(states)
    q1, q0 = np.divmod(state, pool)
    longer, shorter = np.where(q0 < pool - 1, state + 1, state), np.where(q0 > 0, state - 1, state)
    law, relocate, join, request, serve, offer = np.arange(6 * states).reshape(6, states)
    others, zero = servers - 1, np.zeros(states, dtype=np.int64)

    balance: list[_Entries] = []

    def flow(variable: NDArray[np.int64], origin: NDArray[np.int64], target: NDArray[np.int64], rate: float) -> None:
        # The balance of the last state follows from the others: with it the solver can fail.
        for row, value in ((target, rate), (origin, -rate)):
            kept = row < states - 1
            balance.append((row[kept], variable[kept], value))

    flow(law, state, longer, others * rho)
    flow(law, state, shorter, float(others))
    able = (q1 > 0) & (q0 > 0)
    flow(relocate[able], shorter[able], state[able] - pool, 1.0)
    below, above = q1 < own - 1, q1 > 0
    flow(join[below], state[below], state[below] + pool, 1.0)
    flow(request, state, longer, 1.0)
    flow(serve[above], state[above], state[above] - pool, 1.0)
    flow(offer, state, shorter, 1.0)

    # Rows: balance of each state, decisions on arriving jobs, tokens, then the total.
    tokens = 2 * states + zero
    equal = [*balance, (states + state, join, 1.0), (states + state, request, 1.0), (states + state, law, -rho)]
    equal += [(tokens, relocate, 1.0), (tokens, request, 1.0), (tokens, offer, -rho), (tokens + 1, law, 1.0)]
    least = [(state, relocate, 1.0), (state, law, -float(others))]
    least += [(states + state, serve, 1.0), (states + state, offer, 1.0), (states + state, law, -1.0)]
    charge = (q0 + 1) / servers
    cost = np.concatenate(
        [
            q1,
            charge - charge_after_service / servers,
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

    return value, Policy(share(request, rho), share(relocate, float(others)), share(offer, 1.0), share(serve, 1.0))


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
    raise ArithmeticError(f"the linear programme was not solved: {message}")
