"""Derivatives along the path: against closed forms, and what is refused because it jumps."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.continuity import Motion, motions
from jaxq.engine.parameter import moving_leaves, parameter, tangents
from jaxq.engine.planned import plan_of
from tests.engine.test_gradient import TwoQueues, check

RATES = ["arrival_rate", "service_rate"]
STATIONS = {
    "md1": (jaxq.MG1(0.7, service_law="deterministic"), 5.555556, -5.055556),
    "erlang": (jaxq.GG1(0.7, arrival_law="erlang:3"), 7.305055, -6.471265),
    "two servers": (jaxq.GGc(1.5, 1.0, 2), 3.918367, -7.163265),
}


@pytest.mark.parametrize("case", STATIONS)
def test_waits_of_stations(case):
    system, *values = STATIONS[case]
    found = jaxq.gradient(system, None, RATES, precision=0.02, seed=3)
    assert found.run["gradient"] == {"method": "pathwise", "side": None, "without": ["probability_wait"]}
    for path, value in zip(RATES, values, strict=True):
        check(found, "waiting_time", path, value, 0.021)
        assert found["waiting_time", path].oracle == pytest.approx(value, rel=1e-5)
    assert not found.derivatives["probability_wait"] and "none of probability_wait" in str(found)


class Held(jaxq.MG1):
    """The wait held until the next customer comes, averaged over time: as large as the wait, as the gap is independent."""

    metric_table = ()

    def observe(self, state):
        return {"held": state}

    def metrics(self, sums):
        return {"held": sums["held"] / sums.time}

    def oracle(self):
        return {}


def test_weights_move_with_the_parameter():
    found = jaxq.gradient(Held(0.5), None, "arrival_rate", method="pathwise", precision=0.02, seed=1)
    check(found, "held", "arrival_rate", 4.0, 0.021)


REFUSED = {
    "a probability": (jaxq.MG1(0.5), "probability_wait", "probability_wait: jumps as the parameter moves"),
    "refusals": (jaxq.MGcc(0.5), None, "mgcc: jumps as the parameter moves"),
    "uniformised": (TwoQueues(), None, "comparing rates"),
    "a lattice": (
        jaxq.GG1(0.5, arrival_law="deterministic", service_law="deterministic"),
        None,
        "has events of a lattice",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_jumps_is_refused_and_left_to_differences(case):
    system, metric, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=f"method = pathwise: .*{sentence}"):
        plan_of(module.gradient)(system, metric, "arrival_rate", method="pathwise")
    if case != "uniformised":
        question = plan_of(module.gradient)(system, metric, "arrival_rate")
        assert question.method == "finite-difference" and sentence.rpartition(": ")[2] in question.reason


class Stepped(jaxq.MG1):
    """What jumps with the wait is carried on to the next customer."""

    def init(self, words):
        return 0.0, 0.0

    def update(self, state, event):
        wait, last = state
        return super().update(wait, event), jnp.where(wait > 1.0, wait, last)

    def tally(self, state, event):
        return {"wait": state[0], "last": state[1], "service": event[0], "least": jnp.minimum(state[0], 1.0)}


def test_what_moves_continuously():
    process = Stepped(0.5).process()
    for path, service in (("arrival_rate", Motion.STILL), ("service_rate", Motion.CONTINUOUS)):
        moving = moving_leaves([tangents(parameter(jaxq.MG1(0.5), path))])
        weight, sums = motions(process, moving)
        assert weight == (Motion.CONTINUOUS if service == Motion.STILL else Motion.STILL)
        kept = {"wait": Motion.CONTINUOUS, "least": Motion.CONTINUOUS, "last": Motion.JUMPS, "service": service}
        assert sums == kept


def test_tuned_along_the_path():
    """The wait and what service costs, least at mu = lambda + 1/2: d/dmu lambda / (mu (mu - lambda)) + 4 mu = 0."""
    found = jaxq.tune(Costly(0.5, 1.4), "service_rate", objective="simulated:cost", steps=40, events=4000, seed=2)
    mu = found.best.values["service_rate"]
    grid = np.linspace(0.6, 2.0, 14001)
    assert mu == pytest.approx(grid[np.argmin(0.5 / (grid * (grid - 0.5)) + 4 * grid)], abs=0.02)


class Costly(jaxq.MG1):
    """A wait and a price of the server."""

    metric_table = ()

    def metrics(self, sums):
        return {"cost": sums["waiting_time"] / sums.events + 4.0 * self.service_rate}

    def oracle(self):
        return {}
