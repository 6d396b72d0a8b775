"""Derivatives by the score of the last events: against closed forms and exact chains, with the bias of the window."""

import functools
import signal
from time import perf_counter

import numpy as np
import pytest

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.controls import PREFIX
from jaxq.engine.differences import Moved
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.flags import Flag
from jaxq.engine.parameter import parameter
from jaxq.engine.planned import plan_of
from jaxq.engine.score import PILOTS
from jaxq.engine.sums import Sums
from jaxq.stats.estimate import Estimate
from tests.engine.test_gradient import (
    ERLANG_A,
    NOT_COUPLED,
    TWO_BY_TWO,
    TwoQueues,
    check,
    slope_of_the_chain,
)
from tests.resumption import SAME
from tests.systems_under_test import from_readme

SCORE = {"method": "score", "seed": 1}


@pytest.mark.parametrize(("load", "value"), [(0.5, 4.0), (0.8, 25.0)])
def test_one_server(load, value):
    found = jaxq.gradient(jaxq.MMc(load), None, ["arrival_rate", "service_rate"], precision=0.02, **SCORE)
    check(found, "number_in_system", "arrival_rate", value, 0.021)
    check(found, "number_in_system", "service_rate", -load * value, 0.021)
    assert found["number_in_system", "arrival_rate"].oracle == pytest.approx(value, rel=1e-7)


def test_parameters_of_an_embedded_chain():
    """Erlang A has no bound on its rates: the time of an event depends on the parameters too."""
    values = {"service_rate": -6.856291, "abandonment_rate": -2.235003}
    found = jaxq.gradient(ERLANG_A, "queue_length", list(values), precision=0.019, **SCORE)
    for path, value in values.items():
        check(found, "queue_length", path, value, 0.02)
        bias, width = found.bias[f"queue_length/{path}"]
        assert 0 < width < 0.02 * abs(value) and abs(bias) < 2 * width
    slopes = [x for slopes in found.derivatives.values() for x in slopes.values()]
    assert len(slopes) == 12 and all(abs(x.z) < 4.5 for x in slopes)


def test_loss_at_a_tight_bound():
    """In the state before the full one the total rate is the bound, so that no event of it changes nothing."""
    values = {"arrival_rate": 0.0452171, "service_rate": -0.361737}
    found = jaxq.gradient(
        jaxq.MMc(8.0, 1.0, 10, capacity=10), "probability_block", list(values), precision=0.019, **SCORE
    )
    for path, value in values.items():
        check(found, "probability_block", path, value, 0.02)


def test_two_queues_beside_the_exact_chain():
    system = TwoQueues()
    found = jaxq.gradient(system, None, ["p", "first_rate"], events=300_000, **SCORE)
    for path, share in (("p", 0.06), ("first_rate", 0.01)):
        value = slope_of_the_chain(system, "number", path, lambda x: (x[0] < 40) & (x[1] < 40), 1e-4)
        check(found, "number", path, value, share)


def test_a_network_beside_the_exact_chain():
    path = "network.service_rates[0,0]"
    found = jaxq.gradient(TWO_BY_TWO, None, path, events=20_000, replicas=512, **SCORE)
    at = parameter(TWO_BY_TWO, path).at
    ends = [jaxq.exact(at(h), keep=lambda x: sum(x.queues) < 13).metrics for h in (0.002, -0.002)]
    for name, share in {"number_in_system": 0.03, "queue_1": 0.06}.items():
        check(found, name, path, (ends[0][name] - ends[1][name]) / 0.004, share)


def test_counters_and_a_users_own_process():
    found = jaxq.gradient(from_readme(), None, ["arrival_rate", "second_rate"], precision=0.03, **SCORE)
    check(found, "first_queue", "arrival_rate", 1 / 0.5**2, 0.03)  # mu / (mu - lambda)^2
    check(found, "second_queue", "second_rate", -0.5 / 0.3**2, 0.03)
    flat = found["first_queue", "second_rate"]
    assert flat.oracle == 0 and abs(flat.z) < 4.5


