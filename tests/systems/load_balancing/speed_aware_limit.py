"""The Halfin-Whitt limit of speed-aware JSQ as a process to simulate.

Paper: Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497, Eqs. 3.9-3.10, with X = Y_{M,1} <= 0 the scaled idle servers of
the slowest type and Z = Y_{1,2} >= 0 the scaled servers of the fastest type with two jobs:

    dX = sqrt(2) dW - beta dt + (mu_1 Z - mu_M X) dt - dU,    dZ = -mu_1 Z dt + dU,    U grows at X = 0 only.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxq import random
from jaxq.analytic.load_balancing.limit import halfin_whitt_limit
from jaxq.checks import FieldError
from jaxq.engine.fields import positive
from jaxq.engine.process import Scan
from jaxq.engine.quantity import Quantity
from jaxq.engine.reference import Reference
from jaxq.engine.system import System


class State(NamedTuple):
    """State of one replica, float32."""

    idle: jax.Array  # X = Y_{M,1}
    two_jobs: jax.Array  # Z = Y_{1,2}


class Event(NamedTuple):
    """One time step."""

    idle: jax.Array  # X at its end
    two_jobs: jax.Array  # Z at its end
    reflected: jax.Array  # growth of U


METRICS = (
    Quantity("y_m_1", "X = Y_{M,1}, less the scaled idle servers of the slowest type", "servers/sqrt n"),
    Quantity("y_1_2", "Z = Y_{1,2}, scaled servers of the fastest type with two jobs", "servers/sqrt n", primary=True),
    Quantity("y_plus_1", "X + Z", "jobs/sqrt n"),
    Quantity("y_m_1_variance", "variance of X", "servers^2/n"),
    Quantity("y_1_2_variance", "variance of Z", "servers^2/n"),
    Quantity("covariance", "covariance of X and Z", "servers^2/n"),
    Quantity("reflection_rate", "growth of U per time, the limit of sqrt n P(all busy)", "1/time"),
)


@functools.cache
def references(beta: float, fastest: float, slowest: float) -> dict[str, Reference]:
    """The stationary law by collocation."""
    found = halfin_whitt_limit(beta, fastest, slowest)
    names = {
        "y_m_1": "idle",
        "y_1_2": "two_jobs",
        "y_plus_1": "total",
        "y_m_1_variance": "idle_variance",
        "y_1_2_variance": "two_jobs_variance",
        "covariance": "covariance",
        "reflection_rate": "reflection_rate",
    }
    return {ours: Reference(found[theirs]) for ours, theirs in names.items()}


class SpeedAwareLimit(System):
    """The reflected Ornstein-Uhlenbeck process that speed-aware JSQ tends to, in steps of length h = ``step``.

    Formula: X moves freely to X + F, F = (mu_1 Z - mu_M X - beta) h + sqrt(2 h) xi; the Brownian bridge in between has the
    maximum X + (F + sqrt(F^2 + 4 h E))/2, E exponential of mean 1, and U grows by what of it is above 0. A projection of
    the end alone would miss the excursions inside a step, a bias of order sqrt h; here it is of order h, as the drift is
    frozen in a step. E[Y_{M,1}] = -beta/mu_M and reflection_rate = mu_1 E[Y_{1,2}] hold for every h.

    Measured relative bias with the default rates, beta = .5 / 1 / 2: y_1_2 and reflection_rate +.04 h / +.17 h / +.8 h,
    y_m_1_variance +.21 h / +.27 h / +.32 h, y_1_2_variance +.13 h / +.34 h / +1.1 h. So at beta = 1 a step of .01 is good
    for intervals of .3 % and more; below, extrapolate: twice the mean at h/2 less that at h has a bias of order h^2.

    Source: Asmussen, Glynn and Pitman (1995), Annals of Applied Probability 5(4), 875-896, for the maximum; Lepingle
    (1995), Mathematics and Computers in Simulation 38, 119-126, for the scheme.
    """

    beta: float = positive("sqrt(n) (1 - load)", default=1.0)
    fastest_rate: float = positive("service rate mu_1 of the fastest type, capacity per server 1", default=2.5)
    slowest_rate: float = positive("service rate mu_M of the slowest type", default=0.625)
    step: float = positive("time step", default=0.01)

    name = "sa-jsq-limit"
    words = 2
    metric_table = METRICS

    def check_fields(self):
        if self.slowest_rate > self.fastest_rate:
            raise FieldError(
                "slowest_rate", self.slowest_rate, f"must be <= fastest_rate = {self.fastest_rate:g}", short=True
            )
        if self.step * self.fastest_rate >= 1:
            raise FieldError("step", self.step, f"must be < 1/fastest_rate = {1 / self.fastest_rate:g}", short=True)

    def step_time(self):
        return float(self.step)

    def init(self, words):
        return State(-self.beta / self.slowest_rate, 0.0)  # pyright: ignore[reportArgumentType]

    def next_event(self, state, words):
        idle, two_jobs = state
        h, pull = self.step, self.fastest_rate * state.two_jobs
        move = (pull - self.slowest_rate * idle - self.beta) * h + jnp.sqrt(2 * h) * random.normal(words[0])
        highest = idle + (move + jnp.sqrt(move * move + 4 * h * random.exponential(words[1]))) / 2
        reflected = jnp.maximum(highest, 0)
        return Event(idle + move - reflected, two_jobs - pull * h + reflected, reflected), None

    def update(self, state, event):
        return State(event.idle, event.two_jobs)

    def oracle(self):
        return references(float(self.beta), float(self.fastest_rate), float(self.slowest_rate))

    scan = Scan(measured_at={"reflected": ()})

    def tally(self, state, event):
        return {"reflected": event.reflected}

    def observe(self, state):
        idle, two_jobs = state
        return {
            "idle": idle,
            "two_jobs": two_jobs,
            "idle_squared": idle * idle,
            "two_jobs_squared": two_jobs * two_jobs,
            "product": idle * two_jobs,
        }

    def metrics(self, sums):
        idle, two_jobs = sums["idle"] / sums.time, sums["two_jobs"] / sums.time
        return {
            "y_m_1": idle,
            "y_1_2": two_jobs,
            "y_plus_1": idle + two_jobs,
            "y_m_1_variance": sums["idle_squared"] / sums.time - idle * idle,
            "y_1_2_variance": sums["two_jobs_squared"] / sums.time - two_jobs * two_jobs,
            "covariance": sums["product"] / sums.time - idle * two_jobs,
            "reflection_rate": sums["reflected"] / sums.time,
        }
