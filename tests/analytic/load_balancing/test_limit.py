import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.load_balancing.limit import (
    balanced_two_jobs,
    halfin_whitt_limit,
    reflected_law,
)
from jaxq.analytic.load_balancing.modified import modified_system

COARSE = 36, 26


def test_reference_values_at_beta_two() -> None:
    # notebooks/mathematics/load_balancing.md, section 3
    limit = halfin_whitt_limit(2.0, 2.5, 0.625)
    assert limit["error"] <= 1e-6
    for key, value, digits in (
        ("idle", -3.2, 1e-8),
        ("two_jobs", 0.0098237, 1e-8),
        ("idle_variance", 1.5748513, 1e-7),
        ("two_jobs_variance", 0.0073130, 5e-8),
        ("reflection_rate", 0.0245592, 5e-8),
    ):
        assert limit[key] == pytest.approx(value, abs=digits), key


@pytest.mark.parametrize(("beta", "fast", "slow", "two_jobs"), [(1.0, 2.5, 0.625, 0.26583), (1.0, 1.5, 0.75, 0.43671)])
def test_reference_values(beta: float, fast: float, slow: float, two_jobs: float) -> None:
    limit = halfin_whitt_limit(beta, fast, slow, tolerance=1e-5)
    assert limit["error"] <= 1e-5
    assert limit["two_jobs"] == pytest.approx(two_jobs, abs=5e-6)
    assert limit["total"] == pytest.approx(-beta / slow + limit["two_jobs"], abs=1e-8)
    assert limit["reflection_rate"] == fast * limit["two_jobs"]


@settings(max_examples=3, deadline=None)
@given(st.floats(0.8, 2.5), st.floats(0.4, 1.0), st.floats(1.0, 3.0))
def test_identities(beta: float, slow: float, ratio: float) -> None:
    x, z, weights = reflected_law(beta, slow * ratio, slow, COARSE)
    idle, two_jobs = weights @ x, weights @ z
    variance = weights @ x**2 - idle**2
    assert weights.sum() == pytest.approx(1, abs=1e-10)
    assert idle == pytest.approx(-beta / slow, abs=1e-6)
    assert weights @ (x * (x + z)) - idle * (idle + two_jobs) == pytest.approx(1 / slow, abs=2e-4)
    assert two_jobs == pytest.approx(balanced_two_jobs(beta, slow * ratio, slow, variance), abs=2e-4)
    # Other functions with f_z = f_x at x = 0: cos((x + z) / 3), and x^2 e^{-z}.
    total, drift = (x + z) / 3, -beta - slow * x
    assert weights @ (-np.cos(total) / 9 - np.sin(total) / 3 * drift) == pytest.approx(0, abs=2e-4)
    push = slow * ratio * z
    assert weights @ ((2 + 2 * x * (drift + push) + push * x**2) * np.exp(-z)) == pytest.approx(0, abs=1e-3)


def test_refinement_converges_fast() -> None:
    exact = halfin_whitt_limit(1.0, 1.5, 0.75, tolerance=1e-5)["two_jobs"]
    gaps = []
    for nodes in ((20, 14), (28, 20), (40, 28)):
        _, z, weights = reflected_law(1.0, 1.5, 0.75, nodes)
        gaps.append(abs(weights @ z - exact))
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]
    assert gaps[2] < 2e-6


def test_equal_speeds_are_the_limit_of_nearly_equal_ones() -> None:
    values = []
    for fast in (1.0, 1.0 + 1e-7):
        _, z, weights = reflected_law(1.0, fast, 1.0, COARSE)
        values.append(weights @ z)
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_large_beta_is_an_unreflected_process() -> None:
    limit = halfin_whitt_limit(4.0, 2.5, 0.625, tolerance=1e-4)
    assert limit["idle_variance"] == pytest.approx(1.6, abs=1e-5)
    assert 0 < limit["two_jobs"] < 1e-6


def test_three_types_go_to_the_limit_of_the_extreme_speeds() -> None:
    rates, shares = (1.5, 1.0, 0.75), (0.2, 0.4, 0.4)
    # The modified system has the same limit (Proposition 7.2); its exact law, polynomial in 1 / sqrt(n).
    sizes = np.array([60, 120, 240, 480])
    waiting, total = [], []
    for n in sizes.tolist():
        servers = [round(n * share) for share in shares]
        exact = modified_system(n - math.sqrt(n), rates, servers)
        waiting.append(exact["waiting"] / math.sqrt(n))
        total.append((exact["number_in_system"] - n) / math.sqrt(n))
    limit = halfin_whitt_limit(1.0, rates[0], rates[-1], tolerance=1e-4)
    assert np.polyfit(sizes**-0.5, waiting, 3)[-1] == pytest.approx(limit["two_jobs"], abs=0.003)
    assert np.polyfit(sizes**-0.5, total, 3)[-1] == pytest.approx(limit["total"], abs=0.006)
    # Far from it at the sizes themselves.
    assert waiting[-1] < limit["two_jobs"] - 0.05


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"beta = 0"):
        halfin_whitt_limit(0, 2.5, 0.625)
    with pytest.raises(ValueError, match=r"slowest_rate = 2.0: must be at most fastest_rate = 1.0"):
        reflected_law(1.0, 1.0, 2.0)
    with pytest.raises(ValueError, match=r"nodes = 3"):
        reflected_law(1.0, 2.5, 0.625, (3, 20))
    with pytest.raises(ValueError, match=r"tolerance = -1"):
        halfin_whitt_limit(1.0, 2.5, 0.625, tolerance=-1)


def test_unreachable_tolerance_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxq.analytic.load_balancing.limit._GRIDS", ((12, 10), (16, 12)))
    with pytest.raises(ValueError, match=r"tolerance = 1e-06 is out of reach for beta = 0.2"):
        halfin_whitt_limit(0.2, 2.5, 0.625)
