"""The notebooks run, coarsely, and are committed with what a full run put out."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import jaxq

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MACHINE_PATH = re.compile(r"/(work|tmp|root|home)\b")
MOST_BYTES = 600_000

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run code in an empty folder, coarsely and without a display; a warning is an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXQ_FAST", "1")
    monkeypatch.setattr(jaxq, "use_all_cores", lambda: 2)
    plt.switch_backend("Agg")
    with plt.rc_context():
        yield lambda source: exec(compile(source, "cells", "exec"), {"__name__": "cells"})
    plt.close("all")


def text_of(output: dict) -> str:
    """What an output shows as text; a figure is no text."""
    shown = {kind: x for kind, x in output.get("data", {}).items() if not kind.startswith("image/")}
    return json.dumps([output.get("text"), shown, output.get("metadata")])


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@notebooks
def test_it_runs(path, execute, capsys):
    """Its own assertions hold, it draws, and what it prints warns of nothing."""
    execute("\n\n".join("".join(cell["source"]) for cell in code_cells(path)))
    assert plt.get_fignums() and "Warning" not in capsys.readouterr().err


def test_a_claim_that_fails_is_noticed(execute):
    with pytest.raises(AssertionError):
        execute("assert 1 + 1 == 3")


@notebooks
def test_it_is_committed_with_the_outputs_of_one_clean_run(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for output in outputs:
        assert output["output_type"] != "error" and output.get("name") != "stderr", text_of(output)
    assert path.stat().st_size < MOST_BYTES


@notebooks
def test_every_check_has_printed_what_it_compared(path):
    checks = [cell for cell in code_cells(path) if re.search(r"^\s*assert ", "".join(cell["source"]), re.M)]
    assert checks
    for cell in checks:
        assert any(output.get("name") == "stdout" for output in cell["outputs"]), "".join(cell["source"])


@notebooks
def test_it_names_no_path_of_a_machine(path):
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        texts = ["".join(cell["source"]), *map(text_of, cell.get("outputs", []))]
        for text in texts:
            assert not MACHINE_PATH.search(text), text
    assert not MACHINE_PATH.search(json.dumps(notebook["metadata"]))
