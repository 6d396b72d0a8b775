"""The state at time 0, where it is given: `paths(..., initial=...)`."""

from collections import deque
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.sparse import csr_array
from scipy.sparse.linalg import expm_multiply

import jaxq
from jaxq.engine.carry import begun, typed
from jaxq.engine.initial import initial_text, read_initial
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.speeds import parse_speeds
from jaxq.systems.parallel_servers.network.network import Network
from tests.systems_under_test import TOLLS

REPLICAS = 8192
NETWORK = Network(
    name="two",
    classes=["a", "b"],
    pools=["x", "y"],
    arrival_rates=[1.5, 1.0],
    service_rates=[[1.0, 0.5], [0.0, 2.0]],
    servers=[2, 2],
    abandonment_rates=[0.5, 0.25],
    holding_costs=[1.0, 2.0],
    rewards=[1.0, 1.0],
)
"""Class a at both pools, class b at pool y alone."""


class Line(NamedTuple):
    queue: int
    boxes: tuple
    broken: bool


class Tandem(jaxq.JumpProcess):
    """Two stations in a row, the first one with breakdowns."""

    arrival_rate: float = jaxq.positive("1/time", default=0.5)

    def init(self, words):
        return Line(0, (0, jnp.zeros(2, jnp.int32)), False)

    def rates(self, state):
        up = ~state.broken
        return self.arrival_rate, 1.0 * (state.queue > 0) * up, 2.0 * (state.boxes[0] > 0), 0.1 * up, 1.0 * state.broken

    def transition(self, state, k):
        inside = state.boxes[0] + (k == 1) - (k == 2)
        return Line(
            state.queue + (k == 0) - (k == 1),
            (inside, state.boxes[1]),
            jnp.where(k == 3, True, state.broken & (k != 4)),
        )

    def observe(self, state):
        return {"queue": state.queue, "inside": state.boxes[0], "broken": state.broken, "boxes": state.boxes[1].sum()}


def law(start, moves, times):
    """States that can be reached from ``start`` and their probabilities at each time; ``moves``: state -> (state, rate)."""
    index, waiting, entries = {start: 0}, deque([start]), []
    while waiting:
        state = waiting.popleft()
        for after, rate in moves(state):
            if rate > 0:
                if after not in index:
                    index[after] = len(index)
                    waiting.append(after)
                entries += [(index[after], index[state], rate), (index[state], index[state], -rate)]
    rows, columns, rates = zip(*entries, strict=True)
    forward = csr_array((rates, (rows, columns)), shape=(len(index),) * 2)
    first = np.eye(len(index))[0]
    return list(index), np.array([expm_multiply(forward * t, first, traceA=t * forward.trace()) for t in times])


def check(found, name, exact, share=0.02):
    """Power, then four standard errors at every time > 0, and the state itself at 0."""
    error = found.half_width[name][1:] / 1.96
    assert found.flags == () and found.mean[name][0] == exact[0] and found.half_width[name][0] == 0
    assert (error < share * np.max(exact)).all()
    assert np.abs((found.mean[name] - exact)[1:] / error).max() < 4, name


def station(arrival_rate, servers, patience, most=60):
    """The generator of M/M/c+M with service rate 1, cut at ``most``."""
    n = np.arange(1, most + 1)
    rates = np.diag(np.full(most, arrival_rate), 1)
    rates += np.diag(np.minimum(n, servers) + patience * np.maximum(n - servers, 0), -1)
    return rates - np.diag(rates.sum(axis=1))


@pytest.mark.parametrize("patience", [0.0, 0.5])
def test_a_full_house_has_the_means_of_the_forward_equations(patience):
    """A uniformised chain and an embedded one, and the time averages of a terminating run."""
    times, number, first = np.array([0.0, 0.5, 1.0, 2.0, 4.0]), np.arange(61), np.eye(61)[12]
    queue, given = jaxq.MMc(4.0, 1.0, 5, abandonment_rate=patience or None), {"number_in_system": 12}
    found = jaxq.paths(queue, times, initial=given, replicas=REPLICAS, seed=5, totals=True)
    of = station(4.0, 5, patience)
    check(found, "number_in_system", np.array([first @ expm(of * t) @ number for t in times]))
    assert found.initial == given and "initial  number_in_system=12" in str(found)
    # the integral of exp(G s) f from 0 to t is the corner of exp of [[G, f], [0, 0]] t
    whole = np.block([[of, number[:, None]], [np.zeros((1, 62))]])
    exact = np.array([12, *(first @ expm(whole * t)[:61, 61] / t for t in times[1:])])
    check(found, "average_number_in_system", exact)