@functools.cache
def over(window: int) -> jaxq.Gradients:
    """The derivatives of Erlang A by its arrival rate over so many events."""
    run = {"events": 50_000, "warmup": 2000, "replicas": 1024, **SCORE}
    return jaxq.gradient(ERLANG_A, None, "arrival_rate", window=window, **run)


def test_a_window_that_is_too_short_is_flagged():
    short, long = over(32), over(512)
    slope, (bias, width) = short["queue_length", "arrival_rate"], short.bias["queue_length/arrival_rate"]
    assert slope.half_width < 0.01 and slope.mean < 0.9 * slope.oracle and bias < -10 * width
    assert Flag.WINDOW_TOO_SHORT in short.flags and "FLAG window_too_short" in str(short)
    check(long, "queue_length", "arrival_rate", 0.7576078, 0.03)
    assert short.run["gradient"] == {"method": "score", "side": None, "window": 32}
    assert "score of the last 32 events" in str(short)


def test_half_the_window_is_estimated_with_its_bias():
    """Value and bias together are the estimate of a window of half as many events or up to all of them."""
    whole, half = over(48), over(32)
    name = "queue_length", "arrival_rate"
    expected, error = whole[name].mean + whole.bias["/".join(name)][0], half[name].standard_error
    # of 24 to 48 events, and of 32 to 48
    assert expected < half[name].mean - 4 * error < half[name].mean < whole[name].mean - 4 * error


def test_the_path_is_that_of_the_system():
    run = {"events": 4096, "warmup": 1024, "replicas": 64, "seed": 3}
    for system in (ERLANG_A, jaxq.MMc(0.5)):
        found = jaxq.gradient(system, None, "arrival_rate", method="score", window=64, **run)
        plain = jaxq.simulate(system, **run)
        for name, mean in found.means.items():
            assert mean.mean == pytest.approx(plain[name].mean, rel=1e-6)


def test_a_warm_up_that_is_shorter_than_the_window_is_flagged():
    run = {"events": 4000, "replicas": 64, "window": 2000, **SCORE}
    assert Flag.GRADIENT_SHORT in jaxq.gradient(ERLANG_A, None, "arrival_rate", warmup=500, **run).flags
    assert Flag.GRADIENT_SHORT not in jaxq.gradient(ERLANG_A, None, "arrival_rate", warmup=2000, **run).flags


def test_a_resumed_run_gives_the_same_numbers(tmp_path):
    run = {**SAME, "method": "score", "checkpoint": str(tmp_path / "c.npz")}
    once = jaxq.gradient(ERLANG_A, None, "arrival_rate", events=8192, **{**run, "checkpoint": None})
    jaxq.gradient(ERLANG_A, None, "arrival_rate", events=4096, **run)
    resumed = jaxq.gradient(ERLANG_A, None, "arrival_rate", events=8192, **run)
    assert resumed.run["gradient"] == once.run["gradient"]
    name = "queue_length", "arrival_rate"
    np.testing.assert_allclose(resumed[name].mean, once[name].mean, rtol=0.2)
    assert resumed.run["events_per_replica"] > 7900
    with pytest.raises(ValueError, match="checkpoint = .* belongs to a run with other"):
        jaxq.gradient(ERLANG_A, None, "arrival_rate", events=8192, window=77, **run)


@pytest.mark.parametrize(("control", "least"), [("linear", 30), ("generator", 200)])
def test_controls_make_a_derivative_narrow_and_its_bias_small(control, least):
    run = {"events": 4000, "warmup": 1000, "replicas": 512, "window": 256, **SCORE}
    name = "queue_length", "arrival_rate"
    plain, found = (jaxq.gradient(ERLANG_A, None, name[1], control=c, **run) for c in ("none", control))
    assert plain[name].half_width ** 2 > least * found[name].half_width ** 2
    assert plain.bias["/".join(name)][1] ** 2 > least * found.bias["/".join(name)][1] ** 2
    slopes = [x for slopes in found.derivatives.values() for x in slopes.values()]
    assert len(slopes) == 6 and all(abs(x.z) < 4.5 for x in slopes) and found.flags == ()
    assert "regressed on controls" in found.run["method"]


