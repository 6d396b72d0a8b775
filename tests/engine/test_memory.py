"""What a run takes is estimated before it begins: as much as it then holds, and refused by name where there is less."""

import os
import subprocess
import sys

import jax
import pytest

import jaxq
from jaxq.engine import footprint, memory
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.outline import followed, summed
from jaxq.engine.rarity import prepared
from tests.systems_under_test import UNDER_TEST

MMC = jaxq.MMc(arrival_rate=0.5)


@pytest.mark.parametrize("name", ["M/M/1", "token pool"])
def test_the_sums_of_a_run_are_kept_in_fewer_windows_where_they_are_large(name, monkeypatch):
    monkeypatch.setattr(footprint, "WINDOW_BYTES", 80 * 2**10)
    system = UNDER_TEST[name]
    ensemble = Ensemble([system], 64, 0, tuple(jax.devices()))
    columns, kept = len(summed(prepared(system))), ensemble.windows.data
    assert kept.shape == (footprint.window_limit(columns, 64, 64), columns, 64)
    assert kept.nbytes <= 80 * 2**10 < 8 * 64 * columns * 64


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the peak cannot be begun anew here")
@pytest.mark.parametrize(
    ("system", "options"),
    [
        (
            "ParallelServers('x', 'priority', priorities='2 > 1', preferences='1: 1 > 2; 2: 2 > 1')",
            {"replicas": 2**18, "events": 500},
        ),
        ("MMc(0.8)", {"replicas": 4096, "events": 8000, "quantiles": "queue_length"}),
        ("TokenPool(100, 0.8, 0.8, 50)", {"replicas": 2**16, "events": 400}),
    ],
    ids=["launches", "histograms", "states"],
)
def test_a_run_takes_what_was_said(system, options):
    # blocks that are freed go back at once, so that what is resident is what is held; 12 MB beside it are threads and code
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    command = [sys.executable, "-m", "benchmarks.peak", system, repr(options)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    took, said = map(int, done.stdout.split())
    assert said > 50e6
    assert said / 1.3 < took < 1.3 * said + 12e6


@pytest.mark.parametrize("totals", [False, True])
def test_the_values_of_paths_are_counted(totals):
    system = jaxq.MMc(arrival_rate=0.5, servers=2, abandonment_rate=0.1)
    assert len(jaxq.paths(system, [1.0], replicas=8, totals=totals).mean) == followed(prepared(system), totals)


def test_what_does_not_fit_is_refused_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_: pytest.fail("a run was started"))
    wanted = r"^{}: .* would take about [0-9,.]+ GB of memory, and there are [0-9,.]+ GB$"
    for field, call in (
        ("replicas = 1000000000", lambda: jaxq.simulate(MMC, replicas=10**9)),
        ("replicas = 100000000000", lambda: jaxq.simulate(MMC, replicas=10**11)),
        ("replicas = 1000000000", lambda: jaxq.compare([MMC, MMC], replicas=10**9)),
        ("arrival_rate = 1000000000 points", lambda: jaxq.sweep(MMC, {"arrival_rate": range(1, 10**9 + 1)})),
        ("times = 2 times", lambda: jaxq.paths(MMC, [0.0, 1.0], replicas=10**10)),
    ):
        with pytest.raises(memory.TooLarge, match=wanted.format(field)):
            call()


def test_sizes_are_plain_numbers():
    assert [footprint.sized(x) for x in (58_300_000, 2.34e9, 3.6e12, 1.2e16)] == [
        "58.3 MB",
        "2.34 GB",
        "3,600 GB",
        "12,000,000 GB",
    ]


def test_there_is_some_memory():
    assert 2**28 < memory.machine_memory() <= memory.device_memory(tuple(jax.devices())) < 2**50
