"""The Halfin-Whitt limit of a tree network as a process to simulate.

Paper: Hmedi, Arapostathis and Pang, arXiv 2009.01942, Eqs. 41-43, recentred (Remark 6.6): x_i is the limit of
(X_i - sum_j Nt_ij) / sqrt n, Nt the servers kept for class i, and with s = e.x

    dx_i = -theta p_i dt - sum_j mu_ij Phi_ij(x - s^+ u^c, -s^- u^s) dt + sqrt(lambda_i (1 + c_i^2)) dW_i,

c_i^2 = 1 for Poisson arrivals and else that of the times between them (Remark 4.6), Phi(alpha, beta) the unique
flow on the edges with row sums alpha and column sums beta; u^c and u^s are the shares of the queue by class and of the idle
servers by pool.
"""

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.fields import positive, real, whole
from jaxq.engine.model import Model
from jaxq.engine.process import Process
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.systems.parallel_servers.network.library import network_field
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.policies.control import CONTROLS as CONTROLS
from jaxq.systems.parallel_servers.policies.control import control_field
from jaxq.systems.parallel_servers.processes.renewal import ArrivalLaws, arrival_laws_field, variations
from jaxq.systems.parallel_servers.safety_staffing import incidence, prices, program


class Limit(NamedTuple):
    """The recentred diffusion on the host."""

    theta: float
    drift: np.ndarray  # -theta p, shape (I,)
    of_classes: np.ndarray  # of x - s^+ u^c in the drift, shape (I, I)
    of_pools: np.ndarray  # of s^- u^s in the drift, shape (I, J)
    worth: np.ndarray  # w_j, shape (J,)


METRICS = (
    Quantity("total_queue", "E s^+, scaled customers who wait", "customers/sqrt n", primary=True),
    Quantity("total_idle", "E s^-, scaled idle servers", "servers/sqrt n"),
    Quantity("queue_<class>", "scaled customers of a class who wait", "customers/sqrt n"),
    Quantity("idle_<pool>", "scaled idle servers of a pool", "servers/sqrt n"),
    Quantity(
        "weighted_idle",
        "scaled idle servers, each worth what it is in servers of idle_pool",
        "servers/sqrt n",
    ),
)


