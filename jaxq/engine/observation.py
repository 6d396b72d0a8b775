"""What one observation of a replica adds to the sums of a run, and to its histograms."""

import functools

import jax.numpy as jnp

from jaxq.engine.carry import Carry
from jaxq.engine.process import Process


def _is_whole(x) -> bool:
    return jnp.issubdtype(jnp.asarray(x).dtype, jnp.integer) or jnp.asarray(x).dtype == bool


def contributions(system: Process, carry: Carry):
    """(exact, rounded) contributions of one observation: int32 by name, float32 by (kind, name)."""
    exact, rounded = {}, {}
    for name, value in system.observe(carry.state).items():
        if carry.weight is None and _is_whole(value):
            exact[name] = jnp.asarray(value).astype(jnp.int32)
        else:
            value = jnp.asarray(value).astype(jnp.float32)
            rounded["observed", name] = value if carry.weight is None else carry.weight * value
    for name, value in system.tally(carry.state, carry.event).items():
        rounded["tallied", name] = jnp.asarray(value, jnp.float32)
    if carry.weight is not None:
        rounded["time", ""] = jnp.asarray(carry.weight, jnp.float32)
    return exact, rounded


def sampled(system: Process, carry: Carry, names: tuple[str, ...]):
    """(value, weight) of the quantities that histograms are kept of, by name; `jaxq.stats.histogram.Histogram.add`."""
    observed, tallied = system.observe(carry.state), system.tally(carry.state, carry.event)
    tallied = tallied | system._values(carry.state, carry.event)
    weight = None if carry.weight is None else jnp.asarray(carry.weight, jnp.float32)

    def one(name: str):
        value = jnp.asarray(tallied[name] if name in tallied else observed[name])
        value = value.astype(jnp.int32 if _is_whole(value) else jnp.float32)
        if name not in tallied:
            return value, weight
        if name not in system.scan.measured_at:
            return value, None
        happened = [jnp.asarray(tallied[indicator], bool) for indicator in system.scan.measured_at[name]]
        return value, functools.reduce(jnp.logical_or, happened)

    return {name: one(name) for name in names}
