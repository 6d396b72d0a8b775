import numpy as np
import pytest

from jaxq.analytic.markov.decisions import outcome
from jaxq.analytic.token_pool import best_response as module
from jaxq.analytic.token_pool.best_response import (
    Policy,
    best_deviation,
    best_response_to_others,
    best_unlike_deviation,
    fluid_best_response_lp,
)
from jaxq.analytic.token_pool.deviator import deviator, one_server
from jaxq.analytic.token_pool.mean_field_equilibrium import fluid_cost
from jaxq.analytic.token_pool.pool_queue import capped_pool_queue
from jaxq.analytic.token_pool.server_chain import best_response, switching_wait, token_server


def play(servers: int, rho: float, cost: float, policy: Policy, after: bool) -> tuple[float, float, float]:
    """Cost and rates of requests and offers of server one under a policy, from the chain of Appendix D."""
    own, pool = policy.request.shape
    balance = np.zeros((own * pool, own * pool))
    reward, requests, offers = np.zeros((3, own * pool))
    for q1 in range(own):
        for q0 in range(pool):
            i = q1 * pool + q0
            request, relocate, offer, serve = (float(np.nan_to_num(table[q1, q0])) for table in policy)
            if np.isnan(policy.request[q1, q0]):
                request, serve = 1.0, float(q1 > 0)
            up, down = min(q0 + 1, pool - 1), max(q0 - 1, 0)
            moves = [((q1, up), (servers - 1) * rho), ((q1, up), rho * request)]
            moves += [((min(q1 + 1, own - 1), q0), rho * (1 - request)), ((max(q1 - 1, 0), q0), serve)]
            moves += [((q1, down), offer), ((q1, down), (servers - 1) * (1 - relocate))]
            moves += [((max(q1 - 1, 0), q0), (servers - 1) * relocate)]
            for (to1, to0), rate in moves:
                balance[to1 * pool + to0, i] += rate
                balance[i, i] -= rate
            moved = (servers - 1) * relocate
            reward[i] = q1 + rho * request * (q0 + 1) / servers + moved * (q0 + 1 - after) / servers
            reward[i] += cost * (serve + offer * (q0 > 0))
            requests[i], offers[i] = rho * request + moved, offer
    balance[0] = 1.0
    law = np.linalg.solve(balance, np.eye(own * pool)[0])
    return float(law @ reward), float(law @ requests), float(law @ offers)


@pytest.mark.parametrize(
    ("servers", "rho", "published", "gap"),
    [
        (8, 0.7, 4.43, 4.4266),
        (16, 0.7, 0.87, 0.8695),
        (10, 0.8, 4.27, 4.2671),
        (18, 0.8, 0.89, 0.8851),
        (18, 0.9, 4.01, 4.0120),
    ],
)
def test_published_gaps(servers: int, rho: float, published: float, gap: float) -> None:
    result = best_deviation(servers, rho)
    assert result.pooling == pytest.approx(rho * (1 + 1 / (servers * (1 - rho))), rel=1e-14)
    assert result.gap == pytest.approx(result.pooling / result.optimal - 1, rel=1e-12)
    assert round(100 * result.gap, 2) == published
    assert 100 * result.gap == pytest.approx(gap, abs=6e-5)


@pytest.mark.parametrize(("servers", "rho", "cost", "after"), [(8, 0.7, 1.0, False), (4, 0.6, 0.5, True)])
def test_the_policy_attains_its_cost(servers: int, rho: float, cost: float, after: bool) -> None:
    result = best_deviation(servers, rho, cost, after)
    attained, requests, offers = play(servers, rho, cost, result.policy, after)
    assert attained == pytest.approx(result.optimal, rel=1e-6)
    assert requests == pytest.approx(rho * offers, rel=1e-6)
    assert result.optimal < result.pooling


def test_shape_of_the_policy() -> None:
    policy = best_deviation(8, 0.7).policy
    request = policy.request[0]
    request = request[~np.isnan(request)]
    # With nothing of its own it sends jobs to a short pool and keeps them from a long one.
    assert request[0] == pytest.approx(1.0)
    assert request.min() == pytest.approx(0.0, abs=1e-9)
    assert (np.nan_to_num(policy.relocate)[:, 0] == 0).all()
    assert (np.nan_to_num(policy.relocate)[0] == 0).all()
    assert policy.offer[0, 0] == pytest.approx(1.0)


def test_pooling_completely_costs_what_the_formula_says() -> None:
    pool = 120
    everywhere, nowhere = np.ones((1, pool)), np.zeros((1, pool))
    cost, requests, offers = play(10, 0.8, 1.0, Policy(everywhere, nowhere, everywhere, nowhere), False)
    assert cost == pytest.approx(best_deviation(10, 0.8).pooling, rel=1e-8)
    assert (requests, offers) == pytest.approx((0.8, 1.0))


