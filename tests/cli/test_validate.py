"""`jaxq validate` passes on a correct build, and fails where it should."""

import json

import pytest

from jaxq.engine.record import title
from jaxq.engine.reference import Reference
from jaxq.experiments.validate import CASES, Case, select, validate
from jaxq.systems.stations.model import MMc

OPTIONS = {"replicas": 64, "events": 2000, "warmup": 500}


class WrongOracle(MMc):
    """M/M/1 whose oracle is five per cent off."""

    def oracle(self):
        return {name: Reference(1.05 * r.value, r.kind) for name, r in super().oracle().items()}


def test_a_correct_system_passes():
    found = validate(cases=[Case("M/M/1", MMc(arrival_rate=0.5), 0.1, OPTIONS)])
    assert found.passed and found.failures == () and found.comparisons == 6
    assert found.worst is not None and abs(found.worst[2]) < found.bound
    assert 3.0 < found.bound < 3.5  # 0.01 over 6 two-sided comparisons: 3.14


def test_a_wrong_oracle_fails():
    found = validate(cases=[Case("wrong", WrongOracle(arrival_rate=0.5), 0.1, {**OPTIONS, "replicas": 512})])
    assert not found.passed and "number_in_system" in " ".join(found.failures)


def test_a_case_without_power_fails():
    found = validate(cases=[Case("M/M/1", MMc(arrival_rate=0.5), 1e-4, OPTIONS)])
    assert not found.passed and "wanted 0.0001" in found.failures[0]


def test_a_flag_fails():
    options = {**OPTIONS, "precision": 1e-6, "max_events": 1_000_000}
    found = validate(cases=[Case("M/M/1", MMc(arrival_rate=0.5), 0.1, options)])
    assert not found.passed and "flag precision_not_reached" in found.failures[0]


def test_cases_are_chosen_by_system_and_by_name():
    assert {title(case.system) for case in select(["gg1"])} == {"gg1"}
    assert [case.name for case in select(["M/M/1"])] == ["M/M/1"]
    assert select(None) == CASES and len({case.name for case in CASES}) == len(CASES)
    with pytest.raises(ValueError, match="systems = mcm: must be among mmc"):
        select(["mcm"])


@pytest.fixture
def one_case(monkeypatch):
    def put(case):
        monkeypatch.setattr("jaxq.experiments.validate.CASES", [case])

    return put


def test_exit_codes_and_json(jaxq, one_case, tmp_path):
    one_case(Case("M/M/1", MMc(arrival_rate=0.5), 0.1, OPTIONS))
    path = tmp_path / "v.json"
    code, out, err = jaxq("validate", "--json", "--out", str(path), "--seed", "2")
    data = json.loads(out)
    assert code == 0 and err == "" and data["passed"] and json.loads(path.read_text()) == data
    assert data["cases"]["M/M/1"]["run"]["seed"] == 2
    one_case(Case("wrong", WrongOracle(arrival_rate=0.5), 0.1, {**OPTIONS, "replicas": 512}))
    code, out, _ = jaxq("validate")
    assert code == 1 and "FAILED" in out and "standard errors from its oracle" in out


OWN = """import jaxq


class Line(jaxq.JumpProcess):
    \"\"\"M/M/1.\"\"\"

    arrival_rate: float = jaxq.positive("arrival rate, 1/time")
    service_rate: float = jaxq.positive("service rate, 1/time", default=1.0)

    def init(self, words):
        return 0

    def rates(self, state):
        return self.arrival_rate, self.service_rate * (state > 0)

    def jump(self, state, k):
        return (state + 1, state - 1)[k]

    def observe(self, state):
        return {"customers": state}

    def oracle(self):
        return {"customers": FACTOR * self.arrival_rate / (self.service_rate - self.arrival_rate)}
"""


@pytest.mark.parametrize(("factor", "expected"), [("1.0", 0), ("1.1", 1)])
def test_a_class_of_a_file_is_compared_with_its_oracle(jaxq, tmp_path, factor, expected):
    path = tmp_path / f"line{expected}.py"
    path.write_text(OWN.replace("FACTOR", factor))
    code, out, err = jaxq("validate", f"{path}:Line", "--json", "--quiet")
    data = json.loads(out)
    assert code == expected and err == "" and data["comparisons"] == 1 and list(data["cases"]) == [f"{path}:Line"]


def test_a_class_without_an_oracle_has_nothing_to_be_compared_with(jaxq, tmp_path):
    path = tmp_path / "plain.py"
    path.write_text(OWN.partition("    def oracle")[0])
    code, out, err = jaxq("validate", f"{path}:Line")
    assert code == 2 and out == "" and "must define oracle, which its means are compared with" in err
