"""Numbers that 32 bits do not hold are refused by name before compiling; those that they hold make no difference."""

import numpy as np
import pytest

import jaxq

FEW = {"events": 3000, "replicas": 64, "warmup": 500}


def station(c):
    return jaxq.MMc(arrival_rate=0.8 * c, service_rate=c)


@pytest.mark.parametrize("c", [1e-30, 1e-39, 1e39, 1e200])
def test_rates_outside_float32_are_refused(c):
    with pytest.raises(
        ValueError, match=r"^arrival_rate = 8e[-+0-9]*: must be 0, or from 1e-28 to 1e\+37 in absolute value"
    ):
        jaxq.simulate(station(c), **FEW)
    with pytest.raises(ValueError, match=r"^arrival_rate = 8e"):
        jaxq.paths(station(c), times=[1.0])
    with pytest.raises(ValueError, match=r"^arrival_rate = 8e"):
        jaxq.simulate(jaxq.MG1(0.8 * c, c), **FEW)
    with pytest.raises(ValueError, match=r"^service_rate = 1e"):
        jaxq.sweep(jaxq.MMc(0.8), {"service_rate": [1.0, 1e39]}, **FEW)


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


def test_whole_numbers_beyond_32_bits():
    with pytest.raises(ValueError, match=r"^capacity = 3e\+09: must be under 2\*\*31, in 32 bits"):
        jaxq.simulate(jaxq.MMc(0.8, capacity=3e9), **FEW)
    with pytest.raises(ValueError, match=r"^capacity = 3e\+09: must be under"):
        jaxq.paths(jaxq.MMc(0.8, capacity=3e9), times=[1.0])


def test_derived_numbers_are_checked_too():
    network = jaxq.Network([1e38], [[2e38]], [1])
    with pytest.raises(ValueError, match=r"rates = 1e\+38: must be 0, or from"):
        jaxq.simulate(jaxq.ParallelServers(network, "priority", priorities="1"), **FEW)
    with pytest.raises(ValueError, match=r"^total rate = 1\.08e\+38: must be at most 1e\+37"):
        jaxq.simulate(jaxq.MMc(8e36, 1e36, servers=100), **FEW)
