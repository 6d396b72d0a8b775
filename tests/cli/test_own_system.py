"""Every command with a system of the user's own file or of an installed package."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

import jaxq as package

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf8")
TANDEM = re.search(r"<!-- test:tandem -->\s*```python\n(.*?)\n\n\ntandem = ", README, re.S).group(1)  # pyright: ignore
SHORT = ["--arrival-rate", "0.5", "--first-rate", "1", "--second-rate", "0.8"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The README's system in tandem.py, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tandem.py").write_text(TANDEM)
    return tmp_path


@pytest.mark.parametrize("name", ["tandem.py:Tandem", "tandem.py"])
def test_a_run(name, file, jaxq):
    code, out, err = jaxq("run", name, *SHORT, "--events", "20000", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["system"] == "tandem" and result["parameters"]["second_rate"] == 0.8
    # Jackson: 1 and 5/3 customers
    assert result["metrics"]["second_queue"]["oracle"] == pytest.approx(5 / 3)
    assert all(abs(m["z"]) < 4 and m["half_width"] < 0.02 * m["oracle"] for m in result["metrics"].values())


def test_list_help_and_an_experiment_file(file, jaxq):
    code, out, _ = jaxq("list", "tandem.py:Tandem")
    assert code == 0 and "service rate of the second queue" in out
    code, out, _ = jaxq("run", "tandem.py:Tandem", "--help")
    assert code == 0 and "--second-rate" in out and "Two M/M/1 queues in a row." in out
    fields = "arrival_rate = 0.5\nfirst_rate = 1\nsecond_rate = 0.8"
    (file / "two.toml").write_text(f'system = "tandem.py:Tandem"\n[parameters]\n{fields}\n')
    code, out, _ = jaxq("theory", "two.toml", "--json")
    assert code == 0 and json.loads(out)["oracle"]["first_queue"] == {"value": 1.0, "kind": "exact"}


BARE = (
    "import jaxq\n\n\nclass Bare(jaxq.JumpProcess):\n    'No fields.'\n\n    def init(self, words):\n        return 0\n"
)
RATES = "\n    def rates(self, state):\n        return (1.0,)\n\n    def jump(self, state, k):\n        return state\n"


@pytest.mark.parametrize("command", [["list"], ["run"], ["exact"]], ids=" ".join)
def test_of_a_class_that_is_not_finished_it_is_said_what_is_missing(command, tmp_path, monkeypatch, jaxq):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.py").write_text(BARE)
    code, out, err = jaxq(*command, "bare.py")
    assert (code, out, err) == (2, "", "error: Bare must define rates(state)\n")


def test_help_of_a_system_without_fields(tmp_path, monkeypatch, jaxq):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.py").write_text(BARE + RATES)
    code, out, _ = jaxq("run", "bare.py", "--help")
    assert code == 0 and "No fields." in out and "Fields:" not in out and "--precision" in out
    assert jaxq("list", "bare.py").code == 0


@pytest.mark.parametrize(
    ("text", "named", "said"),
    [
        ("x = 1", "own.py:X", "own.py:X: must name a class of the file that is a System or JumpProcess; it has none"),
        ("x = 1", "own.py", "own.py: must name a class"),
        ("X = 1", "own.py:X", "own.py:X: must be a class that is a System or JumpProcess, not 1"),
        ("\nimport not_there", "own.py:X", "own.py line 2: ModuleNotFoundError: No module named 'not_there'"),
        ("def f(:", "own.py:X", "own.py line 1: SyntaxError"),
        (TANDEM.replace("Tandem", "A") + "\n\n" + TANDEM.replace("Tandem", "B"), "own.py", "it has A, B"),
        (
            TANDEM.replace("    first_rate", "    plain: float\n    first_rate", 1),
            "own.py",
            "plain: tandem must declare",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(text, named, said, tmp_path, monkeypatch, jaxq):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(text)
    code, out, err = jaxq("run", named, *SHORT)
    assert code == 2 and out == "" and err.startswith("error: ") and said in err and err.count("\n") == 1


def test_where_no_oracle_is_given_there_are_no_columns_for_one(file, jaxq):
    _, out, _ = jaxq("run", "tandem.py", *SHORT, "--events", "2000")
    assert " oracle " in out and " z " in out
    (file / "plain.py").write_text(TANDEM.partition("    def oracle")[0])
    code, out, _ = jaxq("run", "plain.py", *SHORT, "--events", "2000")
    assert code == 0 and "first_queue" in out and " oracle " not in out and " z " not in out


WRONG = {
    "misspelt": (
        "self.arrival_rate, self.first_rate *",
        "self.arival_rate, self.first_rate *",
        "own.py line 15: AttributeError",
    ),
    "Python's if": ("(state[0] > 0)", "(1.0 if state[0] > 0 else 0.0)", "Tandem.rates"),
    "no rates": ("def rates(", "def other(", "Tandem must define rates(state)"),
}


@pytest.mark.parametrize("mistake", WRONG)
@pytest.mark.parametrize(
    "verb", [["run"], ["exact"], ["paths", "--times", "1"], ["gradient", "--parameter", "first_rate"]]
)
def test_a_class_that_is_wrong_is_one_line_at_every_verb(verb, mistake, tmp_path, monkeypatch, jaxq):
    monkeypatch.chdir(tmp_path)
    right, wrong, said = WRONG[mistake]
    assert TANDEM.count(right) == 1
    (tmp_path / "own.py").write_text(TANDEM.replace(right, wrong))
    code, out, err = jaxq(verb[0], "own.py", *SHORT, *verb[1:])
    assert code == 2 and out == "" and err.startswith("error: ") and said in err and err.count("\n") == 1


def test_an_error_that_is_not_of_the_class_keeps_its_traceback(file, monkeypatch, jaxq):
    def broken(*_):
        raise TypeError("of the engine")

    monkeypatch.setattr("jaxq.cli.run.plan", broken)
    with pytest.raises(TypeError, match="of the engine"):
        jaxq("run", "tandem.py", *SHORT)


def test_a_package_may_offer_systems(monkeypatch, jaxq):
    entry = metadata.EntryPoint("polling", "jaxq.systems.stations.model:MMc", "jaxq.systems")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry] if group == "jaxq.systems" else [])
    code, out, _ = jaxq("theory", "polling", "--arrival-rate", "0.5", "--json")
    assert code == 0 and json.loads(out)["oracle"]["utilisation"]["value"] == 0.5
    code, _, err = jaxq("run", "poling")
    assert code == 2 and "did you mean polling?" in err
    assert package.SYSTEMS.keys().isdisjoint({"polling"})


def test_a_saved_sweep_is_drawn_and_reported_with_its_file(file, jaxq):
    from jaxq.cli.plot import read

    short = ("--first-rate", "1", "--second-rate", "0.8", "--replicas", "64", "--events", "2000", "--warmup", "500")
    assert jaxq("sweep", "tandem.py", "--arrival-rate", "0.3,0.5", *short, "--out", "s.json", "--quiet")[0] in (0, 3)
    assert read("s.json").model is None  # the file holds the name alone
    assert read("s.json", "tandem.py").model.second_rate == 0.8
    assert jaxq("plot", "s.json", "--system", "tandem.py", "--out", "s.pdf") == (0, "", "")
    assert (file / "s.pdf").read_bytes()[:4] == b"%PDF"
    assert jaxq("report", "s.json", "--system", "tandem.py", "--out", "s.html") == (0, "", "")
    assert "jaxq sweep tandem.py --arrival-rate 0.3,0.5 --first-rate 1" in (file / "s.html").read_text()
    code, out, err = jaxq("plot", "s.json", "--system", "mmc", "--out", "s.pdf")
    assert (code, out) == (2, "") and err == "error: system = mmc: must be where the system of the result is, tandem\n"


LINE = """
import jax.numpy as jnp
import jaxq


