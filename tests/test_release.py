"""What is released: built, installed alone and run in an empty folder; one version everywhere."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import jaxq

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]


def test_there_is_one_version():
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf8"), re.M)[1]
    headings = re.findall(r"^## (.*)$", (ROOT / "jaxq" / "CHANGELOG.md").read_text(encoding="utf8"), re.M)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert PROJECT["version"] == jaxq.__version__ == cited == released[0]


def command(*words: str | Path, folder: Path) -> str:
    """What a command prints in a folder, without what this process adds to the environment."""
    hidden = ("PYTEST_", "PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.skipif(find_spec("build.__main__") is None, reason="build comes with the extra `test`")
def test_the_wheel_of_the_source_distribution_runs_in_an_empty_folder(tmp_path):
    command(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT, folder=tmp_path)
    (source,), (wheel,) = (list((tmp_path / "dist").glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    assert f"jaxq-{PROJECT['version']}" in source.name and f"jaxq-{PROJECT['version']}" in wheel.name
    with tarfile.open(source) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/test_release.py", "notebooks/conf.py", "benchmarks/README.md", "LICENSE", "CITATION.cff"} <= found
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
    assert {"jaxq/py.typed", "jaxq/CHANGELOG.md"} <= found and not any(name.startswith("tests/") for name in found)

    venv.create(tmp_path / "venv", symlinks=True)
    binaries, (packages,) = tmp_path / "venv" / "bin", (tmp_path / "venv" / "lib").glob("python*/site-packages")
    install = ("-m", "pip", "--python", binaries / "python", "install", "-q", "--no-deps", wheel)
    command(sys.executable, *install, folder=tmp_path)
    dependencies = "\n".join(path for path in sys.path if path.endswith("site-packages"))
    (packages / "dependencies.pth").write_text(dependencies)  # of this environment, behind what is installed above
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command(binaries / "python", "-c", "import jaxq; print(jaxq.__file__)", folder=empty).startswith(
        str(packages)
    )
    assert command(binaries / "jaxq", "--version", folder=empty) == f"jaxq {PROJECT['version']}\n"
    options = ["--replicas", "64", "--events", "2000", "--warmup", "1000", "--out", "result.json"]
    command(binaries / "jaxq", "run", "mmc", "--arrival-rate", "0.8", *options, folder=empty)
    metrics = json.loads((empty / "result.json").read_text())["metrics"]
    assert abs(metrics["number_in_system"]["z"]) < 4.5
