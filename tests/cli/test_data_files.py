"""Data from files as a user gives them: a column of a CSV for a law or a trace, the scale it is run at, what is refused."""

import json
import re

import pytest

BANK = "id,gap,service\n1,5,1\n2,0,2\n3,4,9\n"
"""Gaps of mean 3, one of them 0; services of mean 4."""
CALLS = "id,time\n1,1700000000\n2,1700000000\n3,1700000001.5\n4,1700000004\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text(BANK, encoding="utf-8-sig")
    (tmp_path / "calls.csv").write_text(CALLS)
    (tmp_path / "dates.csv").write_text("when;gap\n2024-01-01 08:00;0,5\n2024-01-01 08:01;1,5\n")
    (tmp_path / "back.csv").write_text("id,time\n1,5\n2,7\n3,6\n")
    (tmp_path / "zeros.txt").write_text("0\n0\n")
    return tmp_path


def test_the_mean_of_the_data_stands_beside_the_rate_it_is_scaled_to(jaxq, files, short):
    args = ("run", "mg1", "--arrival-rate", "0.2", "--service-law", "empirical:bank.csv#service", *short)
    code, out, _ = jaxq(*args)
    note = "service_law=empirical:bank.csv#service (observed mean 4, scaled to 1/service_rate)"
    assert code == 0 and "service_rate=1 " in out and note in " ".join(out.split())
    run = json.loads(jaxq(*args, "--json").out)["run"]
    assert run["scaled"] == {"service_law": "observed mean 4, scaled to 1/service_rate"}
    assert "scaled" not in json.loads(jaxq(*args[:4], *short, "--json").out)["run"]


def test_a_tuning_says_what_its_data_are_scaled_to(jaxq, files, short):
    args = (
        "--size-law",
        "empirical:bank.csv#service",
        "--parameter",
        "tolls",
        "--start",
        "3",
        "--steps",
        "2",
        "--quiet",
    )
    _, out, _ = jaxq("tune", "tolled-queues", *args, *short)
    note = "size_law=empirical:bank.csv#service (observed mean 4, scaled to mean_sizes)"
    assert note in " ".join(out.split())


@pytest.mark.parametrize("by", ["command line", "experiment file"])
def test_the_rate_may_be_that_of_the_file(jaxq, files, short, by):
    """Pollaczek-Khinchine with the data themselves: rho = .8, E S^2 = 86/3, so .2 (86/3) / (2 (1 - .8))."""
    fields = {"arrival_rate": "0.2", "service_law": '"empirical:bank.csv#service"', "service_rate": '"file"'}
    if by == "command line":
        args = [f"--{name.replace('_', '-')}={value.strip(chr(34))}" for name, value in fields.items()]
        code, out, _ = jaxq("run", "mg1", *args, *short, "--json")
    else:
        lines = "\n".join(f"{name} = {value}" for name, value in fields.items())
        (files / "e.toml").write_text(f'system = "mg1"\n[parameters]\n{lines}\n')
        code, out, _ = jaxq("run", "e.toml", *short, "--json")
    found = json.loads(out)
    assert found["parameters"]["service_rate"] == 0.25 and code in (0, 3)
    assert found["metrics"]["waiting_time"]["oracle"] == pytest.approx(0.2 * (86 / 3) / 2 / 0.2)


def test_both_sides_from_one_file(jaxq, files, short):
    laws = ("--arrival-law", "empirical:bank.csv#gap", "--service-law", "empirical:bank.csv#3")
    args = ("run", "ggc", "--servers", "2", *laws, "--arrival-rate", "file", "--service-rate", "file", *short, "--json")
    found = json.loads(jaxq(*args).out)["parameters"]
    assert found["arrival_rate"] == pytest.approx(1 / 3) and found["service_rate"] == 0.25


def test_a_trace_and_sizes_at_their_own_scale(jaxq, files, short):
    args = ("--arrivals", "trace:calls.csv#time", "--arrival-rates", "file", "--rewards", "50")
    sizes = ("--size-law", "empirical:bank.csv#gap", "--mean-sizes", "file", "--service-rates", "9")
    found = json.loads(jaxq("run", "tolled-queues", *args, *sizes, *short, "--json").out)
    assert found["parameters"]["arrival_rates"] == 0.75 and found["parameters"]["mean_sizes"] == 3
    assert found["run"]["scaled"] == {
        "arrivals": "observed mean 1.33333, scaled to 1/arrival_rates",
        "size_law": "observed mean 3, scaled to mean_sizes",
    }
    assert found["metrics"]["throughput"]["mean"] == pytest.approx(0.75, rel=1e-3)


