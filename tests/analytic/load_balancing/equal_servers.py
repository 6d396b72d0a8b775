"""The power of d choices among equal servers, n -> infinity: Mitzenmacher (2001), IEEE TPDS 12(10), 1094-1104."""

import numpy as np


def levels(load: float, draws: int, most: int) -> np.ndarray:
    """s_k = rho^((d^k - 1) / (d - 1)), the fraction of servers with at least k jobs, k = 0, ..., most; d = 1: rho^k."""
    exponents = [0.0]
    while len(exponents) <= most:
        exponents.append(min(exponents[-1] * draws + 1, 1e300))
    return load ** np.array(exponents)


def response_time(load: float, draws: int, service_rate: float = 1.0) -> float:
    """sum_{k >= 1} s_k / (rho mu), by Little's law, d >= 2: s_k <= rho^(2^k - 1) is nothing long before k = 64."""
    return float(levels(load, draws, 64)[1:].sum()) / (load * service_rate)