def test_controls_know_all_of_one_server():
    """The number in system is solved by a quadratic function of it."""
    run = {"events": 4000, "warmup": 1000, "replicas": 256, "window": 256, **SCORE}
    found = jaxq.gradient(jaxq.MMc(0.5), "number_in_system", "arrival_rate", control="generator", **run)
    slope = found["number_in_system", "arrival_rate"]
    assert slope.mean == pytest.approx(4.0, abs=1e-4) and slope.half_width < 1e-4


def test_controls_take_the_bias_of_a_window_off_until_it_is_too_large():
    """Over a window controls are not 0 on average, by what that of the metric is off, so that half of it moves what is left
    by little. Where they are too far from 0 none is used."""
    run = {"events": 4000, "warmup": 1000, "replicas": 512, **SCORE}
    name = "queue_length", "arrival_rate"
    bias = {}
    for window in (80, 48):
        plain, found = (
            jaxq.gradient(ERLANG_A, None, name[1], control=c, window=window, **run) for c in ("none", "generator")
        )
        bias[window] = [x.bias["/".join(name)] for x in (plain, found)]
        assert Flag.WINDOW_TOO_SHORT in plain.flags and bias[window][0][0] < -10 * bias[window][0][1]
        if window == 48:
            assert found[name] == plain[name] and Flag.WINDOW_TOO_SHORT in found.flags
        else:
            assert abs(found[name].z) < 4 and abs(bias[window][1][0]) < 0.01 * abs(bias[window][0][0])


def test_controls_come_before_their_derivatives():
    """Of eleven parameters and twelve controls the names are not in that order."""
    own = [f"{PREFIX}{i:02}" for i in range(12)]
    names = own + [f"{PREFIX}{p}|{name}" for p in range(11) for name in own]
    one = Estimate.of(np.arange(4.0))
    found = Moved.controls(None, [Sums(one, one, dict.fromkeys(sorted(names), one), {}, {})])
    assert list(found)[:12] == own and set(found) == set(names)


class Rare(jaxq.JumpProcess):
    """A server that nearly never fails: its failures are too rare for one random word."""

    failure_rate: float = jaxq.positive("failure rate, 1/time", default=1e-7)
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=1.0)

    def init(self, words):
        return 0, 1

    def rates(self, state):
        n, up = state
        return self.arrival_rate * (n < 9), 2.0 * (n > 0), self.failure_rate * up, 1.0 * (1 - up)

    def jump(self, state, k):
        n, up = state
        return [(n + 1, up), (n - 1, up), (n, up - 1), (n, up + 1)][k]

    def observe(self, state):
        return {"number": state[0], "down": 1 - state[1]}


def test_transitions_that_are_rare():
    with pytest.raises(ValueError, match="too rare for one random word"):
        plan_of(module.gradient)(Rare(), None, "arrival_rate", method="coupling")
    found = jaxq.gradient(Rare(), "number", "arrival_rate", events=20_000, warmup=2000, window=512, **SCORE)
    p = 0.5 ** np.arange(10.0)
    ends = [(p * x ** np.arange(10.0) / (p @ x ** np.arange(10.0))) @ np.arange(10.0) for x in (1.0001, 0.9999)]
    slope = found["number", "arrival_rate"]
    assert slope.half_width < 0.02 * slope.mean
    assert abs(slope.mean - (ends[0] - ends[1]) / 2e-4) < 3.5 * slope.standard_error