def test_a_full_house_under_a_schedule():
    times, number = np.array([0.0, 0.5, 1.0, 2.0, 4.0]), np.arange(61)
    found = jaxq.paths(
        jaxq.MMc(4.0, 1.0, 5), times, initial={"number_in_system": 12}, schedule={"servers": {1: 8}}, replicas=REPLICAS
    )
    law = [np.eye(61)[12] @ expm(station(4.0, 5, 0.0) * t) for t in (0.0, 0.5, 1.0)]
    law += [law[-1] @ expm(station(4.0, 8, 0.0) * (t - 1)) for t in (2.0, 4.0)]
    check(found, "number_in_system", np.array(law) @ number)


@pytest.mark.parametrize(
    ("policy", "given"),
    [
        ("c-mu", {"busy_a_x": 2, "busy_a_y": 1, "busy_b_y": 1, "queue_a": 3, "queue_b": 2}),
        ("c-mu-preemptive", {"number_a": 5, "number_b": 4}),
    ],
)
def test_a_network_begins_with_queues(policy, given):
    """Class b first at pool y; a freed server of pool x takes class a; an arrival of class a goes to x if it can."""
    room, times = 14, np.array([0.0, 0.3, 1.0, 3.0])

    def waiting(moves):
        return [(s, r) for s, r in moves if r > 0 and min(s) >= 0 and max(s[-2:]) <= room]

    def by_customer(state):
        ax, ay, by, a, b = state
        spare_x, spare_y = 2 - ax, 2 - ay - by
        arrives_a = (ax + 1, ay, by, a, b) if spare_x else (ax, ay + 1, by, a, b) if spare_y else (ax, ay, by, a + 1, b)
        arrives_b = (ax, ay, by + 1, a, b) if spare_y else (ax, ay, by, a, b + 1)
        freed_x = (ax, ay, by, a - 1, b) if a else (ax - 1, ay, by, a, b)

        def freed_y(ay, by):
            return (ax, ay, by + 1, a, b - 1) if b else (ax, ay + 1, by, a - 1, b) if a else (ax, ay, by, a, b)

        return waiting(
            [
                (arrives_a, 1.5),
                (arrives_b, 1.0),
                (freed_x, 1.0 * ax),
                (freed_y(ay - 1, by), 0.5 * ay),
                (freed_y(ay, by - 1), 2.0 * by),
                ((ax, ay, by, a - 1, b), 0.5 * a),
                ((ax, ay, by, a, b - 1), 0.25 * b),
            ]
        )

    def shares(state):
        a, b = state
        by = min(b, 2)
        ax = min(a, 2)
        ay = min(a - ax, 2 - by)
        return ax, ay, by, a - ax - ay, b - by

    def by_number(state):
        (a, b), (ax, ay, by, wait_a, wait_b) = state, shares(state)
        down_a, down_b = ax + 0.5 * ay + 0.5 * wait_a, 2.0 * by + 0.25 * wait_b
        return waiting([((a + 1, b), 1.5), ((a, b + 1), 1.0), ((a - 1, b), down_a), ((a, b - 1), down_b)])

    states, chance = law(tuple(given.values()), by_customer if len(given) == 5 else by_number, times)
    columns = np.array(states if len(given) == 5 else [shares(state) for state in states])
    system = jaxq.ParallelServers(NETWORK, policy=policy)
    found = jaxq.paths(system, times, initial=given, replicas=REPLICAS, seed=2)
    for name, values in zip(("busy_a_x", "busy_a_y", "busy_b_y", "queue_a", "queue_b"), columns.T, strict=True):
        check(found, name, chance @ values, 0.03)


