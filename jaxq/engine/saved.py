"""Results of any kind, read from the files that they were saved in."""

import json
from pathlib import Path

from jaxq.engine.derivatives import Gradients
from jaxq.engine.files import check_ending, read_json, read_npz
from jaxq.engine.paths import Paths
from jaxq.engine.result import Result, Results
from jaxq.engine.result import load as load_result


def load(path) -> Result | Results | Gradients | Paths:
    """What `simulate`, `sweep`, `compare`, `gradient` or `paths` found, from the .json or .npz file it was saved in.

    Raises:
        ValueError: the file holds none of these. OSError: it cannot be read.

    Example:
        >>> jaxq.load("transient.json").to_pandas()
    """
    path = Path(path)
    if path.suffix == ".csv":
        raise ValueError(f"{path}: a .csv is a table for other programs; save as .json or .npz to load it again")
    check_ending("path", path, (".json", ".npz"))
    try:
        data = read_json(path) if path.suffix == ".json" else json.loads(str(read_npz(path)["result"]))
        if "observables" in data:
            return Paths.from_dict(data)
        if "with_respect_to" in data:
            return Gradients.from_dict(data)
        if "results" in data or "point" in data:
            return load_result(path)
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
        pass
    raise ValueError(f"{path}: holds no result of simulate, sweep, compare, gradient or paths")
