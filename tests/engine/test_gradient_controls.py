"""Derivatives regressed on controls and on their derivatives: narrower, as right, and refused where there are none."""

import pytest

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.planned import plan_of

RUN = {"events": 10_000, "warmup": 2000, "replicas": 512, "seed": 7, "method": "coupling"}


def test_a_ratio_has_no_bias_of_the_size_of_what_is_left():
    """Regressed as it is, the wait and its derivative were 5 and 12 standard errors off."""
    system = jaxq.MMc(0.14099218350449205, 0.40968677590990193, 1, 0.11431795396004668, 2)
    run = {"events": 8000, "replicas": 128, "seed": 805697932, "method": "coupling"}
    found = jaxq.gradient(system, "waiting_time", "arrival_rate", control="generator", **run)
    for slope in (found["waiting_time", "arrival_rate"], found.means["waiting_time"]):
        assert abs(slope.z) < 3 and slope.half_width < 1e-5 * slope.mean


def test_ten_times_less_variance_and_as_right():
    system = jaxq.MMc(12.0, 1.0, 10, abandonment_rate=1.0)
    found = jaxq.gradient(system, None, "arrival_rate", control="generator", **RUN)
    assert found.run["control"]["controls"] == 10 and found.run["control"]["freedom"] == 501
    for name, least in {"queue_length": 30.0, "probability_wait": 8.0, "utilisation": 8.0}.items():
        assert found.run["control"]["variance_ratio"][f"{name}/arrival_rate"] > least
        assert abs(found[name, "arrival_rate"].z) < 4.5


def test_differences_are_regressed_too():
    system, run = jaxq.MMc(12.0, 1.0, 10, abandonment_rate=1.0), {**RUN, "method": "finite-difference"}
    paths = ["arrival_rate", "service_rate"]
    plain, found = (jaxq.gradient(system, None, paths, control=c, **run) for c in ("none", "generator"))
    assert found.run["control"]["controls"] == 3 * 5
    for path in paths:
        for name, least in {"queue_length": 10.0, "utilisation": 8.0}.items():
            slope, wide = found[name, path], plain[name, path]
            ratio = (wide.standard_error / slope.standard_error) ** 2
            assert ratio > least and ratio == pytest.approx(found.run["control"]["variance_ratio"][f"{name}/{path}"])
            assert abs(slope.z) < 4.5 and abs(wide.z) < 4.5


def test_a_quotient_knows_what_rounding_does_to_the_rates_beside():
    """Of M/M/1 controls leave nothing, so that the probability to wait, lambda, had 1.0000056 +- .00000003 for its
    derivative: rates .008 apart are known to 5e-8."""
    run = {**RUN, "method": "finite-difference"}
    found = jaxq.gradient(jaxq.MMc(0.8), None, "arrival_rate", control="generator", **run)
    for name in ("probability_wait", "utilisation"):
        slope = found[name, "arrival_rate"]
        assert abs(slope.z) < 4.5 and slope.half_width < 1e-3
    assert "disagrees" not in found.flags


@pytest.mark.parametrize("system", [jaxq.MG1(0.5), jaxq.TokenPool(2, 0.5, 0.6, 3)])
def test_what_has_no_controls_is_refused(system):
    path = "phi" if isinstance(system, jaxq.TokenPool) else "arrival_rate"
    with pytest.raises(ValueError, match="control = generator: must be none for"):
        plan_of(module.gradient)(system, None, path, control="generator")
