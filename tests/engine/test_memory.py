"""What a run takes is estimated before it begins: as much as it then keeps, and refused by name where there is less."""

import jax
import pytest

import jaxq
from jaxq.engine import memory
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.outline import followed, summed
from jaxq.engine.rarity import prepared
from tests.systems_under_test import UNDER_TEST

MMC = jaxq.MMc(arrival_rate=0.5)


@pytest.mark.parametrize("name", ["M/M/1", "token pool", "Erlang A"])
def test_the_estimate_is_what_a_run_keeps(name, monkeypatch):
    monkeypatch.setattr(memory, "WINDOW_BYTES", 2**17)
    system = UNDER_TEST[name]
    ensemble = Ensemble([system], 64, 0, tuple(jax.devices()))
    ensemble.launch(1)
    process, kept = prepared(system), ensemble.windows.data
    columns = len(summed(process))
    assert kept.shape[1] == columns
    assert kept.nbytes == 8 * columns * 64 * memory.window_limit(columns, 64, 64)
    assert kept.nbytes < memory.host_bytes(process, 64, 64) < 2 * kept.nbytes


@pytest.mark.parametrize("totals", [False, True])
def test_the_values_of_paths_are_counted(totals):
    system = jaxq.MMc(arrival_rate=0.5, servers=2, abandonment_rate=0.1)
    assert len(jaxq.paths(system, [1.0], replicas=8, totals=totals).mean) == followed(prepared(system), totals)


def test_what_does_not_fit_is_refused_before_anything_is_allocated(monkeypatch):
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_: pytest.fail("a run was started"))
    wanted = r"^{}: .* would take about [0-9.e+]+ GB of memory, and there are [0-9.e+]+ GB$"
    for field, call in (
        ("replicas = 1000000000", lambda: jaxq.simulate(MMC, replicas=10**9)),
        ("replicas = 1000000000", lambda: jaxq.compare([MMC, MMC], replicas=10**9)),
        ("arrival_rate = 1000000000 points", lambda: jaxq.sweep(MMC, {"arrival_rate": range(1, 10**9 + 1)})),
        ("times = 2 times", lambda: jaxq.paths(MMC, [0.0, 1.0], replicas=10**10)),
    ):
        with pytest.raises(memory.TooLarge, match=wanted.format(field)):
            call()


def test_there_is_some_memory():
    assert 2**28 < memory.machine_memory() <= memory.device_memory(tuple(jax.devices())) < 2**50
