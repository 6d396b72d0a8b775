"""The table of the papers: every experiment is in it, every command can be typed, no claim is without a reason."""

import re
import shlex
from pathlib import Path

import pytest

from jaxq.__main__ import main
from jaxq.experiments.catalogue import EXPERIMENTS

TEXT = (Path(__file__).parents[1] / "notebooks" / "papers.md").read_text(encoding="utf8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| claim")
]
COMMANDS = re.findall(r"`(jaxq [^`]+)`", TEXT)


def test_every_row_has_a_command_or_a_reason():
    assert len(ROWS) > 30
    for row in ROWS:
        assert len(row) == 3 and all(row)
        assert row[1] == "none" or re.fullmatch(r"`jaxq [^`]+`", row[1])


def test_every_experiment_is_in_it():
    named = {word for command in COMMANDS for word in command.split()}
    assert [name for name in EXPERIMENTS if name not in named] == []


@pytest.mark.parametrize("command", [command for command in COMMANDS if "NAME" not in command])
def test_every_command_can_be_typed(command, monkeypatch, capsys, tmp_path):
    """Its options are known and its values allowed; nothing is run."""
    monkeypatch.chdir(tmp_path)
    begun = []

    def begin(*_, **__):
        begun.append(command)
        raise KeyboardInterrupt

    for name in (
        "jaxq.cli.run.run_plan",
        "jaxq.cli.run.run_sweep",
        "jaxq.cli.run.run_comparison",
        "jaxq.cli.tune.solve",
        "jaxq.cli.tune.search_solve",
        "jaxq.experiments.reproduction.reproduce",
    ):
        monkeypatch.setattr(name, begin)
    code = main(shlex.split(command)[1:])
    assert code == (130 if begun else 0), capsys.readouterr().err
