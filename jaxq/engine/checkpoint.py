"""Checkpoints: everything a run has computed, in one ``.npz`` file, so that a crash or Ctrl-C loses nothing.

A checkpoint belongs to one question: systems (their fields, what files they were read from, the code of a user's class),
replicas, seed, quantities and their thresholds, version of jaxq. Resuming with any of them changed is refused, before
anything is compiled. How long the run goes on may change (more events, a smaller precision): blocks keep the length they
had. A run that is resumed gives the same numbers, bit for bit, as one that was never interrupted. Of several processes the
first has the file; it holds all replicas, so that any number of processes can go on from it.
"""

import json
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.files import json_text, read_npz, reason, write_npz
from jaxq.engine.fingerprint import digest
from jaxq.engine.model import Model
from jaxq.engine.options import Options
from jaxq.engine.plain import describe
from jaxq.engine.record import title
from jaxq.engine.replicas import saved_together
from jaxq.engine.team import team
from jaxq.engine.versions import installed

FIRST = "first replica"
"""What the number of the first replica of a part is called."""
LENGTHS = ("tile", "blocks", "observations", "sampling", "group")
"""What a layout is chosen by the length of a run and kept in its checkpoint."""


def question(groups: Sequence[Sequence[Model]], replicas: int, options: Options) -> dict[str, Any]:
    """What a checkpoint belongs to, as JSON values by what it is called."""
    return {
        "systems": [[[title(system), describe(system)] for system in group] for group in groups],
        "code or files": [[digest(system) for system in group] for group in groups],
        "replicas": replicas,
        FIRST: options.first_replica,
        "seed": int(options.seed),
        "quantities": [[name, sorted(options.thresholds().get(name, ()))] for name in options.counted()],
        "control": options.control,
        "version of jaxq": installed("jaxq"),
    }


class Checkpoint:
    """Saves the ensembles of a run to a file now and then, and puts them back where the file left them.

    ``progress`` is what the loop over launches wants to find again, as JSON values; {} at the beginning of a run. Without
    a file (``options.checkpoint`` is None) nothing is saved, and nothing found.

    Raises:
        ValueError: the file is there, but damaged, no checkpoint, or of another question.
    """

    def __init__(self, groups: Sequence[Sequence[Model]], replicas: int, options: Options):
        self.path, self._every = options.checkpoint, options.checkpoint_every
        self._team = team()
        self.written: float | None = None
        self.error: str | None = None
        self.progress: dict[str, Any] = {}
        self._ensembles: Sequence[Ensemble] = ()
        self._found: dict[str, np.ndarray] = {}
        self._layouts: list[dict[str, int]] = []
        self._saved = time.monotonic()
        self._question = {} if self.path is None else question(groups, replicas, options)

        def opened(_) -> list:
            if self.path is not None and Path(self.path).exists():
                self._read(self.path, len(groups))
            return [self.path, self.progress, self._layouts]

        self.path, self.progress, self._layouts = self._team.decide("checkpoint", None, opened)

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
        mine = json.loads(json_text(self._question))
        other = [name for name in mine if theirs.get(name) != mine[name]]
        if other:
            raise FieldError(
                "checkpoint", path, f"belongs to a run with other {', '.join(other)}; give another file or remove it"
            )
        if len(self._layouts) != groups:
            raise damaged(path)

    def layout(self, group: int) -> dict[str, int]:
        """What the layout of an ensemble must be, by the names of `choose_layout`."""
        return self._layouts[group] if self._layouts else {}

    def restore(self, ensembles: Sequence[Ensemble]) -> None:
        """Put the ensembles where the file left them, and keep them to be saved. ValueError if they do not fit."""
        self._ensembles, found, self._found = ensembles, self._found, {}
        if not self._layouts:
            return
        found = self._team.tell("checkpoint", {name: x for name, x in found.items() if name != "checkpoint"})
        path = str(self.path)
        for i, ensemble in enumerate(ensembles):
            arrays = {name.split("/", 1)[1]: x for name, x in found.items() if name.startswith(f"{i}/")}
            forms = {name: _form(x) for name, x in ensemble.saved().items()}
            if any(name not in arrays or _form(arrays[name])[0] != kind for name, (kind, _) in forms.items()):
                raise damaged(path)
            try:
                ensemble.restore(arrays)
                now = ensemble.saved()
                good = ensemble.fits() and all(_form(now[name]) == form for name, form in forms.items())
            except Exception:  # whatever a damaged array leads to
                good = False
            if not good:
                raise damaged(path)

    def save(self, now: bool = False) -> None:
        """Write the file, if it is time to or ``now``. Where that fails the run goes on, and a warning says so once."""

        def due(_) -> bool:
            return self.path is not None and (now or time.monotonic() - self._saved >= self._every)

        if not self._team.decide("save", None, due):
            return
        layouts = [{name: getattr(ensemble.layout, name) for name in LENGTHS} for ensemble in self._ensembles]
        header = {"question": self._question, "progress": self.progress, "layouts": layouts}
        arrays: dict[str, Any] = {"checkpoint": json_text(header)}
        for i, ensemble in enumerate(self._ensembles):
            mine = ensemble.saved()
            shares = self._team.gather("save", list(mine.values()), everywhere=False)
            named = [dict(zip(mine, share, strict=True)) for share in shares]
            if named:
                arrays |= {f"{i}/{name}": x for name, x in saved_together(named, len(ensemble.systems)).items()}
        before, self.error = self.error, self._team.decide("written", None, lambda _: self._write(arrays))
        if self.error is None:
            self.written = time.monotonic()
        elif before is None and self._team.first:
            warnings.warn(
                f"checkpoint = {self.path}: not written ({self.error}); the run goes on without", stacklevel=2
            )
        self._saved = time.monotonic()

    def _write(self, arrays: Mapping[str, Any]) -> str | None:
        """Write the file; why not, where that fails."""
        try:
            write_npz(self.path, dict(arrays))
        except OSError as error:
            return reason(error)
        return None

    def report(self) -> Mapping[str, str]:
        """``{"checkpoint": "written"}`` or why it is not, for `Result.run`; {} without a file."""
        if self.path is None:
            return {}
        return {"checkpoint": "written" if self.error is None else f"not written: {self.error}"}


def _form(x: Any) -> tuple[str, tuple[int, ...]]:
    """The kind of number and the shape of an array."""
    return np.asarray(x).dtype.kind, np.shape(x)


def damaged(path: str, field: str = "checkpoint") -> ValueError:
    """The sentence for a file that cannot be used, whatever is wrong with it."""
    return FieldError(field, path, "is damaged, or no checkpoint; give another file or remove it")
