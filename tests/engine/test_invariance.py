"""A replica is the same path however the run is cut, and a second run compiles nothing."""

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine import program as program_module
from jaxq.engine.stack import Stack

SYSTEMS = [
    jaxq.MMc(0.8),
    jaxq.MMc(12, 1, 10, abandonment_rate=0.5),
    jaxq.MG1(0.7, 1.0, "lognormal:2"),
    jaxq.TokenPool(5, 0.8, 0.6, 4),
    jaxq.TokenPool(3, [0.2, 0.5, 0.7], 0.8, 4, [1.0, 1.0, 2.0]),
]
IDS = [f"{s.title()}-{i}" for i, s in enumerate(SYSTEMS)]


def states(system, replicas=24, devices=2, launches=None, **layout):
    """State of the first 10 replicas after 480 events."""
    layout = {"tile": 4, "blocks": 1, "observations": 16, **layout}
    stack = Stack([system], replicas, 7, tuple(jax.devices()[:devices]), **layout)
    while stack.events < 480:
        stack.launch()
    assert stack.events == 480
    parts = [carry for _, carry, _ in stack._parts]
    return [
        np.concatenate([np.asarray(x[i]) for x in map(jax.tree.leaves, parts)])[:10]
        for i in range(len(jax.tree.leaves(parts[0])))
    ]


@pytest.mark.parametrize("system", SYSTEMS, ids=IDS)
def test_a_replica_does_not_depend_on_how_the_run_is_cut(system):
    base = states(system, observations=32)
    for change in (
        {"replicas": 101},
        {"tile": 2, "devices": 1},
        {"blocks": 2, "batch": 12},
    ):
        for one, other in zip(base, states(system, **change), strict=True):
            assert np.array_equal(one, other), change


def test_unrolling_does_not_change_a_replica(monkeypatch):
    base = states(SYSTEMS[0])
    monkeypatch.setattr(jaxq.MMc, "unroll", 1)
    assert all(np.array_equal(a, b) for a, b in zip(base, states(SYSTEMS[0]), strict=True))


def test_seeds_and_replicas_give_different_paths():
    stack = Stack([SYSTEMS[0]], 64, 7, tuple(jax.devices()), tile=4, blocks=4, observations=64)
    other = Stack([SYSTEMS[0]], 64, 8, tuple(jax.devices()), tile=4, blocks=4, observations=64)
    stack.launch(), other.launch()
    streams = np.stack([np.asarray(x) for x in (*stack._parts[0][1].stream, *other._parts[0][1].stream)])
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