def test_a_cheaper_charge_widens_the_gap() -> None:
    assert best_deviation(6, 0.6, charge_after_service=True).gap > best_deviation(6, 0.6).gap


@pytest.mark.parametrize(
    ("rho", "phi", "wait"),
    [(0.8, 0.4, 0.0), (0.8, 0.4, 3.0), (0.8, 0.4, 30.0), (0.8, 0.9, 0.0), (0.8, 0.8, 1.5), (0.5, 0.3, 5.2)],
)
def test_fluid_program_finds_the_policy_of_the_lemma(rho: float, phi: float, wait: float) -> None:
    threshold, mix, offer = best_response(rho, phi, wait)
    result = fluid_best_response_lp(rho, phi, wait, 1.0)
    assert result.cost == pytest.approx(fluid_cost(rho, phi, wait, 1.0), rel=1e-9)
    assert result.law[threshold + 1 :].sum() == pytest.approx(0.0, abs=1e-9)
    assert result.offer[0] == pytest.approx(offer * result.law[0], abs=1e-9)
    assert result.offer[1:].max() == pytest.approx(0.0, abs=1e-9)
    routed = np.zeros(result.law.size)
    routed[threshold] = 1.0
    if threshold:
        routed[threshold - 1] = mix
    assert result.request == pytest.approx(rho * routed * result.law, abs=1e-9)


def test_both_neighbours_are_optimal_where_the_threshold_switches() -> None:
    wait = switching_wait(0.8, 3)
    costs = [fluid_cost(0.8, 0.7, wait * factor) for factor in (1 - 1e-12, 1 + 1e-12)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-11)
    assert fluid_best_response_lp(0.8, 0.7, wait, 0.0).cost == pytest.approx(costs[0], rel=1e-9)


def test_rejected_arguments() -> None:
    with pytest.raises(ValueError, match=r"servers = 1: must be a whole number >= 2"):
        best_deviation(1, 0.8)
    with pytest.raises(ValueError, match=r"rho = 1.0: must"):
        best_deviation(4, 1.0)
    with pytest.raises(ValueError, match=r"processing_cost = -1.0: must"):
        best_deviation(4, 0.5, -1.0)
    with pytest.raises(ValueError, match=r"wait = -1.0: must"):
        fluid_best_response_lp(0.5, 0.5, -1.0)
    with pytest.raises(ArithmeticError, match=r"not stable"):
        best_deviation(20, 0.999)


def iterated_value(arrival, service, phi, others, capacity, cost, price, own=9, pool=45):
    """Least cost per time less price x (tokens earned - spent), by value iteration: a witness that solves no program."""
    units, q1, q0 = others / phi, *np.indices((own + 1, pool + 1))
    total, charge = others + units + arrival + service, (q0 + 1) / capacity + price
    values = np.zeros((own + 1, pool + 1))
    for _ in range(20_000):
        longer = np.concatenate([values[:, 1:], values[:, -1:]], axis=1)
        shorter = np.concatenate([values[:, :1], values[:, :-1]], axis=1)
        more = np.concatenate([values[1:], np.full((1, pool + 1), np.inf)])
        less = np.concatenate([np.full((1, pool + 1), np.inf), values[:-1]])
        relocating = np.where(q0 > 0, np.minimum(shorter, charge + less), values)
        joining = np.minimum(more, charge + longer)
        working = np.minimum(np.minimum(values, cost + less), cost * (q0 > 0) - price * phi + shorter)
        after = (q1 + others * longer + units * relocating + arrival * joining + service * working) / total
        change = after - values
        values = after - after[0, 0]
        if np.ptp(change) < 1e-12:
            break
    return total * change[0, 0]


@pytest.mark.parametrize("first", [(0.5, 1.0), (0.9, 1.5)])
def test_the_best_response_of_unlike_servers_is_that_of_value_iteration(first):
    from scipy.optimize import minimize_scalar

    (arrival, service), others = first, ((0.3, 0.6), (0.6, 1.0))
    arrivals, services = np.array([first, *others]).T
    found = best_unlike_deviation(arrivals, services, 0.6, processing_cost=0.7)
    # the price of a token at which they balance: weak duality makes every price a lower bound, the best one is exact
    rates = (arrival, service, 0.6, 0.9, services.sum(), 0.7)
    dual = minimize_scalar(lambda price: -iterated_value(*rates, price), bounds=(-1, 4), method="bounded")
    assert found.optimal == pytest.approx(-dual.fun, rel=2e-5)
    # c lambda_1 + lambda_1 w of complete pooling
    assert found.pooling == pytest.approx(0.7 * arrival + arrival * 1.5 / arrivals.sum())
    assert found.optimal < found.pooling


