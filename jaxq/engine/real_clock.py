"""Replicas on the real clock, seen at the points of a grid of times.

A system's events are those of `jaxq.simulate` with the same seed (the same words); only the clock is added. Which one
follows from the system:

- a `MarkovProcess`, or any system with a ``step_time``: the weight of an event is the conditional mean of its holding
  time, which is the weight times a unit exponential from a stream of its own (`jaxq.random.HOLDING`);
- any other system, and a `MarkovProcess` that drifts: the weight is a sampled time, such as Lindley's interarrival time,
  and is the clock itself. A state that drifts is seen where it has drifted to by the point of the grid.

Where the numbers of a chain change on the way (`jaxq.engine.schedule`), the event that was to come is drawn anew.

The clock holds the time from the current grid point to the next event, never the time since 0, as a sum of two float32
(Knuth's two-sum): a single float32 at 2**20 ignores a step of .01.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxq import random
from jaxq.engine.carry import Carry, another_event, seeded, start, step
from jaxq.engine.clock import NEVER
from jaxq.engine.compiling import LOOPS, ONCE
from jaxq.engine.indices import watched
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.process import Process
from jaxq.engine.program import AXIS

AREA = "area of "
"""In front of an observation's name: its integral since the grid point before."""
LAST = 4096
"""Replicas whose last states are kept."""
CHUNK = 64
"""Grid points of one launch: another grid or number of replicas compiles nothing, and Ctrl-C is heard in between."""
QUEUED = 8
"""Launches that wait for the devices while the host reads what is done."""


def memoryless(process: Process) -> bool:
    """Whether the weight of an event is the conditional mean of an exponential time (see the module's docstring)."""
    return process.step_time() is not None or (isinstance(process, MarkovProcess) and not process.drifts)


class Walk(NamedTuple):
    """What one replica carries from event to event."""

    carry: Carry
    clock: tuple  # float32 pair, time from the current grid point to the next event
    since: Any  # float32, time since the last event, at the current grid point; None where the state does not drift
    holding: random.Stream
    events: Any  # int32, events so far
    totals: "Totals | None"  # where they are asked for


class Piece(NamedTuple):
    """A stretch of time in which a process has the same numbers: its leaves, its `Process.step_time`, and the gaps from the
    beginning to each time that is looked at, float64, shape (times,)."""

    leaves: list
    step_time: Any
    gaps: np.ndarray

    @classmethod
    def of(cls, process: Process, gaps: np.ndarray) -> "Piece":
        """As the compiled walk takes it."""
        step_time = process.step_time()
        leaves = [compute_leaf(leaf) for leaf in jax.tree.leaves(process)]
        return cls(leaves, None if step_time is None else np.float32(step_time), gaps)

    def chunks(self) -> Iterator[tuple[np.ndarray, int]]:
        """The gaps as pairs of float32, CHUNK at a time, and how many are meant: after the last one nothing moves."""
        for at in range(0, len(self.gaps), CHUNK):
            some = self.gaps[at : at + CHUNK]
            gaps = np.zeros(CHUNK)
            gaps[: len(some)] = some
            high = gaps.astype(np.float32)
            yield np.stack([high, (gaps - high).astype(np.float32)], axis=1), len(some)


class Totals(NamedTuple):
    """What one replica adds up on its way."""

    area: dict  # float32 pairs, integral of each observation since the last grid point
    counts: Any  # int32 by transition of a jump process, times that it happened; None of another system
    begin: dict  # the counters at time 0

    def held(self, observed, time) -> "Totals":
        """After a state has been held for a time."""
        area = {name: _add(self.area[name], jnp.asarray(x, jnp.float32) * time) for name, x in observed.items()}
        return self._replace(area=area)


class Reached(NamedTuple):
    """A replica at a grid point: its clock (> 0 unless it was stopped on the way), `System.overflow`,
    `Process._invalid_rates`, its events so far, and whether an index has lain beyond its array (None: none is watched)."""

    clock: Any
    overflow: Any
    invalid: Any
    events: Any
    beyond: Any


def _add(pair, x):
    """A pair of float32 plus a float32, with the rounding error of the sum kept in the second."""
    high, low = pair
    total = high + x
    back = total - high
    low = low + ((high - (total - back)) + (x - back))
    renewed = total + low
    return renewed, low - (renewed - total)


