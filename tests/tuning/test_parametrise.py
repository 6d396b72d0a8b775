"""Bijections between what a field may hold and R^n."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.engine.fields import Rule
from jaxq.tuning.parametrise import bijection, start_coordinates

RULES = {
    "probability": Rule("p", low=0.0, high=1.0, open_low=True, open_high=True),
    "bounded": Rule("b", low=-2.0, high=5.0),
    "rate": Rule("r", low=0.0, open_low=True),
    "below": Rule("u", high=3.0),
    "free": Rule("f"),
}
UNITS = st.floats(1e-6, 1 - 1e-6)


def inside(rule: Rule, unit: float) -> float:
    """A value inside a rule's bounds."""
    if np.isfinite(rule.low) and np.isfinite(rule.high):
        return rule.low + (rule.high - rule.low) * unit
    away = unit / (1 - unit)
    if np.isfinite(rule.low):
        return rule.low + away
    return rule.high - away if np.isfinite(rule.high) else np.log(away)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=50, deadline=None)
@given(unit=UNITS)
def test_there_and_back(name, unit):
    rule = RULES[name]
    value = inside(rule, unit)
    with jax.enable_x64(True):
        back = float(bijection(rule).value(start_coordinates("x", rule, value)))
    assert back == pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=30, deadline=None)
@given(z=st.floats(-1e4, 1e4))
def test_every_coordinate_is_allowed(name, z):
    rule = RULES[name]
    with jax.enable_x64(True):
        value = np.float64(bijection(rule).value(np.float64(z)))
    rule.check("x", value if name != "rate" or value > 0 else 1.0)
    assert np.isfinite(value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-3, 1.0), min_size=3, max_size=3))
def test_shares(weights):
    rule = Rule("shares", low=0.0, simplex=True)
    shares = np.array(weights) / np.sum(weights)
    rule.check("x", shares)
    z = start_coordinates("x", rule, shares)
    with jax.enable_x64(True):
        np.testing.assert_allclose(bijection(rule).value(z), shares, rtol=1e-12)
    assert z.mean() == pytest.approx(0, abs=1e-12)


def test_arrays_go_elementwise():
    rule = RULES["rate"]
    with jax.enable_x64(True):
        found = bijection(rule).value(start_coordinates("x", rule, [0.5, 2.0, 7.0]))
    np.testing.assert_allclose(found, [0.5, 2.0, 7.0], rtol=1e-14)


@pytest.mark.parametrize("value", [-2.0, 5.0, [1.0, 5.0]])
def test_a_bound_has_no_coordinates(value):
    with pytest.raises(ValueError, match=r"x = .*5\.0|x = -2\.0.*inside its bounds"):
        start_coordinates("x", RULES["bounded"], value)


@pytest.mark.parametrize("value", [[0.5, 0.6], [0.5], 1.0, [1.2, -0.2], []])
def test_what_is_no_simplex_is_refused(value):
    rule = Rule("shares", low=0.0, simplex=True)
    with pytest.raises(ValueError, match="must be a list of numbers >= 0 that sum to 1"):
        rule.check("x", rule.convert(value))
    assert rule.listed and rule.parse("x", "0.2,0.8") == [0.2, 0.8]


ROWS = Rule("routing", low=0.0, rows=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-3, 1.0), min_size=6, max_size=6), st.integers(0, 2))
def test_rows_of_shares(weights, absent):
    """Zeros of the start stay zero, and the rest of each row goes there and back."""
    matrix = np.reshape(weights, (2, 3))
    matrix[0, absent] = 0.0
    matrix /= matrix.sum(axis=1, keepdims=True)
    ROWS.check("x", matrix)
    z = start_coordinates("x", ROWS, matrix)
    assert np.all(np.isfinite(z)) and z[0, absent] == 0
    np.testing.assert_allclose(z.sum(axis=1), 0, atol=1e-12)
    with jax.enable_x64(True):
        there = bijection(ROWS, matrix)
        np.testing.assert_allclose(there.value(z), matrix, rtol=1e-12)
        moved = np.asarray(there.value(z + np.arange(6.0).reshape(2, 3)))
        gradient = np.asarray(jax.grad(lambda z: there.value(z)[0, (absent + 1) % 3])(z))
    ROWS.check("x", moved)
    assert moved[0, absent] == 0 and np.all(np.isfinite(gradient)) and gradient[0, absent] == 0


@pytest.mark.parametrize(
    "value", [[[0.5, 0.6], [1, 0]], [0.5, 0.5], [[0.5, 0.5], [1]], [[1.2, -0.2]], [[]], 1.0, [["a", "b"]]]
)
def test_what_is_no_matrix_of_shares_is_refused(value):
    with pytest.raises(ValueError, match="must be rows, each a list of numbers >= 0 that sum to 1"):
        ROWS.check("x", ROWS.convert(value))


def test_the_text_of_rows():
    assert ROWS.parse("x", "0.5,0.5;1,0") == [[0.5, 0.5], [1, 0]] and ROWS.parse("x", "0.25*4") == [[0.25] * 4]
    assert ROWS.listed and ROWS.tunable
    with pytest.raises(ValueError, match="x = 0.5,half: must be rows, each a list"):
        ROWS.parse("x", "0.5,half")
