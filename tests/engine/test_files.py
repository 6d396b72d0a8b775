"""Files are written whole or not at all, wherever their path leads, and read back or refused in one sentence."""

import itertools
import json
import math
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import files
from jaxq.engine.files import check_path, replacing, write_json
from tests.own_systems import Station


@pytest.fixture(scope="module")
def results():
    return jaxq.sweep(jaxq.MMc(0.5), {"arrival_rate": [0.5, 0.6]}, events=2000, replicas=64, warmup=0)


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_target_of_a_link_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target.json", tmp_path / "link.json"
    link.symlink_to(target)
    for value in (1, 2):  # a target that does not exist yet, and one that does
        write_json(link, value)
        assert link.is_symlink() and json.loads(target.read_text()) == value
    assert len(list(tmp_path.iterdir())) == 2 and len(list((tmp_path / "there").iterdir())) == 1


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    (tmp_path / "x.json").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as error:
        write_json(tmp_path / "x.json", 1)
    assert error.value.filename == str(tmp_path / "x.json")
    assert not os.path.isfile("/dev/full")
    (tmp_path / "y.json").symlink_to("/dev/null")
    write_json(tmp_path / "y.json", 1)


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_json(tmp_path / "nowhere" / "x.json", 1)
    assert error.value.filename == str(tmp_path / "nowhere" / "x.json")


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *args, real=real, name=name: (order.append(name), real(*args)))
    write_json(tmp_path / "x.json", 1)
    assert order == ["fsync", "replace"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "x[1].json"
    parent = f".{path.name}.{platform.node()}.{os.getppid()}"
    elsewhere = f".{path.name}.another-machine.{2**22 + 1}"
    dead = f".{path.name}.{platform.node()}.{2**22 + 1}"  # past the largest process id of Linux
    for name in (parent, elsewhere, dead):
        (tmp_path / name).write_text("half")
    write_json(path, 1)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, parent, elsewhere}


def test_a_path_is_tried_and_nothing_left_behind(tmp_path):
    check_path("out", tmp_path / "x.json")
    (tmp_path / "x.json").symlink_to(tmp_path / "nowhere" / "x.json")
    for path, words in (
        (tmp_path / "x.txt", r"out = .*x\.txt: must end in \.json, \.csv or \.npz"),
        (3, r"out = 3: must end in"),
        (tmp_path / "nowhere" / "y.json", "the folder .*nowhere must exist"),
        (tmp_path / "x.json", "the folder .*nowhere must exist"),
        ("/proc/x.json", r"out = /proc/x\.json: the folder /proc must be writable \(.*\)"),
    ):
        with pytest.raises(ValueError, match=words):
            check_path("out", path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


# ---- what is read back


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_results_round_trip(results, tmp_path, ending):
    results.save(tmp_path / f"x.{ending}")
    again = jaxq.Results.load(tmp_path / f"x.{ending}")
    assert list(again) == list(results) and again.differences == results.differences
    if ending == "npz":
        for one, other in zip(again, results, strict=True):
            for name, values in other.replica_values().items():
                np.testing.assert_allclose(one.replica_values()[name], values, rtol=1e-12)


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_several_are_not_one(results, tmp_path, ending):
    results.save(tmp_path / f"x.{ending}")
    with pytest.raises(ValueError, match=r"x\..*: holds a Results, no Result; use jaxq.load"):
        jaxq.Result.load(tmp_path / f"x.{ending}")


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_one_is_one_of_one(results, tmp_path, ending):
    results[0].save(tmp_path / f"x.{ending}")
    assert list(jaxq.Results.load(tmp_path / f"x.{ending}")) == [results[0]]


def bad_files(results, folder):
    """Files that no result can be read from, by what is wrong."""
    results.save(folder / "table.csv")
    results.save(folder / "whole.npz")
    data = (folder / "whole.npz").read_bytes()
    (folder / "truncated.npz").write_bytes(data[: len(data) // 2])
    (folder / "empty.npz").write_bytes(b"")
    (folder / "text.npz").write_text("hello")
    np.savez(folder / "others.npz", x=np.arange(3))
    np.savez(folder / "pickled.npz", result=np.array([{}], object), allow_pickle=True)
    (folder / "empty.json").write_text("")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "number.json").write_text("3")
    (folder / "other.json").write_text('{"schema": 1, "results": [{"schema": 1}]}')
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "x.txt").write_text("{}")
    return [path for path in folder.iterdir() if path.name != "whole.npz"]


def test_other_files_are_refused_in_one_sentence(results, tmp_path):
    for path in bad_files(results, tmp_path):
        for kind in (jaxq.Result, jaxq.Results):
            with pytest.raises(ValueError, match=path.name) as error:
                kind.load(path)
            assert "\n" not in str(error.value) and len(str(error.value)) < 250, path.name
    with pytest.raises(ValueError, match=r"a \.csv is a table for other programs; save as \.json or \.npz"):
        jaxq.Results.load(tmp_path / "table.csv")
    with pytest.raises(FileNotFoundError):
        jaxq.Result.load(tmp_path / "none.json")


def test_json_has_null_for_what_is_not_finite(tmp_path):
    data = {"a": [1.5, float("inf"), (np.float64("nan"), np.int64(3))], "b": np.array([0.0, -np.inf]), "c": True}
    write_json(tmp_path / "x.json", data)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1.5, None, [None, 3]], "b": [0.0, None], "c": True}


