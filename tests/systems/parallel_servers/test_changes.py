"""Arrival rates that change in mid-run, against closed forms; and what compiles when."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq import random
from jaxq.stats.intervals import family_bound
from jaxq.systems.parallel_servers.network.schedule import Schedule
from tests.agreement import check_agreement

PLENTY = jaxq.Network([40], [[2]], [120], [1])
"""As good as infinitely many servers."""


def infinite_servers(times, phases, rate):
    """E X(t) from empty: x' = lambda(t) - rate x with lambda(t) piecewise constant; phases: (from, lambda)."""
    found = []
    for t in times:
        x = 0.0
        for (begin, arrivals), end in zip(phases, [*[b for b, _ in phases[1:]], np.inf], strict=True):
            passed = np.exp(-rate * max(min(t, end) - begin, 0.0))
            x = x * passed + arrivals / rate * (1 - passed)
        found.append(x)
    return np.array(found)


@pytest.mark.parametrize("policy", ["fsf", "c-mu-preemptive", "shadow-rm"])
def test_the_transient_follows_the_rates(policy):
    times = np.array([0.2, 0.9, 1.0, 1.1, 1.5, 2.2, 2.6, 3.5, 5.0])
    system = jaxq.ParallelServers(network=PLENTY, policy=policy, changes="1: 120; 2.5: 20")
    result = jaxq.paths(system, times, replicas=4096, seed=2)
    wanted = infinite_servers(times, [(0, 40), (1, 120), (2.5, 20)], 2.0)
    mean, width = result.mean["busy_1_1"], result.half_width["busy_1_1"]
    assert width.max() < 0.02 * wanted.max(), "no power"
    # at level .9999 for the whole curve; the intervals are at 1.96 standard errors
    assert np.abs((mean - wanted) / (width / 1.96)).max() < family_bound(len(times), 0.9999)


def test_the_stationary_law_is_that_of_the_last_rates():
    """However early the warm-up that is asked for ends."""
    changed = jaxq.ParallelServers(changes="3: 400,300; 6: 300,500")
    last = jaxq.ParallelServers(network=changed.network.replace(arrival_rates=[300, 500]))
    wanted, found = (
        jaxq.simulate(system, replicas=128, events=60_000, warmup=warmup)
        for system, warmup in ((last, 15_000), (changed, 0))
    )
    assert found.run["warmup"] > 6 * 800
    for name in ("queue_1", "busy_1_4", "abandonment_1", "reward_rate", "departures_2"):
        check_agreement(found[name], wanted[name].mean, 0.03, error=wanted[name].standard_error)
    assert found["departures_1"].oracle == 300


def test_a_run_that_ends_before_the_last_change_has_no_means():
    system = jaxq.ParallelServers(changes="1000: 300,500")
    result = jaxq.simulate(system, replicas=32, events=2_000, max_events=32 * 10_000)
    assert "warmup_undetermined" in result.flags and result["reward_rate"].mean is None


@pytest.mark.parametrize("duration", [100.0, 8000.0])
def test_the_clock_of_changes_does_not_lose_short_steps(duration):
    """Steps of 1/1600 on average: plain float32 would be 2 % late at 8000."""
    schedule = Schedule(jnp.zeros((2, 1)), jnp.array([duration], jnp.float32))

    def step(carry):
        state, stream, (high, low) = carry
        (word,), stream = random.next_words(stream, 1)
        gap = jnp.minimum(random.exponential(word) / 1600, schedule.next_switch(state))
        carried = gap + low
        total = high + carried
        return schedule.drift(state, gap), stream, (total, carried - (total - high))

    zero = (jnp.float32(0), jnp.float32(0))
    first = (schedule.begin(), random.stream(1, 0, 0), zero)
    _, _, (total, _) = jax.lax.while_loop(lambda carry: carry[0][0] == 0, step, first)
    assert float(total) == pytest.approx(duration, rel=1e-6)


def test_other_sizes_and_rates_compile_nothing(caplog):
    run = {"replicas": 64, "events": 2_000, "warmup": 1_000}
    jaxq.simulate(jaxq.ParallelServers(policy="shadow-rm"), **run)
    with jax.log_compiles():
        jaxq.simulate(jaxq.ParallelServers(policy="shadow-rm", scale=2.5, eta=0.2, network="x-model-b"), **run)
    assert not [record for record in caplog.records if "Compiling" in record.getMessage()]


def test_every_size_is_one_sweep():
    found = jaxq.sweep(
        jaxq.ParallelServers(policy="shadow-rm"), {"scale": [0.25, 1]}, replicas=64, events=40_000, warmup=10_000
    )
    # ratios to the planning optimum, simulated, to three digits: notebooks/mathematics/parallel_servers.md, section 5
    for result, scale, ratio in zip(found, (0.25, 1), (0.962, 0.982), strict=True):
        check_agreement(result["reward_rate"], ratio * 1340 * scale, 0.005, error=0.001 * 1340 * scale)
