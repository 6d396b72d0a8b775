"""Parts of a run, each some of its replicas, put together: the checkpoint of the whole.

Replica i is the same path in whatever run it is, so that parts need not know of each other: on the machines of a cluster
without a network between them, one after the other on a machine that may be taken away, or later, to add replicas.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.checkpoint import FIRST, damaged
from jaxq.engine.files import check_path, read_npz, reason, write_npz
from jaxq.engine.options import LEAST_PART
from jaxq.engine.replicas import HISTOGRAM, histograms, saved_together
from jaxq.stats.histogram import grouping


class Part(NamedTuple):
    """The checkpoint of some replicas, ``first`` and on."""

    path: str
    first: int
    replicas: int
    header: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def end(self) -> int:
        """The replica after the last one."""
        return self.first + self.replicas


class Merged(NamedTuple):
    """What was put together: replicas ``first`` to ``end - 1``."""

    first: int
    end: int


def merge(parts: Sequence[str | Path], out: str | Path) -> Merged:
    """Put checkpoints of parts of a run together (``replica_range`` of `jaxq.Options`); the first and last replica.

    The file is the checkpoint of the run of all these replicas: the same call with ``replicas`` in place of
    ``replica_range``, and with this file as its ``checkpoint``, gives its result and runs nothing again.

    Args:
        parts: checkpoint files, two or more, in any order; their replicas must follow each other without a gap.
        out: the file to write, .npz.

    Raises:
        ValueError: a part is damaged, of another question or length; replicas are there twice, or missing.
    """
    out = str(out)
    check_path("out", out, (".npz",))
    if isinstance(parts, (str, Path)) or not isinstance(parts, Sequence) or len(parts) < 2:
        raise FieldError("parts", str(parts), "must be two checkpoint files or more")
    if Path(out).resolve() in [Path(path).resolve() for path in parts]:
        raise FieldError("out", out, "is one of the parts; must be another file")
    found = sorted((_read(str(path)) for path in parts), key=lambda part: part.first)
    first, last = found[0], found[-1]
    for before, part in itertools.pairwise(found):
        _check_alike(first, part)
        if part.first < before.end:
            raise FieldError("parts", part.path, f"has replica {part.first}, which {before.path} has too")
        if part.first > before.end:
            rule = f"begins at replica {part.first}; no part has {before.end} to {part.first - 1}"
            raise FieldError("parts", part.path, rule)
    question = {**first.header["question"], "replicas": last.end - first.first, FIRST: first.first}
    progress = {**first.header["progress"]}
    for name in ("lost", "certain"):
        progress[name] = [any(each) for each in zip(*(p.header["progress"][name] for p in found), strict=True)]
    header = {**first.header, "question": question, "progress": progress}
    arrays: dict[str, Any] = {"checkpoint": json.dumps(header)}
    for i, group in enumerate(question["systems"]):
        shares = [_of_group(part.arrays, i) for part in found]
        places = _places(found, len(group))
        arrays |= {f"{i}/{name}": x for name, x in saved_together(shares, len(group), places).items()}
    try:
        write_npz(out, arrays)
    except OSError as error:
        raise FieldError("out", out, f"cannot be written ({reason(error)})") from None
    return Merged(first.first, last.end)


def _read(path: str) -> Part:
    try:
        arrays = read_npz(path)
        header = json.loads(str(arrays.pop("checkpoint")))
        question, progress = header["question"], header["progress"]
        part = Part(path, int(question[FIRST]), int(question["replicas"]), header, arrays)
        points = [len(group) for group in question["systems"]]
        rows = [
            (arrays[f"{i}/windows"].shape[-1] * header["layouts"][i]["group"], count * part.replicas)
            for i, count in enumerate(points)
        ]
        whole = all(found == wanted for found, wanted in rows) and set(progress) >= {"lost", "certain"}
        for i, count in enumerate(points):
            blocks, groups = int(arrays[f"{i}/blocks"]), count * (grouping(part.first, part.replicas)[-1] + 1)
            counted = [x.windows for x in histograms(_of_group(arrays, i)).values()]
            whole &= all(x.blocks == blocks and x.data.shape[1] == groups for x in counted)
    except OSError as error:
        raise FieldError("parts", path, f"cannot be read ({reason(error)})") from None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise damaged(path, "parts") from None
    if not whole:
        raise damaged(path, "parts")
    if part.replicas < LEAST_PART:
        raise FieldError("parts", path, f"has {part.replicas} replicas; a part must have {LEAST_PART} or more")
    return part


def _check_alike(first: Part, part: Part) -> None:
    """ValueError unless two parts are of one question and as long."""
    mine, theirs = first.header["question"], part.header["question"]
    other = [name for name in mine if name not in ("replicas", FIRST) and theirs.get(name) != mine[name]]
    if other:
        raise FieldError("parts", part.path, f"belongs to a run with other {', '.join(other)} than {first.path}")
    lengths: list[Mapping[str, Any]] = [
        {name: each.arrays[name].tolist() for name in each.arrays if name.endswith(("/blocks", "/windows_state"))}
        for each in (first, part)
    ]
    for one, other in zip(first.header["layouts"], part.header["layouts"], strict=False):
        if one["group"] != other["group"]:
            rule = f"has the sums of {other['group']} replicas together, and {first.path} those of {one['group']}"
            raise FieldError("parts", part.path, f"{rule}; give all as many replicas")
    same = [layout["observations"] for layout in first.header["layouts"]]
    if lengths[0] != lengths[1] or same != [layout["observations"] for layout in part.header["layouts"]]:
        raise FieldError(
            "parts", part.path, f"is longer or shorter than {first.path}; give all the same events and warmup"
        )
    forms = [
        {
            name: x.shape[1:] if "/carry/" in name else x.shape[:-1]
            for name, x in each.arrays.items()
            if f"/{HISTOGRAM}" not in name
        }
        for each in (first, part)
    ]
    if forms[0] != forms[1]:
        raise damaged(part.path, "parts")


def _places(parts: Sequence[Part], points: int) -> list[np.ndarray]:
    """By part, which of the groups of the whole, in whose histograms replicas are counted, each of its own groups is in."""
    first = parts[0].first
    whole = grouping(first, parts[-1].end - first)
    found = []
    for part in parts:
        begins = np.unique(grouping(part.first, part.replicas), return_index=True)[1]
        mine = whole[begins + part.first - first]
        found.append((np.arange(points)[:, None] * (whole[-1] + 1) + mine).ravel())
    return found


def _of_group(arrays: Mapping[str, np.ndarray], group: int) -> dict[str, np.ndarray]:
    """The arrays of an ensemble, by their names in it."""
    start = f"{group}/"
    return {name.removeprefix(start): x for name, x in arrays.items() if name.startswith(start)}
