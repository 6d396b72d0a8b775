"""Rates that 32 bits hold only set the unit; others are refused by name (`tests/test_mistakes.py`)."""

import numpy as np
import pytest

import jaxq

FEW = {"events": 3000, "replicas": 64, "warmup": 500}


def station(c):
    return jaxq.MMc(arrival_rate=0.8 * c, service_rate=c)


@pytest.mark.parametrize("c", [1e-27, 1e-9, 1e9, 1e36])
def test_rates_inside_only_set_the_unit(c):
    found, wanted = (jaxq.simulate(station(x), **FEW) for x in (c, 1.0))
    assert found["number_in_system"].mean == pytest.approx(wanted["number_in_system"].mean, rel=1e-5)
    assert found["waiting_time"].mean * c == pytest.approx(wanted["waiting_time"].mean, rel=1e-5)


def test_exact_keeps_the_range_of_float64():
    """M/M/1/5 of load .8: a geometric law, cut, whatever the unit."""
    law = 0.8 ** np.arange(6)
    wanted = np.arange(6) @ law / law.sum()
    for c in (1e-100, 1e300):
        found = jaxq.exact(jaxq.MMc(arrival_rate=0.8 * c, service_rate=c, capacity=5))
        assert found["number_in_system"] == pytest.approx(wanted, rel=1e-12)
