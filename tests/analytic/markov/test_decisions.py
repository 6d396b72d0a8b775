import itertools

import numpy as np
import pytest

from jaxq.analytic.markov.decisions import Event, Option, balanced, least_cost


def problem(seed: int, states: int = 4):
    """A random chain whose two events are answered by one of two options each; the first state can always be reached."""
    rng = np.random.default_rng(seed)
    events = []
    for rate in (1.0, 0.7):
        options = []
        for gain in (-1.0, 0.8):
            targets = (rng.integers(states, size=states), np.zeros(states, np.int64))
            options.append(Option(rng.uniform(0, 2, states), ((0.6, targets[0]), (0.4, targets[1])), gain))
        events.append(Event(rate, tuple(options)))
    return rng.uniform(0, 3, states), events


def dense(holding, events, picks):
    """Mean cost and drift of a deterministic policy, picks (events, n), by dense algebra."""
    n = holding.size
    generator, cost, drift = np.zeros((n, n)), holding.copy(), np.zeros(n)
    for event, row in zip(events, picks, strict=True):
        for x, pick in enumerate(row):
            option = event.options[pick]
            cost[x] += event.rate * option.cost[x]
            drift[x] += event.rate * option.gain
            for chance, to in option.moves:
                generator[x, to[x]] += event.rate * chance
                generator[x, x] -= event.rate * chance
    generator[:, 0] = 1
    law = np.linalg.solve(generator.T, np.eye(n)[0])
    return law @ cost, law @ drift


def every_policy(holding, events):
    n = holding.size
    picks = itertools.product((0, 1), repeat=2 * n)
    return np.array([dense(holding, events, np.reshape(one, (2, n))) for one in picks])


@pytest.mark.parametrize("seed", range(6))
def test_the_least_cost_is_that_of_the_best_of_all_policies(seed):
    holding, events = problem(seed)
    start = [np.array([[1.0] * 4, [0.0] * 4])] * 2
    costs = every_policy(holding, events)
    found = least_cost(holding, events, start)
    assert found.cost == pytest.approx(costs[:, 0].min(), rel=1e-10)
    priced = least_cost(holding, events, start, 0.9)
    assert priced.cost - 0.9 * priced.drift == pytest.approx((costs[:, 0] - 0.9 * costs[:, 1]).min(), rel=1e-10)
    # least cost at drift 0: on the lower edge of the hull of all policies
    edge = min(
        a[0] + (b[0] - a[0]) * a[1] / (a[1] - b[1]) for a in costs[costs[:, 1] < 0] for b in costs[costs[:, 1] >= 0]
    )
    mixed, price = balanced(holding, events, start)
    assert mixed.cost == pytest.approx(edge, rel=1e-9) and mixed.drift == pytest.approx(0, abs=1e-9)
    assert (costs[:, 0] - price * costs[:, 1]).min() == pytest.approx(edge, rel=1e-9)


def test_two_closed_classes_are_refused():
    stay = Option(np.zeros(2), ((1.0, np.array([0, 1])),))
    with pytest.raises(ArithmeticError, match="more than one closed class"):
        least_cost(np.zeros(2), [Event(1.0, (stay,))], [np.ones((1, 2))])
