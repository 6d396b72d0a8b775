"""Networks by name, and the text or table that stands for a network."""

from collections.abc import Mapping
from typing import Any

from jaxq.engine.described import described
from jaxq.engine.fields import compound
from jaxq.systems.parallel_servers.network.network import Network


def x_model(slowness: float = 1.0, services: tuple[float, float] = (4.0, 1.0)) -> Network:
    """The X-model of Stolyar and Tezcan's companion, pools 3 and 4 of 100 servers; reconstructed, as the paper with its
    parameters is not at hand.

    The printed fluid digits force mu13 = 4a, mu14 = theta1 = a, lambda1 = 250a, mu23 = mu24 = s, lambda2 = 150s, and the
    simulated ones s = 4a, theta2 = a, g2/g1 = 1.9; ``slowness`` a = 1 is the roundest (set A), 1.1 meets every figure (set
    B). ``services``: mu13/a and mu14/a.
    """
    a = slowness
    return Network(
        arrival_rates=[250 * a, 600 * a],
        service_rates=[[services[0] * a, services[1] * a], [4 * a, 4 * a]],
        servers=[100, 100],
        abandonment_rates=[a, a],
        rewards=[1, 1.9],
        pools=("3", "4"),
    )


NETWORKS: dict[str, Network] = {
    "x-model": x_model(),
    "x-model-b": x_model(1.1),
    "x-model-slow": x_model(services=(4.0, 0.01)),
    "x-model-b-slow": x_model(1.1, services=(4.0, 0.01 / 1.1)),
    "x": Network([175, 140], [[1, 1.5], [1, 0.75]], [100, 100], [1, 1]),
    "v": Network([0.5, 0.4], [[1.0], [0.8]], [1.0], second_order_arrivals=[0.1, 0.1], staffing=[0.8], scale=100),
    "n": Network(
        [1.3, 0.48],
        [[1.5, 1.0], [0.0, 0.8]],
        [0.6, 1.0],
        second_order_arrivals=[0.1, 0.1],
        second_order_services=[[0.1, -0.2], [0.0, 0.05]],
        staffing=[-0.5, 1.8],
        scale=100,
    ),
    "m": Network(
        [1.15, 1.08],
        [[1.5, 1.0, 0.0], [0.0, 0.8, 1.2]],
        [0.5, 1.0, 0.5],
        second_order_arrivals=[0.1, 0.1],
        staffing=[-0.3, 1.2, -0.1],
        scale=100,
    ),
    "w": Network(
        [0.5, 0.68, 0.75],
        [[1.0, 0.0], [1.2, 0.8], [0.0, 1.5]],
        [0.8, 0.9],
        second_order_arrivals=[0.1, 0.1, 0.1],
        staffing=[-0.3, 1.5],
        scale=100,
    ),
    "qgym-n": Network([0.38, 1.235], [[1.0, 0.0], [0.5, 1.0]], [1, 1], holding_costs=[1, 3]),
}
"""``x-model``, ``x-model-b``: sets A and B of `x_model`; ``x-model-slow``, ``x-model-b-slow``: with
mu14 = .01; ``x``: two classes and two
pools that prefer each other; ``v``, ``n``, ``m``, ``w``: critically loaded trees with second-order terms, ``n`` that of the
staffing paper's check; ``qgym-n``: the N-model of QGym (two single servers, holding costs)."""
NETWORKS = {name: network.replace(name=name) for name, network in NETWORKS.items()}


def parse_network(given: str | Mapping[str, Any] | Network) -> Network:
    """A network from its name, the path of a TOML file, or the table of one. Raises ValueError."""
    return described("network", given, Network, NETWORKS)


def network_field(doc: str = "", *, default: str, table: bool = False) -> Any:
    """A field that holds a network, given by name, file or table.

    Args:
        doc: what networks are allowed, before the list of names.
        default: a name.
        table: whether an experiment file may have a table in its place.
    """
    names = f"{doc}{', '.join(NETWORKS)} or a .toml file"
    rates = "arrival_rates", "service_rates", "abandonment_rates", "rewards"
    return compound(names, parse_network, Network, default=NETWORKS[default], static=True, table=table, momentary=rates)
