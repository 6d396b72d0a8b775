"""The reflected Ornstein-Uhlenbeck limit of speed-aware JSQ, simulated, against its stationary law."""

import pytest

import jaxq
from tests.agreement import check_agreement
from tests.systems.load_balancing.speed_aware_limit import SpeedAwareLimit

RUN = {"replicas": 1024, "seed": 7}
# digits of jaxq.analytic.load_balancing.limit (collocation), mu = (2.5, .625): a guard; simulations agree with them below
DIGITS = {
    1.0: {"y_1_2": 0.26583},
    2.0: {"y_1_2": 0.00982370, "y_m_1_variance": 1.5748513, "y_1_2_variance": 0.0073130},
}


def simulated(beta: float, step: float, time: float, **fields):
    system = SpeedAwareLimit(beta=beta, step=step, **fields)
    return system, jaxq.simulate(system, events=int(time / step), warmup=int(30 / step), **RUN)


@pytest.mark.parametrize(("beta", "step", "time"), [(0.5, 0.01, 250), (1.0, 0.005, 250)])
def test_a_small_step_agrees_with_the_stationary_law(beta, step, time):
    system, found = simulated(beta, step, time)
    references = system.oracle()
    assert not found.flags and all(r.kind == "exact" for r in references.values())
    assert set(references) == set(found.metrics)
    for name, reference in references.items():
        share = 0.1 if name in ("y_1_2_variance", "y_plus_1") else 0.05
        check_agreement(found.metrics[name], reference.value, share)


def test_references_keep_their_digits():
    for beta, values in DIGITS.items():
        references = SpeedAwareLimit(beta=beta).oracle()
        for name, value in values.items():
            assert references[name].value == pytest.approx(value, rel=2e-5)


@pytest.mark.parametrize("name", ["y_1_2", "y_m_1_variance", "reflection_rate"])
def test_the_bias_is_of_first_order_and_extrapolation_takes_it_away(name, coarse):
    """At beta = 2 the bias is large: at h = .2 and .1 it is seen, of ratio about 2, and Richardson's mean has none left."""
    exact = SpeedAwareLimit(beta=2.0).oracle()[name].value
    long, short = (found.metrics[name] for found in coarse)
    assert long.mean - exact > 10 * long.standard_error and short.mean - exact > 5 * short.standard_error
    assert 1.4 < (long.mean - exact) / (short.mean - exact) < 2.8
    error = (4 * short.standard_error**2 + long.standard_error**2) ** 0.5
    assert abs(2 * short.mean - long.mean - exact) < 4.5 * error + 0.02 * exact
    assert error < 0.02 * exact


@pytest.fixture(scope="module")
def coarse():
    return [simulated(2.0, step, 3000)[1] for step in (0.2, 0.1)]


@pytest.mark.parametrize("step", [0.3, 0.05])
def test_what_holds_for_every_step(step):
    _, found = simulated(1.0, step, 500)
    check_agreement(found.metrics["y_m_1"], -1.0 / 0.625, 0.01)
    rate, two = found.metrics["reflection_rate"], found.metrics["y_1_2"]
    assert rate.mean == pytest.approx(2.5 * two.mean, rel=2e-3)


def test_equal_speeds_are_jsq():
    system, found = simulated(1.0, 0.01, 150, fastest_rate=1.0, slowest_rate=1.0)
    for name in ("y_m_1", "y_1_2", "y_m_1_variance"):
        check_agreement(found.metrics[name], system.oracle()[name].value, 0.05)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"slowest_rate": 3.0}, "slowest_rate = 3: must be <= fastest_rate = 2.5"),
        ({"step": 0.4}, "step = 0.4: must be < 1/fastest_rate = 0.4"),
        ({"beta": -1.0}, "beta = -1.0: must be a number > 0"),
    ],
)
def test_what_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        SpeedAwareLimit(**fields)
