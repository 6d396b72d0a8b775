"""Times in whole minutes, or of one length: ties are ties."""

import numpy as np
import pytest

import jaxq
from jaxq.laws.lattice import MOST, tick
from tests.agreement import check_agreement

GAPS, SERVICES = [4, 8, 7, 7, 2, 0, 7, 6, 6, 0, 0], [3, 2, 3, 5, 2, 3, 2]
"""Minutes, of mean 47/11 and 20/7: neither they nor their ratio are exact in float32."""


def waits_of_one_server(gaps, services):
    """The law of the wait, whole numbers, from W' = (W + S - A)+ by iteration."""
    law, steps = np.eye(1, 800)[0], np.subtract.outer(services, gaps).ravel()
    while True:
        moved = np.zeros_like(law)
        for step in steps:
            np.add.at(moved, np.clip(np.arange(len(law)) + step, 0, len(law) - 1), law / len(steps))
        if np.abs(moved - law).sum() < 1e-12:
            return law
        law = moved


@pytest.mark.parametrize("minute", [1.0, 1 / 60])
def test_waits_of_data_in_minutes(minute):
    """In float32 as they come, P(wait) was .562 and P(W <= 1) .496."""
    law = waits_of_one_server(GAPS, SERVICES)
    arrivals, services = (jaxq.Empirical([x * minute for x in values]) for values in (GAPS, SERVICES))
    system = jaxq.GG1(arrivals.rate, services.rate, arrivals, services)
    found = jaxq.simulate(
        system, replicas=256, events=4000, service_level=f"waiting_time:0,{minute:.12g},{3 * minute:.12g}"
    )
    assert not found.flags
    check_agreement(found["probability_wait"], 1 - law[0], 0.01)
    check_agreement(found["waiting_time"], minute * law @ np.arange(len(law)), 0.03)
    for row, exact in zip(found.service_levels["waiting_time"].values(), law.cumsum()[[0, 1, 3]], strict=True):
        assert abs(row["value"] - exact) < 2.2 * row["half_width"] < 0.02 * exact


def crowd(unit):
    """Gaps and services of two grids, patience of one length, batches: all in that unit."""
    gaps, services = jaxq.Empirical([x * unit for x in GAPS]), jaxq.Empirical([0.5 * x * unit for x in (3, 7, 12)])
    rates = 2 * gaps.rate, services.rate, 3, gaps, services
    return jaxq.GGc(*rates, 1 / (4 * unit), "deterministic", "fixed:2")


def test_the_unit_of_a_queue_with_ties_does_not_matter():
    """Who has waited exactly its patience stays, and who comes as a service ends does not wait: as often in any unit."""
    known, *others = [jaxq.simulate(crowd(unit), replicas=64, events=2000, warmup=500) for unit in (1.0, 0.1)]
    for found in others:
        for name in ("probability_wait", "probability_abandon"):
            assert found[name].mean == known[name].mean and 0.05 < known[name].mean < 0.9
        assert found["waiting_time"].mean == pytest.approx(0.1 * known["waiting_time"].mean, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 6, 0, 9], 3.0),
        ([0.3, 0.7, 1.1], 0.1),
        ([x / 60 for x in (2, 4, 7)], 1 / 60),
        (np.float32([0.1, 0.25, 0.4]), 0.05),
        ([5.0], 5.0),
        ([1.0, MOST - 1], 1.0),
        ([1.0, 2 * MOST], None),
        (np.random.default_rng(1).exponential(size=50), None),
    ],
)
def test_the_tick_of_values(values, expected):
    assert tick(values) == (None if expected is None else pytest.approx(expected, rel=1e-6))


def test_where_there_is_no_tie_nothing_changes():
    """Poisson arrivals, and data as fine as float64."""
    fine = jaxq.Empirical(np.random.default_rng(1).exponential(size=50))
    for system in (
        jaxq.MG1(0.5, 1.0, "deterministic"),
        jaxq.GG1(0.5, 1.0, fine, fine),
        jaxq.GG1(0.5, 1.0, "deterministic"),
    ):
        assert system.process() is system


def test_a_queue_with_ties_moves_smoothly_with_its_rates():
    """It is one program beside, so that differences of it are taken. Times that are all so much longer make waits so too:
    lambda dW/dlambda + mu dW/dmu = -W."""
    gaps, services = jaxq.Empirical(GAPS), jaxq.Empirical(SERVICES)
    system = jaxq.GG1(gaps.rate, services.rate, gaps, services)
    run = {"replicas": 256, "events": 8000, "warmup": 500}
    found = jaxq.gradient(system, "waiting_time", ["arrival_rate", "service_rate"], **run)
    assert found.result.run["gradient"]["method"] == "finite-difference"
    slopes = found.derivatives["waiting_time"]
    terms = [slopes[name].mean * getattr(system, name) for name in slopes]
    wait = found.means["waiting_time"].mean
    assert terms[0] > 0 > terms[1] and sum(terms) == pytest.approx(-wait, rel=0.02)
