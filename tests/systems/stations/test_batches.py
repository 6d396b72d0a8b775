"""Stations whose customers come in batches: against what is exact, an event list, and the same path by hand."""

import heapq
import math

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq import random
from jaxq.engine.plain import scalings
from tests.agreement import check_agreement

OPTIONS = {"events": 64_000, "replicas": 512, "warmup": 4000}
ONE_PER_CENT = 0.01
"""Of each exact value, the most that a half-width may be."""


def check_exact_metrics(result, count):
    """Every metric with an exact reference meets it within one per cent; there are ``count`` of them."""
    assert not result.flags
    exact = {name: metric for name, metric in result.metrics.items() if metric.kind == "exact"}
    assert len(exact) == count
    for metric in exact.values():
        check_agreement(metric, metric.oracle, ONE_PER_CENT)


ONE_SERVER = {
    "M^X/M/1, geometric": jaxq.GG1(0.7, 1.0, batch_law="geometric:3"),
    "M^X/E3/1": jaxq.MG1(0.6, 1.0, "erlang:3", "sizes:0.5,0.3,0,0.2"),
    "D^X/M/1": jaxq.GG1(0.7, 1.0, "deterministic", batch_law="geometric:1.5"),
}
SEVERAL = {
    "M^X/M/3, geometric": jaxq.GGc(2.1, 1.0, 3, batch_law="geometric:2.5"),
    "M^X/M/20": jaxq.GGc(16.0, 1.0, 20, batch_law="fixed:6"),
    "D^X/M/2": jaxq.GGc(1.6, 1.0, 2, "deterministic", batch_law="geometric:3"),
}
LIMITED = {
    "M^X/M/5+M": jaxq.GGc(6.0, 1.0, 5, abandonment_rate=0.5, batch_law="geometric:3"),
    "M^X/M/1+M": jaxq.GGc(0.9, 1.0, 1, abandonment_rate=2.0, batch_law="fixed:5"),
}


@pytest.mark.parametrize(
    ("system", "count"),
    [(s, 4) for s in ONE_SERVER.values()] + [(s, 5) for s in SEVERAL.values()] + [(s, 6) for s in LIMITED.values()],
    ids=[*ONE_SERVER, *SEVERAL, *LIMITED],
)
def test_what_is_exact_is_met(system, count):
    check_exact_metrics(jaxq.simulate(system, **OPTIONS), count)


def test_the_quantiles_of_the_wait():
    """Geometric batches of Poisson arrivals: P(W > t) = s exp(-(1 - s) t), s = 1 - (1 - rho)/mean, by hand."""
    result = jaxq.simulate(
        jaxq.GG1(0.7, 1.0, batch_law="geometric:3"), **OPTIONS, quantiles="waiting_time:0.5,0.9,0.99"
    )
    for p, row in result["waiting_time"].quantiles.items():
        exact = math.log(0.9 / (1 - float(p))) / 0.1
        assert row["half_width"] < 0.03 * exact, "no power"
        # half a bin, 0.8 %, beside the error of sampling
        assert abs(row["value"] - exact) < 0.008 * exact + 4.5 / 1.96 * row["half_width"]


def by_hand(batches, generator):
    """Means of GI^X/G/2+G by an event list: uniform gaps between batches of 1 or 3, uniform services, two patiences."""
    free, now, waits, gone, customers = [0.0, 0.0], 0.0, 0.0, 0, 0
    for number in range(batches):
        now += generator.uniform(0, 2.8)
        for _ in range(generator.choice([1, 3])):
            patience, service = generator.choice([0.5, 2.5]), generator.uniform(0, 1.6)
            wait = max(free[0] - now, 0.0)
            if wait <= patience:
                heapq.heapreplace(free, now + wait + service)
            if number >= 100:
                customers += 1
                waits, gone = waits + min(wait, patience), gone + (wait > patience)
    return np.array([waits / customers, gone / customers])


