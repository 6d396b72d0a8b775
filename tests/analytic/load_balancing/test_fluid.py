import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import brentq

from jaxq.analytic.load_balancing.fluid import entry_curve, fluid_path, hitting_time
from tests.analytic.load_balancing.lyapunov import lyapunov

FAST, SLOW, BETA = 2.5, 0.625, 1.0
DEPTH = st.floats(-4.0, 0.0)
HEIGHT = st.floats(0.0, 6.0)
SCALE = st.sampled_from([1, 25, 400])


def stepped(x1: float, x2: float, time: float, steps: int) -> tuple[float, float]:
    """Eqs. 6.44-6.46 by small steps: what x_1 would exceed 0 goes to x_2."""
    dt = time / steps
    for _ in range(steps):
        y1 = x1 + dt * (-BETA - SLOW * x1 + FAST * x2)
        x2 -= dt * FAST * x2
        push = max(y1, 0.0)
        x1, x2 = y1 - push, x2 + push
    return x1, x2


@pytest.mark.parametrize(
    ("x1", "x2", "time"),
    [(0.0, 2.0, 0.7), (-0.5, 2.0, 0.2), (-0.5, 2.0, 1.0), (-0.5, 2.0, 3.0), (-2.0, 1.0, 1.0), (0.0, 0.2, 0.5)],
)
def test_path_is_that_of_small_steps(x1: float, x2: float, time: float) -> None:
    coarse, fine = stepped(x1, x2, time, 4000), stepped(x1, x2, time, 8000)
    expected = [2 * f - c for c, f in zip(coarse, fine, strict=True)]
    assert fluid_path(x1, x2, time, BETA, FAST, SLOW) == pytest.approx(expected, abs=2e-5)


def test_paths_end_at_the_mean_of_the_limit() -> None:
    assert fluid_path(-1.0, 3.0, 60.0, 2.0, FAST, SLOW, 400) == pytest.approx((-3.2 / 20, 0.0), abs=1e-10)


def value(x1: float, x2: float, kappa: float, n: int = 1) -> float:
    return lyapunov(x1, x2, kappa, BETA, FAST, SLOW, n)[0]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(DEPTH, HEIGHT, st.floats(0.45, 2.0), SCALE)
@example(-1.0, 0.5793068239817787, 0.45, 25)
def test_function_is_the_integral_along_the_path(x1: float, x2: float, kappa: float, n: int) -> None:
    root = math.sqrt(n)
    x1, x2 = x1 / root, x2 / root

    def height(t: float) -> float:
        return fluid_path(x1, x2, t, BETA, FAST, SLOW, n)[1] - kappa / root

    tau = min(hitting_time(x1, x2, BETA, FAST, SLOW, n), 50.0)
    end = tau + x2 * root / BETA + 1.0
    # the excess may last for a short while only, which one quadrature over a long time would miss; it ends in kinks
    edges = [0.0, *(t for t in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0) if t < tau), tau, end]
    times = [t for a, b in itertools.pairwise(edges) for t in np.linspace(a, b, 20, endpoint=False)] + [end]
    kinks = [brentq(height, a, b) for a, b in itertools.pairwise(times) if height(a) * height(b) < 0]
    pieces = itertools.pairwise(sorted([*edges, *kinks]))
    integral = sum(quad(height, a, b, limit=200)[0] for a, b in pieces if height((a + b) / 2) > 0)
    assert value(x1, x2, kappa, n) == pytest.approx(integral, rel=1e-4, abs=1e-6 / root)


@settings(max_examples=60, deadline=None)
@given(DEPTH, HEIGHT, st.floats(0.41, 2.0), SCALE)
def test_partial_differential_equation(x1: float, x2: float, kappa: float, n: int) -> None:
    root = math.sqrt(n)
    x1, x2 = x1 / root, x2 / root
    _, by_one, by_two = lyapunov(x1, x2, kappa, BETA, FAST, SLOW, n)
    left = (-BETA / root - SLOW * x1 + FAST * x2) * by_one - FAST * x2 * by_two
    assert left == pytest.approx(-max(x2 - kappa / root, 0), abs=1e-9)
    assert by_one >= 0
    _, by_one, by_two = lyapunov(0.0, x2, kappa, BETA, FAST, SLOW, n)
    expected = root / BETA * max(x2 - kappa / root, 0)
    assert by_one == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert by_two == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("x1", "x2"), [(-0.5, 2.0), (-2.0, 3.0), (-1.0, 0.9), (-3.0, 1.5), (-1.0, 0.3)])
