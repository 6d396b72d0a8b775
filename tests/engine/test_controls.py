"""Control variates: their means are 0, they narrow intervals by what theory says, and where there are none it is said."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine import output_analysis
from jaxq.engine.conclusion import variance_ratios
from jaxq.engine.control_choice import MOST, independent, with_controls
from jaxq.engine.controls import PREFIX, WithControls, split
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.metric import as_reference
from jaxq.engine.rarity import prepared
from jaxq.engine.record import title
from jaxq.stats.estimate import Estimate
from jaxq.stats.intervals import two_sided_quantile
from jaxq.stats.regression import Controls, Regression
from tests.own_systems import Station

MM1 = jaxq.MMc(0.8)
ERLANG_A = jaxq.MMc(arrival_rate=12, servers=10, abandonment_rate=1.0)
X = jaxq.ParallelServers(
    jaxq.Network([2.0, 1.5], [[1.0, 0.5], [0.8, 1.2]], [1, 1], [0.8, 0.9], [1.0, 1.9]), policy="c-mu-theta"
)
PAIR = jaxq.LoadBalancing(servers=3, policy="jsq", load=0.6, buffer=6)
CHAINS = {
    "M/M/1": (MM1, lambda n: n < 200),
    "Erlang A": (ERLANG_A, lambda n: n < 80),
    "X-model": (X, lambda x: (x.queues[0] < 25) & (x.queues[1] < 25)),
    "JSQ": (PAIR, None),
}
"""Systems, and the states of their chains that are kept (None: all)."""
SETTINGS = {"events": 4000, "replicas": 1024, "control": "generator"}


@functools.cache
def exact(name):
    """The exact chain of `CHAINS`."""
    system, keep = CHAINS[name]
    return jaxq.exact(system, keep=keep)


def controlled(system, control, replicas):
    """The process of a system as it is compiled with controls."""
    return with_controls(prepared(system), control, replicas, title(system))


def values(system):
    """The oracle as numbers."""
    return {name: as_reference(reference).value for name, reference in system.oracle().items()}


@pytest.mark.parametrize("name", CHAINS)
def test_under_the_exact_law_their_means_are_0(name):
    law, process = exact(name), controlled(CHAINS[name][0], "generator", 1024)
    values = jax.jit(jax.vmap(process.drifts))(law.states)
    assert len(values) > 1
    for name, column in values.items():
        size = law.probabilities @ np.abs(np.asarray(column, np.float64))
        # float32 sums of terms of that size
        assert abs(law.probabilities @ np.asarray(column, np.float64)) < 2e-6 * max(size, 1e-3), name


def test_an_m_m_1_queue_is_known_to_rounding():
    found = jaxq.simulate(MM1, **SETTINGS)
    assert found.flags == ()
    for name, metric in found.metrics.items():
        assert metric.half_width <= 1e-5 * max(metric.oracle, 1) and abs(metric.mean - metric.oracle) < 1e-5, name
    # phi: the number, whether the server is busy, and the square of the number; all else is a combination of these
    assert found.run["control"] | {"variance_ratio": 0} == {
        "controls": 3,
        "degree": 2,
        "freedom": 1024 - 1 - 3,
        "variance_ratio": 0,
    }
    assert found.run["method"] == "replica-t, regressed on controls"


def test_rounding_is_no_disagreement():
    """In all of 12 runs an interval of rounding alone keeps its distance from 0, and the oracle its place inside."""
    for seed in range(12):
        found = jaxq.simulate(MM1 if seed % 2 else jaxq.MMc(0.5), **SETTINGS, seed=seed)
        assert found.flags == () and all(abs(metric.z) < 1 for metric in found.metrics.values())
        assert found["queue_length"].half_width > 1e-7 * found["queue_length"].mean


@pytest.mark.parametrize("system", [jaxq.MMc(1.7e-3, 0.7, 3), jaxq.MMc(1.4e-5, 0.2, 2), jaxq.MMc(14.0, 37.0, 5)])
def test_states_that_few_replicas_see_are_not_known_exactly(system):
    """They would put the number 1e-5 to .3 of it off, in intervals of 1e-7 of it."""
    found = jaxq.simulate(system, events=12000, replicas=128, seed=3, control="generator")
    assert (
        "disagrees" not in found.flags and 0 < found["number_in_system"].half_width < found["number_in_system"].mean / 2
    )
    assert all(abs(metric.z) < 4 for metric in found.metrics.values())


@pytest.mark.parametrize(("control", "least"), [("linear", 60), ("generator", 400)])
def test_erlang_a_agrees_in_narrow_intervals(control, least):
    """A prototype found 908 for the queue with the number, what is observed and their products (2048 replicas)."""
    found = jaxq.simulate(ERLANG_A, **SETTINGS | {"control": control})
    plain = jaxq.simulate(ERLANG_A, **SETTINGS | {"control": "none", "warmup": found.run["warmup"]})
    ratio = (plain["queue_length"].half_width / found["queue_length"].half_width) ** 2
    assert ratio > least and found.run["control"]["variance_ratio"]["queue_length"] == pytest.approx(ratio, rel=0.01)
    assert all(abs(metric.z) < 4.5 for metric in found.metrics.values() if metric.z is not None)


@pytest.mark.parametrize(("name", "least"), [("X-model", 800), ("JSQ", 150)])
def test_small_networks_agree_with_their_chain(name, least):
    law, found = exact(name), jaxq.simulate(CHAINS[name][0], **SETTINGS)
    assert found.run["control"]["variance_ratio"]["number_in_system"] > least
    for name, value in law.metrics.items():
        estimate = found.estimates[name]
        assert abs(estimate.value - value) <= 4.5 * max(estimate.standard_error, 1e-6 * abs(value)), name


@pytest.mark.parametrize("replicas", [64, 256])
def test_coverage_of_regressed_means(replicas):
    """256 groups of replicas of one run, each with its own interval."""
    groups, exact = 256, values(ERLANG_A)
    process = controlled(ERLANG_A, "generator", replicas)
    ensemble = Ensemble([ERLANG_A], replicas * groups, 3, tuple(jax.devices()[:1]), [process], events=4096, group=1)
    for _ in range(8):
        ensemble.launch(4)
    own, controls = split(ensemble.sums(0, ensemble.windows.filled // 4))
    for name in ("queue_length", "probability_wait"):
        metric, hits = output_analysis.evaluate(ERLANG_A, own)[name], 0
        samples = np.split(metric.value + metric.residuals, groups)
        columns = [np.split(c.value + c.residuals, groups) for c in controls]
        for i, sample in enumerate(samples):
            regression = Regression(Controls([Estimate.of(column[i]) for column in columns]))
            found = regression.corrected(Estimate.of(sample))
            hits += abs(found.value - exact[name]) <= found.half_width()
        # binomial, 3.5 standard errors
        assert hits / groups == pytest.approx(0.95, abs=3.5 * np.sqrt(0.95 * 0.05 / groups)), name
        wide = two_sided_quantile(found.residuals, 0.95, replicas - 1 - 5)
        assert found.half_width() == wide * found.standard_error


def test_fewer_replicas_have_fewer_controls():
    system = jaxq.ParallelServers()
    assert len(_names(controlled(system, "generator", 270))) == 27
    assert len(_names(controlled(system, "generator", 269))) == len(_names(controlled(system, "linear", 60))) == 6


def test_too_few_replicas_have_none_and_the_result_says_so(jaxq):
    given = "run", "mmc", "--arrival-rate", ".5", "--events", "200", "--replicas", "9", "--control", "generator"
    done = jaxq(*given)
    assert "control = generator: none used, each needs 10 replicas, and 64 are the most" in done.out
    found = json.loads(jaxq(*given, "--json").out)["run"]
    assert found["control"]["controls"] == found["control"]["degree"] == 0 and "regressed" not in found["method"]


def test_the_result_says_what_was_used(jaxq):
    given = "run", "mmc", "--arrival-rate", ".5", "--events", "200", "--replicas", "64", "--quiet"
    assert (
        "control = generator: 3 up to degree 2, 60 degrees of freedom; variances"
        in jaxq(*given, "--control", "generator").out
    )
    assert (
        "control = linear: 2 up to degree 1, 61 degrees of freedom; variances"
        in jaxq(*given, "--control", "linear").out
    )
    assert "control" not in jaxq(*given).out


def _names(process):
    shapes = jax.eval_shape(lambda: process.observe(process.init((np.uint32(0),) * process.scan.init_words)))
    return [name for name in shapes if name.startswith(PREFIX)]


@pytest.mark.parametrize(
    ("system", "options", "said"),
    [
        (jaxq.GG1(0.5), {}, "control = generator: must be none for gg1, which is no jump process"),
        (jaxq.TokenPool(), {}, "control = generator: must be none for token-pool, which is no jump process"),
        (
            jaxq.ParallelServers(policy="shadow-rm"),
            {},
            "control = generator: must be none for parallel-servers, which drifts between its jumps",
        ),
        (MM1, {"control": "quadratic"}, "control = quadratic: must be one of none, linear, generator"),
    ],
)
def test_where_there_are_none_it_is_said_before_anything_is_controlled(system, options, said, monkeypatch):
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_: pytest.fail("a run was started"))
    with pytest.raises(ValueError, match=said):
        jaxq.simulate(system, **{**SETTINGS, "events": 100, **options})


def test_an_unstable_queue_is_still_seen():
    class Unstable(jaxq.MMc):
        def stationarity(self):
            return jaxq.Stationarity()

        def oracle(self):
            return {}

    found = jaxq.simulate(Unstable(1.2), **SETTINGS)
    assert "unstable" in found.flags and found["number_in_system"].mean is None and "control" not in found.run
    # lambda - mu
    assert found.growth["number_in_system"]["rate"] == pytest.approx(0.2, rel=0.05)


def test_the_path_and_what_is_observed_are_the_same_bit_by_bit():
    process = prepared(ERLANG_A)
    settings = [ERLANG_A], 1024, 3, tuple(jax.devices()[:1])
    ensembles = [Ensemble(*settings, [p], events=4096) for p in (process, controlled(ERLANG_A, "generator", 1024))]
    for ensemble in ensembles:
        ensemble.launch(4)
    plain, other = (output_analysis.evaluate(ERLANG_A, ensemble.sums(0, 0)) for ensemble in ensembles)
    for name, metric in plain.items():
        assert metric.value == other[name].value and np.array_equal(metric.residuals, other[name].residuals), name
    plain = jaxq.simulate(ERLANG_A, **SETTINGS | {"control": "none"}, quantiles="queue_length")
    found = jaxq.simulate(ERLANG_A, **SETTINGS, quantiles="queue_length")
    assert plain.histograms == found.histograms and plain.run["events"] == found.run["events"]


def test_a_resumed_run_has_the_same_numbers_and_another_control_is_refused(tmp_path):
    file = str(tmp_path / "run.npz")
    whole = jaxq.simulate(ERLANG_A, **SETTINGS, checkpoint=file)
    resumed = jaxq.simulate(ERLANG_A, **SETTINGS, checkpoint=file)
    assert resumed.metrics == whole.metrics and resumed.run["control"] == whole.run["control"]
    with pytest.raises(ValueError, match="belongs to a run with other control"):
        jaxq.simulate(ERLANG_A, **SETTINGS | {"control": "none"}, checkpoint=file)


def test_what_is_saved_keeps_its_degrees_of_freedom(tmp_path):
    found = jaxq.simulate(ERLANG_A, **SETTINGS)
    found.save(tmp_path / "run.npz")
    loaded = jaxq.Result.load(tmp_path / "run.npz").estimates["queue_length"]
    assert loaded.freedom == found.estimates["queue_length"].freedom == 1024 - 1 - 5
    assert loaded.half_width() == pytest.approx(found["queue_length"].half_width, rel=1e-9)


def test_sweeps_and_comparisons():
    swept = jaxq.sweep(ERLANG_A, {"arrival_rate": [8.0, 12.0]}, **SETTINGS)
    plain = jaxq.simulate(ERLANG_A, **SETTINGS)
    assert swept[1]["queue_length"].mean == pytest.approx(plain["queue_length"].mean, rel=1e-3)
    pair = jaxq.compare([ERLANG_A, ERLANG_A.replace(servers=11)], **SETTINGS)
    row = next(row for row in pair.differences if row["metric"] == "queue_length")
    exact = values(ERLANG_A.replace(servers=11))["queue_length"] - values(ERLANG_A)["queue_length"]
    assert abs(row["mean"] - exact) < 2.5 * row["half_width"] < 0.01


def test_a_user_s_own_process_has_them_too():
    found = jaxq.simulate(Station(arrival_rate=0.5), **SETTINGS)
    assert found["number"].mean == pytest.approx(1.0, abs=1e-5) and found["number"].half_width < 1e-5


def test_readme_s_tandem_has_them_without_another_line():
    from tests.test_readme import block

    names = {}
    exec(block("tandem").split("tandem = ")[0], names)
    tandem = names["Tandem"](arrival_rate=0.5, first_rate=1.0, second_rate=0.8)
    found = jaxq.simulate(tandem, **SETTINGS)
    assert found.flags == () and found.run["control"]["controls"] == 5
    assert found.run["control"]["variance_ratio"]["second_queue"] > 10
    assert found["first_queue"].mean == pytest.approx(1.0, abs=1e-5)
    assert abs(found["second_queue"].z) < 4


class Inverse(Station):
    """1 / (1 + number) is not finite after the departure that an empty queue cannot have."""

    def observe(self, state):
        return {"number": state, "inverse": 1 / (1 + state)}


def test_what_cannot_happen_may_be_observed_as_no_number():
    found = jaxq.simulate(Inverse(arrival_rate=0.5), **SETTINGS)
    assert found.flags == () and found.run["control"]["variance_ratio"]["inverse"] > 5
    # E 1 / (1 + n) = (1 - rho) / rho * log(1 / (1 - rho))
    assert abs(found["inverse"].mean - np.log(2)) < 2 * found["inverse"].half_width < 1e-3


@pytest.mark.parametrize("name", CHAINS)
def test_changes_are_in_the_order_of_the_controls(name):
    """Else a slope would be multiplied by what a transition adds to another phi."""
    process = controlled(CHAINS[name][0], "generator", 1024)
    start = process.init((np.uint32(0),) * process.scan.init_words)
    steps = np.arange(6, dtype=np.int32)
    states = jax.tree.map(lambda x: np.int32(x) + steps.reshape(-1, *[1] * np.ndim(x)), start)
    rates, added = jax.jit(jax.vmap(process.changes))(states)
    drifts = jax.jit(jax.vmap(process.drifts))(states)  # as it returns them, keys sorted
    for column, values in enumerate(drifts.values()):
        assert np.allclose(values, np.sum(rates * added[:, :, column], axis=1), rtol=1e-5, atol=1e-3)


def test_precision_is_that_of_the_controlled_mean():
    options = {"precision": 0.001, "replicas": 256, "metric": "queue_length"}
    found = jaxq.simulate(ERLANG_A, **options, control="generator")
    metric = found["queue_length"]
    assert found.flags == () and metric.half_width <= 0.001 * metric.mean and abs(metric.z) < 4
    wide = two_sided_quantile(found.estimates["queue_length"].residuals, 0.95, 256 - 1 - 5)
    assert metric.half_width == pytest.approx(metric.standard_error * wide, rel=1e-9)
    assert found.run["events"] < 1e8  # measured: 2.5e7 to 5.0e7, plain 2.0e8 to 4.0e8 (three seeds)


def test_functions_that_are_combinations_of_others_are_left_out():
    x = np.random.default_rng(0).normal(size=(50, 3))
    columns = [x[:, 0], 2 + 3 * x[:, 0], x[:, 1], x[:, 0] - x[:, 1], np.ones(50), np.zeros(50), x[:, 2]]
    assert independent(columns, 10) == [0, 2, 6] and independent(columns, 2) == [0, 2]


def test_a_constant_has_no_variance_ratio():
    rng = np.random.default_rng(0)
    plain = {
        "constant": Estimate.of(5 + 1e-9 * rng.normal(size=50), rounding=2e-7),
        "other": Estimate.of(rng.random(50)),
    }
    half = {name: dataclasses.replace(x, residuals=x.residuals / 2) for name, x in plain.items()}
    assert variance_ratios(plain, half) == {"constant": None, "other": pytest.approx(4)}


def test_no_more_than_are_worth_it():
    assert MOST == 64 and isinstance(controlled(MM1, "linear", 10), WithControls)