def test_a_system_of_ones_own_begins_with_its_state_or_some_of_it():
    full = Line(6, (1, np.array([4, 5])), True)
    found = jaxq.paths(Tandem(), [0.0, 1.0, 3.0], initial=full, replicas=REPLICAS, seed=1)

    def moves(state):
        queue, inside, broken = state
        return (
            ((queue + 1, inside, broken), 0.5 * (queue < 40)),
            ((queue - 1, inside + 1, broken), 1.0 * (queue > 0) * (not broken) * (inside < 20)),
            ((queue, inside - 1, broken), 2.0 * (inside > 0)),
            ((queue, inside, not broken), 1.0 if broken else 0.1),
        )

    states, chance = law((6, 1, True), moves, found.times)
    for name, column in zip(("queue", "inside", "broken"), np.array(states).T, strict=True):
        check(found, name, chance @ column, 0.03)
    assert (found.mean["boxes"] == 9).all()
    assert found.initial == {"queue": 6, "boxes": [1, [4, 5]], "broken": True}
    some = jaxq.paths(Tandem(), [0.0], initial={"queue": 6, "boxes": (0, 3), "broken": 1}, replicas=4)
    assert [some.mean[name][0] for name in ("queue", "inside", "boxes", "broken")] == [6, 0, 6, 1]
    some = jaxq.paths(Tandem(), [0.0], initial={"queue": 6}, replicas=4)
    assert [some.mean[name][0] for name in ("queue", "inside", "boxes", "broken")] == [6, 0, 0, 0]
    assert initial_text(found.initial) == "queue=6,boxes=1,4,5,broken=True"


LENGTHS = {**TOLLS, "size_law": jaxq.Exponential(), "information": "lengths"}
TYPES = parse_speeds("2:0.25,1:0.75")
JOBS = {"jobs": [3, 0, 1, 2]}
BALANCED = {"busy_1": 1, "busy_2": 2, "two_1": 1, "waiting": 3, "all_busy": 0}


@pytest.mark.parametrize(
    ("system", "given", "seen"),
    [
        (jaxq.LoadBalancing(4, TYPES, parse_policy("pod2")), JOBS, BALANCED),
        (jaxq.LoadBalancing(4, TYPES, parse_policy("sa-jsq")), JOBS, BALANCED),
        (jaxq.LoadBalancing(4, TYPES, parse_policy("jsq"), laws="yes", levels=4), JOBS, BALANCED | {"level_2_2": 1}),
        (
            jaxq.LoadBalancing(4, TYPES, parse_policy("med-fsf")),
            {"jobs": [3, 2]},
            BALANCED | {"two_1": None, "waiting": 2},
        ),
        (
            jaxq.TokenPool(3, 0.5, token_cap=4),
            {"own_queue": [2, 0, 5], "tokens": [0, 4, 4], "pool_queue": 6},
            {"own": 7, "pool_queue": 6, "tokens": 8, "empty": 1, "full": 2},
        ),
        (jaxq.TokenPool(3, [0.5, 0.4, 0.4]), {"own_queue": 2}, {"own": 6, "pool_queue": 0, "own_1": 2, "own_2": 4}),
        (
            jaxq.ParallelServers(NETWORK, policy="random"),
            {"busy_a_x": 2, "queue_a_x": 4},
            {"busy_a_x": 2, "queue_a": 4, "queue_b": 0, "idle_x": 0, "idle_y": 2},
        ),
        (jaxq.QueueingNetwork(), {"number_1": 4, "number_3": 1}, {"number_1": 4, "number_2": 0, "number_3": 1}),
        (jaxq.TolledQueues(**LENGTHS), {"customers": [3, 0]}, {"busy_1": 1, "busy_2": 0}),
        (
            jaxq.TolledQueues(**TOLLS),
            {"work": [30, 25]},
            dict.fromkeys(("joins_1_1", "joins_1_2", "joins_2_1", "joins_2_2"), 0),
        ),
        (jaxq.MG1(0.5), {"work": 2.5}, {"waiting_time": 2.5, "waited": 1}),
        (
            jaxq.GGc(1.5, 1.0, 3, batch_law=jaxq.GeometricBatch(2)),
            {"work": [4, 2, 3]},
            {"waiting_time": 2, "waited": 1},
        ),
        (
            jaxq.GGc(1.5, 0.5, 3, jaxq.Deterministic(), jaxq.Deterministic()),  # in ticks of 2/3000
            {"work": [4, 2, 3]},
            {"waiting_time": 2, "waited": 1},
        ),
    ],
    ids=lambda x: x.name if isinstance(x, jaxq.Model) else "",
)
def test_numbers_by_name_make_a_state_of_every_layout(system, given, seen):
    process = system.process()
    words = tuple(np.uint32(5) for _ in range(process.scan.init_words))
    initial = read_initial(system.name, process, given)
    state = begun(typed(process.init(words)), initial.leaves)
    shapes = jax.eval_shape(lambda: typed(process.init(words)))
    assert jax.tree.map(lambda x: (np.shape(x), jnp.result_type(x)), state) == jax.tree.map(
        lambda x: (x.shape, x.dtype), shapes
    )
    found = process.observe(state) or process.tally(
        state, process.next_event(state, (np.uint32(9),) * process.words)[0]
    )
    wanted = {name: value for name, value in seen.items() if value is not None}
    assert {name: float(found[name]) for name in wanted} == pytest.approx(wanted, rel=1e-6)


