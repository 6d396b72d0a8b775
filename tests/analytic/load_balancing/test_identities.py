import math

import pytest

from tests.analytic.load_balancing.identities import mean_jobs, mean_slowest_idle

SPEEDS = 2.5, 0.625


@pytest.mark.parametrize(
    ("n", "fast_idle", "slow_idle", "waiting", "total"),
    [(50, 0.17379, 2.5048, 0.0066, -2.6720), (400, 0.05839, 2.9664, 0.00926, -3.0156)],
)
def test_simulated_means_at_beta_two(n: int, fast_idle: float, slow_idle: float, waiting: float, total: float) -> None:
    # notebooks/mathematics/load_balancing.md, section 4: scaled means of speed-aware JSQ by a plain simulation, errors up
    # to 3e-4; at n = 50 some wait in slow queues.
    root = math.sqrt(n)
    servers, arrival_rate = (n // 5, 4 * n // 5), n - 2 * root
    slow = mean_slowest_idle(arrival_rate, SPEEDS, servers, [fast_idle * root])
    assert slow / root == pytest.approx(slow_idle, abs=5e-4)
    jobs = mean_jobs(arrival_rate, SPEEDS, servers, [fast_idle * root], waiting * root)
    assert (jobs - n) / root == pytest.approx(total, abs=5e-4)


def test_simulated_idle_servers_at_beta_two() -> None:
    # `python benchmarks/witnesses.py "sa-jsq 50"`: half-widths .0003 of fast, .005 of slow idle servers.
    n, fast_idle, slow_idle = 50, 0.17398, 2.5084
    root = math.sqrt(n)
    servers, arrival_rate = (n // 5, 4 * n // 5), n - 2 * root
    slow = mean_slowest_idle(arrival_rate, SPEEDS, servers, [fast_idle * root])
    assert slow / root == pytest.approx(slow_idle, abs=0.0075)


def test_scaled_form() -> None:
    # E Y_{+1} = -beta / mu_2 - (mu_1 / mu_2 - 1) E Y_{1,1} + E Y_{+2}.
    jobs = mean_jobs(80.0, SPEEDS, (20, 80), [1.5], 0.7)
    assert (jobs - 100) / 10 == pytest.approx(-2 / 0.625 + 3 * 0.15 + 0.07, rel=1e-12)


def test_three_types() -> None:
    idle = mean_slowest_idle(9.0, (3.0, 2.0, 1.0), (1, 2, 5), [0.1, 0.25])
    assert idle == pytest.approx(12 - 9 - 0.3 - 0.5)
    assert mean_jobs(9.0, (3.0, 2.0, 1.0), (1, 2, 5), [0.1, 0.25], 0.6) == pytest.approx(8 - 0.35 - idle + 0.6)
