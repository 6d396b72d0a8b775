"""Types and shapes that annotations promise, checked at every call of a test."""

from collections.abc import Sequence

import numpy as np
from beartype import BeartypeConf, FrozenDict, beartype
from numpy.typing import ArrayLike

# What is converted and checked by `jaxq.checks` may be of any kind: an array for a sequence, NumPy's numbers.
ALIKE = {
    ArrayLike: object,
    ArrayLike | None: object,
    Sequence[float]: object,
    Sequence[int]: object,
    int: int | np.integer,
    float: float | int | np.number,
}
check = beartype(conf=BeartypeConf(hint_overrides=FrozenDict(ALIKE)))