def test_gradient_is_the_derivative(x1: float, x2: float) -> None:
    _, by_one, by_two = lyapunov(x1, x2, 0.8, BETA, FAST, SLOW)
    h = 1e-6
    assert (value(x1 + h, x2, 0.8) - value(x1 - h, x2, 0.8)) / (2 * h) == pytest.approx(by_one, abs=1e-6)
    assert (value(x1, x2 + h, 0.8) - value(x1, x2 - h, 0.8)) / (2 * h) == pytest.approx(by_two, abs=1e-6)


def test_scales_of_the_function_agree() -> None:
    f, by_one, by_two = lyapunov(-0.5, 2.0, 0.8, BETA, FAST, SLOW)
    g, one, two = lyapunov(-0.05, 0.2, 0.8, BETA, FAST, SLOW, 100)
    assert (g, one, two) == pytest.approx((f / 10, by_one, by_two), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(-4.0, -1e-3), st.floats(0.41, 3.0), st.sampled_from([(2.5, 0.625), (1.0, 1.0), (4.0, 0.9)]))
def test_curve_is_where_the_path_lands_at_kappa(x1: float, kappa: float, speeds: tuple[float, float]) -> None:
    kappa *= FAST / speeds[0]
    x2, tau = entry_curve(x1, kappa, BETA, *speeds)
    if kappa * speeds[0] > 1.05 * BETA:
        assert hitting_time(x1, x2, BETA, *speeds) == pytest.approx(tau, rel=1e-6)
        landed = fluid_path(x1, x2, tau, BETA, *speeds)
        assert landed == pytest.approx((0.0, kappa), abs=1e-7)
    assert entry_curve(x1, 1.1 * kappa, BETA, *speeds)[0] > x2
    assert hitting_time(x1, 1.2 * x2, BETA, *speeds) < tau


def test_no_landing_below_the_lowest_curve() -> None:
    lowest = BETA / FAST
    for x1 in (0.0, -0.3, -2.0):
        height, _ = entry_curve(x1, lowest, BETA, FAST, SLOW)
        assert hitting_time(x1, 0.999 * height, BETA, FAST, SLOW) == math.inf
        assert math.isfinite(hitting_time(x1, 1.001 * height, BETA, FAST, SLOW))
        # The path stays below the axis after the start, though tau's definition as printed would be 0 at x_1 = 0.
        assert all(fluid_path(x1, 0.999 * height, t / 10, BETA, FAST, SLOW)[0] < 0 for t in range(1, 60))
    assert hitting_time(0.0, 1.0, BETA, FAST, SLOW) == 0.0


def test_scales_agree() -> None:
    assert hitting_time(-0.05, 0.2, BETA, FAST, SLOW, 100) == pytest.approx(hitting_time(-0.5, 2.0, BETA, FAST, SLOW))
    there, here = (fluid_path(x1, x2, 1.3, BETA, FAST, SLOW, n) for x1, x2, n in ((-0.05, 0.2, 100), (-0.5, 2.0, 1)))
    assert there == pytest.approx([x / 10 for x in here], rel=1e-9)


def test_derivatives_of_the_hitting_time() -> None:
    x1, x2, h = -0.7, 2.2, 1e-6
    tau = hitting_time(x1, x2, BETA, FAST, SLOW)
    pull = FAST * x2 * math.exp(-FAST * tau) - BETA
    one = (hitting_time(x1 + h, x2, BETA, FAST, SLOW) - hitting_time(x1 - h, x2, BETA, FAST, SLOW)) / (2 * h)
    two = (hitting_time(x1, x2 + h, BETA, FAST, SLOW) - hitting_time(x1, x2 - h, BETA, FAST, SLOW)) / (2 * h)
    # Eqs. 6.55 and 6.56.
    assert one == pytest.approx(-math.exp(-SLOW * tau) / pull, rel=1e-5)
    assert two == pytest.approx(FAST / (FAST - SLOW) * (math.exp(-FAST * tau) - math.exp(-SLOW * tau)) / pull, rel=1e-5)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"x1 = -0.1|-x1 = "):
        hitting_time(0.1, 1.0, BETA, FAST, SLOW)
    with pytest.raises(ValueError, match=r"x2 = -1"):
        hitting_time(-0.1, -1.0, BETA, FAST, SLOW)
    with pytest.raises(ValueError, match=r"kappa = 0.3: must be at least beta / mu_1 = 0.4"):
        entry_curve(-1.0, 0.3, BETA, FAST, SLOW)
    with pytest.raises(ValueError, match=r"slowest_rate = 3.0: must be at most fastest_rate = 2.5"):
        fluid_path(-1.0, 0.3, 1.0, BETA, FAST, 3.0)
