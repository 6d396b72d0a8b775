"""`jaxq exact` and `jaxq paths`."""

import csv
import json

import numpy as np
import pytest

SMALL = ["mmc", "--arrival-rate", "0.9", "--capacity", "5"]


def test_exact_agrees_with_the_oracle(jaxq):
    code, out, _ = jaxq("exact", *SMALL, "--json")
    data = json.loads(out)
    assert code == 0 and data["number_of_states"] == 6
    for metric in data["metrics"].values():
        assert metric["value"] == pytest.approx(metric["oracle"], rel=1e-10)
    code, out, _ = jaxq("exact", *SMALL)
    assert code == 0 and "6 states" in out and "probability_block" in out


def test_a_law_is_written(jaxq, tmp_path):
    files = [str(tmp_path / f"law.{ending}") for ending in ("json", "csv", "npz")]
    code, out, err = jaxq("exact", *SMALL, *[x for file in files for x in ("--out", file)], "--json")
    assert code == 0 and err == "" and json.loads((tmp_path / "law.json").read_text()) == json.loads(out)
    rows = list(csv.DictReader((tmp_path / "law.csv").read_text().splitlines()))
    metrics = json.loads(out)["metrics"]
    assert {row["metric"]: float(row["exact"]) for row in rows} == {name: m["value"] for name, m in metrics.items()}
    assert {row["kind"] for row in rows} == {"exact"}
    law = np.load(tmp_path / "law.npz")
    weights = 0.9 ** np.arange(6)
    assert np.allclose(law["probabilities"][np.argsort(law["states/0"])], weights / weights.sum())


def test_a_law_is_drawn(jaxq, tmp_path):
    code, _, err = jaxq("exact", *SMALL, "--plot", str(tmp_path / "law.svg"))
    assert code == 0 and err == "" and "probability" in (tmp_path / "law.svg").read_text()
    code, _, err = jaxq("exact", *SMALL, "--plot", str(tmp_path / "law.gif"))
    assert code == 2 and "plot = " in err


def test_a_law_cannot_be_written_where_there_is_no_folder(jaxq, tmp_path):
    code, out, err = jaxq("exact", *SMALL, "--out", str(tmp_path / "none" / "law.json"))
    assert code == 2 and out == "" and "out = " in err


def test_paths_start_empty(jaxq, tmp_path):
    files = [str(tmp_path / name) for name in ("p.json", "p.png")]
    args = ["--times", "0:20:41", "--replicas", "64", "--out", files[0], "--plot", files[1]]
    code, out, err = jaxq("paths", *SMALL, *args)
    assert code == 0 and err == "" and "21 of 41 times" in out and (tmp_path / "p.png").exists()
    data = json.loads((tmp_path / "p.json").read_text())
    assert len(data["times"]) == 41 and data["observables"]["number_in_system"]["mean"][0] == 0


DAY = ["--schedule", "arrival-rate:8=12,18=6", "--schedule", "servers:0=6,8=14", "--period", "24"]


def test_a_day_on_the_command_line_is_that_of_python(jaxq, tmp_path):
    import jaxq as package
    from jaxq.cli.again import command

    args = ["paths", "mmc", "--arrival-rate", "4", "--times", "0:48:17", "--replicas", "32"]
    code, out, err = jaxq(*args, *DAY, "--out", str(tmp_path / "day.json"))
    assert code == 0 and err == "" and "schedule  arrival_rate:8=12,18=6  servers:0=6,8=14  again every 24" in out
    found, fields = package.load(tmp_path / "day.json"), {"arrival_rate": {8: 12, 18: 6}, "servers": {0: 6, 8: 14}}
    queue = package.MMc(arrival_rate=4)
    python = package.paths(queue, found.times, replicas=32, schedule=fields, period=24)
    assert all(np.array_equal(found.mean[name], python.mean[name]) for name in python.mean)
    again = command(found)
    assert again is not None and again.endswith(
        "--schedule arrival_rate:8=12,18=6 --schedule servers:0=6,8=14 --period 24"
    )


