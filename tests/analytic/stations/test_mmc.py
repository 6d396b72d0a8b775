import math
from itertools import pairwise

import numpy as np
import pytest

from jaxq.analytic.stations.erlang import erlang_b, erlang_c
from jaxq.analytic.stations.mmc import mmc, number_tail


def brute_force(
    arrival_rate: float, service_rate: float, servers: int, abandonment_rate: float, capacity: int | None
) -> dict[str, float]:
    """The same measures from a dense generator with 300 states where the room is unlimited."""
    last = 300 if capacity is None else capacity
    generator = np.zeros((last + 1, last + 1))
    for n in range(last + 1):
        if n < last:
            generator[n, n + 1] = arrival_rate
        if n > 0:
            generator[n, n - 1] = service_rate * min(n, servers) + abandonment_rate * max(n - servers, 0)
        generator[n, n] = -generator[n].sum()
    system = generator.T.copy()
    system[0] = 1.0
    law = np.linalg.solve(system, np.eye(last + 1)[0])
    queue = sum(law[n] * (n - servers) for n in range(servers, last + 1))
    blocked = 0.0 if capacity is None else law[capacity]
    entering = arrival_rate * (1 - blocked)
    return {
        "number_in_system": law @ np.arange(last + 1),
        "queue_length": queue,
        "waiting_time": queue / entering,
        "probability_wait": sum(law[n] for n in range(servers, last + (capacity is None))) / (1 - blocked),
        "probability_abandon": abandonment_rate * queue / entering,
        "probability_block": blocked,
        "utilisation": sum(law[n] * min(n, servers) for n in range(last + 1)) / servers,
    }


SYSTEMS = [
    (0.8, 1.0, 1, 0.0, None),
    (2.0, 1.0, 3, 0.0, None),
    (0.2, 0.1, 3, 0.0, None),
    (5.0, 1.0, 3, 0.7, None),
    (2.0, 1.0, 3, 0.01, None),
    (6.0, 2.0, 2, 0.0, 7),
    (4.0, 2.0, 2, 0.0, 40),
    (6.0, 2.0, 2, 0.5, 9),
    (3.0, 1.0, 4, 0.0, 4),
    (3.0, 1.0, 4, 2.0, 5),
]


@pytest.mark.parametrize("system", SYSTEMS)
def test_against_a_dense_generator(system: tuple[float, float, int, float, int | None]) -> None:
    expected = brute_force(*system)
    result = mmc(*system)
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, rel=1e-9, abs=1e-14), key


@pytest.mark.parametrize("system", SYSTEMS)
def test_flow_balance(system: tuple[float, float, int, float, int | None]) -> None:
    arrival_rate, service_rate, servers, abandonment_rate, _ = system
    result = mmc(*system)
    admitted = arrival_rate * (1 - result["probability_block"])
    served = service_rate * servers * result["utilisation"]
    assert admitted == pytest.approx(served + abandonment_rate * result["queue_length"], rel=1e-11)
    assert result["number_in_system"] == pytest.approx(
        result["queue_length"] + servers * result["utilisation"], rel=1e-12
    )


def test_mm1() -> None:
    for rho in (0.1, 0.5, 0.9, 0.999):
        assert mmc(rho, 1.0, 1)["number_in_system"] == pytest.approx(rho / (1 - rho), rel=1e-12)


