"""Files that hold results: written whole or not at all, and read back with one sentence where that fails."""

import contextlib
import csv
import glob
import hashlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxq.checks import FieldError

ENDINGS = (".json", ".csv", ".npz")
LONG_NAME = 128
"""Bytes of a file's name to which those of its machine and process can be added."""


def check_ending(name: str, path, endings: tuple[str, ...] = ENDINGS) -> None:
    """ValueError unless ``path`` is a file name with one of the endings; ``name`` is that of the option."""
    if not isinstance(path, (str, os.PathLike)) or Path(path).suffix not in endings:
        *others, last = endings
        raise FieldError(name, path, f"must end in {' or '.join(filter(None, [', '.join(others), last]))}")


def check_path(name: str, path, endings: tuple[str, ...] = ENDINGS) -> None:
    """ValueError unless ``path`` has one of the endings and a file can be made in its folder now; none is left behind."""
    check_ending(name, path, endings)
    target = check_parent(name, path)
    if target.is_dir():
        raise FieldError(name, path, "is a folder")
    if target.is_file() or not target.exists():  # a device or a pipe is written to where it is
        check_folder(name, path, target.parent)


def check_parent(name: str, path) -> Path:
    """The file that ``path`` leads to; ValueError unless its folder exists, and there may be a file of that name."""
    try:
        target = Path(os.path.realpath(path))
        target.exists()  # an OSError where the name is too long
        there = target.parent.is_dir()
    except (OSError, ValueError) as error:
        raise FieldError(name, path, f"must be the name of a file ({reason(error)})") from None
    if not there:
        raise FieldError(name, path, f"must be a file in a folder: the folder {target.parent} must exist")
    return target


def check_folder(name: str, path, folder: Path) -> None:
    """ValueError unless a file can be made in ``folder`` now."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise FieldError(name, path, f"the folder {folder} must be writable ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """Why a file could not be written or read, in few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextlib.contextmanager
def replacing(path) -> Iterator[Path]:
    """A file beside ``path`` to write to, put in its place when the block ends well: no half-written file is ever seen.

    It is on the disk before it is renamed, so that a crash of the machine leaves the old file or the new one. Of a link,
    the target is replaced; a device or a pipe is written to. What killed processes of this machine left beside ``path``
    is removed. An OSError names ``path``.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target
            return
        long = len(os.fsencode(target.name)) > LONG_NAME
        name = hashlib.sha256(os.fsencode(target.name)).hexdigest() if long else target.name
        mine = f".{name}.{platform.node()}."
        partial = target.with_name(f"{mine}{os.getpid()}")
        try:
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        for left in target.parent.glob(f"{glob.escape(mine)}*"):
            if not _alive(left.suffix[1:]):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, reason(error), str(path)) from error


def _alive(process: str) -> bool:
    if os.name != "posix" or not process.isdigit():
        return True  # nobody to ask, so nothing of theirs is touched
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # another user's
    return True


def json_text(data: Any) -> str:
    """JSON, in which what is not finite is null."""
    return json.dumps(_finite(data), indent=1, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple, np.ndarray)):
        return [_finite(value) for value in data]
    data = data.item() if isinstance(data, np.generic) else data
    return None if isinstance(data, float) and not math.isfinite(data) else data


def write_json(path, data: Any) -> None:
    """JSON as `json_text`, whole or not at all."""
    write_text(path, json_text(data) + "\n")


def write_text(path, text: str) -> None:
    """Text as UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf8")


def write_csv(path, rows: list[dict[str, Any]]) -> None:
    """Rows as CSV under the union of their keys, whole or not at all."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def write_npz(path, arrays: dict[str, Any]) -> None:
    """Arrays by name as NPZ, whole or not at all."""
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_npz(path) -> dict[str, np.ndarray]:
    """The arrays of an NPZ file by name; pickles are never loaded. ValueError, whatever is wrong with the content."""
    try:
        with open(path, "rb") as data, np.load(data, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:  # zipfile, struct and NumPy each have their own
        raise ValueError(f"{path}: is damaged, or no .npz file") from error


def read_json(path) -> Any:
    """The content of a JSON file. ValueError if it is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is damaged, or no .json file") from error
