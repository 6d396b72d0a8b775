"""An open network as a jump process: numbers of customers by class."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from jaxq.engine.initial import Beginning, Number
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan
from jaxq.systems.queueing_networks.network.routes import OUTSIDE, Routes
from jaxq.systems.queueing_networks.policy import Allocation


class Counts(MarkovProcess):
    """The compiled half of `QueueingNetwork`; see there.

    State: numbers of customers by class, int32. Transitions: arrivals by class of entry, then services by the pair of a
    class and what its customer becomes.
    """

    arrival_rates: Any  # alpha, by entry
    service_rates: Any  # mu_k, shape (K,)
    probabilities: Any  # P_kl, by move
    servers: Any  # c_j, shape (J,)
    allocation: Allocation
    bound: Any  # of the total rate, 1/time; None: the embedded chain is run
    routes: Routes = eqx.field(static=True)

    scan = Scan(stride=5, tile=128)

    def init(self, words):
        return (jnp.int32(0),) * len(self.routes.classes)

    def _beginning(self):
        names = [f"number_{name}" for name in self.routes.classes]
        return Beginning(dict.fromkeys(names, Number()), lambda _, given: tuple(given.values()))

    def _busy(self, numbers):
        return self.allocation.busy(numbers, self.servers, self.routes)

    def rates(self, state):
        busy = self._busy(state)
        served = [mu * z for mu, z in zip([*self.service_rates], busy, strict=True)]
        moves = zip(self.routes.moves, [*self.probabilities], strict=True)
        return (*self.arrival_rates, *(served[k] * p for (k, _), p in moves))

    def transition(self, state, k):
        following = list(state)
        for event, i in enumerate(self.routes.entries):
            following[i] = following[i] + (k == event)
        for event, (i, m) in enumerate(self.routes.moves, len(self.routes.entries)):
            following[i] = following[i] - (k == event)
            if m != OUTSIDE:
                following[m] = following[m] + (k == event)
        return tuple(following)

    def total_rate_bound(self):
        return self.bound

    def observe(self, state):
        names = self.routes.classes
        numbers = {f"number_{name}": n for name, n in zip(names, state, strict=True)}
        return numbers | {f"busy_{name}": z for name, z in zip(names, self._busy(state), strict=True)}
