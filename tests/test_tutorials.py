"""The tutorials run from top to bottom, and print what they say that they print."""

import re
from pathlib import Path

import pytest

import jaxq
from tests import compiled
from tests.pages import execute, slug, steps
from tests.test_pages import here

ROOT = Path(__file__).parents[1]
FOLLOWED = "add_a_system.md"
"""Has a test of its own, which edits a copy of the package (test_pages.py)."""
SHOWN = ("py", "bash", "yaml")
"""Blocks that are there to be read: what needs other machines."""
TUTORIALS = {
    path.name: blocks
    for path in sorted((ROOT / "notebooks").glob("*.md"))
    if path.name != FOLLOWED and (blocks := steps(path.read_text(encoding="utf8")))
}


@pytest.mark.parametrize("page", TUTORIALS)
def test_it_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("XLA_FLAGS", compiled.flags())  # of the workers of gpus_and_clusters.md
    monkeypatch.setattr(jaxq, "use_all_cores", lambda *count: 2)
    names = {"__name__": "page"}
    for kind, what, text in TUTORIALS[page]:
        if kind == "python":
            execute(text, names)
        elif kind == "file":
            (tmp_path / what).write_text(text, encoding="utf8")
        elif kind == "sh":
            for line in text.splitlines():
                here(line, tmp_path)
        else:
            assert kind in SHOWN, f"{page}: a block of {kind} is neither run nor one that is only shown"


def test_the_lines_beside_those_of_others_are_counted():
    page = (ROOT / "notebooks" / "coming_from.md").read_text(encoding="utf8")
    parts = {slug(part.splitlines()[0]): steps(part) for part in page.split("\n## ")[1:]}
    told = {anchor: int(lines) for anchor, lines in re.findall(r"\]\(#([\w-]+)\).*?\| [\w ]+, (\d+) \|", page)}
    lines = {name: [line for step in part for line in step.text.splitlines()] for name, part in parts.items()}
    comment = re.compile(r'\s*(#|""")|\s*$')
    assert told == {name: sum(not comment.match(line) for line in found) for name, found in lines.items()}


WRONG = (
    "print(1.5)  # 1.51",
    "print('1.0 +- 0.1')  # 1.5 +- 0.1",
    "print('1.0 +- 0.1')  # 1.0 +- 0.3",
    "print('a')  # b",
    "print(\n    'a'\n)  # b",
    "if False:\n    print('a')  # a",
)


@pytest.mark.parametrize("block", WRONG)
def test_a_page_that_says_what_is_not_printed_is_noticed(block):
    with pytest.raises(AssertionError):
        execute(block, {})


def test_a_page_that_says_what_is_printed_is_taken():
    assert execute("print('q 1.0 +- 0.1')  # q 1.1 +- 0.12\nprint(2.0004)  # 2.0", {}) == 2
