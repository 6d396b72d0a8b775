"""The classical stations against closed forms, in two gates: power, and the difference in standard errors."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq import random
from jaxq.analytic.distributions import transforms as exact_laws
from jaxq.laws.standard import parse_law
from tests.agreement import check_agreement

K = 4.5
"""Standard errors allowed: one false alarm in 150,000 comparisons; some 200 are made, with fixed seeds."""
OPTIONS = {"events": 30_000, "replicas": 256}


def check_exact_metrics(result, share, skip=()):
    """Every metric against its oracle; one that is exactly known may have no spread."""
    assert not result.flags
    for name, metric in result.metrics.items():
        if name in skip:
            continue
        assert metric.oracle is not None and metric.kind == "exact"
        if metric.half_width > 1e-12:
            check_agreement(metric, metric.oracle, share)
        else:
            assert metric.mean == pytest.approx(metric.oracle, abs=1e-12)


def test_mmc_meets_erlang():
    """M/M/1, M/M/3 and M/M/10 in one compilation. Load a/(1 - a); for a = 2, c = 3 the delay is 4/(1 + 2 + 2 + 4) and the
    wait that over 3 mu - lambda; the delay of a = 9, c = 10 is written out below."""
    terms = [9**k / math.factorial(k) for k in range(10)]
    busy = 10 * 9**10 / math.factorial(10)
    assert busy / (sum(terms) + busy) == pytest.approx(0.668732, rel=1e-6)
    points = [(0.5, 1.0, 1), (0.8, 1.0, 1), (2.0, 1.0, 3), (0.2, 0.1, 3), (9.0, 1.0, 10)]
    results = jaxq.compare([jaxq.MMc(*p) for p in points], **{**OPTIONS, "events": 60_000})
    for result in results:
        check_exact_metrics(result, 0.12)
    for result, name, value in (
        (results[0], "number_in_system", 1.0),
        (results[1], "number_in_system", 4.0),
        (results[2], "waiting_time", 0.444444),
        (results[2], "probability_wait", 0.444444),
        (results[3], "waiting_time", 4.4444),
        (results[4], "probability_wait", 0.668732),
        (results[4], "waiting_time", 0.668732),
    ):
        assert result[name].oracle == pytest.approx(value, rel=2e-5)


def test_abandonment_meets_erlang_a():
    """theta = mu: N is Poisson of mean 100. The other abandonment is from the birth-death law, written out."""
    law = [1.0]
    for n in range(1, 1000):
        law.append(law[-1] * 120 / (min(n, 100) + 0.5 * max(n - 100, 0)))
    waiting = sum(p * max(n - 100, 0) for n, p in enumerate(law)) / sum(law)
    assert 0.5 * waiting / 120 == pytest.approx(0.166791, rel=1e-5)
    systems = [
        jaxq.MMc(100.0, 1.0, 100, abandonment_rate=1.0),
        jaxq.MMc(120.0, 1.0, 100, abandonment_rate=0.5),
        jaxq.MMc(1.5, 1.0, 1, abandonment_rate=0.2),
    ]
    results = jaxq.compare(systems, **OPTIONS)
    for result in results:
        check_exact_metrics(result, 0.06)
    assert results[0]["probability_wait"].oracle == pytest.approx(0.513299, rel=1e-5)
    assert results[0]["queue_length"].oracle == pytest.approx(3.98610, rel=1e-5)
    assert results[1]["probability_abandon"].oracle == pytest.approx(0.166791, rel=1e-5)
    for system, result in zip(systems, results, strict=True):
        lost = system.arrival_rate * result["probability_abandon"].mean
        assert lost == pytest.approx(system.abandonment_rate * result["queue_length"].mean, rel=1e-9)


def test_loss_systems_meet_erlang_b():
    results = jaxq.compare(
        [jaxq.MMc(2.0, 1.0, 3, capacity=3), jaxq.MMc(8.0, 1.0, 10, capacity=10), jaxq.MMc(8.0, 1.0, 10, capacity=14)],
        **OPTIONS,
    )
    for result in results:
        check_exact_metrics(result, 0.05)
    assert results[0]["probability_block"].oracle == pytest.approx(0.210526, rel=1e-5)
    assert results[1]["probability_block"].oracle == pytest.approx(0.121661, rel=1e-5)
    assert results[0]["queue_length"].mean == 0 and results[0]["probability_wait"].mean == pytest.approx(0, abs=1e-12)


def test_capacity_and_abandonment_together():
    check_exact_metrics(jaxq.simulate(jaxq.MMc(12.0, 1.0, 10, abandonment_rate=0.5, capacity=14), **OPTIONS), 0.05)


LAWS = ["exponential", "deterministic", "erlang:2", "hyperexponential:4", "lognormal:0.5"]
"""erlang:2 and lognormal:0.5 share two moments, so the mean wait, which depends on no more, is the same."""
LINDLEY = {"events": 40_000, "replicas": 256}


@pytest.mark.parametrize("law", LAWS)
def test_mg1_meets_pollaczek_khinchine(law):
    results = jaxq.sweep(jaxq.MG1(0.5, 1.0, law), {"arrival_rate": [0.5, 0.8]}, **LINDLEY)
    c2 = exact_laws.scv(*parse_law(law).key())
    for rho, result in zip((0.5, 0.8), results, strict=True):
        check_exact_metrics(result, 0.05)
        assert result["waiting_time"].oracle == pytest.approx(rho * (1 + c2) / 2 / (1 - rho), rel=1e-12)


@pytest.mark.parametrize(
    ("law", "sigma"), [("deterministic", 0.901695), ("erlang:2", None), ("hyperexponential:4", None)]
)
def test_gm1_meets_its_root(law, sigma):
    """Time in units of 38 and 40 for D/M/1: sigma .901695, Wq 348.55."""
    system = jaxq.GG1(1 / 40, 1 / 38, law) if sigma else jaxq.GG1(0.7, 1.0, law)
    result = jaxq.simulate(system, **{**LINDLEY, "events": 100_000 if sigma else 40_000})
    check_exact_metrics(result, 0.05)
    if sigma:
        assert result["probability_wait"].oracle == pytest.approx(sigma, abs=1e-6)
        assert result["waiting_time"].oracle == pytest.approx(348.55, rel=1e-4)


def test_wait_quantiles_of_mm1():
    probabilities = (0.25, 0.5, 0.9, 0.99)
    result = jaxq.simulate(
        jaxq.MG1(0.8), quantiles="waiting_time:" + ",".join(map(str, probabilities)), **{**LINDLEY, "replicas": 128}
    )
    for p in probabilities:
        row = result["waiting_time"].quantiles[str(p)]
        exact = max(0.0, np.log(0.8 / (1 - p)) / (1 - 0.8))  # P(W > t) = rho exp(-(mu - lambda) t)
        assert row["half_width"] < 0.06 * max(exact, 0.3), "no power"
        # half a bin, 0.8 %, beside the error of sampling
        assert abs(row["value"] - exact) < 0.008 * exact + K / 1.96 * row["half_width"]


def test_rescaling_time_rescales_waits_only():
    """Doubling both rates is the same walk in another unit: the same words, half the waits."""
    options = {**LINDLEY, "replicas": 64, "warmup": 4000}
    slow, fast = (jaxq.simulate(jaxq.MG1(*rates), **options) for rates in ((0.5, 1.0), (1.0, 2.0)))
    assert fast["waiting_time"].mean == pytest.approx(slow["waiting_time"].mean / 2, rel=1e-6)
    assert fast["queue_length"].mean == pytest.approx(slow["queue_length"].mean, rel=1e-6)
    # Little's law and one service, in every run
    assert slow["queue_length"].mean == pytest.approx(0.5 * slow["waiting_time"].mean, rel=1e-12)
    assert slow["sojourn_time"].mean == pytest.approx(1 + slow["waiting_time"].mean, rel=1e-12)


@pytest.mark.parametrize("text", [*LAWS, "erlang:7", "hyperexponential:1.5", "lognormal:0.3"])
def test_moments_of_the_laws(text):
    """Three moments of 2**20 variates, one word stream each."""
    law, count = parse_law(text), 2**20
    words = np.random.default_rng(7).integers(0, 2**32, (law.words, count), np.uint32)
    x = np.asarray(jax.vmap(lambda *w: law.sample(w), axis_size=count)(*map(jnp.asarray, words)), np.float64)
    assert np.all(x >= 0) and np.all(np.isfinite(x))
    for order in (1, 2, 3):
        exact = exact_laws.moment(*law.key(), order)
        error = np.std(x**order) / np.sqrt(count)
        assert error < 0.06 * exact, "no power"
        # the third moment of a heavy tail is itself skewed; 1e-6 is float32's own rounding
        assert abs(np.mean(x**order) - exact) < K * error + 2e-6 * exact


def test_a_law_uses_the_words_it_says():
    assert [parse_law(x).words for x in LAWS] == [1, 0, 2, 2, 2]  # lognormal: the tail has a word of its own
    assert jaxq.GG1(0.5, 1.0, "erlang:3", "hyperexponential:2").words == 5
    assert jaxq.MG1(0.5, 1.0, "deterministic").words == 1


def test_the_tail_of_the_exponential_reaches_far():
    assert float(random.exponential(jnp.uint32(0))) == pytest.approx(33 * np.log(2), rel=1e-6)


def test_oracles_exist_where_they_should():
    assert jaxq.MMc(0.5, capacity=3).oracle()["probability_block"].kind == "exact"
    assert "probability_block" not in jaxq.MMc(0.5).oracle()
    assert set(jaxq.GG1(0.5, 1.0, "erlang:2", "erlang:2").oracle()) == {"waiting_time"}
    assert jaxq.MMc(10.0**8, 1.0, 10**8, capacity=10**8 + 5).oracle() == {}
    assert {f.name for f in dataclasses.fields(jaxq.GG1)} >= {"arrival_law", "service_law"}