def test_mm1_gradient() -> None:
    arrival_rate, step = 0.7, 1e-5
    up, down = (mmc(arrival_rate + sign * step, 1.0, 1)["number_in_system"] for sign in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx(1 / (1 - arrival_rate) ** 2, rel=1e-6)


def test_waits_of_some_systems() -> None:
    """By the definition of Erlang C: the wait is C(c, a)/(c mu - lambda)."""
    assert mmc(0.2, 0.1, 3)["waiting_time"] == pytest.approx(4.4444, abs=5e-5)
    assert mmc(9.0, 1.0, 10)["waiting_time"] == pytest.approx(0.668732, abs=6e-7)
    assert mmc(95.0, 1.0, 100)["waiting_time"] == pytest.approx(0.101291, abs=6e-7)
    for load, servers in ((2.0, 3), (9.0, 10), (95.0, 100)):
        terms = [math.exp(k * math.log(load) - math.lgamma(k + 1) - load) for k in range(servers + 1)]
        last = terms.pop() * servers / (servers - load)
        delay = last / (sum(terms) + last)
        assert mmc(load, 1.0, servers)["waiting_time"] == pytest.approx(delay / (servers - load), rel=1e-10)


def test_loss_and_delay_systems_are_erlang_b_and_c() -> None:
    loss = mmc(8.0, 1.0, 10, capacity=10)
    assert loss["probability_block"] == pytest.approx(erlang_b(10, 8.0), rel=1e-12)
    assert loss["queue_length"] == loss["probability_wait"] == 0.0
    # A room of 3000 is as good as none, and goes through the chain instead of the closed form.
    delay = mmc(9.0, 1.0, 10, capacity=3000)
    assert delay["probability_wait"] == pytest.approx(erlang_c(10, 9.0), rel=1e-10)
    assert delay["queue_length"] == pytest.approx(mmc(9.0, 1.0, 10)["queue_length"], rel=1e-10)


@pytest.mark.parametrize(
    ("arrival_rate", "abandonment_rate", "wait", "abandon", "queue"),
    [(100.0, 1.0, 0.513299, 0.0398610, 3.98610), (120.0, 0.5, 0.996634, 0.166791, 40.0298)],
)
def test_erlang_a_reference(
    arrival_rate: float, abandonment_rate: float, wait: float, abandon: float, queue: float
) -> None:
    result = mmc(arrival_rate, 1.0, 100, abandonment_rate)
    assert result["probability_wait"] == pytest.approx(wait, abs=6e-7)
    assert result["probability_abandon"] == pytest.approx(abandon, abs=6e-7)
    assert result["queue_length"] == pytest.approx(queue, abs=6e-5)


def test_abandonment_at_the_service_rate_gives_a_poisson_number() -> None:
    result = mmc(12.0, 1.5, 6, abandonment_rate=1.5)
    poisson = [math.exp(-8.0) * 8.0**n / math.factorial(n) for n in range(6)]
    assert result["number_in_system"] == pytest.approx(8.0, rel=1e-13)
    assert result["probability_wait"] == pytest.approx(1 - sum(poisson), rel=1e-12)


def test_fluid_gradient_in_overload() -> None:
    # dE[Q]/dlambda -> 1/theta far above the capacity.
    high, low = (mmc(arrival_rate, 1.0, 100, 0.5)["queue_length"] for arrival_rate in (200.5, 199.5))
    assert high - low == pytest.approx(2.0, rel=1e-6)


def test_time_unit_and_vanishing_abandonment() -> None:
    slow, fast = mmc(5.0, 1.0, 4, 0.5), mmc(50.0, 10.0, 4, 5.0)
    assert fast["queue_length"] == pytest.approx(slow["queue_length"], rel=1e-12)
    assert fast["waiting_time"] == pytest.approx(slow["waiting_time"] / 10, rel=1e-12)
    assert mmc(3.0, 1.0, 4, 1e-9)["queue_length"] == pytest.approx(mmc(3.0, 1.0, 4)["queue_length"], rel=1e-6)
    assert mmc(3.0, 1.0, 4, 0) == mmc(3.0, 1.0, 4, None)


def test_rare_waiting_keeps_its_digits() -> None:
    # P(W > 0) is about 1e-20: the cut must be measured against the states above c.
    abandoning = mmc(10.0, 1.0, 60, abandonment_rate=1e-9)
    patient = mmc(10.0, 1.0, 60)
    assert patient["probability_wait"] < 1e-20
    for key in ("probability_wait", "queue_length"):
        assert abandoning[key] == pytest.approx(patient[key], rel=1e-7)


def test_heavy_overload_of_a_finite_room() -> None:
    result = mmc(1e20, 1.0, 2, capacity=5)
    assert result["probability_block"] == pytest.approx(1.0, abs=1e-15)
    assert result["waiting_time"] == pytest.approx(3 / 2, rel=1e-12)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"no stationary regime: load .* = 3.0 must be below servers = 3"):
        mmc(3.0, 1.0, 3)
    with pytest.raises(ValueError, match=r"no stationary regime: load .* = 4.0"):
        mmc(4.0, 1.0, 3, abandonment_rate=0.0)
    with pytest.raises(ValueError, match=r"capacity = 2: must be a whole number >= 3"):
        mmc(1.0, 1.0, 3, capacity=2)
    with pytest.raises(ValueError, match=r"abandonment_rate = -0.5"):
        mmc(1.0, 1.0, 3, -0.5)
    with pytest.raises(ValueError, match=r"arrival_rate = 0"):
        mmc(0, 1.0, 3)
    with pytest.raises(ValueError, match=r"service_rate = inf"):
        mmc(1.0, math.inf, 3)
    with pytest.raises(ValueError, match=r"servers = True"):
        mmc(1.0, 2.0, True)
    with pytest.raises(ValueError, match=r"5000000 states"):
        mmc(1.0, 1.0, 1, capacity=10_000_000)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_tail_of_the_number_adds_up_to_the_means(system) -> None:
    """Sums of P(N > n) over n >= 0, and over n >= c, are the means of a dense generator."""
    number, known = number_tail(*system), brute_force(*system)
    last = 300 if system[-1] is None else system[-1] + 2
    tails = [number(n) for n in range(last)]
    assert all(0 <= b <= a <= 1 for a, b in pairwise(tails))
    assert sum(tails) == pytest.approx(known["number_in_system"], rel=1e-9)
    assert sum(tails[system[2] :]) == pytest.approx(known["queue_length"], rel=1e-8, abs=1e-12)
    assert number(2.7) == number(2.0) and number(1e9) < 1e-12


def test_the_tail_of_the_number_by_hand() -> None:
    """M/M/1: rho^(n+1). M/M/2 at load 1: p_0 = 1/3, then 1/3, 1/6, 1/12, ..."""
    one, two = number_tail(0.8, 1.0, 1), number_tail(2.0, 2.0, 2)
    assert [one(n) for n in range(4)] == pytest.approx([0.8 ** (n + 1) for n in range(4)], rel=1e-14)
    assert [two(n) for n in range(4)] == pytest.approx([2 / 3, 1 / 3, 1 / 6, 1 / 12], rel=1e-14)
    with pytest.raises(ValueError, match="load"):
        number_tail(2.0, 1.0, 2)
