"""`jaxq run`: tables, JSON, files, exit codes."""

import csv
import json
import math

import pytest

RUN = ["run", "mmc", "--arrival-rate", "0.5"]
KEYS = {"schema", "system", "parameters", "point", "metrics", "run", "growth", "flags", "primary", "units"}
METRIC_KEYS = {"mean", "half_width", "level", "standard_error", "oracle", "kind", "z", "quantiles", "unit"}
RUN_KEYS = {
    *("replicas", "events", "events_per_replica", "time", "warmup", "warmup_method", "method", "seed", "level"),
    *("seconds", "compile_seconds", "ns_per_event", "program", "devices", "versions", "options", "correlation"),
}


def numbers(value):
    """Every float in a JSON value."""
    if isinstance(value, dict):
        return [x for item in value.values() for x in numbers(item)]
    if isinstance(value, list):
        return [x for item in value for x in numbers(item)]
    return [value] if isinstance(value, float) else []


def strict(text):
    """JSON without NaN or Infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


def test_json_has_the_keys_of_the_schema_and_nothing_else_on_stdout(jaxq, short):
    code, out, err = jaxq(*RUN, *short, "--json")
    data = strict(out)
    assert code == 0 and err == ""
    assert set(data) == KEYS and data["schema"] == 1 and data["system"] == "mmc" and data["flags"] == []
    assert set(data["run"]) == RUN_KEYS
    assert data["parameters"]["arrival_rate"] == 0.5 and data["parameters"]["capacity"] is None
    assert data["run"]["replicas"] == 64 and data["run"]["options"]["events"] == 2000
    for metric in data["metrics"].values():
        assert {"mean", "half_width", "level"} <= set(metric) <= METRIC_KEYS
    queue = data["metrics"]["number_in_system"]
    assert queue["oracle"] == pytest.approx(1.0) and queue["kind"] == "exact"
    assert abs(queue["z"]) < 5 and queue["half_width"] < 0.1
    assert all(math.isfinite(x) for x in numbers(data))


def test_table_has_metrics_oracle_and_verdict(jaxq, short):
    code, out, err = jaxq(*RUN, *short)
    assert code == 0 and err == ""
    for word in (
        "mmc",
        "arrival_rate=0.5",
        "number_in_system",
        "oracle",
        "exact",
        "replica-t",
        "seed 0",
        "ns an event",
    ):
        assert word in out
    assert "agrees" in out and "…" not in out and "\x1b" not in out


def test_numbers_may_be_written_with_an_exponent(jaxq, short):
    code, out, _ = jaxq(*RUN, *short, "--seed", "1e3", "--max-events", "1e9", "--json")
    assert code == 0 and strict(out)["run"]["seed"] == 1000


def test_the_same_seed_gives_the_same_numbers(jaxq, short):
    first, second = (strict(jaxq(*RUN, *short, "--json", "--seed", "5").out)["metrics"] for _ in range(2))
    assert first == second


def test_files_and_figure(jaxq, short, tmp_path):
    files = [tmp_path / name for name in ("r.json", "r.csv", "r.npz")]
    outs = [word for path in files for word in ("--out", str(path))]
    code, *_ = jaxq(*RUN, *short, *outs, "--plot", str(tmp_path / "r.svg"))
    assert code == 0 and all(path.exists() for path in files)
    assert set(strict(files[0].read_text())) == KEYS
    assert files[1].read_text().startswith("system,metric,mean")
    assert "<svg" in (tmp_path / "r.svg").read_text()


def test_a_flag_is_exit_code_3_and_impossible_to_miss(jaxq):
    code, out, _ = jaxq(*RUN, "--replicas", "64", "--precision", "1e-4", "--max-events", "2e6", "--warmup", "500")
    assert code == 3 and "FLAG precision_not_reached" in out


def test_withheld_means_and_growth_are_shown(jaxq):
    args = ["--arrival-rate", "1.3", "--capacity", "1000000", "--replicas", "64", "--warmup", "0", "--events", "1e5"]
    code, out, _ = jaxq("run", "mmc", *args)
    assert code == 3 and "withheld" in out and "FLAG unstable" in out
    rate, _, width = out.partition("number_in_system grows by ")[2].split()[:3]
    assert float(width) < 0.005 and abs(float(rate) - 0.3) < 2 * float(width)
    code, out, _ = jaxq("run", "mmc", *args, "--json")
    data = strict(out)
    assert code == 3 and data["flags"] == ["unstable"] and data["metrics"]["number_in_system"]["mean"] is None
    assert data["growth"]["number_in_system"]["rate"] == pytest.approx(0.3, abs=0.01)


def test_quantiles_are_printed(jaxq):
    args = ["--arrival-rate", "0.5", "--replicas", "64", "--events", "2e3", "--warmup", "500"]
    code, out, _ = jaxq("run", "mg1", *args, "--quantiles", "waiting_time:0.5,0.99")
    lines = [line.split() for line in out.splitlines() if "waiting_time, quantile" in line]
    assert code == 0 and [line[2] for line in lines] == ["0.5", "0.99"]
    assert lines[0][-2] == "0" and float(lines[1][-2]) == pytest.approx(2 * math.log(50), abs=1e-6)


def test_service_levels_are_printed_and_written(jaxq, short, tmp_path):
    """P(W <= x) of M/M/1 at .5 is 1 - .5 exp(-x/2)."""
    words = (
        "mg1",
        "--arrival-rate",
        "0.5",
        *short,
        "--service-level",
        "waiting_time:1,4",
        "--service-level",
        "waited:0",
    )
    code, out, _ = jaxq("run", *words, "--out", str(tmp_path / "a.json"), "--out", str(tmp_path / "a.csv"))
    rows = {line.split("  ")[0].strip(): line.split() for line in out.splitlines() if "<=" in line}
    assert code == 0 and list(rows) == ["P(waiting_time <= 1)", "P(waiting_time <= 4)", "P(waited <= 0)"]
    assert [row[-2] for row in rows.values()] == ["0.6967347", "0.9323324", "0.5"]
    found = json.loads((tmp_path / "a.json").read_text())["service_levels"]
    assert list(found) == ["waiting_time", "waited"] and found["waited"]["0"]["oracle"] == 0.5
    written = {row["metric"]: row for row in csv.DictReader((tmp_path / "a.csv").read_text().splitlines())}
    assert float(written["waiting_time<=4"]["mean"]) == found["waiting_time"]["4"]["value"]
    code, out, _ = jaxq("sweep", "mg1", "--arrival-rate", "0.5,0.6", *words[3:])
    assert code == 0 and sum("P(waiting_time <= 4)" in line for line in out.splitlines()) == 2
    assert "arrival_rate=0.6" in out


def test_a_warning_is_one_line_on_stderr(jaxq, monkeypatch, short):
    import warnings

    monkeypatch.setattr("jaxq.cli.run.start_devices", lambda *_: warnings.warn("mind\nthis", stacklevel=1))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = jaxq(*RUN, *short)
    assert code == 0 and err == "warning: mind this\n"


def test_checkpoint_of_another_run_is_refused(jaxq, short, tmp_path):
    path = str(tmp_path / "c.npz")
    assert jaxq(*RUN, *short, "--checkpoint", path).code == 0
    code, _, err = jaxq(*RUN, *short, "--checkpoint", path, "--seed", "3")
    assert code == 2 and err.startswith("error: checkpoint = ") and err.count("\n") == 1


def test_a_bug_keeps_its_traceback(jaxq, monkeypatch, short):
    def broken(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr("jaxq.cli.run.run_plan", broken)
    with pytest.raises(ValueError, match="a bug"):
        jaxq(*RUN, *short)
