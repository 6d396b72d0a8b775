"""Types of servers: how fast, and which share of all."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int

from jaxq.checks import FieldError


class Speeds(eqx.Module):
    """Service rate of a server of each type, fastest first, and the fraction of servers of that type, shape (M,).

    Types of equal speed are one type to every policy, with metrics of their own.
    """

    rates: Any = eqx.field(converter=lambda x: np.asarray(x, np.float64))
    fractions: Any = eqx.field(converter=lambda x: np.asarray(x, np.float64))

    def __check_init__(self):
        rates, fractions = self.rates, self.fractions
        if rates.ndim != 1 or rates.shape != fractions.shape or rates.size == 0:
            raise FieldError("speeds", self, "must be speed:fraction,... for one or more types")
        if not (np.all(np.isfinite(rates)) and np.all(rates > 0)):
            raise FieldError("speeds", self, "every speed must be > 0")
        if np.any(np.diff(rates) > 0):
            raise FieldError("speeds", self, "must be sorted, the fastest type first")
        if not np.all(fractions > 0) or abs(fractions.sum() - 1) > 1e-9:
            raise FieldError("speeds", self, f"fractions must be > 0 and sum to 1, not {fractions.sum():g}")

    @property
    def types(self) -> int:
        """M."""
        return self.rates.size

    def servers(self, total: int) -> Int[np.ndarray, " types"]:
        """N_j, int64, shape (M,). ValueError unless the fractions of ``total`` are whole numbers."""
        exact = self.fractions * total
        whole = np.round(exact)
        if np.any(np.abs(exact - whole) > 1e-6 * total**0.5 + 1e-9) or np.any(whole < 1) or whole.sum() != total:
            shares = ", ".join(f"{x:g}" for x in exact)
            raise FieldError("servers", total, f"must be shared into whole numbers of each type, not {shares}")
        return whole.astype(np.int64)

    def __str__(self) -> str:
        return ",".join(f"{r:g}:{f:g}" for r, f in zip(self.rates, self.fractions, strict=False))


def parse_speeds(text: str) -> Speeds:
    """``speed:fraction,...``, or one speed. Raises ValueError."""
    try:
        pairs = [tuple(map(float, part.split(":"))) for part in text.split(",")]
        pairs = [(pairs[0][0], 1.0)] if len(pairs) == 1 and len(pairs[0]) == 1 else pairs
        rates, fractions = zip(*pairs, strict=True)
    except ValueError:
        raise FieldError("speeds", text, "must be speed:fraction,... such as 2.5:0.2,0.625:0.8") from None
    return Speeds(rates, fractions)