def test_a_batch_is_served_in_order_and_its_customers_leave_one_by_one():
    """Another program, with another generator: nothing is shared, and nothing exact is known."""
    uniform = "empirical:" + ",".join(map(str, np.arange(1, 400, 2)))  # the midpoints of 200 cells of a uniform law
    system = jaxq.GGc(2 / 1.4, 1 / 0.8, 2, uniform, uniform, 1 / 1.5, "empirical:0.5,2.5", "sizes:0.5,0,0.5")
    result = jaxq.simulate(system, events=40_000, replicas=256, warmup=2000)
    assert system.oracle() == {} and not result.flags
    runs = np.array([by_hand(3000, np.random.default_rng(seed)) for seed in range(20)])
    mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    for i, name in enumerate(["waiting_time", "probability_abandon"]):
        check_agreement(result[name], mean[i], 0.01, error[i])
        assert error[i] < 0.02 * mean[i]


class OneByOne(jaxq.System):
    """GI/G/1 with Erlang gaps and exponential services, written out: it knows of no batches."""

    name = "one-by-one"
    words = 3

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        gap = random.exponential(*words[:2]) * np.float32(1 / 2) * (1 / jnp.float32(0.7))
        return (random.exponential(words[2]) * (1 / jnp.float32(1)), gap), gap

    def update(self, state, event):
        return jnp.maximum(state + (event[0] - event[1]), 0.0)

    def tally(self, state, event):
        return {"waiting_time": state, "waited": state > 0}


def test_without_batches_nothing_has_changed():
    """The same words and the same numbers as a program without the field, and as batches of one."""
    options = {"events": 3000, "replicas": 64, "warmup": 500, "seed": 5}
    known = jaxq.simulate(OneByOne(), **options)["waiting_time"]
    for batch_law in (None, "fixed:1"):
        system = jaxq.GG1(0.7, 1.0, "erlang:2", batch_law=batch_law)
        found = jaxq.simulate(system, **options)["waiting_time"]
        assert (found.mean, found.half_width) == (known.mean, known.half_width)
    plain = jaxq.GG1(0.7)
    assert plain.batch_law is None and plain.process() is plain


@pytest.mark.parametrize("law", ["geometric:4", "fixed:3", "sizes:0.2,0.8"])
def test_a_batch_has_a_word_of_its_own(law):
    """Services and gaps keep their words, whatever the batches: the first gap is the same but for the rate."""
    plain, batches = jaxq.GGc(0.7, 1.0, 2), jaxq.GGc(0.7, 1.0, 2, batch_law=law)
    process = batches.process()
    assert process.words == plain.words + (0 if law == "fixed:3" else 1)
    words = tuple(np.uint32(w) for w in (12345, 678910, 4000000000))[: process.words]
    (service, gap), _ = plain.next_event(plain.init(()), words[:2])
    ((same, first), behind), weight = process.next_event((process.queue.init(()), 0), words)
    assert float(same) == float(service) and float(first) == pytest.approx(
        float(gap * batches.batch_law.mean), rel=1e-6
    )
    assert int(behind) >= 0 and float(weight) == float(first)
    after = process.update((process.queue.init(()), 0), ((same, first), jnp.int32(2)))
    ((_, none), behind), weight = process.next_event(after, words)
    assert float(none) == float(weight) == 0 and int(behind) == 1


@pytest.mark.parametrize("law", ["fixed:3", "sizes:0,0.5,0,0.5", "geometric:3"])
def test_replicas_are_at_all_places_of_a_batch(law):
    """At next to no load only who is first does not wait: 1/3 of all. Where all replicas counted the same ones they had no
    spread, and were off by what is left of the last batch."""
    system = jaxq.GG1(5e-4, 1.0, batch_law=law)
    found = jaxq.simulate(system, replicas=256, events=2000, warmup=1000)["probability_wait"]
    check_agreement(found, 1 - (1 - 5e-4) / 3, 0.01)


def test_references_beside_batches():
    kinds = lambda system: {name: r.kind for name, r in system.oracle().items()}  # noqa: E731
    assert kinds(jaxq.GG1(0.5, 1.0, "erlang:2", "erlang:2", "fixed:2")) == {"waiting_time": "bound"}
    assert kinds(jaxq.GGc(1.0, 1.0, 2, "deterministic", batch_law="fixed:2"))["waiting_time"] == "bound"
    assert set(kinds(jaxq.GGc(1.0, 1.0, 2, batch_law="fixed:2")).values()) == {"exact"}
    assert kinds(jaxq.GGc(1.0, 1.0, 2, abandonment_rate=1.0, patience_law="erlang:2", batch_law="fixed:2")) == {}
    assert kinds(jaxq.MG1(0.5, 1.0, "pareto:1.8", "fixed:2")) == {"probability_wait": "exact"}
    large = jaxq.GGc(1.0, 1.0, 2, abandonment_rate=0.01, batch_law="geometric:9000")
    assert kinds(large) == {}


