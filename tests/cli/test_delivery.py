"""What was computed reaches stdout whatever becomes of the files, and the files whatever becomes of stdout."""

import os
import subprocess
import sys

import pytest

from tests import compiled

MMC = ["mmc", "--arrival-rate", "0.5"]
QUICK = ["--replicas", "64", "--events", "500", "--warmup", "0"]
COMMANDS = {
    "run": (["run", *MMC, *QUICK], "number_in_system"),
    "sweep": (["sweep", *MMC, "--servers", "1,2", *QUICK], "number_in_system"),
    "compare": (["compare", *MMC, "--servers", "1,2", *QUICK], "paired differences"),
    "paths": (["paths", *MMC, "--times", "1,2", "--replicas", "64"], "number_in_system"),
    "tune": (
        ["tune", "token-pool", "--servers", "2", "--arrival-rate", "0.5", "--phi", "0.4", "--token-cap", "3"]
        + ["--parameter", "phi", "--steps", "2", *QUICK],
        "objective",
    ),
    "staffing": (["staffing"], "theta"),
}


@pytest.fixture
def full(tmp_path):
    """A file on a disk that is full."""
    path = tmp_path / "x.json"
    path.symlink_to("/dev/full")
    return str(path)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk(jaxq, tmp_path, full, command):
    args, words = COMMANDS[command]
    good = tmp_path / "good.json"
    outs = ["--out", full] if command == "staffing" else ["--out", full, "--out", str(good)]
    code, out, err = jaxq(*args, *outs)
    assert code == 2 and words in out
    assert err == f"error: {full}: not written (No space left on device)\n"
    assert command == "staffing" or good.exists()  # the other file is written all the same
    assert not os.path.isfile("/dev/full")


def test_a_figure_on_a_full_disk(jaxq, tmp_path):
    path = tmp_path / "x.png"
    path.symlink_to("/dev/full")
    code, out, err = jaxq("run", *MMC, *QUICK, "--plot", str(path))
    assert code == 2 and "number_in_system" in out
    assert err == f"error: {path}: not written (No space left on device)\n"


def test_a_figure_that_cannot_be_drawn_loses_no_result(jaxq, tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("jaxq.plotting.plot", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        jaxq("run", *MMC, *QUICK, "--plot", str(tmp_path / "x.png"))
    assert "number_in_system" in capsys.readouterr().out


def test_reproduce_on_a_full_disk(jaxq, tmp_path):
    for name in ("figure-1b.png", "figure-1b.csv"):
        (tmp_path / name).symlink_to("/dev/full")
    code, out, err = jaxq("reproduce", "token-pool/figure-1b", "--quick", "--quiet", "--out", str(tmp_path))
    assert code == 2 and "max |z| =" in out and err.count("\n") == 1
    assert all(f"{tmp_path / name}: not written (No space left" in err for name in ("figure-1b.png", "figure-1b.csv"))
    assert (tmp_path / "figure-1b.svg").exists() and (tmp_path / "figure-1b-curves.csv").exists()


def test_a_folder_that_goes_away_during_the_run(jaxq, tmp_path, monkeypatch):
    from jaxq.cli import run as command

    folder, simulate = tmp_path / "folder", command.run_plan
    folder.mkdir()

    def run(*args, **options):
        found = simulate(*args, **options)
        folder.rmdir()
        return found

    monkeypatch.setattr("jaxq.cli.run.run_plan", run)
    code, out, err = jaxq("run", *MMC, *QUICK, "--out", str(folder / "x.csv"))
    assert code == 2 and "number_in_system" in out and err.count("\n") == 1
    assert "x.csv: not written (" in err and "folder must exist" in err


BEFORE = {
    "out is the checkpoint": (["--out", "x.npz", "--checkpoint", "x.npz"], ["out = x.npz", "--checkpoint"]),
    "by another name": (["--out", "link.npz", "--checkpoint", "./x.npz"], ["out = link.npz", "--checkpoint"]),
    "no files here": (["--out", "/proc/x.json"], ["out = /proc/x.json", "writable"]),
    "no figures here": (["--plot", "/proc/x.png"], ["plot = /proc/x.png", "writable"]),
    "no checkpoints here": (["--checkpoint", "/proc/x.npz"], ["checkpoint = /proc/x.npz", "writable"]),
    "a folder": (["--checkpoint", "folder.npz"], ["checkpoint = folder.npz", "is a folder"]),
    "never": (["--checkpoint-every", "0"], ["checkpoint_every = 0", "> 0"]),
    "no checkpoint": (["--checkpoint", "bad.npz"], ["checkpoint = bad.npz", "is damaged, or no checkpoint"]),
}


@pytest.mark.parametrize("kind", BEFORE)
def test_files_are_tried_before_the_run(jaxq, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "bad.npz").write_bytes(b"")
    (tmp_path / "link.npz").symlink_to("x.npz")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_: pytest.fail("a run was started"))
    args, words = BEFORE[kind]
    code, out, err = jaxq("run", *MMC, *QUICK, *args)
    assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert all(word in err for word in words)
    assert sorted(tmp_path.iterdir()) == before


def test_the_checkpoint_is_the_command_line_s_too(jaxq, tmp_path):
    file = str(tmp_path / "x.npz")
    code, *_ = jaxq("run", *MMC, *QUICK, "--checkpoint", file, "--checkpoint-every", "0.5")
    assert code == 0
    code, out, _ = jaxq("run", *MMC, *QUICK[:2], "--events", "3e3", "--warmup", "0", "--checkpoint", file, "--json")
    assert code == 0 and '"checkpoint": "written"' in out


@pytest.mark.parametrize("stdout", ["/dev/full", "closed"])
def test_stdout_that_takes_nothing(tmp_path, stdout):
    path = tmp_path / "x.json"
    command = [sys.executable, "-m", "jaxq", "run", *MMC, *QUICK, "--out", str(path)]
    environment = {**os.environ, "XLA_FLAGS": compiled.flags()}
    if stdout == "closed":
        command = ["sh", "-c", '"$@" >&-', "sh", *command]
        done = subprocess.run(command, stderr=subprocess.PIPE, env=environment, text=True, timeout=300)
    else:
        with open(stdout, "w") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, env=environment, text=True, timeout=300)
    reason = "is closed" if stdout == "closed" else "No space left on device"
    assert done.returncode == 2 and done.stderr == f"error: stdout: {reason}\n"
    assert path.exists()


def test_names_that_the_terminal_cannot_write(tmp_path):
    """A Greek letter on an ASCII terminal was a traceback instead of the result."""
    path = tmp_path / "greek.py"
    path.write_text(
        "import jaxq\n\n\nclass Greek(jaxq.MMc):\n    def metrics(self, sums):\n"
        "        return {'λ': sums['number_in_system'] / sums.time}\n\n    def oracle(self):\n        return {}\n",
        encoding="utf8",
    )
    command = [sys.executable, "-m", "jaxq", "run", str(path), *MMC[1:], *QUICK, "--quiet"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "XLA_FLAGS": compiled.flags()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == "" and r"\u03bb" in done.stdout


@pytest.mark.parametrize(("columns", "width"), [("40", 80), ("100", 100)])
def test_a_narrow_terminal_cuts_no_number(monkeypatch, columns, width):
    """0.034 was printed as 0.0 and, a line below, 34."""
    from jaxq.cli.console import stdout_console

    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert stdout_console().width == width