@pytest.mark.parametrize("case", NOT_COUPLED)
def test_what_has_no_score(case):
    system, path, sentence = NOT_COUPLED[case]
    with pytest.raises(ValueError, match=f"method = score: .*{sentence}"):
        plan_of(module.gradient)(system, None, path, method="score")


@pytest.mark.parametrize(
    ("system", "path", "side", "method", "allowed"),
    [
        (jaxq.MG1(0.5), "arrival_rate", None, "score", "pathwise or finite-difference"),
        (jaxq.MG1(0.5), "arrival_rate", None, "coupling", "pathwise or finite-difference"),
        (ERLANG_A, "arrival_rate", None, "pathwise", "coupling or score or finite-difference"),
        (
            jaxq.MMc(8.0, 1.0, 10, abandonment_rate=0.0),
            "abandonment_rate",
            "right",
            "score",
            "coupling or finite-difference",
        ),
        (jaxq.TokenPool(2, 0.5, 0.4, 3), "phi", None, "score", "coupling or finite-difference"),
        (NOT_COUPLED["compares"][0], NOT_COUPLED["compares"][1], None, "score", "finite-difference"),
    ],
)
def test_what_is_allowed_instead_is_named(system, path, side, method, allowed):
    metric = "waiting_time" if isinstance(system, jaxq.MG1) else None
    with pytest.raises(ValueError, match=rf"^method = {method}: .*[^e]; must be {allowed}$"):
        plan_of(module.gradient)(system, metric, path, method=method, side=side)


def test_a_metric_that_jumps_is_not_pathwise():
    with pytest.raises(
        ValueError, match="has steps of its own here, not only rates and jumps; must be finite-difference$"
    ):
        plan_of(module.gradient)(jaxq.MG1(0.5), "probability_wait", "arrival_rate", method="score")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "score", "window": 1}, "window = 1: must be a whole number >= 2"),
        ({"method": "score", "window": 2.5}, "window = 2.5: must be a whole number"),
        ({"window": 100}, "window = 100: method = auto has no score; must not be given"),
        ({"method": "coupling", "window": 100}, "window = 100: method = coupling has no score"),
        ({"method": "score", "control": "quadratic"}, "control = quadratic: must be one of none, linear, generator"),
    ],
)
def test_options_that_are_not_allowed(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_of(module.gradient)(ERLANG_A, None, "arrival_rate", **options)


def test_an_event_that_would_only_become_possible():
    system = jaxq.MMc(8.0, 1.0, 10, abandonment_rate=0.0)
    with pytest.raises(ValueError, match="impossible here and possible beside it, which no score knows"):
        plan_of(module.gradient)(system, None, "abandonment_rate", side="right", method="score")


def test_it_is_taken_only_where_it_is_asked_for():
    for system, path in ((ERLANG_A, "arrival_rate"), (Rare(), "arrival_rate"), (jaxq.MG1(0.5), "arrival_rate")):
        assert plan_of(module.gradient)(system, None, path).method != "score"


def test_an_interruption_while_the_window_is_found_ends_it(monkeypatch):
    launch, launched = Ensemble.launch, []

    def interrupted(self, blocks):
        launched.append(self.replicas)
        signal.raise_signal(signal.SIGINT)
        return launch(self, blocks)

    monkeypatch.setattr(Ensemble, "launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        jaxq.gradient(ERLANG_A, "queue_length", "arrival_rate", method="score", events=2000, replicas=64)
    assert set(launched) == {PILOTS}


def test_the_time_in_which_the_window_is_found_counts(monkeypatch):
    launched, found_window, times = module.launched, module.found_window, []
    monkeypatch.setattr(module, "launched", lambda *args: times.append(args[-1]) or launched(*args))
    monkeypatch.setattr(module, "found_window", lambda *args: times.append(perf_counter()) or found_window(*args))
    jaxq.gradient(ERLANG_A, "queue_length", "arrival_rate", method="score", events=2000, replicas=64, warmup=200)
    asked, began = times
    assert began <= asked
