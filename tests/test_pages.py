"""The written pages are followed to the letter: files written, edits made, commands run, links opened."""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jaxq
from jaxq.__main__ import main
from jaxq.engine.flags import Flag
from tests import compiled
from tests.pages import Step, slug, steps

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "notebooks" / "add_a_system.md").read_text(encoding="utf8")
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / ".github").glob("*.md"),
    *ROOT.glob("notebooks/**/*.md"),
    *ROOT.glob("benchmarks/*.md"),
    ROOT / "jaxq/CHANGELOG.md",
]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
COPIED = "jaxq", "tests", "README.md", "pyproject.toml"


ONE_FILE, FOLDER = (steps(part) for part in PAGE.split("\n## ")[1:3])


def apply(diff: str, path: Path) -> None:
    """Replace the lines of a diff without numbers; what it takes away must be there once."""
    lines = diff.splitlines()
    old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] in kinds) for kinds in (" -", " +"))
    text = path.read_text(encoding="utf8")
    assert text.count(old) == 1, f"{path} has not, or not once:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf8")


def here(line: str, folder: Path) -> str:
    """What a line of shell that begins with ``jaxq`` prints, run in this process; it must end as it says."""
    program, *words = shlex.split(line, comments=True)
    assert program == "jaxq", line
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return check_end(line, code or 0, out.getvalue(), err.getvalue())


def run(line: str, folder: Path, package: Path) -> str:
    """What a line of shell prints in a process of its own, with the jaxq of ``package``; it must end as it says."""
    words = shlex.split(line, comments=True)
    words = [sys.executable, *(["-m", "jaxq"] if words[0] == "jaxq" else []), *words[1:]]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(package), "MPLBACKEND": "Agg", "XLA_FLAGS": compiled.flags()}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    return check_end(line, done.returncode, done.stdout, done.stderr)


def check_end(line: str, code: int, out: str, err: str) -> str:
    """What was printed, if the exit code is that which the line says (``# exit code 2``)."""
    said = re.search(r"# exit code (\d)", line)
    assert code == (int(said[1]) if said else 0), f"{line}\n{out[-3000:]}{err[-3000:]}"
    assert "Warning" not in err and "Traceback" not in err, err
    return out


def follow(part: list[Step], folder: Path, shell: Callable[[str], str]) -> dict[str, str]:
    """Do what a part of the page says; what each line of shell printed."""
    printed = {}
    for kind, what, text in part:
        if kind == "file":
            (folder / what).parent.mkdir(parents=True, exist_ok=True)
            (folder / what).write_text(text, encoding="utf8")
        elif kind == "edit":
            apply(text, folder / what)
        elif kind == "sh":
            printed |= {line: shell(line) for line in text.splitlines()}
    return printed


@pytest.mark.slow
def test_a_system_in_one_file(tmp_path, monkeypatch):
    assert {step.what for step in ONE_FILE if step.kind == "file"} == {"machine_repair.py", "check.py"}
    monkeypatch.setenv("MPLBACKEND", "Agg")

    def shell(line):
        return here(line, tmp_path) if line.startswith("jaxq ") else run(line, tmp_path, ROOT)

    printed = follow(ONE_FILE, tmp_path, shell)
    metrics = json.loads((tmp_path / "repair.json").read_text())["metrics"]
    assert set(metrics) == {"machines_down", "waiting", "downtime", "busy_repairers", "cost"}
    assert all(abs(m["z"]) < 4.5 and m["half_width"] < 0.02 * m["oracle"] for m in metrics.values())
    assert re.search(r"machines_down +2\.12623", printed["jaxq exact machine_repair.py:MachineRepair"])
    tuned = json.loads((tmp_path / "tuned.json").read_text())
    assert tuned["parameters"]["best"]["repair_rate"] == pytest.approx(1.249, abs=0.001) and "1.249" in PAGE
    assert tuned["objective"]["best"] == pytest.approx(3.498, abs=0.001) and "3.498" in PAGE
    for picture in ("repairers.png", "transient.png"):
        assert (tmp_path / picture).stat().st_size > 10_000


@pytest.mark.slow
def test_a_system_in_a_folder_of_the_package(tmp_path):
    assert len([step for step in FOLDER if step.kind == "edit"]) == 5  # the page hides no edit: nothing else is changed
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    follow(FOLDER, tmp_path, lambda line: run(line, tmp_path, tmp_path))


def test_an_edit_of_other_lines_is_noticed(tmp_path):
    (tmp_path / "file.py").write_text("a\nb\n")
    apply(" a\n+c\n", tmp_path / "file.py")
    assert (tmp_path / "file.py").read_text() == "a\nc\nb\n"
    with pytest.raises(AssertionError, match="has not"):
        apply("-d\n", tmp_path / "file.py")
    with pytest.raises(AssertionError, match="nothing"):
        here("jaxq run nothing", tmp_path)


def test_every_public_name_is_in_the_reference():
    page = (ROOT / "notebooks" / "api.md").read_text(encoding="utf8")
    told = set(re.findall(r"auto(?:function|class|exception):: jaxq\.(\w+)", page))
    assert told == set(jaxq.__all__) - {"SYSTEMS"}


def test_every_flag_has_an_answer():
    page = (ROOT / "notebooks" / "questions.md").read_text(encoding="utf8")
    assert [flag for flag in Flag if f"`{flag}`" not in page] == []


def prose(path: Path) -> str:
    """What a page or a notebook says besides its code."""
    text = path.read_text(encoding="utf8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", prose(path), re.M)}


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page}: {target}"
        assert not anchor or anchor in anchors(found), f"{page}: {target}"


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_module_that_is_named_exists(page):
    text = prose(page)
    for name in re.findall(r"`((?:jaxq|tests|benchmarks|notebooks)/[\w/.-]*)`", text):
        assert (ROOT / name).exists(), f"{page}: {name}"
    for name in re.findall(r"`(jaxq\.analytic[\w.]*)`", text):
        path = ROOT / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), f"{page}: {name}"
