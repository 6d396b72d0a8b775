"""A replica is the same path however the run is cut, and a second run compiles nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import program as program_module
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.record import title
from tests.compiled import quickly
from tests.systems_under_test import UNDER_TEST

REPLICAS = 10
EVENTS = 480


def ran(system, replicas=24, devices=2, **layout) -> Ensemble:
    """A batch of replicas after 480 events."""
    layout = {"tile": 4, "blocks": 1, "observations": 16, **layout}
    ensemble = Ensemble([system], replicas, 7, tuple(jax.devices()[:devices]), **layout)
    while ensemble.events < EVENTS:
        ensemble.launch()
    assert ensemble.events == EVENTS
    return ensemble


def states(ensemble: Ensemble) -> list[np.ndarray]:
    """The state of the first 10 replicas, leaf by leaf."""
    parts = [jax.tree.leaves(carry) for _, carry, _ in ensemble._parts]
    return [np.concatenate([np.asarray(x) for x in column])[:REPLICAS] for column in zip(*parts, strict=True)]


def sums(ensemble: Ensemble) -> np.ndarray:
    """The raw sums of the first 10 replicas, shape (quantities, 10)."""
    return ensemble.windows.total(0)[:, :REPLICAS]


def same(one: list, other: list) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@functools.cache
def of_one_batch(name: str) -> tuple[list[np.ndarray], np.ndarray]:
    """States and sums of 24 replicas in one batch, which were looked at: every rate is one, and together they are what the
    bound says."""
    system = UNDER_TEST[name]
    base = ran(system)
    assert not base.overflow.any() and np.isfinite(sums(base)).all()
    assert len(np.unique(np.concatenate([np.atleast_2d(x.T) for x in states(base)]), axis=1).T) == REPLICAS
    prepared = system.process()
    if isinstance(prepared, jaxq.MarkovProcess):
        state = jax.tree.map(np.asarray, base._parts[0][1].state)
        rates = np.array(jax.jit(jax.vmap(lambda state: [jnp.float32(x) for x in prepared.rates(state)]))(state))
        bound = None if prepared.drifts else prepared.total_rate_bound()
        assert np.isfinite(rates).all() and (rates >= 0).all() and (rates.sum(axis=0) > 0).all()
        assert bound is None or (rates.sum(axis=0) <= float(bound) * (1 + 1e-6)).all()
    return states(base), sums(base)


FORMS = list({type(system.process()): name for name, system in reversed(UNDER_TEST.items())}.values())
"""One of the list for each compiled half."""


@pytest.fixture
def quickly_compiled():
    with quickly():
        yield


@pytest.mark.parametrize("name", UNDER_TEST)
def test_a_replica_does_not_depend_on_how_many_there_are_and_on_the_batch(name, quickly_compiled):
    other = ran(UNDER_TEST[name], replicas=37, batch=24)
    assert same(of_one_batch(name)[0], states(other))
    assert np.array_equal(of_one_batch(name)[1], sums(other))


@pytest.mark.parametrize("name", FORMS)
def test_nor_on_devices_and_launches(name, quickly_compiled):
    other = ran(UNDER_TEST[name], replicas=37, devices=1, blocks=2, batch=12)
    assert same(of_one_batch(name)[0], states(other))
    assert np.array_equal(of_one_batch(name)[1], sums(other))


CUT = [
    jaxq.MMc(0.8),
    jaxq.MMc(12, 1, 10, abandonment_rate=0.5),
    jaxq.MG1(0.7, 1.0, "lognormal:2"),
    jaxq.TokenPool(5, 0.8, 0.6, 4),
    jaxq.TokenPool(3, [0.2, 0.5, 0.7], 0.8, 4, [1.0, 1.0, 2.0]),
]


@pytest.mark.parametrize("system", CUT, ids=[f"{title(s)}-{i}" for i, s in enumerate(CUT)])
def test_a_replica_does_not_depend_on_how_the_run_is_cut(system):
    base = states(ran(system, observations=32))
    for change in ({"replicas": 101}, {"tile": 2, "devices": 1}, {"blocks": 2, "batch": 12}):
        assert same(base, states(ran(system, **change))), change


@pytest.mark.parametrize("name", ["M/M/1", "token pool", "network, preemptive", "load balancing, queues"])
def test_tiles_and_blocks_change_no_state_and_sums_only_by_rounding(name):
    base, other = ran(UNDER_TEST[name]), ran(UNDER_TEST[name], tile=2, observations=32)
    assert same(states(base), states(other))
    assert np.allclose(sums(base), sums(other), rtol=1e-5, atol=1e-4)


def test_a_tile_of_another_size_may_round_a_float_state_otherwise():
    """XLA contracts products and sums by the width of the loop: equal to rounding, no longer bit for bit."""
    base, other = ran(UNDER_TEST["tolls, workload"]), ran(UNDER_TEST["tolls, workload"], tile=2)
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(states(base), states(other), strict=True))


def test_unrolling_does_not_change_a_replica(monkeypatch):
    base = states(ran(UNDER_TEST["M/M/1"]))
    monkeypatch.setattr(jaxq.MMc, "scan", jaxq.MMc.scan._replace(unroll=1))
    assert same(base, states(ran(UNDER_TEST["M/M/1"])))


def test_seeds_and_replicas_give_different_paths():
    ensemble = Ensemble([jaxq.MMc(0.8)], 64, 7, tuple(jax.devices()), tile=4, blocks=4, observations=64)
    other = Ensemble([jaxq.MMc(0.8)], 64, 8, tuple(jax.devices()), tile=4, blocks=4, observations=64)
    ensemble.launch(), other.launch()
    streams = np.stack([np.asarray(x) for x in (*ensemble._parts[0][1].stream, *other._parts[0][1].stream)])
    assert len(np.unique(streams[:4], axis=1).T) == 64
    assert not np.any(np.all(streams[:4] == streams[4:], axis=0))


def test_a_second_run_with_other_numbers_compiles_nothing():
    jaxq.simulate(jaxq.MMc(0.5), events=2000, replicas=64, warmup=0)
    misses = program_module.program.cache_info().misses
    result = jaxq.simulate(jaxq.MMc(0.6, 2.0, 3), events=2000, replicas=64, warmup=0, seed=5)
    assert program_module.program.cache_info().misses == misses
    assert result.run["compile_seconds"] == 0


def test_a_sweep_is_one_compilation_and_equals_single_runs():
    options = {"events": 3000, "replicas": 64, "warmup": 0}
    before = program_module.program.cache_info().misses
    results = jaxq.sweep(jaxq.MMc(0.5), {"servers": [1, 2, 3], "arrival_rate": [0.4, 0.9]}, **options)
    assert program_module.program.cache_info().misses == before + 1
    alone = jaxq.simulate(jaxq.MMc(0.9, 1.0, 2), **options)
    point = next(r for r in results if r.point == {"servers": 2, "arrival_rate": 0.9})
    assert point["number_in_system"].mean == alone["number_in_system"].mean


def test_batches_of_replicas_give_the_same_estimates():
    options = {"events": 3000, "replicas": 96, "warmup": 0}
    whole = jaxq.simulate(jaxq.TokenPool(5, 0.8, 0.6, 4), **options)
    parts = jaxq.simulate(jaxq.TokenPool(5, 0.8, 0.6, 4), batch=40, **options)
    assert {n: m.mean for n, m in whole.metrics.items()} == {n: m.mean for n, m in parts.metrics.items()}
