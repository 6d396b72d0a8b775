"""Tuning on simulated derivatives, against optima in closed form or from an exact chain."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq import positive, real
from jaxq.engine.devices import choose_devices
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.flags import Flag
from jaxq.engine.planned import plan_of
from jaxq.engine.rarity import prepared


class Paid(jaxq.JumpProcess):
    """M/M/1 whose service has a price. L + c mu, L = lambda / (mu - lambda), is least at mu = lambda + sqrt(lambda / c)."""

    arrival_rate: float = positive("arrival rate", default=0.5)
    service_rate: float = real("service rate", low=0.6, high=3.0, default=1.0)
    price: float = positive("of service", default=1.0)

    def init(self, words):
        return jnp.int32(0)

    def rates(self, state):
        return self.arrival_rate, self._speed() * (state > 0)

    def _speed(self):
        return self.service_rate

    def jump(self, state, k):
        return (state + 1, state - 1)[k]

    def total_rate_bound(self):
        return self.arrival_rate + 3.0

    def observe(self, state):
        return {"number": state}

    def metrics(self, sums):
        number = sums["number"] / sums.time
        cost = number + self.price * self.service_rate
        return {"number": number, "cost": cost, "profit": 10 - cost}


class Compared(Paid):
    """The same; but its rates compare the parameter, which coupling refuses."""

    def _speed(self):
        return jnp.minimum(self.service_rate, 5.0)


OPTIMUM = 0.5 + np.sqrt(0.5)
RUN = {"replicas": 256, "steps": 60, "precision": 0.02}


@pytest.mark.parametrize(("system", "method"), [(Paid, "coupling"), (Compared, "finite-difference")])
def test_the_price_of_service(system, method, tmp_path):
    found = jaxq.tune(system(service_rate=2.5), "service_rate", objective="simulated:cost", **RUN)
    assert found.run["method"] == method and ("reason" in found.run) == (method != "coupling")
    assert found.best.values["service_rate"] == pytest.approx(OPTIMUM, abs=0.04)
    least = OPTIMUM + 0.5 / (OPTIMUM - 0.5)
    best, error = found.best.objective, found.best.objective_error
    assert error < 0.02 and abs(best - least) < 4 * error + 0.004
    assert found.flags == () and found.verification.sure
    # exactly .5 / 2 + 2.5 at the start
    gain = found.verification.gain
    assert abs(gain.mean - (2.75 - least)) < 2 * gain.half_width + 0.004
    assert float(found.rows()[0]["objective_error"]) > 0 and len(found.trace) == 60
    assert "objective simulated:cost" in str(found) and "need not equal" not in str(found)
    assert f"derivatives by {method}: 60 steps, 256 replicas" in str(found) and "standard error" in str(found)
    (band,) = jaxq.plot(found, path=tmp_path / "trace.png").collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    assert low < min(step.objective for step in found.trace) and high > max(step.objective for step in found.trace)
    assert found.to_dict()["run"]["events"] > 0


def test_the_price_of_service_by_score():
    """Replicas keep their scores while the parameters move: those of events before a step are of what the rates were."""
    asked = {"objective": "simulated:cost", "method": "score", "verify": False, "replicas": 256, "steps": 60}
    found = jaxq.tune(Paid(service_rate=2.5), "service_rate", **asked)
    assert found.run["method"] == "score" and 32 <= found.run["window"] <= 1024 and found.flags == ()
    assert f"derivatives by score of the last {found.run['window']} events: 60 steps" in str(found)
    assert found.best.values["service_rate"] == pytest.approx(OPTIMUM, abs=0.04)
    regressed = jaxq.tune(Paid(service_rate=2.5), "service_rate", control="generator", window=128, **asked)
    assert regressed.run["window"] == 128 and regressed.run["controls"] > 0
    assert regressed.best.values["service_rate"] == pytest.approx(OPTIMUM, abs=0.01)
    assert regressed.best.gradient_error < 0.1 * found.best.gradient_error


def test_a_batch_is_as_long_as_the_window_of_its_score():
    asked = {"objective": "simulated:cost", "method": "score", "verify": False, "replicas": 64, "steps": 2}
    found = jaxq.tune(Paid(service_rate=2.5), "service_rate", window=4000, **asked)
    assert found.run["events"] > 64 * 4000 * (1.5 + 2 + 8)  # filled, two steps, and the end


def test_a_window_that_is_too_short_in_the_end_is_flagged():
    """From load .25 on to .71, where the queue remembers ten times as long."""
    asked = {"objective": "simulated:cost", "method": "score", "verify": False, "replicas": 512, "steps": 60}
    found = jaxq.tune(Paid(service_rate=2.0, price=6.0), "service_rate", window=12, **asked)
    assert Flag.WINDOW_TOO_SHORT in found.flags


class Crowd(Paid):
    """The same beside 20 visitors of its own, who come and go a thousand times more slowly."""

    def init(self, words):
        return super().init(words), jnp.int32(0)

    def rates(self, state):
        number, visitors = state
        return (*super().rates(number), 0.02, 0.001 * visitors)

    def jump(self, state, k):
        number, visitors = state
        return ((number + 1, visitors), (number - 1, visitors), (number, visitors + 1), (number, visitors - 1))[k]

    def total_rate_bound(self):
        return None

    def observe(self, state):
        return {"number": state[0], "visitors": state[1]}

    def metrics(self, sums):
        return {**super().metrics(sums), "visitors": sums["visitors"] / sums.time}


def test_what_settles_slowly_and_is_no_objective_is_not_waited_for():
    asked = {"objective": "simulated:cost", "verify": False, "replicas": 256, "steps": 2}
    fast, slow = (jaxq.tune(system, "service_rate", **asked).run["warmup"] for system in (Paid(), Crowd()))
    assert slow < 4 * fast and slow < 4000  # the visitors need 3 relaxation times of 1000, some 1000 events each


def test_a_mean_is_made_large_and_a_seed_gives_the_same_numbers_twice():
    asked = {"objective": "simulated:profit", "maximise": True, "verify": False, "replicas": 128, "steps": 30}
    one, two = (jaxq.tune(Paid(service_rate=2.5), "service_rate", **asked) for _ in range(2))
    assert one.best.values["service_rate"] == pytest.approx(OPTIMUM, abs=0.15)
    assert one.best.objective > one.start.objective
    assert one.rows() == two.rows()


class Polled(jaxq.JumpProcess):
    """Two servers of total capacity 2. A customer looks at both queues with probability 1 - p, which costs kappa, and joins
    the shorter one, ties the first; else either. Neither the split of the capacity nor p has a fluid objective."""

    arrival_rate: float = positive("arrival rate", default=1.6)
    first_rate: float = real("capacity of the first server", low=0.85, high=1.15, default=0.9)
    blind: float = real("probability of not looking", low=0.0, high=1.0, default=0.9)

    def init(self, words):
        return jnp.int32(0), jnp.int32(0)

    def rates(self, state):
        a, b = state
        first = self.blind * 0.5 + (1 - self.blind) * (a <= b)
        arrival, rate = self.arrival_rate, self.first_rate
        return arrival * first, arrival * (1 - first), rate * (a > 0), (2.0 - rate) * (b > 0)

    def jump(self, state, k):
        a, b = state
        return ((a + 1, b), (a, b + 1), (a - 1, b), (a, b - 1))[k]

    def total_rate_bound(self):
        return self.arrival_rate + 2.0

    def observe(self, state):
        return {"number": state[0] + state[1]}

    def metrics(self, sums):
        number = sums["number"] / sums.time
        return {"number": number, "cost": number + 2.0 * (1 - self.blind)}


def test_capacity_and_polling_of_two_queues():
    found = jaxq.tune(Polled(), ["first_rate", "blind"], objective="simulated:cost", verify=False, steps=85)
    rate, blind = found.best.values["first_rate"], found.best.values["blind"]

    def cost(first_rate, blind):
        system = Polled(first_rate=float(first_rate), blind=float(blind))
        return jaxq.exact(system, keep=lambda x: (x[0] < 70) & (x[1] < 70)).metrics["cost"]

    # the minimum of the quadratic through exact costs around it
    u, v = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (1, 1)]).T
    costs = np.array([cost(*at) for at in zip(1.04 + 0.02 * u, 0.55 + 0.05 * v, strict=True)])
    _, a, b, c, d, e = np.linalg.solve(np.stack([np.ones(6), u, v, u * u, u * v, v * v], 1), costs)
    x, y = np.linalg.solve([[2 * c, d], [d, 2 * e]], [-a, -b])
    assert (rate, blind) == pytest.approx((1.04 + 0.02 * x, 0.55 + 0.05 * y), abs=0.006)
    assert cost(rate, blind) - costs.min() < 2e-4
    assert abs(found.best.objective - cost(rate, blind)) < 4 * found.best.objective_error < 0.06


class Priced(jaxq.TokenPool):
    """Requests cost the more, the more there are."""

    name = "priced-pool"

    def metrics(self, sums):
        found = super().metrics(sums)
        return {**found, "priced": found["total_jobs"] + 1.8 * found["request_rate"] * found["request_rate"]}


POOL = Priced(servers=2, arrival_rate=0.5, phi=0.3, token_cap=3)


@functools.cache
def exact_of_pool(phi):
    return jaxq.exact(POOL.replace(phi=float(phi))).metrics


@pytest.mark.parametrize(("metric", "kink"), [("total_jobs", True), ("priced", False)])
def test_phi_of_two_capped_servers_is_that_of_the_exact_grid(metric, kink):
    """The best phi is the arrival rate, a kink; where a request has a price, it is inside."""
    phis = np.linspace(0.3, 0.7, 21)
    exact = [exact_of_pool(phi)[metric] for phi in phis]
    best = phis[np.argmin(exact)]
    assert (best == pytest.approx(0.5)) == kink and 0.3 < best < 0.6
    found = jaxq.tune(
        POOL, "phi", objective=f"simulated:{metric}", method="finite-difference", verify=False, replicas=512, steps=60
    )
    phi = found.best.values["phi"]
    assert phi == pytest.approx(best, abs=0.03) and found.flags == () and found.bounds == {}
    there = exact_of_pool(phi)[metric]
    assert there - min(exact) < 0.012 and abs(found.best.objective - there) < 4 * found.best.objective_error < 0.05


def test_a_policy_of_qgyms_network_beats_max_weight():
    even = jaxq.ParallelServers("qgym-n", policy="softmax-preemptive", weights=[1, 1], offsets=[0, 0])
    found = jaxq.tune(
        even, ["weights", "offsets"], objective="simulated:holding_cost", method="finite-difference", verify=False,
        control="generator", replicas=512, steps=20, rate=0.3, warmup=20_000,
    )  # fmt: skip
    assert found.run["controls"] == 8 and "regressed on 8 controls" in str(found)
    before, after = (system.oracle()["holding_cost"].value for system in (even, found.tuned))
    assert before == pytest.approx(49.3638, abs=1e-4)
    assert abs(found.best.objective - after) < 4 * found.best.objective_error < 0.4
    # MaxWeight: 48.4328
    assert found.best.objective + 2 * found.best.objective_error < 48.4328 and after < 47.5


def test_what_cannot_be_tuned_is_named():
    def refused(match, system=None, parameters="service_rate", **options):
        options = {"objective": "simulated:cost", "replicas": 64, "steps": 2, "verify": False} | options
        with pytest.raises(ValueError, match=match):
            jaxq.tune(system or Paid(), parameters, **options)

    refused(
        r"objective = simulated:costs: must be simulated: and one of number, cost, profit", objective="simulated:costs"
    )
    refused(r"parameter: must be one or more fields, each once; paid has arrival_rate", parameters=None)
    refused(r"parameter = speed: paid has no such field", parameters="speed")
    refused(r"service_rate = 3.0: a start must be inside its bounds", start=3.0)
    refused("method = coupling: .* compares or rounds what the parameter moves", Compared(), method="coupling")
    refused("method = score: .* compares or rounds .*; must be finite-difference$", Compared(), method="score")
    refused("method = formula: must be one of auto, coupling, pathwise, score, finite-difference$", method="formula")
    refused("window = 50: method = auto has no score; must not be given", window=50)
    refused("window = 1: must be a whole number >= 2", method="score", window=1)
    refused("method = coupling: is for simulated:METRIC", jaxq.TokenPool(), "phi", objective=None, method="coupling")
    refused(r"maximise = True: is for simulated:METRIC", jaxq.TokenPool(), "phi", objective=None, maximise=True)
    refused(
        r"parameter = servers: must be a field of real numbers",
        jaxq.MMc(0.5),
        "servers",
        objective="simulated:utilisation",
    )
    refused(r"replicas = 20: a paired comparison needs at least", replicas=20, events=1000)
    refused(r"start: cost grows without end", Paid(arrival_rate=2.0, service_rate=0.7))
    refused(r"max_events = .*: the start has not warmed up within it", max_events=2000)


def test_time_runs_out_and_what_there_is_comes_back():
    found = jaxq.tune(
        Paid(service_rate=2.5),
        "service_rate",
        objective="simulated:cost",
        verify=False,
        replicas=64,
        max_events=400_000,
    )
    assert found.flags == (Flag.TRUNCATED,) and 1 <= len(found.trace) < 120


def test_replicas_that_move_nowhere_go_on_as_they_were():
    system = Paid()
    process = prepared(system)
    still, moved = (Ensemble([system], 64, 3, choose_devices(1), events=4000) for _ in range(2))
    still.launch(8)
    before = still.windows.total(0).copy()
    still.launch(8)
    moved.launch(8)
    moved.move([system], [process])
    assert moved.blocks == 0 and not moved.windows.total(0).any()
    moved.launch(8)
    np.testing.assert_array_equal(moved.windows.total(0), still.windows.total(0) - before)
    with pytest.raises(ValueError, match="the program changes"):
        moved.move([jaxq.MMc(0.5)], [prepared(jaxq.MMc(0.5))])


def test_the_default_lengths_are_those_of_the_objective():
    assert plan_of(jaxq.tune)(Paid(), "service_rate", objective="simulated:cost").steps == 120
    assert plan_of(jaxq.tune)(jaxq.TokenPool(servers=4, arrival_rate=0.8, phi=0.5), "phi").steps == 600
