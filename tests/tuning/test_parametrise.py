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
