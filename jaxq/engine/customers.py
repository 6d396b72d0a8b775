"""`customers`: a record a customer, of systems that are stepped by customer: who came when, waited how long, left when."""

import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxq.checks import FieldError, integer
from jaxq.engine.carry import Carry, seeded, start, step
from jaxq.engine.check import check_kind, check_process
from jaxq.engine.compiling import LOOPS, ONCE
from jaxq.engine.customer_log import CustomerLog
from jaxq.engine.flags import Flag
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.memory import check_fits
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.outline import sums_of
from jaxq.engine.plain import describe
from jaxq.engine.planned import run_by
from jaxq.engine.process import Process
from jaxq.engine.record import title
from jaxq.engine.unknown import known_keywords
from jaxq.engine.versions import versions

CHUNK = 1024
"""Customers of one launch: another number of them compiles nothing, and Ctrl-C is heard in between."""
UNSERVED = "abandoned", "blocked", "balked"
"""Columns that say why a customer is not served."""
RECORD_BYTES = 96
"""A record on the host: eight columns or so, some of them held twice."""


class RecordPlan(NamedTuple):
    """A call of `customers` that has passed every check; nothing is compiled."""

    system: Model
    process: Process
    customers: int
    replicas: int
    seed: int
    skip: int


def follow(planned: RecordPlan) -> CustomerLog:
    """Run what is planned."""
    system, process, customers, replicas, seed, skip = planned
    began = time.perf_counter()
    begin, walk = _compiled(jax.tree.structure(process))
    leaves = [compute_leaf(leaf) for leaf in jax.tree.leaves(process)]
    carry, parts = begin(leaves, seeded(process, seed, np.arange(replicas))), []
    came, total = np.zeros(replicas, int), skip + customers
    while came.min() < total:
        carry, (gaps, seen, overflow) = walk(leaves, carry)
        came = came + np.asarray(seen.setdefault("comes", np.ones(gaps.shape, bool))).sum(axis=1)
        parts.append(jax.tree.map(np.asarray, (gaps, seen, overflow)))
    gaps, seen, overflow = jax.tree.map(lambda *x: np.concatenate(x, axis=1), *parts)
    number = np.cumsum(seen["comes"], axis=1) - 1
    kept = seen.pop("comes") & (number >= skip) & (number < total)
    columns = _columns(gaps, seen, number, kept)
    finite = all(np.isfinite(x).all() for name, x in columns.items() if name != "service_start")
    found = {Flag.OVERFLOW: (overflow & (number < total)).any(), Flag.NAN: not finite}
    run = {
        "replicas": replicas,
        "customers": customers,
        "skip": skip,
        "seed": seed,
        "seconds": time.perf_counter() - began,
        "versions": versions(),
    }
    flags = tuple(flag for flag, there in found.items() if there)
    return CustomerLog(title(system), describe(system), columns, run, flags)


@known_keywords()
@run_by(follow)
def customers(system: Model, customers: int = 1000, *, replicas: int = 4, seed: int = 0, skip: int = 0) -> RecordPlan:
    """Records of customers: an event log. Replica i is the same path as in `jaxq.simulate` with the same seed.

    A customer comes at its arrival_time, the first one at 0 (unless the stream of arrivals has events of its own), and stays
    for waiting_time + service_time. Of one that leaves unserved service_time is 0 and service_start nan. Gaps, waits and
    services are float32, their sums float64.

    Args:
        system: one that is stepped by customer: `MG1`, `GG1`, `GGc`, `MGcc`, `MGinf`, `TolledQueues` whose customers see
            work; of one of your own what `Process.tally` gives is recorded.
        customers: records of each replica.
        replicas: independent replicas.
        seed: whole number >= 0.
        skip: customers of each replica that come before, who are not recorded.

    Returns:
        A `CustomerLog`: a column each of replica, customer (from 0), batch where they come in batches, arrival_time,
        waiting_time, service_start, service_time, departure_time; class and server of `TolledQueues`; abandoned, blocked,
        balked where that may happen.

    Raises:
        ValueError: an argument is not allowed, the system is not stepped by customer, or the records do not fit into memory.
        TypeError: ``system`` is no system. Both also as `check`.

    Example:
        >>> jaxq.customers(jaxq.GG1(arrival_rate=0.8), customers=1000).save("log.csv")
    """
    check_kind(system)
    options = Options(events=1, replicas=replicas, seed=seed)
    counts = integer("customers", customers), integer("replicas", replicas), integer("skip", skip, 0)
    process = system.process()
    by_customer = not isinstance(process, MarkovProcess) and process.step_time() is None
    check_process(process)
    if not by_customer or sums_of(process)[0]:
        rule = "must be one that is stepped by customer, such as mg1, gg1, ggc, mgcc or mginf"
        raise FieldError("system", title(system), rule)
    total = (counts[0] + counts[2]) * counts[1]
    check_fits("customers", counts[0], f"records of {counts[1]} replicas", total * RECORD_BYTES)
    return RecordPlan(system, process, counts[0], counts[1], int(options.seed), counts[2])


@functools.lru_cache(maxsize=64)
def _compiled(structure) -> tuple[Any, Any]:
    """(the carries before the first customer, of leaves and seeds; those after CHUNK customers with their gaps, records, and
    whether a state has left its range)."""

    def begin(leaves, seeds):
        carry = start(jax.tree.unflatten(structure, leaves), seeds)
        return jax.tree.map(lambda x: lax.convert_element_type(x, jnp.asarray(x).dtype), carry)

    def walk(leaves, carry):
        process: Any = jax.tree.unflatten(structure, leaves)

        def customer(carry: Carry, _):
            seen = carry.weight, process._record(carry.state, carry.event), process.overflow(carry.state)
            return step(process, carry), seen

        return lax.scan(customer, carry, None, CHUNK)

    mapped = [jax.vmap(function, in_axes=(None, 0)) for function in (begin, walk)]
    return jax.jit(mapped[0], compiler_options=ONCE), jax.jit(mapped[1], donate_argnums=1, compiler_options=LOOPS)


def _columns(gaps: np.ndarray, seen: dict, number: np.ndarray, kept: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of the ``kept`` customers; all arrays of shape (replicas, events)."""
    arrival, nobody = np.cumsum(gaps, axis=1, dtype=np.float64) - gaps, np.zeros(gaps.shape, bool)
    found = {"replica": np.broadcast_to(np.arange(len(gaps))[:, None], gaps.shape), "customer": number}
    if "last" in seen:
        last = seen.pop("last")
        found["batch"] = np.cumsum(last, axis=1) - last
    found["arrival_time"] = arrival
    if "service_time" in seen:
        wait, service = (np.float64(seen.pop(name, nobody)) for name in ("waiting_time", "service_time"))
        unserved = np.logical_or.reduce([seen.get(name, nobody) for name in UNSERVED])
        found |= {
            "waiting_time": wait,
            "service_start": np.where(unserved, np.nan, arrival + wait),
            "service_time": service,
            "departure_time": arrival + wait + service,
        }
    return {name: x[kept] for name, x in (found | seen).items() if name != "waited"}