def test_a_schedule_in_a_file_and_of_lists(jaxq, tmp_path):
    (tmp_path / "net.toml").write_text(
        'system = "tolled-queues"\n[parameters]\narrival_rates = [0.4, 0.3]\nrewards = [9, 6]\nwaiting_costs = [1, 0.5]\n'
        'size_law = "exponential"\ninformation = "lengths"\n[run]\ntimes = [1, 5]\nreplicas = 16\n'
        'schedule = ["arrival_rates:2=0.9,0.1", "tolls:1=2,3=5"]\n'
    )
    code, out, err = jaxq("paths", str(tmp_path / "net.toml"))
    assert code == 0 and err == "" and "schedule  arrival_rates:2=0.9,0.1  tolls:1=2,3=5" in out
    file = tmp_path / "net.toml"
    file.write_text(
        file.read_text().replace('["arrival_rates:2=0.9,0.1", "tolls:1=2,3=5"]', "{tolls = [[1, 2], [3, 5]]}")
    )
    code, out, err = jaxq("paths", str(file))
    assert code == 0 and err == "" and "schedule  tolls:1=2,3=5" in out


def test_an_initial_state_on_the_command_line_is_that_of_python(jaxq, tmp_path):
    import jaxq as package
    from jaxq.cli.again import command

    args = ["paths", "mmc", "--arrival-rate", "4", "--servers", "5", "--times", "0:2:3", "--replicas", "32"]
    code, out, err = jaxq(*args, "--initial", "number_in_system=12", "--out", str(tmp_path / "full.json"))
    assert code == 0 and err == "" and "initial  number_in_system=12" in out
    found, queue = package.load(tmp_path / "full.json"), package.MMc(4, servers=5)
    python = package.paths(queue, found.times, replicas=32, initial={"number_in_system": 12})
    assert np.array_equal(found.mean["number_in_system"], python.mean["number_in_system"])
    assert found.mean["number_in_system"][0] == 12 and found.initial == {"number_in_system": 12}
    again = command(found)
    assert again is not None and "--initial number_in_system=12" in again
    for text, words in (("number_in_system=", "must be NAME=VALUE"), ("number=3", "did you mean number_in_system?")):
        code, out, err = jaxq(*args, "--initial", text)
        assert code == 2 and words in err


def test_an_initial_state_in_a_file_and_of_lists(jaxq, tmp_path):
    (tmp_path / "jobs.toml").write_text(
        'system = "load-balancing"\n[parameters]\nservers = 3\npolicy = "pod2"\n[run]\ntimes = [0, 1]\nreplicas = 16\n'
        "initial = {jobs = [3, 0, 1]}\n"
    )
    code, out, err = jaxq("paths", str(tmp_path / "jobs.toml"))
    assert code == 0 and err == "" and "initial  jobs=3,0,1" in out
    code, out, err = jaxq("paths", str(tmp_path / "jobs.toml"), "--initial", "jobs=2")
    assert code == 0 and err == "" and "initial  jobs=2\n" in out


def test_customers_are_written_as_python_finds_them(jaxq, tmp_path):
    import jaxq as package

    args = ["customers", "ggc", "--arrival-rate", "1.5", "--servers", "2", "--customers", "40", "--replicas", "2"]
    code, out, err = jaxq(*args, "--out", str(tmp_path / "log.json"), "--out", str(tmp_path / "log.csv"))
    assert code == 0 and err == "" and "20 of 80 records; 2 replicas, seed 0" in out and "departure_time" in out
    found, python = package.load(tmp_path / "log.json"), package.customers(package.GGc(1.5, servers=2), 40, replicas=2)
    assert all(np.array_equal(found[name], x) for name, x in python.columns.items())
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 81
    code, out, err = jaxq(*args, "--skip", "10", "--json")
    assert code == 0 and json.loads(out)["customers"]["customer"][0] == 10
    code, out, err = jaxq("customers", "mmc")
    assert code == 2 and "must be one that is stepped by customer" in err
