"""The token mechanism beside alternatives: every derivative of every metric against the exact chain."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.planned import plan_of
from jaxq.systems.token_pool.processes.alternatives import MechanismBesideAlternatives

PAIR = jaxq.TokenPool(2, 0.5, 0.6, 3)


@pytest.mark.parametrize("phi", [0.4, 0.6])
def test_two_servers_beside_the_exact_chain(phi):
    paths = ["phi", "arrival_rate"] if phi == 0.4 else ["phi", "service_rate"]
    system = PAIR.replace(phi=phi)
    found = jaxq.gradient(system, None, paths, events=12_000, warmup=3000, seed=4, method="coupling")
    slopes = [found[name, path] for name in found.means for path in paths]
    assert len(slopes) == 22 and all(slope.oracle is not None for slope in slopes)
    assert all(abs(slope.z) < 4.5 for slope in slopes)
    assert found["total_jobs", "phi"].half_width < 0.03 * abs(found["total_jobs", "phi"].oracle)
    assert found["request_rate", "phi"].half_width < 0.03  # counters
    assert found["total_jobs", "phi"].oracle == pytest.approx({0.4: -0.62322, 0.6: 2.6571}[phi], rel=1e-4)


def test_the_left_of_the_kink():
    """At phi = lambda own queues fall with phi on the left only, where some jobs are moved at a length of one; the right is
    what a phi beyond lambda has."""
    system = jaxq.TokenPool(10, 0.8, 0.8, 10)
    found = jaxq.gradient(
        system, None, "phi", side="left", events=12_000, warmup=6000, replicas=512, seed=5, method="coupling"
    )
    assert found.run["gradient"]["method"] == "coupling"
    slope = found["own_queue", "phi"]
    assert slope.oracle == pytest.approx(-3.22643, abs=1e-4) and slope.half_width < 0.5
    assert abs(slope.mean - slope.oracle) <= 4 * slope.standard_error
    assert found["total_jobs", "phi"].mean < -10


def test_without_a_cap_no_token_keeps_an_alternative_alive():
    system = jaxq.TokenPool(10, 0.8, 0.7)
    run = {"events": 12_000, "warmup": 3000, "replicas": 512, "seed": 5, "method": "coupling"}
    found = jaxq.gradient(system, "total_jobs", "phi", **run)
    slope = found["total_jobs", "phi"]
    assert slope.oracle == pytest.approx(-17.7002, abs=1e-3)
    assert slope.half_width < 0.01 * abs(slope.oracle) and abs(slope.z) < 4.5
    assert found.run["gradient"]["lifetime"] < 2 and found.flags == ()


@pytest.mark.parametrize("cap", [None, 1, 3])
@pytest.mark.parametrize("threshold", [1, 3])
def test_a_path_has_never_more_than_one_more(threshold, cap):
    """Two bits hold the jobs and the tokens that it has more at its server: from all that can be born at a server, every
    event there and in the pool, written anew."""
    longest = 4

    def arrival(q, s, pool, mixes):
        wants = q >= threshold - mixes and s > 0
        return (q, s - (cap is not None), pool + 1) if wants else (q + 1, s, pool)

    def unit(q, s, pool, offers, earns):
        if q > 0 or not offers or s == cap:
            return max(q - 1, 0), s, pool
        return q, s + (earns and cap is not None), max(pool - 1, 0)

    def near(pairs):
        return {(x, path) for x, path in pairs if x[0] <= threshold + 1 and x[2] <= longest and path[2] <= longest + 3}

    comes = [lambda *x, mixes=mixes: arrival(*x, mixes) for mixes in (False, True)]
    goes = [lambda *x, made=made: unit(*x, *made) for made in ((False, False), (True, False), (True, True))]
    elsewhere = [lambda q, s, pool: (q, s, pool + 1), lambda q, s, pool: (q, s, max(pool - 1, 0))]
    new = set()
    for q, s, pool in itertools.product(range(threshold + 2), [1] if cap is None else range(cap + 1), range(longest)):
        x = q, s, pool
        swapped = [event(*x) for event in comes] if q == threshold - 1 else []
        idle = [event(*x) for event in goes] if q == 0 else []
        new |= {(event(*x), other) for event in comes for other in (x, *swapped)}
        new |= {(event(*x), other) for event in goes for other in (x, *idle)}
    new, found = near(new), set()
    while new:
        found |= new
        new = near({(event(*x), event(*path)) for x, path in new for event in (*comes, *goes, *elsewhere)}) - found
    apart = {tuple(b - a for a, b in zip(x, path, strict=True)) for x, path in found}
    assert len(apart) > 6 and max(abs(more) for path in apart for more in path[:2]) == 1
    assert (max(abs(pool) for *_, pool in apart) == 1) == (cap is None)


def test_what_is_left_to_differences():
    question = plan_of(module.gradient)(PAIR, None, "phi")
    assert question.method == "finite-difference" and "is left to differences unless asked for" in question.reason
    unlike = jaxq.TokenPool(2, [0.5, 0.4], 0.6, 3)
    with pytest.raises(ValueError, match="has steps of its own"):
        plan_of(module.gradient)(unlike, None, "phi", method="coupling")
    tagged = jaxq.TokenPool(2, 0.5, 0.6, 3, waits="tagged")
    with pytest.raises(ValueError, match="has steps of its own"):
        plan_of(module.gradient)(tagged, None, "phi", method="coupling")


def test_an_arrival_rate_by_differences():
    """The share of the arrivals in a word is no whole number."""
    found = jaxq.gradient(
        PAIR, "total_jobs", "arrival_rate", events=12_000, warmup=3000, seed=6, method="finite-difference"
    )
    slope = found["total_jobs", "arrival_rate"]
    assert slope.oracle == pytest.approx(4.19611, rel=1e-4) and slope.half_width < 0.2 and abs(slope.z) < 4.5


def test_a_newborn_finds_its_place_among_many():
    """32 places, as of eight parameters: a word holds what becomes of a newborn however many there are."""
    slots, new = 32, 3.0
    half = MechanismBesideAlternatives(process=None, slopes=(), scales=np.ones(1), moved=frozenset(), slots=slots)

    def weights(taken, alike, word):
        before = [(jnp.float32(s + 1),) for s in range(slots)] + [(jnp.float32(new),)]
        plan = half._plan(
            [jnp.bool_(here) for here in (*taken, True)],
            [jnp.bool_(here) for here in alike],
            before,
            jnp.uint32(word),
        )
        assert int(plan) < 1 << half._plan_bits
        return [float(w) for (w,) in half._weighed(plan, before, (jnp.float32(0),))[:-1]]

    before, none = np.arange(slots) + 1.0, [False] * slots
    for place in (0, 17, 31):
        there = np.arange(slots) == place
        assert weights(~there, none, 0) == [*np.where(there, new, before)]
        assert weights([True] * slots, there, 0) == [*np.where(there, before + new, before)]
    for word in (0, 2**32 - 1):
        assert weights([True] * slots, none, word) == [*np.where(before == 1, 1 + new, before)]
