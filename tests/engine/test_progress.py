"""A function as meter, running estimates, and seeds as JAX users have them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.progress import Called, Patient, Progress, Silent, as_meter

QUICK = {"replicas": 64, "events": 4000, "warmup": 1000}
QUEUE = jaxq.MMc(arrival_rate=0.5)


def numbers(result):
    return {name: metric.mean for name, metric in result.metrics.items()}


def test_a_function_is_called_with_running_estimates():
    seen = []
    plain = jaxq.simulate(QUEUE, **QUICK)
    watched = jaxq.simulate(QUEUE, meter=lambda progress: seen.append((progress, progress.estimates())), **QUICK)
    assert numbers(watched) == numbers(plain)  # to watch changes nothing
    progress, ((estimates,), *_) = seen[-1][0], [seen[-1][1]]
    assert isinstance(progress, jaxq.Progress) and progress.events >= 64 * 4000 and progress.seconds > 0
    found = estimates["queue_length"]
    assert 0 < found.half_width(0.95) < 0.5 and abs(found.value - 0.5) < 5 * found.standard_error
    assert [at.events for at, _ in seen] == sorted(at.events for at, _ in seen)


def test_a_sweep_is_watched_point_by_point():
    seen = []
    jaxq.sweep(QUEUE, {"arrival_rate": [0.2, 0.8]}, meter=lambda progress: seen.append(progress.estimates()), **QUICK)
    low, high = (point["utilisation"].value for point in seen[-1])
    assert low == pytest.approx(0.2, abs=0.03) and high == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("run", ["gradient", "tune"])
def test_other_runs_are_watched_as_well(run):
    seen = []
    if run == "gradient":
        jaxq.gradient(QUEUE, None, "arrival_rate", method="finite-difference", meter=seen.append, **QUICK)
        assert "queue_length/arrival_rate" in seen[-1].estimates()[0]
    else:
        jaxq.tune(jaxq.TokenPool(2, 0.5, 0.2, 3), "phi", steps=3, meter=seen.append, **QUICK)
        assert len(seen[-1].estimates()) == 2  # start and best


def test_what_a_function_raises_ends_the_run():
    def enough(_):
        raise StopIteration("enough")

    with pytest.raises(StopIteration, match="enough"):
        jaxq.simulate(QUEUE, meter=enough, **QUICK)


def test_what_may_be_a_meter():
    silent = Silent()
    assert as_meter(silent) is silent and isinstance(as_meter(None), Patient) and isinstance(as_meter(print), Called)
    assert Progress(1, 2.0, "x").estimates() == []


@pytest.mark.parametrize(
    "seed",
    [np.int64(7), np.uint32(7), np.array(7), jnp.int32(7), jax.random.key(7), jax.random.PRNGKey(7)],
    ids=["int64", "uint32", "array", "jnp", "key", "old key"],
)
def test_a_seed_is_its_number(seed):
    assert numbers(jaxq.simulate(QUEUE, seed=seed, **QUICK)) == numbers(jaxq.simulate(QUEUE, seed=7, **QUICK))


def test_keys_that_are_split_are_other_seeds():
    first, second = (jaxq.Options(seed=key).seed for key in jax.random.split(jax.random.key(0)))
    assert first != second and 0 <= min(first, second) and max(first, second) < 2**64


def test_a_transient_takes_a_key_too():
    one, other = (jaxq.paths(QUEUE, [0, 1], replicas=8, seed=seed).mean for seed in (jax.random.key(3), 3))
    assert all(np.array_equal(one[name], other[name]) for name in one)
