"""The descent on problems with known minima."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxq.engine.fields import Rule
from jaxq.tuning.descent import descend
from jaxq.tuning.parametrise import bijection, start_coordinates


def free(z):
    return z


def run(function, start, steps=600, rate=0.1):
    return descend(function, free, {name: np.asarray(x, float) for name, x in start.items()}, steps, rate)


def test_a_smooth_minimum_in_two_variables():
    found = run(lambda v: (v["x"] - 1) ** 2 + 10 * (v["y"] + 2 - v["x"]) ** 2, {"x": 5.0, "y": 0.0})
    assert found.best.values == pytest.approx({"x": 1.0, "y": -1.0}, abs=1e-4)
    assert found.average.values == pytest.approx({"x": 1.0, "y": -1.0}, abs=1e-3)
    assert not found.flags and found.best.objective < 1e-8


@pytest.mark.parametrize("start", [-3.0, 0.4, 4.0])
@pytest.mark.parametrize("slopes", [(1.0, 1.0), (2000.0, 1.0), (1.0, 2000.0)])
def test_a_kink(start, slopes):
    """One side up to 2000 times steeper, as where a large market has its minimum."""
    left, right = slopes
    found = run(lambda v: jnp.maximum(left * (0.7 - v["x"]), right * (v["x"] - 0.7)), {"x": start})
    assert found.best.values["x"] == pytest.approx(0.7, abs=2e-4)
    assert not found.flags


def test_a_constant_step_would_not_resolve_it():
    """The last step length decides: with a hundredth of the steps the same start stays away from the kink."""
    found = run(lambda v: jnp.abs(v["x"] - 0.7), {"x": 4.0}, steps=6)
    assert abs(found.best.values["x"] - 0.7) > 0.5 and found.flags == ("not_converged",)


def test_shares_on_the_simplex():
    """Minimise sum a_i^2 / x_i over the simplex: x proportional to a."""
    rule = Rule("shares", low=0.0, simplex=True)
    a = np.array([1.0, 2.0, 5.0])
    start = {"x": start_coordinates("x", rule, [0.6, 0.3, 0.1])}
    decode = bijection(rule).value
    found = descend(lambda v: jnp.sum(a**2 / v["x"]), lambda z: {"x": decode(z["x"])}, start, 600, 0.1)
    np.testing.assert_allclose(found.best.values["x"], a / a.sum(), atol=1e-4)
    assert all(step.values["x"].sum() == pytest.approx(1, abs=1e-12) for step in found.trace)


def test_an_objective_that_must_know_its_argument_is_not_traced():
    calls = []

    def by_pieces(v):
        calls.append(float(jax.lax.stop_gradient(v["x"])))  # fails under jit
        return (v["x"] - 1) ** 2

    found = run(by_pieces, {"x": 2.0}, steps=200)
    assert found.best.values["x"] == pytest.approx(1, abs=1e-3) and len(calls) >= 200


def test_the_trace_has_every_step_and_its_gradient_in_float64():
    found = run(lambda v: v["x"] ** 2, {"x": 3.0}, steps=20)
    assert [step.step for step in found.trace] == list(range(21))
    assert found.start == found.trace[0] and found.start.objective == 9
    for step in found.trace:
        assert step.gradient_norm == pytest.approx(2 * abs(step.values["x"]), rel=1e-13)
        assert step.values["x"].dtype == np.float64
    assert found.best.objective == min(step.objective for step in found.trace)


def test_a_descent_without_a_bottom_is_flagged():
    found = run(lambda v: -v["x"], {"x": 0.0}, steps=50)
    assert found.flags == ("not_converged",) and found.best.values["x"] > 2


def test_a_flat_objective_stays_where_it_is():
    found = run(lambda v: 0 * v["x"] + 3, {"x": 1.5}, steps=5)
    assert found.best.values["x"] == 1.5 and not found.flags


def test_what_is_not_finite_ends_it():
    found = run(lambda v: -jnp.log(1 - v["x"]) - 3 * v["x"], {"x": 0.0}, rate=2.0, steps=40)
    assert found.flags == ("objective_not_finite",) and found.average is None
    assert np.isfinite(found.best.objective) and len(found.trace) < 40
    with pytest.raises(ValueError, match="start = x 2.0: the objective is not finite there"):
        run(lambda v: jnp.log(1 - v["x"]), {"x": 2.0})


def test_what_is_undefined_ends_it():
    def short(v):
        if float(jax.lax.stop_gradient(v["x"])) < 0:
            raise ValueError("x = ...: must be >= 0")
        return v["x"]

    found = run(short, {"x": 1.0}, steps=60)
    assert found.flags == ("objective_undefined",) and 0 <= found.best.values["x"] < 0.2
    with pytest.raises(ValueError, match="must be >= 0"):
        run(short, {"x": -1.0})


def test_a_corner_of_a_simplex_is_rest():
    """The coordinates still move one way, and the objective no longer gains by it."""
    rule = Rule("routing", low=0.0, rows=True)
    start = np.array([[0.5, 0.5], [0.2, 0.8]])
    there = bijection(rule, start)
    cost = np.array([[1.0, 2.0], [3.0, 1.0]])

    def function(v):
        return jnp.sum(cost * v["x"])

    for steps, flags, near in ((600, (), 1e-9), (20, ("not_converged",), 0.5)):
        found = descend(
            function, lambda z: {"x": there.value(z["x"])}, {"x": start_coordinates("x", rule, start)}, steps, 0.1
        )
        assert found.flags == flags
        assert found.best.objective == pytest.approx(2, abs=near)