class Waits(jaxq.System):
    """Of a user's own, by customer."""

    def init(self, words):
        return 0.0

    def next_event(self, state, words):
        return 1.0, 1.0

    def update(self, state, event):
        return state

    def tally(self, state, event):
        return {"wait": state}


N_MODEL = jaxq.ParallelServers(NETWORK, policy="c-mu")


@pytest.mark.parametrize(
    ("system", "given", "message"),
    [
        (jaxq.MMc(0.8), {"number": 3}, "initial = number: mmc has no such number; did you mean number_in_system"),
        (jaxq.MMc(0.8), {"number_in_system": 2.5}, "initial: number_in_system = 2.5: must be a whole number >= 0"),
        (jaxq.MMc(0.8, capacity=9), {"number_in_system": 10}, "must be a whole number >= 0 and <= 9"),
        (jaxq.MMc(0.8), 12, r"initial = 12: must give numbers by name, such as {'number_in_system': 3}"),
        (jaxq.MMc(0.8), {}, "must give numbers by name"),
        (N_MODEL, {"busy_a_y": 1, "busy_b_y": 2}, "pool y has 2 servers, of which 3 are busy"),
        (
            N_MODEL,
            {"busy_a_x": 2, "queue_a": 1},
            "1 of class a wait while pool y, which serves them, has 2 idle servers",
        ),
        (N_MODEL, {"number_a": 1}, "initial = number_a: parallel-servers has no such number"),
        (jaxq.MGinf(2.0), {"number_in_system": 3}, "initial: mginf always begins in the same way"),
        (jaxq.LoadBalancing(4), {"jobs": [1, 2]}, r"initial: jobs = \[1, 2\]: must be 4 numbers, or one for all"),
        (jaxq.LoadBalancing(2, buffer=2), {"jobs": 3}, "initial: jobs = 3: must be a whole number >= 0 and <= 2"),
        (jaxq.GG1(0.5), {"work": -1}, "initial: work = -1: must be a number >= 0"),
        (Tandem(), {"line": 3}, "initial = line: the state has no such component; there is queue, boxes, broken"),
        (Tandem(), 3, "initial = 3: must be as the state of init, which is queue, boxes, broken"),
        (Tandem(), {"broken": 2}, "initial.broken = 2: must be as the state of init, which is true or false here"),
        (Tandem(), {"queue": 2.5}, "initial.queue = 2.5: must be as the state of init, which is a whole number here"),
        (Tandem(), {"boxes": (1, [1, 2, 3])}, r"initial.boxes\[1\] = \[1, 2, 3\]: .* an array of shape \(2,\)"),
        (Tandem(), {"queue": -1}, "initial: a component that counts is below 0"),
        (Waits(), "soon", "initial = soon: must be as the state of init, which is a real number"),
        (Waits(), float("nan"), "initial = nan: must be as the state of init"),
    ],
)
def test_mistakes_are_told_before_anything_is_compiled(system, given, message):
    with pytest.raises(ValueError, match=message):
        jaxq.paths(system, [1.0], initial=given, replicas=4)


def test_a_replica_goes_on_with_the_words_it_had():
    """The state at time 0 is all that differs: given as `Process.init` makes it, every path is the same."""
    plain = jaxq.paths(jaxq.MMc(0.8), [1, 5], replicas=64, keep_paths=64)
    given = jaxq.paths(jaxq.MMc(0.8), [1, 5], replicas=64, keep_paths=64, initial={"number_in_system": 0})
    assert np.array_equal(plain.paths["number_in_system"], given.paths["number_in_system"])
