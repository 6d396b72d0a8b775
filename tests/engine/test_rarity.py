"""Rare transitions: what `next_event` makes of the words, read off exactly, and one run."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.carry import typed
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.rarity import prepared, rare_order
from tests.agreement import check_agreement


class Tandem(jaxq.JumpProcess):
    """Two M/M/1 queues in a row, and a stream that is counted only, written last."""

    rare: float = jaxq.positive("rate of the stream, 1/time")
    bounded: bool = eqx.field(static=True, default=True)

    def init(self, words):
        return 0, 0, 0

    def rates(self, state):
        return 0.4, 1.0 * (state[0] > 0), 1.0 * (state[1] > 0), self.rare

    def jump(self, state, k):
        first, second, seen = state
        return [
            (first + 1, second, seen),
            (first - 1, second + 1, seen),
            (first, second - 1, seen),
            (first, second, seen + 1),
        ][k]

    def total_rate_bound(self):
        return 2.4 + self.rare if self.bounded else None

    def observe(self, state):
        return {"first_queue": state[0]}

    def counters(self, state):
        return {"rare": state[2]}


class Watched(Tandem):
    """The count itself, which grows, for paths."""

    def observe(self, state):
        return {"seen": state[2]}


def chances(process, state) -> np.ndarray:
    """Probability of each transition and of none, over all words: where the event changes is found by bisection.

    The event is a monotone function of the first word, and of the pair of the first and the last, as one number of 64 bits.
    """
    leaves, structure = jax.tree.flatten(process)
    leaves = [compute_leaf(leaf) for leaf in leaves]
    bits, count = (32, 1) if process._order is None else (64, 2)

    def event(leaves, state, *words):
        chosen = jax.tree.unflatten(structure, leaves).next_event(state, words)[0]
        return getattr(chosen, "transition", chosen)

    events = jax.jit(jax.vmap(event, in_axes=(None, None, *(0,) * count)))
    size = len(process.rates(state))
    order = [*(process._order or range(size)), size]
    place = np.argsort(order)
    ends = []
    for rank in range(size):
        low, high = 0, 2**bits  # the first number whose event is beyond this rank lies in [low, high]
        while low < high:
            middle = (low + high) // 2
            words = [np.array([middle >> shift & 0xFFFFFFFF], np.uint32) for shift in range(bits - 32, -1, -32)]
            beyond = place[int(events(leaves, state, *words)[0])] > rank
            low, high = (low, middle) if beyond else (middle + 1, high)
        ends.append(low / 2**bits)
    found = np.empty(size + 1)
    found[order] = np.diff([0.0, *ends, 1.0])
    return found


def shares(process, state) -> np.ndarray:
    """The same from the rates, in float64."""
    rates = np.array([float(rate) for rate in process.rates(state)])
    bound = process.total_rate_bound()
    total = rates.sum() if bound is None else float(bound)
    return np.append(rates, total - rates.sum()) / total


@pytest.mark.parametrize("rare", [1e-3, 1e-6, 1e-7, 3e-8, 1e-9, 1e-15])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_rare_transition_that_stands_last_has_its_probability(rare, bounded):
    process = prepared(Tandem(rare=rare, bounded=bounded))
    state = typed((1, 1, 0))
    assert chances(process, state)[:4] == pytest.approx(shares(process, state)[:4], rel=4e-3)


def test_without_a_rare_transition_nothing_changes():
    process = prepared(Tandem(rare=1e-3, bounded=True))
    assert process._order is None and process.words == 1


@pytest.mark.parametrize("arrivals", [[1e-8, 0.8], [0.8, 1e-8]])
def test_a_rare_class_of_a_network(arrivals):
    network = jaxq.Network(arrivals, [[1.0], [1.0]], [1])
    process = prepared(jaxq.ParallelServers(network, "priority", priorities="1 > 2"))
    assert isinstance(process, MarkovProcess)
    state = typed(process.init((np.uint32(0),)))
    state = state._replace(busy=(jnp.int32(0), jnp.int32(1)))
    assert chances(process, state)[:4] == pytest.approx(shares(process, state)[:4], rel=4e-3, abs=1e-30)


def test_breakdowns_in_milliseconds():
    """Failure 3e-7 and repair 3e-6 beside rates of 1, written last; the repair is met by walking through a failure."""
    rates = np.array([[0.4, 1.0, 3e-7, 0.0], [0.4, 0.0, 0.0, 3e-6]])
    assert rare_order(rates, 1.4 + 3.3e-6) == (2, 3, 0, 1)
    assert rare_order(np.array([[1e-7, 0.4]]), 0.4) is None  # first already, and 429 of the 2**32 words
    assert rare_order(np.array([[1e-9, 0.4]]), 0.4) == (0, 1)  # 10 words: 1 may be wrong


def test_a_rare_stream_is_counted():
    """A Poisson stream of rate 1e-6 in 8192 replicas of 98,304 events, 1/2.4 time units each: 335 are due, 5.5 %."""
    result = jaxq.simulate(Tandem(rare=1e-6), events=98_304, warmup=0, replicas=8192, seed=5)
    check_agreement(result["rare"], 1e-6, share=0.12)


def test_paths_count_a_rare_stream_too():
    """A Poisson number of mean 3e-6 x 4000 in each of 4096 replicas, standard deviation .11."""
    system = Watched(rare=3e-6)
    assert prepared(system)._order == (3, 0, 1, 2)
    found = jaxq.paths(system, times=[4000.0], replicas=4096, seed=2)
    assert found.mean["seen"][0] == pytest.approx(0.012, abs=4 * 0.11 / 64)


def test_points_of_a_sweep_keep_their_own_order():
    """A point is the same run alone and beside others, whichever transitions are rare in these."""
    alone = jaxq.simulate(Tandem(rare=1e-6), events=2000, warmup=0, replicas=64)
    beside = jaxq.sweep(Tandem(rare=1.0), {"rare": [1.0, 1e-6]}, events=2000, warmup=0, replicas=64)
    assert beside[1]["first_queue"].mean == pytest.approx(alone["first_queue"].mean, rel=1e-12)