def test_a_fresh_process_loads_whatever_was_saved(tmp_path):
    """Public names are imported when they are asked for, and with `load` all that a file may hold."""
    path, package = tmp_path / "run.json", Path(jaxq.__file__).parent
    jaxq.simulate(jaxq.MMc(0.5), events=1000, replicas=32, warmup=100).save(path)
    found = [re.findall(r"^class (\w+)\(.*\bSaved\b", file.read_text(), re.M) for file in package.rglob("*.py")]
    kinds = sorted(itertools.chain(*found))
    code = f"import jaxq; print(type(jaxq.load({str(path)!r})).__name__); from jaxq.engine.saved import Saved; "
    code += "print(sorted(kind.__name__ for kind in Saved.__subclasses__()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said == ["Result", str(kinds)] and len(kinds) >= 6


def test_long_names(tmp_path, results):
    """Of 250 letters the file was lost after the run, as what is written first has a longer name; 300 were a traceback."""
    path = tmp_path / f"{'ä' * 120}.json"
    check_path("out", path)
    results.save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name] and list(jaxq.load(path)) == list(results)
    for wrong in (tmp_path / f"{'x' * 300}.json", tmp_path / ("x" * 300) / "x.json"):
        with pytest.raises(ValueError, match=r"^out = .*: must be the name of a file \(File name too long\)$"):
            check_path("out", wrong)


class Holding(Station):
    """A station with fields that no rule knows."""

    limit: float = math.inf
    table: dict | None = None


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_fields_of_any_kind_are_written(tmp_path, ending):
    """Infinity was no JSON in an NPZ, and an array in a dict none anywhere: the result was lost."""
    result = jaxq.simulate(
        Holding(table={"a": jnp.array([0.5]), "b": [1, (2, np.int64(3))]}), replicas=64, events=500, warmup=0
    )
    result.save(tmp_path / f"x.{ending}")
    fields = jaxq.load(tmp_path / f"x.{ending}").parameters
    assert fields["limit"] is None and fields["table"] == {"a": [0.5], "b": [1, [2, 3]]}


def test_a_run_with_fields_of_any_kind_is_resumed(tmp_path):
    system = Holding(limit=math.nan, table={"a": jnp.array([0.5])})
    options = {"replicas": 64, "events": 500, "warmup": 0, "checkpoint": tmp_path / "x.npz"}
    assert jaxq.simulate(system, **options).metrics == jaxq.simulate(system, **options).metrics


def test_a_csv_is_utf8_whatever_the_locale(tmp_path):
    """Where the locale is ASCII the file was lost."""
    code = "import sys; from jaxq.engine.files import write_csv; write_csv(sys.argv[1], [{chr(955): chr(223)}])"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.csv")], env=environment, check=True)
    assert (tmp_path / "x.csv").read_text(encoding="utf8").split() == ["λ", "ß"]


def test_a_file_without_results_is_none(tmp_path):
    """`jaxq plot` and `jaxq report` of it were a traceback."""
    path = tmp_path / "x.json"
    path.write_text('{"schema": 1, "results": []}')
    with pytest.raises(ValueError, match="x.json: holds no result that jaxq saved$"):
        jaxq.load(path)
