"""Types and shapes that annotations promise, checked at every call of a test."""

from beartype import BeartypeConf, FrozenDict, beartype
from numpy.typing import ArrayLike

# An int will do for a float; NumPy's ArrayLike leaves tuples out.
conf = BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({ArrayLike: object, ArrayLike | None: object}))
check = beartype(conf=conf)