def test_a_comparison_of_laws_keeps_each_scale(jaxq, files, short):
    laws = "empirical:bank.csv#gap,empirical:bank.csv#service"
    code, out, _ = jaxq(
        "compare", "mg1", "--arrival-rate", ".1", "--service-law", laws, "--service-rate", "file", *short
    )
    for column, mean in (("gap", 3), ("service", 4)):
        note = f"service_law=empirical:bank.csv#{column} (observed mean {mean}, scaled to 1/service_rate)"
        assert out.count(note) == 1
    assert code == 0 and "service_rate=0.25" in out


def test_a_sweep_at_the_rate_of_the_file(jaxq, files, short):
    law = ("--service-law", "empirical:bank.csv#service", "--service-rate", "file")
    code, out, _ = jaxq("sweep", "mg1", "--arrival-rate", "0.1,0.2", *law, *short, "--json")
    assert [r["parameters"]["service_rate"] for r in json.loads(out)["results"]] == [0.25, 0.25] and code in (0, 3)


def test_help_says_how_data_are_given(jaxq):
    text = " ".join(jaxq("run", "gg1", "--help").out.split())
    assert "file: as observed in service_law" in text and "empirical:FILE[#COLUMN]" in text
    text = " ".join(jaxq("run", "tolled-queues", "--help").out.split())
    assert "trace:FILE[#COLUMN]" in text and "file: as observed in arrivals" in text


LAW, TRACE = "--service-law=empirical:", "--arrivals=trace:"
BAD = {
    "several columns": ("mg1", [LAW + "bank.csv"], "the file has the columns id, gap, service: must be FILE#COLUMN"),
    "no such column": ("mg1", [LAW + "bank.csv#wait"], "empirical:bank.csv#wait: the file has the columns id, gap, "),
    "no such file": ("mg1", [LAW + "none.csv#gap"], "none.csv#gap: must be empirical:FILE[#COLUMN] or"),
    "a folder": ("mg1", [LAW + "."], "(Is a directory)"),
    "decimal commas": ("mg1", [LAW + "dates.csv#gap"], "dates.csv#gap: line 2 has 0,5: must be a finite number"),
    "dates": ("tolled-queues", [TRACE + "dates.csv#when"], "line 2 has 2024-01-01 08:00: must be a finite number"),
    "only zeros": ("mg1", [LAW + "zeros.txt"], "of mean 0: must have a finite mean > 0"),
    "unsorted": (
        "tolled-queues",
        [TRACE + "back.csv#time"],
        "back.csv#time: line 4 has 6: must be >= 7, the time before",
    ),
    "all at once": ("tolled-queues", [TRACE + "zeros.txt"], "trace from 0 to 0: must last a time > 0"),
    "pooled times": ("tolled-queues", [TRACE + "calls.csv"], "the file has the columns id, time: must be FILE#COLUMN"),
    "the rate of no file": ("mg1", ["--service-rate=file"], "service_rate = file: must be a number, as service_law ="),
    "the rate of no trace": (
        "tolled-queues",
        ["--arrival-rates=file"],
        "must be a number, as arrivals = poisson is not",
    ),
    "a rate without a law": ("mmc", ["--service-rate=file"], "service_rate = file: must be a number > 0"),
    "a rate of another field": ("mg1", ["--arrival-rate=file", LAW + "bank.csv#2"], "arrival_rate = file: must be"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_data_is_one_line(jaxq, files, kind):
    system, args, words = BAD[kind]
    code, out, err = jaxq("run", system, *args)
    assert code == 2 and out == "" and re.fullmatch(r"error: [^\n]*\n", err) and words in err


def test_the_file_is_no_point_of_a_sweep(jaxq, files):
    law = ("--service-law", "empirical:bank.csv#service")
    code, _, err = jaxq("sweep", "mg1", "--arrival-rate", ".1", *law, "--service-rate", "file,2")
    assert code == 2 and "service_rate = file,2: file is one value, and is not swept" in err