class Line(jaxq.JumpProcess):
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.95)
    places: int = jaxq.whole("places", default=60, static=True)

    def init(self, words):
        return 0, jnp.zeros(self.places)

    def rates(self, state):
        return self.arrival_rate, 1.0 * (state[0] > 0)

    def jump(self, state, k):
        n, arrived = state
        return [(n + 1, arrived.at[n].set(1.0)), (n - 1, arrived)][k]

    def observe(self, state):
        return {"number": state[0]}
"""


def test_an_array_that_is_too_short(tmp_path, monkeypatch, jaxq):
    """60 places are outgrown in the run, 6 already in the walk before it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.py").write_text(LINE)
    code, out, _ = jaxq("run", "line.py", "--replicas", "64", "--events", "4000", "--warmup", "4000")
    assert code == 3 and "withheld" in out and "FLAG index_out_of_range" in out
    code, out, err = jaxq("run", "line.py", "--places", "6")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("error: Line.jump(state, 0): the index 6 lies beyond an array of 6 in state (6, [1.0, ")


def test_a_field_with_the_name_of_an_option_is_refused(tmp_path, jaxq):
    """It was a traceback."""
    (tmp_path / "mine.py").write_text(TANDEM.replace("second_rate", "initial"))
    code, _, err = jaxq("paths", f"{tmp_path / 'mine.py'}:Tandem", "--times", "1")
    assert code == 2 and "initial: is a field of tandem and an option of jaxq paths; the field must be named" in err
    code, out, _ = jaxq("run", f"{tmp_path / 'mine.py'}:Tandem", "--help")
    assert code == 0 and "--initial" in out
