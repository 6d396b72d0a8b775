"""Checkpoints: everything a run has computed, in one ``.npz`` file, so that a crash or Ctrl-C loses nothing.

A checkpoint belongs to one question: systems, replicas, seed, layout. Resuming with any of them changed is refused. A run
that is resumed gives the same numbers as one that was never interrupted. The file is written beside and renamed, and read
without pickle.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxq.engine.result import describe, replacing, write_npz
from jaxq.engine.stack import Stack

EVERY = 60.0
"""Seconds between two checkpoints of a running run."""


def fingerprint(stacks: Sequence[Stack], seed: int) -> str:
    """What a checkpoint belongs to, as JSON."""
    points = [
        {
            "systems": [[system.title(), describe(system)] for system in stack.systems],
            "replicas": stack.replicas,
            "launch": [getattr(stack.layout, name) for name in ("replicas", "blocks", "observations", "stride")],
            "histograms": list(stack.layout.histograms),
        }
        for stack in stacks
    ]
    return json.dumps({"seed": seed, "stacks": points}, sort_keys=True)


class Checkpoint:
    """Saves the stacks of a run to ``path`` now and then, and restores them from it."""

    def __init__(self, path: str | os.PathLike[str], stacks: Sequence[Stack], seed: int):
        self.path = Path(path)
        self._stacks, self._fingerprint = stacks, fingerprint(stacks, seed)
        self._saved = time.monotonic()

    def restore(self) -> bool:
        """Put the stacks where the file left them; False if there is no file. ValueError if it is of another run."""
        if not self.path.exists():
            return False
        with np.load(self.path, allow_pickle=False) as file:
            if str(file["fingerprint"]) != self._fingerprint:
                raise ValueError(
                    f"checkpoint = {self.path}: belongs to a run with other systems, replicas, seed or layout; "
                    "give another file or remove it"
                )
            for i, stack in enumerate(self._stacks):
                stack.restore({name.split("/", 1)[1]: file[name] for name in file.files if name.startswith(f"{i}/")})
        return True

    def save(self, now: bool = False) -> None:
        """Write the file, if it is time to or ``now``."""
        if not now and time.monotonic() - self._saved < EVERY:
            return
        arrays: dict[str, Any] = {"fingerprint": self._fingerprint}
        for i, stack in enumerate(self._stacks):
            arrays |= {f"{i}/{name}": array for name, array in stack.saved().items()}
        with replacing(self.path) as partial:
            write_npz(partial, arrays)
        self._saved = time.monotonic()