class Sampler:
    """The compiled walk of one structure: a batch of replicas over CHUNK points, for any parameters, seed and grid."""

    def __init__(self, structure, conditional_mean: bool, devices: tuple, totals: bool):
        self.structure = structure
        self.mesh = jax.make_mesh((len(devices),), (AXIS,), devices=devices)
        self.names: tuple[str, ...] = ()
        rows, shared = PartitionSpec(AXIS), PartitionSpec()

        def wait(carry: Carry, step_time, holding):
            """The time until the carried event, from the weight (see the module's docstring)."""
            time = jnp.asarray(step_time if carry.weight is None else carry.weight, jnp.float32)
            if conditional_mean:
                (word,), holding = random.next_words(holding, 1)
                time = time * random.exponential(word)
            return jnp.minimum(time, jnp.float32(NEVER)), holding

        def observe(system, carry: Carry, since):
            if since is not None:
                carry = carry._replace(state=system.drift(carry.state, since))
            seen = system.observe(carry.state) or system.tally(carry.state, carry.event)
            self.names = tuple(seen)  # in the system's order, which JAX does not keep
            return {name: _narrow(value) for name, value in seen.items()}

        def drifted(system, walk: Walk):
            """What is seen at a grid point, and whether an index has lain beyond its array by then."""
            here = system, walk.carry, walk.since
            if walk.carry.beyond is None or walk.since is None:  # what has not drifted was watched in its event
                return observe(*here), walk.carry.beyond
            seen, beyond = watched(observe)(*here)
            return seen, walk.carry.beyond if beyond is None else walk.carry.beyond | beyond

        def nothing(system, carry: Carry) -> Totals:
            zero = (jnp.float32(0), jnp.float32(0))
            counts = None
            if isinstance(system, MarkovProcess):
                counts = jnp.zeros(len(system.rates(carry.state)), jnp.int32)
            return Totals(dict.fromkeys(system.observe(carry.state), zero), counts, system.counters(carry.state))

        def counted(system, walk: Walk) -> Totals | None:
            """The totals once the carried event has happened."""
            added = walk.totals
            if added is None or added.counts is None:
                return added
            event = walk.carry.event[0] if system.drifts else walk.carry.event
            return added._replace(counts=added.counts + (event == jnp.arange(added.counts.size)))

        def totalled(system, walk: Walk):
            """What is shown of the totals at a grid point, and the walk that goes on from it."""
            added = walk.totals
            if added is None:
                return {}, walk
            shown = {AREA + name: high for name, (high, _) in added.area.items()}
            counters = system.counters(walk.carry.state)
            shown |= {f"count_{name}": counters[name] - added.begin[name] for name in counters}
            if added.counts is not None:
                shown |= {f"count_{k}": added.counts[k] for k in range(added.counts.size)}
            zero = (jnp.float32(0), jnp.float32(0))
            return shown, walk._replace(totals=added._replace(area=dict.fromkeys(added.area, zero)))

        def begin(leaves, step_time, initial, seeds):
            system = jax.tree.unflatten(structure, leaves)
            carry = start(system, seeds[:-4], initial)
            since = jnp.float32(0) if isinstance(system, MarkovProcess) and system.drifts else None
            first, holding = wait(carry, step_time, random.Stream(*seeds[-4:]))
            added = nothing(system, carry) if totals else None
            walk = Walk(carry, (first, jnp.float32(0)), since, holding, jnp.int32(0), added)
            # strong types, as they leave `follow`: a weak one would compile it twice
            return jax.tree.map(lambda x: lax.convert_element_type(x, jnp.asarray(x).dtype), walk)

        def follow(leaves, step_time, gaps, max_events, walk):
            system = jax.tree.unflatten(structure, leaves)

            def due(walk: Walk):
                return (walk.clock[0] <= 0) & (walk.events < max_events)

            def event(walk: Walk):
                carry = step(system, walk.carry)
                time, holding = wait(carry, step_time, walk.holding)
                since = None if walk.since is None else -walk.clock[0]
                added = counted(system, walk)
                if added is not None:  # up to the next event or the end of the interval
                    added = added.held(system.observe(carry.state), jnp.minimum(time, -walk.clock[0]))
                return Walk(carry, _add(walk.clock, time), since, holding, walk.events + 1, added)

            def interval(walk: Walk, gap):
                since = None if walk.since is None else walk.since + gap[0]
                if walk.totals is not None:
                    seen = system.observe(walk.carry.state)
                    walk = walk._replace(totals=walk.totals.held(seen, jnp.minimum(walk.clock[0], gap[0])))
                walk = walk._replace(clock=_add(_add(walk.clock, -gap[0]), -gap[1]), since=since)
                walk = lax.while_loop(due, event, walk)
                state = walk.carry.state
                overflow, invalid = (
                    jnp.asarray(x, bool) for x in (system.overflow(state), system._invalid_rates(state))
                )
                shown, after = totalled(system, walk)
                seen, beyond = drifted(system, walk)
                self.names = (*self.names, *shown)
                return after, (seen | shown, Reached(walk.clock[0], overflow, invalid, walk.events, beyond))

            return lax.scan(interval, walk, gaps)

        def compiled(function, arguments: int, donate=(), options=ONCE):
            """``function`` over the replicas in its last argument, the others shared."""
            mapped = jax.vmap(function, in_axes=(*(None,) * (arguments - 1), 0))
            specs = (*(shared,) * (arguments - 1), rows)
            split = jax.shard_map(mapped, mesh=self.mesh, in_specs=specs, out_specs=rows, check_vma=False)
            return jax.jit(split, donate_argnums=donate, compiler_options=options)

        def renew(leaves, step_time, walk):
            """The walk under other numbers: what was to come next is drawn anew, as a chain has no memory."""
            system = jax.tree.unflatten(structure, leaves)
            carry = another_event(system, walk.carry)
            time, holding = wait(carry, step_time, walk.holding)
            return walk._replace(carry=carry, clock=(time, jnp.float32(0)), holding=holding)

        self._begin = compiled(begin, 4)
        self._follow = compiled(follow, 5, donate=4, options=LOOPS)
        self._renew = compiled(renew, 3, donate=2)

    def __call__(
        self,
        pieces: Sequence[Piece],
        batch: int,
        replicas: int,
        seed: int,
        max_events: int,
        initial: list | None = None,
    ):
        """Values by observable, float64, and `Reached`, each of shape (replicas, times of all pieces); and the states at the
        end, an axis in front, of the first `LAST` replicas or some more. ``initial``: as `start` takes it."""
        spread = NamedSharding(self.mesh, PartitionSpec(AXIS))
        process = jax.tree.unflatten(self.structure, pieces[0].leaves)
        launches = [(i, chunk, count) for i, piece in enumerate(pieces) for chunk, count in piece.chunks()]
        parts, ends = [], []

        def read(k: int) -> None:
            parts[k] = jax.tree.map(lambda x: np.array(np.asarray(x)[:, : launches[k % len(launches)][2]]), parts[k])

        for first in range(0, replicas, batch):
            numbers = np.arange(first, first + batch)
            holding = random.words_for(seed, random.HOLDING, numbers, 4).T
            seeds = np.concatenate([seeded(process, seed, numbers), holding], -1)
            walk = self._begin(pieces[0].leaves, pieces[0].step_time, initial, jax.device_put(seeds, spread))
            now = 0
            for i, chunk, _ in launches:
                if i > now:
                    now, walk = i, self._renew(pieces[i].leaves, pieces[i].step_time, walk)
                walk, found = self._follow(pieces[i].leaves, pieces[i].step_time, chunk, np.int32(max_events), walk)
                parts.append(found)
                if len(parts) > QUEUED:
                    read(len(parts) - 1 - QUEUED)
            if first < LAST:
                ends.append(walk.carry.state)
        for k in range(max(0, len(parts) - QUEUED), len(parts)):
            read(k)
        batches = [
            jax.tree.map(lambda *x: np.concatenate(x, axis=1), *parts[i : i + len(launches)])
            for i in range(0, len(parts), len(launches))
        ]
        seen, reached = jax.tree.map(lambda *x: np.concatenate(x)[:replicas], *batches)
        states = jax.tree.map(lambda *x: np.concatenate(x)[:replicas], *ends)
        return {name: seen[name].astype(np.float64) for name in self.names}, reached, states


@functools.lru_cache(maxsize=64)
def sampler(structure, conditional_mean: bool, devices: tuple, totals: bool) -> Sampler:
    """The sampler of a structure, compiled on first use."""
    return Sampler(structure, conditional_mean, devices, totals)


def _narrow(value):
    value = jnp.asarray(value)
    return value if jnp.issubdtype(value.dtype, jnp.integer) or value.dtype == bool else value.astype(jnp.float32)
