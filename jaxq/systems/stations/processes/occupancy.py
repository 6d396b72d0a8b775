"""Stations without a queue, a customer an event: who finds every place taken is refused."""

from abc import abstractmethod

import jax.numpy as jnp
import numpy as np

from jaxq.engine.process import Scan
from jaxq.engine.stationarity import Stationarity
from jaxq.systems.stations.processes import workloads
from jaxq.systems.stations.processes.by_customer import ByCustomer


class Occupancy(ByCustomer):
    """Customers in service side by side.

    State: the residual service times as a customer arrives, ascending, 0 at a free place, float32, time; and the number of
    refused customers, int32. The number in system falls only when a service ends, so integrals over the interarrival
    time A are exact sums over the residual service times ``r_1 >= r_2 >= ...``: that of n is ``sum_k min(r_k, A)`` and
    that of n**2 is ``sum_k (2 k - 1) min(r_k, A)``.
    """

    scan = Scan(stride=3, measured_at={"number": (), "square": (), "empty": ()})

    @property
    @abstractmethod
    def places(self) -> int:
        """Customers held at most."""

    def init(self, words):
        return workloads.zeros(self.places), 0

    def update(self, state, event):
        service, gap = event
        times, refused = state
        entered = workloads.replace_least(times, self._at_least(times, service))
        return workloads.run_down(entered, gap), refused + (times[0] > 0).astype(jnp.int32)

    @staticmethod
    def _at_least(times, service):
        """What stands at the least place after the arrival: the service, or what is left there if no place is free."""
        return jnp.where(times[0] > 0, times[0], service)

    def tally(self, state, event):
        service, gap = event
        times, _ = state
        times = workloads.replace_least(times, self._at_least(times, service))
        squares = 2 * np.arange(self.places, 0, -1) - 1
        return {
            "number": workloads.within(times, gap),
            "square": workloads.within(times, gap, squares),
            "empty": jnp.maximum(gap - times[-1], 0.0),
        }

    def _record(self, state, event):
        blocked = state[0][0] > 0
        return {"service_time": jnp.where(blocked, 0.0, event[0]), "blocked": blocked}

    def stationarity(self):
        """The number in system is correlated over time as the law of what is left of a service: E S^2 must be finite."""
        return Stationarity(tail="heavy_tail" if self.service_law.moments <= 2 else None)

    def counters(self, state):
        return {"refused": state[1]}

    def metrics(self, sums):
        number = sums["number"] / sums.time
        return {
            "number_in_system": number,
            "number_variance": sums["square"] / sums.time - number * number,
            "probability_empty": sums["empty"] / sums.time,
        }
