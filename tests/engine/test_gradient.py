"""Derivatives of stationary means: against closed forms, exact chains, and the runs that they are differences of."""

import json

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.flags import Flag
from jaxq.engine.parameter import parameter, tangents
from jaxq.engine.planned import plan_of
from jaxq.stats.estimate import Estimate
from tests.own_systems import Station
from tests.resumption import SAME, straight_and_resumed
from tests.systems_under_test import TOLLS, from_readme, network

ERLANG_A = jaxq.MMc(12.0, 1.0, 10, abandonment_rate=1.0)
FD = "finite-difference"
METHODS = "coupling", FD
MARKET = jaxq.TokenPool(2, 0.5, 0.4, 3)
TWO_BY_TWO = jaxq.ParallelServers(
    jaxq.Network([2.0, 1.5], [[1.0, 0.5], [0.8, 1.2]], [2, 2], [0.8, 0.9], [1.0, 1.9]), "c-mu-theta"
)
PATIENT = jaxq.MMc(0.5, abandonment_rate=0.0)


class TwoQueues(jaxq.JumpProcess):
    """An arrival goes to a random queue with probability p, else to the shortest (ties: the first)."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=1.2)
    first_rate: float = jaxq.positive("service rate, 1/time", default=1.2)
    second_rate: float = jaxq.positive("service rate, 1/time", default=0.8)
    p: float = jaxq.real("share that is sent at random", low=0.0, high=1.0, default=0.3)

    scan = jaxq.Scan(stride=3)

    def init(self, words):
        return 0, 0

    def rates(self, state):
        first, second = state
        to = self.p * 0.5 + (1 - self.p) * (first <= second)
        arrivals = self.arrival_rate * to, self.arrival_rate * (1 - to)
        return (*arrivals, self.first_rate * (first > 0), self.second_rate * (second > 0))

    def jump(self, state, k):
        first, second = state
        return ((first + 1, second), (first, second + 1), (first - 1, second), (first, second - 1))[k]

    def total_rate_bound(self):
        return self.arrival_rate + self.first_rate + self.second_rate

    def observe(self, state):
        return {"number": state[0] + state[1]}


def check(found: jaxq.Gradients, metric: str, path: str, value: float, share: float):
    """The half-width is under ``share`` of the value (power), the difference under 3 standard errors and the bias."""
    slope = found[metric, path]
    assert found.flags == ()
    assert slope.half_width < share * abs(value), "no power"
    bias, _ = found.bias.get(f"{metric}/{path}", (0.0, 0.0))
    assert abs(slope.mean - value) < 3 * slope.standard_error + abs(bias)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("load", "value"), [(0.5, 4.0), (0.8, 25.0)])
def test_one_server(load, value, method):
    found = jaxq.gradient(jaxq.MMc(load), with_respect_to="arrival_rate", method=method, seed=1)
    check(found, "number_in_system", "arrival_rate", value, 0.011)
    assert found["number_in_system", "arrival_rate"].oracle == pytest.approx(value, rel=1e-7)
    assert found["number_in_system"].mean == pytest.approx(load / (1 - load), rel=0.01)


@pytest.mark.parametrize(("method", "first"), [("coupling", 1), (FD, 0)])
def test_parameters_of_erlang_a(method, first):
    """Coupled, the derivative by the first is that of tests/engine/test_gradient_controls.py."""
    values = {"arrival_rate": 0.7576078, "service_rate": -6.856291, "abandonment_rate": -2.235003}
    values = dict(list(values.items())[first:])
    found = jaxq.gradient(ERLANG_A, "queue_length", list(values), method=method, seed=1)
    for path, value in values.items():
        check(found, "queue_length", path, value, 0.012)
        assert found["queue_length", path].oracle == pytest.approx(value, rel=1e-6)
    slopes = [x for slopes in found.derivatives.values() for x in slopes.values()]
    assert len(slopes) == 6 * len(values) and all(abs(x.z) < 4.5 for x in slopes)


def slope_of_the_chain(system, metric: str, path: str, keep, h: float) -> float:
    """The derivative of a mean of the exact chain."""
    above, below = (jaxq.exact(parameter(system, path).at(x), keep=keep).metrics[metric] for x in (h, -h))
    return (above - below) / (2 * h)


def test_two_queues_beside_the_exact_chain():
    system = TwoQueues()
    found = jaxq.gradient(system, None, ["p", "first_rate"], method="coupling", events=60_000, seed=2)
    for path, share in (("p", 0.06), ("first_rate", 0.02)):
        value = slope_of_the_chain(system, "number", path, lambda x: (x[0] < 40) & (x[1] < 40), 1e-4)
        check(found, "number", path, value, share)


def test_a_network_beside_the_exact_chain():
    path = "network.arrival_rates[0]"
    found = jaxq.gradient(TWO_BY_TWO, None, path, events=5000, warmup=1200, replicas=512, seed=1, method="coupling")
    at = parameter(TWO_BY_TWO, path).at
    ends = [jaxq.exact(at(h), keep=lambda x: sum(x.queues) < 13).metrics for h in (0.002, -0.002)]
    for name, share in {"number_in_system": 0.02, "queue_1": 0.02, "reward_rate": 0.06, "departures_1": 0.01}.items():
        check(found, name, path, (ends[0][name] - ends[1][name]) / 0.004, share)


def test_loss_at_a_tight_bound():
    values = {"arrival_rate": 0.0452171, "service_rate": -0.361737}
    found = jaxq.gradient(jaxq.MMc(8.0, 1.0, 10, capacity=10), "probability_block", list(values), seed=2)
    assert found.run["gradient"]["method"] == "coupling" and 0.3 < found.run["gradient"]["lifetime"] < 0.9
    for path, value in values.items():
        check(found, "probability_block", path, value, 0.01)
    assert found["number_in_system", "service_rate"].oracle == pytest.approx(-4.13284, rel=1e-5)


def test_coupling_without_abandonment_yet():
    """The derivative at 0, where an event of rate 0 would become possible."""
    how = {"side": "right", "precision": 0.03, "replicas": 256, "seed": 3}
    found = jaxq.gradient(PATIENT, "number_in_system", "abandonment_rate", **how)
    check(found, "number_in_system", "abandonment_rate", -4.0, 0.031)  # - Cov(N, N (N - 1) / 2), N geometric


def test_a_run_that_is_short_against_its_alternatives_is_flagged():
    found = jaxq.gradient(jaxq.MMc(0.9), None, "arrival_rate", events=400, warmup=100, replicas=64)
    assert Flag.GRADIENT_SHORT in found.flags and "unbiased, no step" in str(found)


class Compares(TwoQueues):
    """An arrival goes where its expected wait is shortest."""

    def rates(self, state):
        first, second = state
        to = first / self.first_rate <= second / self.second_rate
        arrivals = self.arrival_rate * to, self.arrival_rate * ~to
        return (*arrivals, self.first_rate * (first > 0), self.second_rate * (second > 0))


NOT_COUPLED = {
    "tokens": (MARKET.replace(arrival_rate=[0.5, 0.3]), "phi", "has steps of its own"),
    "customers": (jaxq.MG1(0.5), "arrival_rate", "has steps of its own"),
    "shadow": (network("shadow-rm"), "network.arrival_rates[0]", "drifts between its jumps"),
    "compares": (Compares(), "first_rate", "compares or rounds what the parameter moves"),
}


@pytest.mark.parametrize("case", NOT_COUPLED)
def test_what_cannot_be_coupled(case):
    system, path, sentence = NOT_COUPLED[case]
    with pytest.raises(ValueError, match=f"method = coupling: .*{sentence}"):
        plan_of(module.gradient)(system, None, path, method="coupling")
    question = plan_of(module.gradient)(system, None, path)
    if case == "customers":
        assert question.method == "pathwise"
    else:
        assert question.method == FD and sentence in question.reason
    assert plan_of(module.gradient)(Compares(), None, "arrival_rate").method == "coupling"


def test_what_does_not_change_has_derivative_zero():
    found = jaxq.gradient(MARKET.replace(phi=0.6), None, "phi", events=4000, replicas=128)
    slope = found["own_queue", "phi"]  # the tokens of a server above phi = rho do not depend on phi
    assert (slope.mean, slope.half_width, slope.oracle, slope.z) == (0, 0, 0, 0)


def test_a_users_own_process():
    found = jaxq.gradient(from_readme(), None, ["arrival_rate", "second_rate"], method=FD, precision=0.02)
    check(found, "first_queue", "arrival_rate", 1 / 0.5**2, 0.02)  # mu / (mu - lambda)^2
    check(found, "second_queue", "second_rate", -0.5 / 0.3**2, 0.02)
    flat = found["first_queue", "second_rate"]  # a half-width that is small beside mean / parameter is enough
    assert flat.oracle == 0 and abs(flat.z) < 4.5 and flat.half_width <= 0.02 * 1.0 / 0.8 * 1.05


def test_a_derivative_is_the_difference_of_the_runs_that_compare_makes():
    system, path = jaxq.MMc(0.5), "arrival_rate"
    same = {"replicas": 64, "events": 3000, "warmup": 1000, "seed": 5}
    found = jaxq.gradient(system, None, path, step=0.02, method=FD, **same)
    at, h = parameter(system, path).at, 0.02 * 0.5
    runs = jaxq.compare([at(k * h) for k in (2, 1, -1, -2)], **same)
    assert runs[0].primary
    for name in runs[0].primary:
        far, near, below, under = (run.estimates[name].value + run.estimates[name].residuals for run in runs)
        short, long = (near - below) / (2 * h), (far - under) / (4 * h)
        values = (4 * short - long) / 3
        mine = found.result.estimates[f"{name}/{path}"]
        np.testing.assert_allclose(mine.value + mine.residuals, values, rtol=1e-9, atol=1e-9)
        assert found[name, path].half_width == pytest.approx(Estimate.of(values).half_width())
        assert found.bias[f"{name}/{path}"][0] == pytest.approx((short - values).mean(), abs=1e-9)


def test_one_side_at_a_bound():
    how = {"side": "right", "step": 0.003, "precision": 0.02, "seed": 6, "method": FD}
    found = jaxq.gradient(PATIENT, "number_in_system", "abandonment_rate", **how)
    slope = found["number_in_system", "abandonment_rate"]
    assert slope.oracle == pytest.approx(-4.0, rel=1e-3) and slope.half_width < 0.02 * 4 and abs(slope.z) < 4.5


def test_sides_of_a_kink_differ():
    with pytest.raises(ValueError, match=r"parameter = phi: .* at 0.5; give side=left or side=right"):
        plan_of(module.gradient)(MARKET.replace(phi=0.5), None, "phi")
    left, right = (tangents(parameter(MARKET.replace(phi=0.5), "phi"), side) for side in ("left", "right"))
    assert not all(np.allclose(x, y) for x, y in zip(left, right, strict=True) if x is not None and y is not None)


def test_a_step_that_is_too_long_is_flagged():
    found = jaxq.gradient(jaxq.MMc(0.95), None, "arrival_rate", step=0.02, precision=0.1, seed=1, method=FD)
    bias, width = found.bias["number_in_system/arrival_rate"]
    assert Flag.STEP_TOO_LONG in found.flags and bias > 100 > 4 * width and "FLAG step_too_long" in str(found)


def test_the_fluid_objectives():
    system = jaxq.TokenPool(10, 0.8, 0.7)
    found = jaxq.gradient(system, with_respect_to="phi", method="fluid")
    assert list(found.means) == list(system.objectives())
    for name, objective in system.objectives().items():
        with jax.enable_x64(True):
            near = [float(objective.function({"phi": np.float64(phi)})) for phi in (0.7001, 0.6999)]
        slope = found[name, "phi"]
        assert slope.mean == pytest.approx((near[0] - near[1]) / 0.0002, rel=1e-5) and slope.half_width is None
        assert "bias" not in found.to_dict()["metrics"][name]["derivatives"]["phi"]
    one = jaxq.gradient(system, "finite", "phi", method="fluid")
    assert list(one.means) == ["finite"] and "stands for total_jobs" in str(one)


def test_files_and_figure(tmp_path):
    found = jaxq.gradient(
        jaxq.MMc(0.5), None, ["arrival_rate", "service_rate"], events=2000, replicas=64, warmup=500, method=FD
    )
    for ending in ("json", "csv", "npz"):
        found.save(tmp_path / f"g.{ending}")
    data = json.loads((tmp_path / "g.json").read_text())
    slope = data["metrics"]["queue_length"]["derivatives"]["arrival_rate"]
    assert data["with_respect_to"] == {"arrival_rate": 0.5, "service_rate": 1.0} and slope["oracle"] == pytest.approx(
        3.0
    )
    assert {"mean", "half_width", "bias", "bias_half_width", "z"} <= set(slope)
    lines = (tmp_path / "g.csv").read_text().splitlines()
    assert lines[0].startswith("metric,parameter,mean,half_width,bias") and len(lines) == 1 + 3 * 6
    loaded = jaxq.load(tmp_path / "g.npz").result
    assert loaded["queue_length/arrival_rate"].mean == slope["mean"] and len(loaded.replica_values()) == 18
    jaxq.plot(found, path=tmp_path / "g.png")
    assert (tmp_path / "g.png").stat().st_size > 10_000


def test_a_resumed_run_gives_the_same_numbers(tmp_path):
    queue = jaxq.MMc(0.5)
    whole, resumed = straight_and_resumed(queue, "arrival_rate", 8192, tmp_path)
    once = jaxq.gradient(queue, None, "arrival_rate", events=8192, checkpoint=str(tmp_path / "d.npz"), **SAME)
    assert once.rows() == whole.rows()
    assert resumed.run["events_per_replica"] > 7900 and resumed["queue_length", "arrival_rate"].mean is not None
    with pytest.raises(ValueError, match="checkpoint = .* belongs to a run with other systems"):
        jaxq.gradient(queue, None, "service_rate", events=8192, checkpoint=str(tmp_path / "c.npz"), **SAME)


class Unused(TwoQueues):
    """A field that only a whole number depends on."""

    depth: float = jaxq.positive("depth", default=2.5)

    def process(self):
        return TwoQueues()


class Clipped(TwoQueues):
    """A field that enters with a kink at 1."""

    pressure: float = jaxq.positive("pressure", default=1.0)

    def process(self):
        return TwoQueues(arrival_rate=max(self.pressure, 1.0) + float(np.floor(self.second_rate)))


NAIVE = {
    "unknown": (ERLANG_A, "lambda", "mmc has no such field; it has arrival_rate"),
    "whole": (ERLANG_A, "servers", "is a whole number"),
    "unset": (jaxq.MMc(0.5), "abandonment_rate", "is none here"),
    "bound": (jaxq.MMc(8.0, 1.0, 10, abandonment_rate=0.0), "abandonment_rate", "give side=right"),
    "unstable": (jaxq.MMc(0.99), "arrival_rate", "no system at 1.0098.*give side=left, or a smaller step"),
    "untuned": (MARKET, "wait", "its gradient is zero"),
    "no list": (ERLANG_A, "arrival_rate[0]", "must be arrival_rate, one number"),
    "list": (jaxq.TolledQueues(**TOLLS), "tolls", r"must be from tolls\[0\] to tolls\[1\]"),
    "beyond": (jaxq.TolledQueues(**TOLLS), "tolls[2]", r"must be from tolls\[0\] to tolls\[1\]"),
    "inside": (network("c-mu"), "network.lambda", "no lambda in network; it has arrival_rates"),
    "a name": (jaxq.MG1(0.5), "service_law", "which is no real number"),
    "not a path": (ERLANG_A, "arrival rate", "must be a field, such as phi"),
    "nothing": (ERLANG_A, (), "must be one or more"),
    "twice": (ERLANG_A, ["arrival_rate", "arrival_rate"], "each once"),
    "unused": (Unused(), "depth", "does not depend on it"),
    "kink": (Clipped(), "pressure", "has a kink at 1; give side=left or side=right"),
    "whole in disguise": (
        Clipped(second_rate=1.0, pressure=2.0),
        "second_rate",
        "jumps at 1 .a whole number in disguise",
    ),
    "wide": (Clipped(pressure=1.003), "pressure", None),
}


@pytest.mark.parametrize("case", NAIVE)
def test_what_has_no_derivative_is_refused_at_once(case):
    system, path, sentence = NAIVE[case]
    with pytest.raises(ValueError, match=sentence or r"step = 0.01: between pressure = .* jumps or has a kink"):
        jaxq.gradient(system, None, path, method=FD)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"method": "exact"},
            "method = exact: must be one of auto, coupling, pathwise, score, finite-difference, fluid",
        ),
        ({"side": "both"}, "side = both: must be one of"),
        ({"step": 0}, "step = 0: must be a number >= 0.0001 and <= 0.25"),
        ({"step": "wide"}, "step = wide: must be a number"),
        ({"metrics": "wait"}, "metric = wait: mmc has number_in_system"),
        ({"metrics": "queue_length/servers"}, "metric = queue_length/servers: must be by a parameter"),
        ({"metrics": "queue_length:0"}, "metric = queue_length:0: must be a name"),
        ({"replicas": 10, "events": 100}, "replicas = 10: paired differences need at least 30"),
        ({"quantiles": "waiting_time"}, "quantiles = waiting_time: is no option"),
        ({"service_level": "waiting_time:1"}, "service_level = waiting_time:1: is no option"),
        ({"method": "fluid"}, "method = fluid: mmc has no objective"),
        ({"precision": -1}, "precision = -1"),
    ],
)
def test_options_that_are_not_allowed(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        jaxq.gradient(ERLANG_A, with_respect_to="arrival_rate", **options)


def test_fluid_takes_no_options_of_a_run():
    with pytest.raises(ValueError, match="seed = 3: method = fluid"):
        jaxq.gradient(MARKET, None, "phi", method="fluid", seed=3)
    with pytest.raises(ValueError, match="parameter = arrival_rate: objectives depend on phi"):
        jaxq.gradient(MARKET, None, "arrival_rate", method="fluid")
    with pytest.raises(
        ValueError, match="metric = tokens: token-pool has the objectives capped, .* which stand for total_jobs"
    ):
        jaxq.gradient(MARKET, "tokens", "phi", method="fluid")


def test_shares_give_way_in_proportion():
    system = jaxq.LoadBalancing(20, jaxq.Speeds([2.0, 0.5], [0.4, 0.6]), "pod2r", routing=[0.7, 0.3], load=0.8)
    moved = parameter(system, "routing[0]").at(0.1).routing
    assert moved.sum() == pytest.approx(1.0) and moved[0] == pytest.approx(0.8 / 1.1)
    assert parameter(system, "routing[0]").value == 0.7


def test_targets_are_metrics_by_parameters():
    known, paths = ["queue", "wait"], ["phi", "rate"]
    targets = module._targets(ERLANG_A, known, paths, ["queue:0.1", "wait/phi:0.2abs"])
    assert targets == ["queue/phi:0.1", "queue/rate:0.1", "wait/phi:0.2abs"]
    with pytest.raises(ValueError, match="metric = speed"):
        module._targets(ERLANG_A, known, paths, ["speed"])


def test_weights_of_a_cubic():
    """The slope of x^3 + x^2 at 2 is exact; h alone adds h^2, on one side some h."""
    for side, stencil in module.STENCILS.items():
        h = 0.1
        f = [(2 + o * h) ** 2 for o in stencil.offsets] if side else [(2 + o * h) ** 3 for o in stencil.offsets]
        slope, bias = (sum(w * x for w, x in zip(ws, f, strict=True)) / h for ws in (stencil.slope, stencil.bias))
        assert slope == pytest.approx(4.0 if side else 12.0)
        assert bias == pytest.approx({None: h**2, "right": h, "left": -h}[side])
        assert sum(stencil.slope) == pytest.approx(0, abs=1e-12)


def test_a_name_that_looks_like_a_derivative_is_refused():
    """Its sentence was "metric = queue/hour: mine has queue/hour"."""

    class Named(Station):
        def observe(self, state):
            return {"queue/hour": state}

    with pytest.raises(ValueError, match="^metric = queue/hour: must have no / and no :, .* name it otherwise$"):
        jaxq.gradient(Named(), with_respect_to="arrival_rate")