def test_unlike_servers_that_are_alike_are_those_of_section_6_3():
    alike, one = best_unlike_deviation([0.7] * 6, 1.0, 0.7, processing_cost=0.4), best_deviation(6, 0.7, 0.4)
    assert (alike.optimal, alike.pooling) == pytest.approx((one.optimal, one.pooling), rel=1e-9)
    faster = best_unlike_deviation([1.4] * 6, 2.0, 0.7, processing_cost=0.2)  # the same in half the time
    assert faster.optimal == pytest.approx(one.optimal, rel=1e-8)


def program(arrival, service, phi, others, capacity, cost, own, pool):
    """LP (76) in rates, in the stationary law and the decisions by (q_1, q_0), by HiGHS: the paper's formulation."""
    from scipy.optimize import linprog

    units, states = others / phi, own * pool
    balance, rows = np.zeros((states, 6 * states)), np.arange(states)
    law, relocate, join, request, serve, offer = (k * states + rows for k in range(6))
    q1, q0 = np.divmod(rows, pool)
    longer, shorter = np.where(q0 < pool - 1, rows + 1, rows), np.where(q0 > 0, rows - 1, rows)
    moves = [(law, longer, others), (law, shorter, units), (request, longer, 1), (offer, shorter, 1)]
    for variable, target, rate in moves:
        balance[target, variable] += rate
        balance[rows, variable] -= rate
    up, down = rows[q1 < own - 1], rows[q1 > 0]
    for variable, origin, target in ((join[up], up, up + pool), (serve[down], down, down - pool)):
        balance[target, variable] += 1
        balance[origin, variable] -= 1
    able = rows[(q1 > 0) & (q0 > 0)]
    balance[able - pool, relocate[able]] += 1
    balance[able - 1, relocate[able]] -= 1
    jobs, tokens, total = np.zeros((states, 6 * states)), np.zeros((1, 6 * states)), np.zeros((1, 6 * states))
    jobs[rows, join] = jobs[rows, request] = 1
    jobs[rows, law] = -arrival
    tokens[0, relocate], tokens[0, request], tokens[0, offer], total[0, law] = 1, 1, -phi, 1
    most = np.zeros((2 * states, 6 * states))
    most[rows, relocate], most[rows, law] = 1, -units
    most[states + rows, serve] = most[states + rows, offer] = 1
    most[states + rows, law] = -service
    charge = (q0 + 1) / capacity
    paid = np.concatenate([q1, charge, 0 * charge, charge, cost + 0 * charge, cost * (q0 > 0)])
    largest = np.full(6 * states, np.inf)
    for variable, possible in ((relocate, able), (join, up), (serve, down)):
        largest[np.delete(variable, possible)] = 0
    equal = np.concatenate([balance[:-1], jobs, tokens, total])
    result = linprog(
        paid,
        most,
        np.zeros(2 * states),
        equal,
        np.eye(len(equal))[-1],
        np.column_stack([np.zeros(largest.size), largest]),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert result.status == 0
    return result.fun, result.eqlin.marginals[-2]


@pytest.mark.parametrize("rates", [(0.5, 1.0, 0.5, 1.5, 4.0, 1.0), (0.6, 1.0, 0.4, 1.0, 3.0, 0.3)])
def test_the_value_is_that_of_the_printed_program_and_the_price_its_dual(rates):
    arrival, service, phi, others, capacity, cost = rates
    optimal, price, _ = best_response_to_others(arrival, service, phi, None, others, capacity, cost)
    value, dual = program(*rates, own=9, pool=26)
    assert optimal == pytest.approx(value, rel=2e-6)
    assert abs(price) == pytest.approx(abs(dual), rel=1e-3) and price > 0.1


def capped_value(arrival, service, phi, cap, others, capacity, cost, own, pool):
    """Least cost per time of a server that minds its tokens, by value iteration over (q_1, s, q_0)."""
    q1, s, q0 = np.indices((own + 1, cap + 1, pool + 1))
    units, charge = others / phi, (q0 + 1) / capacity
    total, values, never = others + units + arrival + service, np.zeros(q1.shape), np.inf

    def moved(x, axis, by):
        """x one step further along an axis; the last value again beyond its end."""
        size = x.shape[axis]
        return np.take(x, np.clip(np.arange(size) + by, 0, size - 1), axis=axis)

    for _ in range(100_000):
        longer, shorter, poorer = moved(values, 2, 1), moved(values, 2, -1), moved(values, 1, -1)
        relocating = np.where((q1 > 0) & (q0 > 0) & (s > 0), charge + moved(poorer, 0, -1), never)
        joining = np.where(q1 < own, moved(values, 0, 1), cost + values)
        routing = np.where(s > 0, charge + moved(poorer, 2, 1), never)
        serving = np.where(q1 > 0, cost + moved(values, 0, -1), never)
        earned = phi * moved(shorter, 1, 1) + (1 - phi) * shorter
        offering = np.where(s < cap, cost * (q0 > 0) + earned, never)
        working = np.minimum(np.minimum(values, serving), offering)
        after = q1 + others * longer + units * np.minimum(shorter, relocating)
        after = (after + arrival * np.minimum(joining, routing) + service * working) / total
        change, values = after - values, after - after[0, 0, 0]
        if np.ptp(change) < 1e-10:
            return total * change[0, 0, 0]
    raise AssertionError("values did not settle")


@pytest.mark.parametrize("cap", [1, 3])
def test_the_best_response_under_a_cap_is_that_of_value_iteration(cap):
    rates = (0.5, 1.0, 0.5)
    optimal, price, policy = best_response_to_others(*rates, cap, 1.2, 4.0, 0.7)
    assert optimal == pytest.approx(capped_value(*rates, cap, 1.2, 4.0, 0.7, own=28, pool=28), rel=3e-7)
    assert price is None and policy.request.ndim == 3
    assert (policy.request[..., 0] == 0).all() and (policy.relocate[..., 0] == 0).all()  # nothing without a token
    assert (policy.offer[..., cap] == 0).all()


def test_a_cap_costs_less_the_larger_it_is_and_nothing_in_the_end():
    rates = ([0.5, 0.6, 1.2], [1.0, 1.0, 2.0], 0.6)
    free = best_unlike_deviation(*rates)
    capped = [best_unlike_deviation(*rates, cap) for cap in (2, 6, 18, 54)]
    gaps = np.array([one.optimal - free.optimal for one in capped])
    assert np.all(gaps[:-1] > 1.5 * gaps[1:]) and 0 < gaps[-1] < 0.02 * free.optimal
    assert free.exact and not any(one.exact for one in capped)
    assert all(one.optimal < one.pooling for one in capped)


def test_playing_along_on_the_chain_of_two_servers_costs_what_their_exact_chain_says():
    """Lemma 4.2 with mixing, lambda = .5, phi = .4, C = 2: own queue, tokens and pool, each known otherwise."""
    chain = deviator(0.5, 1.0, 0.4, 2, one_server(0.5, 1.0, 0.4, 2, 0.0), 2.0, 1.0, False, 2, 30, 5)
    along = outcome(chain.holding, chain.events, chain.chances(*best_response(0.5, 0.4)))
    one = token_server(0.5, 0.4, 2)
    lengths = np.argwhere(chain.place >= 0)  # states are numbered in this order
    assert along.law @ lengths[:, 0] == pytest.approx(one["own_queue"], abs=2e-6)
    assert along.law @ (lengths[:, 2] == 0) == pytest.approx(one["no_tokens"], abs=2e-6)
    assert along.law @ lengths[:, 1] == pytest.approx(capped_pool_queue(2, 0.5, 0.4, 2), abs=2e-6)
    assert along.drift == pytest.approx(0, abs=1e-9)
    best = best_unlike_deviation([0.5, 0.5], 1.0, 0.4, 2)
    assert best.exact and best.optimal < along.cost
    assert best.pooling == pytest.approx(0.5 + one["own_queue"] + capped_pool_queue(2, 0.5, 0.4, 2) / 2, rel=1e-9)


def test_where_serving_costs_a_thousand_times_waiting_two_servers_are_too_many_states_at_once(monkeypatch):
    """Jobs are kept for tokens then, and queues are long: the limit of many servers is answered, nothing large solved."""
    solved = []

    def counted(*arguments):
        solved.append(deviator(*arguments))
        return solved[-1]

    monkeypatch.setattr(module, "deviator", counted)
    best = best_unlike_deviation([0.5, 0.5], 1.0, 0.5, 3, processing_cost=1e3)
    rate = token_server(0.5, 0.5, 3)["request_rate"]
    assert not best.exact and best.optimal < best.pooling
    assert best.optimal == pytest.approx(capped_value(0.5, 1.0, 0.5, 3, rate, 2.0, 1e3, own=44, pool=24), rel=1e-5)
    assert max(chain.holding.size for chain in solved) < 10_000
    with pytest.raises(ValueError, match=r"token_cap = 3: must be less for the best response: \d+ states or more"):
        best_response_to_others(0.5, 1.0, 0.5, 3, (0.5, 1.0, 0.0), 2.0, 1e3)


def test_too_large_a_cap_is_said():
    with pytest.raises(ValueError, match=r"token_cap = 1000: must be less for the best response: \d+ states"):
        best_unlike_deviation([0.5] * 8, 1.0, 0.5, 1000)
