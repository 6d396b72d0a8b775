"""Every metric of every system that ships says what it is and in what unit."""

import pytest

import jaxq
from jaxq.cli.example import table_of
from jaxq.engine.outline import names
from jaxq.engine.quantity import Quantity, quantity, unit
from tests.systems_under_test import OF_THE_TESTS, UNDER_TEST

SHIPPED = {name: system for name, system in UNDER_TEST.items() if name not in OF_THE_TESTS}


def test_a_row_stands_for_many_metrics_and_the_first_that_fits_counts():
    table = (Quantity("queue_total", "all", "jobs"), Quantity("queue_<class>", "of a class", "customers"))
    assert quantity(table, "queue_a_b") is table[1] and quantity(table, "queue_total") is table[0]
    assert unit(table, "queue_1") == "customers" and unit(table, "queue_") is None and unit((), "queue_1") is None


@pytest.mark.parametrize("name", SHIPPED)
def test_every_metric_has_a_meaning_and_a_unit(name):
    system = SHIPPED[name]
    table = system.metric_table
    assert all(row.meaning and row.unit for row in table) and len({row.name for row in table}) == len(table)
    for metric in names(system, system.process())[0]:
        assert quantity(table, metric) is not None, metric


def test_every_row_of_a_table_is_of_some_metric():
    for kind in {type(system) for system in SHIPPED.values()}:
        metrics = [m for system in SHIPPED.values() if type(system) is kind for m in names(system, system.process())[0]]
        used = {quantity(table_of(kind), metric) for metric in metrics}
        allowed = {row for row in table_of(kind) if row.name in ("utilisation", "probability_block")}
        assert set(table_of(kind)) - used <= allowed, kind


def test_a_result_carries_units_and_primary_metrics(tmp_path):
    result = jaxq.simulate(jaxq.MMc(), events=2000, replicas=64)
    assert result["waiting_time"].unit == "time" and result["number_in_system"].unit == "customers"
    assert result.primary == ("number_in_system",) and result.units["arrival_rate"] == "1/time"
    assert result.to_dict()["metrics"]["waiting_time"]["unit"] == "time" and " unit" in str(result)
    result.save(tmp_path / "x.json")
    read = jaxq.Result.load(tmp_path / "x.json")
    assert (read.metrics, read.primary, read.units) == (result.metrics, result.primary, result.units)


class Retrial(jaxq.JumpProcess):
    """M/M/1 whose blocked customers call again; its observations are metrics as they are."""

    metric_table = (
        Quantity("orbit", "customers in orbit", "customers", primary=True),
        Quantity("busy", "busy", "share"),
    )

    def init(self, words):
        return 0, 0

    def rates(self, state):
        orbit, busy = state
        return 0.6, 0.5 * orbit * (busy == 0), 1.0 * busy

    def jump(self, state, k):
        orbit, busy = state
        return [(orbit + busy, 1), (orbit - 1, 1), (orbit, 0)][k]

    def observe(self, state):
        return {"another": state[0] + state[1], "busy": state[1], "orbit": state[0]}


def test_metrics_come_in_the_order_of_the_table():
    result = jaxq.simulate(Retrial(), replicas=64, events=2000, warmup=500)
    assert list(result.metrics) == ["orbit", "busy", "another"]
