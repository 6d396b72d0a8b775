"""What can be said of networks that the theory of safety staffing does not apply to."""

import dataclasses
from typing import Any

import numpy as np

from jaxq.analytic.parallel_servers.capacity import CRITICAL, Capacity, capacity
from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.staffing import gains
from jaxq.analytic.staffing.growth import lone_growth
from jaxq.experiments.staffing.assessment import NULL, STABILISABLE, TRANSIENT, arguments, as_plain
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.safety_staffing import is_tree

STABLE = "stable"


@dataclasses.dataclass(frozen=True)
class FluidVerdict:
    """What can be said of a network, at one size, that the theory of safety staffing does not apply to.

    Attributes:
        network, scale, rates: as in `Assessment`.
        why: why there is no theta.
        capacity: of the classes that never abandon (all arrivals count if there are none): load, bottleneck, headroom,
            least growth.
        patient: classes that never abandon, shape (I,).
        spare: w.N - v.lambda of a tree, mean idle servers in servers of the last pool under every stable policy; else None.
    """

    network: Network
    scale: float
    rates: Rates
    why: str
    capacity: Capacity
    patient: np.ndarray
    spare: float | None

    @property
    def verdict(self) -> str:
        """Whether some policy makes the system positive recurrent."""
        if not self.patient.any():
            return f"{STABLE}: everybody abandons"
        load = self.capacity.load
        if abs(load - 1) <= CRITICAL:
            return NULL
        return f"{STABILISABLE}: load {load:.6g}" if load < 1 else f"{TRANSIENT}: load {load:.6g}"

    def predicted(self, policy: str) -> float | None:
        """Growth of the total queue under a policy: not known."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values |= {"network": self.network.name, "rates": self.rates._asdict(), "capacity": self.capacity._asdict()}
        names = {"classes": list(self.network.classes), "pools": list(self.network.pools)}
        return {"schema": 1, **names, **as_plain(values), "verdict": self.verdict}


def fluid_verdict(network: Network, why: str, scale: float | None = None, staffing: Any = None) -> FluidVerdict:
    """What is left to say of any network.

    Args:
        network: the network.
        why: why `assess` does not apply.
        scale, staffing: as `assess`.

    Raises:
        ValueError: an argument is not allowed.
    """
    n, nh, _ = arguments(network, scale, staffing, None)
    rates, patient = network.at(n, nh), network.abandonment_rates == 0
    arrivals = np.where(patient, rates.arrival_rates, 0.0) if patient.any() else rates.arrival_rates
    spare = None
    if patient.all() and is_tree(network.graph):
        spare = float(-lone_growth(*rates[:3])[0] / gains.gains(rates.service_rates).class_pool[0, -1])
    return FluidVerdict(network, n, rates, why, capacity(arrivals, *rates[1:3]), patient, spare)
