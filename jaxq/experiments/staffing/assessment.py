"""What the theory of safety staffing says of a tree network."""

import dataclasses
from typing import Any

import numpy as np

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.analytic.staffing import drift, elimination, fluid, gains, lp
from jaxq.analytic.staffing import growth as predicted
from jaxq.analytic.staffing.demand import of_system, second_order_demand
from jaxq.analytic.staffing.targets import saturation_targets
from jaxq.checks import FieldError
from jaxq.engine.plain import plain
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.parallel_servers.theory import inapplicable

STABILISABLE, NULL, TRANSIENT = "stabilisable", "not positive recurrent", "transient"
ZERO = 1e-12
"""|theta^n| that counts as 0."""


@dataclasses.dataclass(frozen=True)
class Assessment:
    """A tree network in the limit and at one size; arrays are by class, pool or (class, pool).

    Attributes:
        network, scale, rates, staffing: the network, n, what it has at that n, and nh.
        weights: p, how classes share the safety.
        shares: xi*, share of a pool that each class has in the fluid.
        theta: the safety staffing by four ways that share nothing: lp, gains, elimination, drift.
        theta_n: that of the finite system, exact.
        class_safety: theta_i, all safety for one class.
        gains: between classes, classes and pools, pools.
        worth: what a server of each pool is worth in servers of the root pool.
        gradient: d theta / d nh_j.
        kappa: second-order servers of the optimum.
        steps: the elimination of leaves that finds theta and kappa (Example 3.3).
        targets: servers that balanced saturation keeps for each class; None where one would be negative.
        ell, b1, b2, order, root: the drift of the diffusion; ``order`` of classes, descendants first, and the root pool.
        spare: rho, mean idle servers in servers of the root pool, per sqrt(n).
        balanced_growth: of the total queue under balanced saturation; lone_growth: with all queues in one class. Both
            None unless theta^n < 0.
    """

    network: Network
    scale: float
    rates: Rates
    staffing: np.ndarray
    weights: np.ndarray
    shares: np.ndarray
    theta: dict[str, float]
    theta_n: float
    class_safety: np.ndarray
    gains: gains.Gains
    worth: np.ndarray
    gradient: np.ndarray
    kappa: np.ndarray
    steps: tuple[elimination.Step, ...]
    targets: np.ndarray | None
    ell: np.ndarray
    b1: np.ndarray
    b2: np.ndarray
    order: tuple[int, ...]
    root: int
    spare: float
    balanced_growth: float | None
    lone_growth: np.ndarray | None

    @property
    def verdict(self) -> str:
        """Whether any policy can make the finite system positive recurrent (Theorems 5.6 and 6.11)."""
        return NULL if abs(self.theta_n) <= ZERO else STABILISABLE if self.theta_n > 0 else TRANSIENT

    def predicted(self, policy: str) -> float | None:
        """Growth of the total queue: 0 if theta^n > 0 under balanced saturation; None where nothing is known."""
        if policy != "balanced-saturation" or self.verdict == NULL:
            return None
        return 0.0 if self.theta_n > 0 else self.balanced_growth

    def to_dict(self) -> dict[str, Any]:
        """Plain values; classes and pools by name in ``order`` and ``root``."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        nodes = [f"class {name}" for name in self.network.classes] + [f"pool {name}" for name in self.network.pools]
        values["steps"] = [{**s._asdict(), "leaf": nodes[s.leaf], "neighbour": nodes[s.neighbour]} for s in self.steps]
        values |= {"network": self.network.name, "gains": self.gains._asdict(), "rates": self.rates._asdict()}
        values |= {"order": [self.network.classes[i] for i in self.order], "root": self.network.pools[self.root]}
        names = {"classes": list(self.network.classes), "pools": list(self.network.pools)}
        return {"schema": 1, **names, **as_plain(values), "verdict": self.verdict}


def assess(
    network: Network, scale: float | None = None, staffing: Any = None, weights: Any = None, root: int | None = None
) -> Assessment:
    """Everything that the theory says.

    Args:
        network: a critically loaded tree.
        scale: n (default: the network's own).
        staffing: nh_j, shape (J,) (default: the network's own).
        weights: p, shape (I,), > 0, sums to 1 (default: even).
        root: the pool that the tree hangs from, from 0 (default: the last).

    Raises:
        ValueError: an argument is not allowed, or `inapplicable` says why there is no theta.
    """
    why = inapplicable(network)
    if why is not None:
        raise FieldError("network", network, why)
    n, nh, p = arguments(network, scale, staffing, weights)
    mu = network.service_rates
    hung = len(network.pools) - 1 if root is None else root
    allocation = fluid.fluid_allocation(network.arrival_rates, mu, network.servers)
    a = second_order_demand(network.second_order_arrivals, network.second_order_services, allocation.busy)
    ell = drift.constant_drift(mu, a, nh, allocation.shares)
    b1, b2, order = drift.drift_matrices(mu, hung)
    plan = elimination.safety_staffing(mu, a, nh, p)
    found = gains.gains(mu)
    rates = network.at(n, nh)
    theta_n = gains.safety_staffing(rates.service_rates, *of_system(n, rates.arrival_rates, rates.servers), p)
    try:
        targets = saturation_targets(*rates[:3], p)
    except ValueError:
        targets = None
    grows, balanced = theta_n < -ZERO, None
    if grows and targets is not None:
        balanced = float(predicted.saturated_growth(rates.arrival_rates, rates.service_rates, targets).sum())
    return Assessment(
        network,
        n,
        rates,
        nh,
        p,
        allocation.shares,
        {
            "lp": lp.safety_staffing(mu, a, nh, p).theta,
            "gains": gains.safety_staffing(mu, a, nh, p),
            "elimination": plan.theta,
            "drift": drift.safety_staffing(mu, ell, p, hung),
        },
        theta_n,
        gains.class_safety(mu, a, nh),
        found,
        found.pools[:, hung],
        gains.staffing_gradient(mu, p),
        plan.kappa,
        plan.steps,
        targets,
        ell,
        b1,
        b2,
        order,
        hung,
        drift.spare_capacity(mu, ell, hung),
        balanced,
        predicted.lone_growth(rates.arrival_rates, rates.service_rates, rates.servers) if grows else None,
    )


def arguments(network: Network, scale: Any, staffing: Any, weights: Any) -> tuple[float, np.ndarray, np.ndarray]:
    """n, nh and p, checked."""
    classes, pools = network.service_rates.shape
    nh = network.staffing if staffing is None else np.atleast_1d(np.asarray(staffing, np.float64))
    if nh.shape != (pools,):
        raise FieldError("staffing", nh, f"must be {pools} numbers, one a pool ({', '.join(network.pools)})")
    p = np.full(classes, 1 / classes) if weights is None else np.asarray(weights, np.float64)
    if p.shape != (classes,) or (p <= 0).any():
        raise FieldError("safety", p, f"must be {classes} numbers > 0 that sum to 1, one a class")
    return network.scale if scale is None else float(scale), nh, p


def as_plain(value: Any) -> Any:
    """A value as JSON, `plain` inside dicts and lists; a tuple is a list."""
    if isinstance(value, dict):
        return {name: as_plain(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(x) for x in value]
    return value if isinstance(value, str) or value is None else plain(value)
