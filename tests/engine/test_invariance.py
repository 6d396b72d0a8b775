"""A replica is the same path however the run is cut, and a second run compiles nothing."""

import functools

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine import program as program_module
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.kernel.choice import VARIABLE
from tests.compiled import quickly
from tests.engine.test_kernel import NOT_LIFTED
from tests.systems_under_test import UNDER_TEST

REPLICAS = 10
EVENTS = 480


def ran(system, replicas=24, devices=2, seed=7, **layout) -> Ensemble:
    """A batch of replicas after 480 events."""
    layout = {"tile": 4, "blocks": 3, "observations": 16, **layout}
    ensemble = Ensemble([system], replicas, seed, tuple(jax.devices()[:devices]), **layout)
    ensemble.launch(EVENTS // (ensemble.layout.observations * ensemble.layout.stride))
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
def of_one_batch(name: str) -> Ensemble:
    """24 replicas in one batch, which were looked at: every rate is one, and together they are what the bound says."""
    base = ran(UNDER_TEST[name])
    assert not base.overflow.any() and not base.invalid.any() and np.isfinite(sums(base)).all()
    assert len(np.unique(np.concatenate([np.atleast_2d(x.T) for x in states(base)]), axis=1).T) == REPLICAS
    return base


OF_TESTS = {"shadow routing by hand", "balanced saturation by hand", "tolled queue by hand", "sa-jsq limit"}
FORMS = {type(system.process()): name for name, system in reversed(UNDER_TEST.items()) if name not in OF_TESTS}
"""One of the list for each compiled half that ships, and the README's, by class."""


@pytest.fixture
def quickly_compiled():
    with quickly():
        yield


@pytest.mark.parametrize("name", UNDER_TEST)
def test_a_replica_does_not_depend_on_how_many_there_are_and_on_the_batch(name, quickly_compiled):
    base, other = of_one_batch(name), ran(UNDER_TEST[name], replicas=37, batch=24)
    assert same(states(base), states(other))
    assert np.array_equal(sums(base), sums(other))


@pytest.mark.parametrize("name", FORMS.values())
def test_a_kernel_is_the_scan_to_the_bit(name, monkeypatch):
    """All that the devices keep and the host was given; unoptimised, JAX 0.12 rounds a logarithm otherwise in each."""
    scan = ran(UNDER_TEST[name])
    monkeypatch.setenv(VARIABLE, "kernel")
    kernel = ran(UNDER_TEST[name])
    assert scan.program.kind == "scan" and scan.fallback is None
    assert kernel.program.kind == ("scan" if name in NOT_LIFTED else "kernel")
    assert kernel.fallback in NOT_LIFTED.get(name, (None,))
    one, other = scan.saved(), kernel.saved()
    assert one["windows"].any() and one.keys() == other.keys()
    assert all(np.array_equal(one[part], other[part]) for part in one)


def test_a_tile_of_another_size_may_round_a_float_state_otherwise(quickly_compiled):
    """XLA contracts products and sums by the width of the loop: equal to rounding, no longer bit for bit."""
    base, other = of_one_batch("tolls, workload"), ran(UNDER_TEST["tolls, workload"], tile=2)
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(states(base), states(other), strict=True))


@pytest.mark.parametrize("name", ["M/M/1", "Erlang A", "M/lognormal/1", "token pool", "network, preemptive"])
def test_nor_on_how_the_run_is_cut(name):
    """Tiles and blocks change sums by rounding."""
    base = ran(UNDER_TEST[name])
    other = ran(UNDER_TEST[name], replicas=37, devices=1, blocks=2, batch=12)
    assert same(states(base), states(other)) and np.array_equal(sums(base), sums(other))
    other = ran(UNDER_TEST[name], replicas=101, tile=2, observations=32)
    assert same(states(base), states(other)) and np.allclose(sums(base), sums(other), rtol=1e-5, atol=1e-4)


def test_unrolling_does_not_change_a_replica(monkeypatch):
    base = states(ran(UNDER_TEST["M/M/1"]))
    monkeypatch.setattr(jaxq.MMc, "scan", jaxq.MMc.scan._replace(unroll=1))
    assert same(base, states(ran(UNDER_TEST["M/M/1"])))


def test_seeds_and_replicas_give_different_paths():
    (_, carry, _), (_, other, _) = (ran(UNDER_TEST["M/M/1"], seed=seed)._parts[0] for seed in (7, 8))
    streams = np.stack([np.asarray(x) for x in (*carry.stream, *other.stream)])
    assert len(np.unique(streams[:4], axis=1).T) == len(np.unique(streams[4:], axis=1).T) == 24
    assert not np.any(np.all(streams[:4] == streams[4:], axis=0))


def test_a_second_run_with_other_numbers_compiles_nothing():
    options = {"events": 3000, "replicas": 64, "warmup": 0}
    jaxq.simulate(jaxq.MMc(0.5), **options)
    misses = program_module.program.cache_info().misses
    result = jaxq.simulate(jaxq.MMc(0.6, 2.0, 3), **options, seed=5)
    assert program_module.program.cache_info().misses == misses
    assert result.run["compile_seconds"] == 0


def test_a_sweep_is_one_compilation_and_equals_single_runs_and_those_in_batches():
    options = {"events": 3000, "replicas": 64, "warmup": 0}
    before = program_module.program.cache_info().misses
    results = jaxq.sweep(jaxq.MMc(0.5), {"servers": [1, 2, 3], "arrival_rate": [0.4, 0.9]}, **options)
    assert program_module.program.cache_info().misses == before + 1
    point = next(r for r in results if r.point == {"servers": 2, "arrival_rate": 0.9})
    for batch in (None, 40):
        alone = jaxq.simulate(jaxq.MMc(0.9, 1.0, 2), **options, batch=batch)
        assert {n: m.mean for n, m in point.metrics.items()} == {n: m.mean for n, m in alone.metrics.items()}
