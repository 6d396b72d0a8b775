"""The house style: a matplotlib style sheet that gives way to whatever users set themselves."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHEET = Path(__file__).with_name("house.mplstyle")
CYCLE = tuple(f"#{colour}" for colour in re.findall('"([0-9a-f]{6})"', SHEET.read_text(encoding="utf8")))
"""The colours of the sheet: simulation, oracle, then further lines."""


@contextlib.contextmanager
def house() -> Iterator[None]:
    """Inside, the sheet holds for every setting that is still matplotlib's own default. Also a decorator."""
    import matplotlib

    own = matplotlib.rc_params_from_file(str(SHEET), use_default_template=False)
    untouched: Any = {
        name: value for name, value in own.items() if matplotlib.rcParams[name] == matplotlib.rcParamsDefault[name]
    }
    before = {name: matplotlib.rcParams[name] for name in untouched}
    matplotlib.rcParams.update(untouched)
    try:
        yield
    finally:  # not rc_context, which also takes back what a backend that starts inside has set, as that of notebooks
        matplotlib.rcParams.update(before)


def colours() -> tuple[str, ...]:
    """The colours of the style in force: simulation, oracle, then further lines."""
    from matplotlib import rcParams

    found = tuple(rcParams["axes.prop_cycle"].by_key().get("color", ()))
    return found if len(found) > 2 else CYCLE