class StaffingDiffusion(Model):
    """The limiting diffusion of a critically loaded tree under a Markov control, in Euler steps of length h = ``step``.

    ``control`` is ``constant`` (Eq. 56: all queues in ``queued_class`` and all idle servers in ``idle_pool`` next to it), or
    ``constant:0.5,0.5;0,1``, shares u^c of the classes and u^s of the pools; ``balanced``, as balanced saturation does:
    u^c_i proportional to x_i^+, u^s to x_i^- at the slowest pool of class i, the last that it fills (on longer trees that
    policy may leave servers idle while a distant class waits, and the diffusion, jointly work conserving, is then not its
    limit; on N it is); or a function, written in jax.numpy, of x, a tuple of I scalars, that returns (u^c, u^s):

        StaffingDiffusion("n", control=lambda x: ((x[0] > x[1], x[0] <= x[1]), (0, 1)))  # the larger x_i waits

    A function is tried at 193 states before the run (ValueError, with the state, where its shares are not on the simplex)
    and looked at once a block while it runs (flag invalid_rates).

    Remark 6.5: weighted_idle = rho, and it is so for every
    h for which the steps have a stationary law, as the mean drift vanishes there. total_queue has a bias of order h: with
    one pool, equal rates and theta = .6 it was measured as +.19 h of its value, so that h = .01 is good for .2 %.
    """

    network: Network = network_field("a tree with critical load: ", default="n")
    control: Any = control_field(
        "who waits and who idles: constant, constant:0.5,0.5;0,1, balanced, or a function of x"
    )
    staffing: Any = real("nh_j; none: the network's own", default=None, optional=True, listed=True)
    safety: Any = real(
        "p, how classes share the safety; none: evenly", default=None, optional=True, simplex=True, low=0.0
    )
    idle_pool: int | None = whole("pool that idles, from 1; none: the last", default=None, optional=True, static=True)
    queued_class: int | None = whole(
        "class next to it that waits, from 1; none: the last one", default=None, optional=True, static=True
    )
    step: float = positive("time step", default=0.01)
    arrival_laws: ArrivalLaws | None = arrival_laws_field()

    name = "staffing-diffusion"
    metric_table = METRICS

    def check_fields(self):
        from jaxq.systems.parallel_servers import planning

        network, fastest = self.network, float(self.network.service_rates.max())
        planning.check_pooling(network)
        network.check_size("staffing", self.staffing, "pool")
        network.check_size("safety", self.safety, "class")
        if self.safety is not None and np.min(self.safety) <= 0:
            raise FieldError("safety", np.asarray(self.safety), "each must be > 0")
        self.control.check(network)
        self.variances()
        if self.step * fastest >= 1:
            raise FieldError("step", self.step, f"must be < 1/{fastest:g}, the fastest service rate", short=True)
        queued, idle = self.places()
        if idle >= len(network.pools):
            raise FieldError("idle_pool", self.idle_pool, f"must be at most {len(network.pools)}, the number of pools")
        if (queued, idle) not in network.graph.edges:
            raise FieldError("queued_class", self.queued_class, f"must be a class that pool {idle + 1} serves, from 1")

    def places(self) -> tuple[int, int]:
        """(class that waits, pool that idles) under constant control, from 0."""
        idle = len(self.network.pools) - 1 if self.idle_pool is None else int(self.idle_pool) - 1
        near = [i for i, j in self.network.graph.edges if j == idle]
        return (max(near, default=-1) if self.queued_class is None else int(self.queued_class) - 1), idle

    def shares(self) -> Float[np.ndarray, " classes"]:
        """p, shape (I,)."""
        classes = len(self.network.classes)
        return np.full(classes, 1 / classes) if self.safety is None else np.array(self.safety, np.float64, ndmin=1)

    def variances(self) -> Float[np.ndarray, " classes"]:
        """lambda_i (1 + c_i^2), variances of the noise a unit of time, shape (I,) (Remark 4.6)."""
        network = self.network
        return network.arrival_rates * (1 + variations(self.arrival_laws, network.classes))

    def limit(self) -> Limit:
        """The drift, from the equations of the paper; the oracles have it from B1 and B2 instead."""
        network, p = self.network, self.shares()
        graph, classes = network.graph, len(network.classes)
        rates, shifts = map(graph.by_edge, (network.service_rates, network.second_order_services))
        fluid = np.concatenate((network.arrival_rates, network.servers))
        busy = np.linalg.lstsq(incidence(graph, rates), fluid, rcond=None)[0]
        members = incidence(graph)
        demand = network.second_order_arrivals - members[:classes] @ (shifts * busy)
        staffing = np.atleast_1d(network.staffing if self.staffing is None else self.staffing)
        theta = np.linalg.solve(program(graph, network.service_rates, p), np.concatenate((demand, staffing)))[-1]
        flow = -(members[:classes] * rates) @ np.linalg.pinv(members)
        worth = prices(graph, network.service_rates, p)[1]
        return Limit(float(theta), -theta * p, flow[:, :classes], -flow[:, classes:], worth)

    def stationarity(self):
        return Stationarity(self._check_staffing)

    def _check_staffing(self):
        theta = self.limit().theta
        if theta <= 0:
            raise FieldError(
                "staffing", ..., f"the safety staffing theta is {theta:.6g}: must be > 0 (transient under any control)"
            )

    def step_time(self):
        return float(self.step)

    def process(self):
        network, limit = self.network, self.limit()
        self.control.try_out(network)
        return Steps(
            limit.drift,
            limit.of_classes,
            limit.of_pools,
            np.sqrt(self.variances()),
            self.control.build(network, *self.places()),
            self.step,
            network.classes,
            network.pools,
        )

    def oracle(self):
        from jaxq.systems.parallel_servers import oracle

        return oracle.diffusion(*self._tree(), self.places()[1], self.variances())

    def predicted_growth(self) -> float | None:
        """Of (e.x)^+ a unit of time under constant control (Eq. 56) if theta < 0: -rho/(e' B1^-1)_i, i the class that waits;
        else None."""
        from jaxq.systems.parallel_servers import oracle

        if self.control.name != "constant" or self.control.shares is not None or self.limit().theta > -1e-12:
            return None
        queued, idle = self.places()
        return oracle.diffusion_growth(*self._tree(), idle, queued)

    def _tree(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """lambda, mu, nu, lh, mh, nh."""
        network = self.network
        return (
            network.arrival_rates,
            network.service_rates,
            network.servers,
            network.second_order_arrivals,
            network.second_order_services,
            np.atleast_1d(network.staffing if self.staffing is None else self.staffing),
        )

    def metrics(self, sums):
        worth = self.limit().worth
        idles = [sums[f"idle_{name}"] / sums.time for name in self.network.pools]
        scaled = worth / worth[self.places()[1]]
        found = {name: sums[name] / sums.time for name in sums.observed}
        return {**found, "weighted_idle": sum(float(g) * idle for g, idle in zip(scaled, idles, strict=True))}


class Steps(Process):
    """The compiled half of `StaffingDiffusion`; the state is x, a tuple of I scalars."""

    drift: Any
    of_classes: Any
    of_pools: Any
    noise: Any  # sqrt(lambda_i (1 + c_i^2))
    control: Any  # x -> (u^c by class, u^s by pool)
    step: Any
    classes: tuple[str, ...] = eqx.field(static=True)
    pools: tuple[str, ...] = eqx.field(static=True)

    @property
    def words(self):
        return len(self.classes)

    def step_time(self):
        return float(self.step)

    def init(self, words):
        return (jnp.float32(0),) * len(self.classes)

    def _controlled(self, x):
        """(s^+ u^c by class, s^- u^s by pool)."""
        total, (queued, idle) = sum(x), self.control(x)
        return [jnp.maximum(total, 0) * u for u in queued], [jnp.maximum(-total, 0) * u for u in idle]

    def _invalid_rates(self, state):
        total, (queued, idle) = sum(state), self.control(state)
        shares = [jnp.where(total > 0, q, f) for q, f in zip(_sums(queued), _sums(idle), strict=True)]
        return (total != 0) & ~((shares[0] >= 0) & (jnp.abs(shares[1] - 1) < 1e-3))  # written so that nan is invalid

    def next_event(self, state, words):
        queues, idles = self._controlled(state)
        served = [x - q for x, q in zip(state, queues, strict=True)]
        following = []
        for i, x in enumerate(state):
            rate = self.drift[i] + sum(m * y for m, y in zip(self.of_classes[i], served, strict=True))
            rate = rate + sum(m * y for m, y in zip(self.of_pools[i], idles, strict=True))
            following.append(x + rate * self.step + jnp.sqrt(self.step) * self.noise[i] * random.normal(words[i]))
        return tuple(following), None

    def update(self, state, event):
        return event

    def observe(self, state):
        queues, idles = self._controlled(state)
        total = sum(state)
        return {
            "total_queue": jnp.maximum(total, 0),
            "total_idle": jnp.maximum(-total, 0),
            **{f"queue_{name}": q for name, q in zip(self.classes, queues, strict=True)},
            **{f"idle_{name}": y for name, y in zip(self.pools, idles, strict=True)},
        }


def _sums(shares: list) -> tuple[Any, Any]:
    """(the least, the sum)."""
    return functools.reduce(jnp.minimum, shares), sum(shares)
