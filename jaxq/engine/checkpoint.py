"""Checkpoints: everything a run has computed, in one ``.npz`` file, so that a crash or Ctrl-C loses nothing.

A checkpoint belongs to one question: systems (their fields, what files they were read from, the code of a user's class),
replicas, seed, quantities, version of jaxq. Resuming with any of them changed is refused, before anything is compiled. How
long the run goes on may change (more events, a smaller precision): blocks keep the length they had. A run that is resumed
gives the same numbers, bit for bit, as one that was never interrupted.
"""

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.files import read_npz, reason, write_npz
from jaxq.engine.fingerprint import digest
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.plain import describe
from jaxq.engine.stack import Stack

FIRST = "first replica"
"""What the number of the first replica of a part is called."""
LENGTHS = ("tile", "blocks", "observations")
"""What a layout is chosen by the length of a run and kept in its checkpoint."""


def question(groups: Sequence[Sequence[Model]], replicas: int, options: Options) -> dict[str, Any]:
    """What a checkpoint belongs to, as JSON values by what it is called."""
    return {
        "systems": [[[system.title(), describe(system)] for system in group] for group in groups],
        "code or files": [[digest(system) for system in group] for group in groups],
        "replicas": replicas,
        FIRST: options.first_replica,
        "seed": int(options.seed),
        "quantities": list(options.quantile_probabilities()),
        "control": options.control,
        "version of jaxq": version("jaxq"),
    }


class Checkpoint:
    """Saves the stacks of a run to a file now and then, and puts them back where the file left them.

    ``progress`` is what the loop over launches wants to find again, as JSON values; {} at the beginning of a run. Without
    a file (``options.checkpoint`` is None) nothing is saved, and nothing found.

    Raises:
        ValueError: the file is there, but damaged, no checkpoint, or of another question.
    """

    def __init__(self, groups: Sequence[Sequence[Model]], replicas: int, options: Options):
        self.path, self._every = options.checkpoint, options.checkpoint_every
        self.error: str | None = None
        self.progress: dict[str, Any] = {}
        self._stacks: Sequence[Stack] = ()
        self._found: dict[str, np.ndarray] = {}
        self._layouts: list[dict[str, int]] = []
        self._saved = time.monotonic()
        if self.path is None:
            return
        self._question = question(groups, replicas, options)
        if Path(self.path).exists():
            self._read(self.path, len(groups))

    def _read(self, path: str, groups: int) -> None:
        if not Path(path).is_file():
            raise FieldError("checkpoint", path, "is no file")
        try:
            self._found = read_npz(path)
            header = json.loads(str(self._found["checkpoint"]))
            theirs, self.progress = header["question"], dict(header["progress"])
            self._layouts = [{name: int(layout[name]) for name in LENGTHS} for layout in header["layouts"]]
        except OSError as error:
            raise FieldError("checkpoint", path, f"cannot be read ({reason(error)})") from None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise damaged(path) from None
        # as they come out of the file: a tuple is a list, a float its shortest text
        mine = json.loads(json.dumps(self._question))
        other = [name for name in mine if theirs.get(name) != mine[name]]
        if other:
            raise FieldError(
                "checkpoint", path, f"belongs to a run with other {', '.join(other)}; give another file or remove it"
            )
        if len(self._layouts) != groups:
            raise damaged(path)

    def layout(self, group: int) -> dict[str, int]:
        """What the layout of a stack must be, by the names of `choose_layout`."""
        return self._layouts[group] if self._layouts else {}

    def restore(self, stacks: Sequence[Stack]) -> None:
        """Put the stacks where the file left them, and keep them to be saved. ValueError if they do not fit."""
        self._stacks, found, self._found = stacks, self._found, {}
        if not found:
            return
        path = str(self.path)
        for i, stack in enumerate(stacks):
            arrays = {name.split("/", 1)[1]: x for name, x in found.items() if name.startswith(f"{i}/")}
            for name, mine in stack.saved().items():
                if name not in arrays or arrays[name].dtype.kind != np.asarray(mine).dtype.kind:
                    raise damaged(path)
                if arrays[name].shape != np.shape(mine):
                    raise damaged(path)
            try:
                stack.restore(arrays)
                good = stack.fits()
            except Exception:  # whatever a damaged array leads to
                good = False
            if not good:
                raise damaged(path)

    def save(self, now: bool = False) -> None:
        """Write the file, if it is time to or ``now``. Where that fails the run goes on, and a warning says so once."""
        if self.path is None or (not now and time.monotonic() - self._saved < self._every):
            return
        layouts = [{name: getattr(stack.layout, name) for name in LENGTHS} for stack in self._stacks]
        header = {"question": self._question, "progress": self.progress, "layouts": layouts}
        arrays: dict[str, Any] = {"checkpoint": json.dumps(header)}
        for i, stack in enumerate(self._stacks):
            arrays |= {f"{i}/{name}": array for name, array in stack.saved().items()}
        before, self.error = self.error, None
        try:
            write_npz(self.path, arrays)
        except OSError as error:
            self.error = reason(error)
            if before is None:
                warnings.warn(
                    f"checkpoint = {self.path}: not written ({self.error}); the run goes on without", stacklevel=2
                )
        self._saved = time.monotonic()

    def report(self) -> Mapping[str, str]:
        """``{"checkpoint": "written"}`` or why it is not, for `Result.run`; {} without a file."""
        if self.path is None:
            return {}
        return {"checkpoint": "written" if self.error is None else f"not written: {self.error}"}


def damaged(path: str, field: str = "checkpoint") -> ValueError:
    """The sentence for a file that cannot be used, whatever is wrong with it."""
    return FieldError(field, path, "is damaged, or no checkpoint; give another file or remove it")
