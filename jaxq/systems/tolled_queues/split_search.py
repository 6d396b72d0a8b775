"""Where to look for a split of the server, and for the tolls of its parts, that earns more than the best single toll."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.model import Model
from jaxq.engine.objective import Landscape, Search
from jaxq.systems.tolled_queues import fluid
from jaxq.systems.tolled_queues.customers import Tunable, draw_customers

SMOOTH, HARD = (16, 600), (128, 2000)
"""Paths and customers of the smooth and of the true revenue."""
SKIPPED = 0.1
"""Part of a path, its beginning, that is not counted."""
TEMPERATURES = 0.2, 0.005
"""From and to, over the largest reward."""
LEAST_SHARE = 1e-6
"""Of the capacity, at a server."""
MOST_STATES, COLD = 400, 1e-7
"""States of the chain that stands for exponential sizes with lengths visible, and its temperature for true choices."""
BEYOND = 4
"""Customers at a server over those that anybody accepts, where that is few."""
TRIED = 400
"""Single tolls tried where no formula has the best."""


def searches(system: Tunable) -> dict[str, Search]:
    """``split``: service rates that share the capacity, and tolls, of most revenue; for two servers or more.

    Empty for one server, and where lengths or classes are visible, unless sizes are exponential of one mean.
    """
    if system.servers == 1 or not searchable(system):
        return {}
    return {
        "split": Search(
            "revenue",
            f"rates and tolls of {system.servers} servers against the best single toll",
            ("service_rates", "tolls"),
            lambda: pooled(system),
            lambda seed: landscape(system, seed),
        )
    }


def landscape(system: Tunable, seed: int) -> Landscape:
    """Revenue over z = (logits of the rates' shares, logits of the tolls over the largest reward), shape (2m,).

    Random starts have shares uniform on the simplex and tolls uniform up to the largest reward. Revenue is that of
    fractional joins along paths (`fluid.path_revenue`), or of the chain of lengths (`fluid.logit_chain`).
    """
    m, capacity, top = system.servers, float(np.sum(system.service_rates)), float(np.max(system.rewards))

    def decode(z):
        shares = (jax.nn.softmax(z[:m]) + LEAST_SHARE) / (1 + m * LEAST_SHARE)
        return {"service_rates": capacity * shares, "tolls": top * jax.nn.sigmoid(z[m:])}

    def start(rng):
        tolls = rng.uniform(size=m)
        return np.concatenate((np.log(rng.dirichlet(np.ones(m))), np.log(tolls / (1 - tolls))))

    smooth = smooth_revenue(system, seed)
    first, last = (top * share for share in TEMPERATURES)
    return Landscape(
        decode,
        start,
        lambda z, temperature: smooth(decode(z), temperature),
        true_revenue(system, seed + 1),
        (first, last),
        ("service_rates",),
    )


def smooth_revenue(system: Tunable, seed: int):
    """(service_rates and tolls by name, temperature) -> revenue: of the chain of lengths, or along paths."""
    return _chain(system) if system.by_numbers else _along_paths(system, seed, SMOOTH)


def true_revenue(system: Tunable, seed: int):
    """service_rates and tolls by name -> revenue: of the chain of lengths, nearly cold, or along paths."""
    if system.by_numbers:
        chain, cold = _chain(system), COLD * float(np.max(system.rewards))
        return lambda fields: chain(fields, cold)
    paths = _along_paths(system, seed, HARD)
    return lambda fields: paths(fields, 0)


def searchable(system: Tunable) -> bool:
    """Whether `smooth_revenue` knows what customers see."""
    return system.information.startswith("workload") or system.by_numbers


def pooled(system: Tunable, seed: int = 0) -> Model:
    """One server of the whole capacity with the toll of most revenue: by formula, or else the best of many tolls.

    Candidate tolls are those at which a class stops joining an empty server, plus a uniform grid; all are evaluated on
    the same sample paths.
    """
    capacity = float(np.sum(system.service_rates))
    known = system.single_toll()
    one = system.replace(service_rates=[capacity], tolls=[0.0])
    if known is not None:
        return one.replace(tolls=[known[0]])
    last = np.atleast_1d(system.rewards) - np.atleast_1d(system.waiting_costs) * _sizes(one) / capacity
    tried = np.unique(np.concatenate((last[last > 0], np.linspace(0, np.max(system.rewards), TRIED + 1)[1:])))
    revenue = _along_paths(one, seed + 1, HARD)
    values = jax.lax.map(
        lambda toll: revenue({"service_rates": [capacity], "tolls": toll[None]}, 0), jnp.asarray(tried)
    )
    return one.replace(tolls=[float(tried[np.argmax(values)])])


def _sizes(system: Tunable) -> np.ndarray:
    return np.ones(system.classes) if system.mean_sizes is None else np.atleast_1d(system.mean_sizes)


def _along_paths(system: Tunable, seed: int, size: tuple[int, int]):
    """(fields, temperature) -> mean revenue over paths, in float32; the customers are drawn at the first call."""
    paths, count = size
    known = system.information == "workload"

    @functools.cache
    def customers():
        with jax.ensure_compile_time_eval():  # the first call may be inside a transformation
            return draw_customers(system, seed, paths, count)

    def revenue(fields, temperature):
        return fluid.path_revenue(
            jnp.asarray(fields["service_rates"], jnp.float32),
            jnp.asarray(fields["tolls"], jnp.float32),
            customers(),
            np.atleast_1d(system.rewards),
            np.atleast_1d(system.waiting_costs),
            temperature,
            None if known else _sizes(system),
            skipped=int(SKIPPED * count),
        ).mean()

    return revenue


def _chain(system: Tunable):
    """(fields, temperature) -> revenue of the chain of lengths."""
    accepted = np.sum(system.service_rates) * np.max(system.rewards / system.waiting_costs) / _sizes(system)[0]
    most = int(min(accepted + BEYOND, MOST_STATES ** (1 / system.servers) - 1))

    def revenue(fields, temperature):
        return fluid.logit_chain(
            fields["service_rates"],
            fields["tolls"],
            np.atleast_1d(system.arrival_rates),
            np.atleast_1d(system.rewards),
            np.atleast_1d(system.waiting_costs),
            temperature,
            most,
            float(_sizes(system)[0]),
        )

    return revenue