def test_a_bound_is_a_bound():
    for system in (
        jaxq.GG1(0.8, 1.0, "erlang:2", "hyperexponential:2", "sizes:0.5,0,0.5"),
        jaxq.GGc(3.2, 1.0, 4, "erlang:2", "hyperexponential:2", batch_law="fixed:3"),
    ):
        wait = jaxq.simulate(system, events=8000, replicas=128, warmup=1000)["waiting_time"]
        assert wait.kind == "bound" and wait.mean < wait.oracle


def test_tails_and_loads_are_those_of_customers():
    assert jaxq.MG1(0.5, 1.0, "pareto:1.8", "geometric:5").stationarity().tail == "infinite_mean"
    assert jaxq.MG1(0.5, 1.0, "lognormal:2", "geometric:5").stationarity().tail is None
    with pytest.raises(ValueError, match=r"arrival_rate = 1: must be < service_rate = 1 \(no stationary regime\)"):
        jaxq.simulate(jaxq.GG1(1.0, 1.0, batch_law="fixed:3"))
    observed = jaxq.Empirical([1.0, 3.0])
    with pytest.raises(ValueError, match=r"arrival_rate = 0.5: must be of customers, 1.5; the observed arrival_law is"):
        jaxq.GG1(observed.rate, 2.0, observed, batch_law="geometric:3")
    assert jaxq.GG1(observed.rate, 2.0, observed).arrival_rate == 0.5
    assert jaxq.GG1(3 * observed.rate, 2.0, observed, batch_law="geometric:3").batch_law.mean == 3


@pytest.mark.parametrize(
    "system",
    [jaxq.GG1(0.5, 1.0, batch_law="geometric:3"), jaxq.GGc(1.0, 1.0, 2, batch_law="sizes:0.5,0,0.5")],
    ids=["M^X/M/1", "M^X/M/2"],
)
def test_derivatives_of_the_path(system):
    """Beside the oracle's: of M^X/M/1, W = 3/(1 - rho) - 1, they are 12 and -11."""
    found = jaxq.gradient(
        system,
        "waiting_time",
        ["arrival_rate", "service_rate"],
        method="pathwise",
        events=40_000,
        replicas=512,
        warmup=2000,
    )
    for name in ("arrival_rate", "service_rate"):
        slope = found["waiting_time", name]
        check_agreement(slope, slope.oracle, 0.02)
    if isinstance(system, jaxq.GG1):
        assert found["waiting_time", "arrival_rate"].oracle == pytest.approx(12, rel=1e-5)


def test_the_size_of_a_batch_jumps():
    """By differences its mean has a derivative: of M^X/M/1 W = (mean - 1 + rho)/(1 - rho), 1/(1 - rho) = 2."""
    system = jaxq.GG1(0.5, 1.0, batch_law="geometric:3")
    with pytest.raises(ValueError, match="method = pathwise: gg1: jumps as the parameter moves"):
        jaxq.gradient(system, "waiting_time", "batch_law.mean", method="pathwise")
    found = jaxq.gradient(system, "waiting_time", "batch_law.mean", events=40_000, replicas=512, warmup=2000)
    slope = found["waiting_time", "batch_law.mean"]
    assert slope.oracle == pytest.approx(2, rel=1e-4)
    check_agreement(slope, slope.oracle, 0.15)
    with pytest.raises(ValueError, match="is a whole number"):
        jaxq.gradient(system.replace(batch_law="fixed:3"), "waiting_time", "batch_law.size")


def test_observed_gaps_are_between_batches():
    """What they are scaled to is said so: two customers come together, so that the gaps are twice the time a customer."""
    gaps = jaxq.Empirical([1.0, 2.0, 6.0])
    for batches, said in ((None, "1/arrival_rate"), ("fixed:2", "batch_law.mean/arrival_rate")):
        system = jaxq.GG1(0.5, arrival_law=gaps, batch_law=batches)
        assert scalings(system) == {"arrival_law": f"observed mean 3, scaled to {said}"}
