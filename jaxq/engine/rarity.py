"""Which transitions of a jump process are too rare for one random word, found on a walk before the run (`jaxq.engine.walk`).

A float32 sum of rates knows a rate to 2**-24 of those before it, so a rare transition behind common ones is distorted or
lost. A process that has one is given an order in which its rare transitions come first, and a second word an event.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import alike
from jaxq.engine.model import Model
from jaxq.engine.process import Process
from jaxq.engine.walk import rates_met

TOGETHER = 64
"""Processes walked at once."""
TOLERANCE = 1 / 256
"""Relative error of its probability in a typical state of the walk above which a transition counts as rare."""
DUE = 10.0
"""A transition that is due less often in a whole run may have been missed, and with it all that it leads to."""


def prepared(system: Model) -> Process:
    """`Model.process`, with its rare transitions first."""
    return rare_first(system.process())


def rare_first(process: Process) -> Process:
    """A process, and where that is a jump process with rare transitions, these put first."""
    return ordered(process, seen([process])[0])


def ordered(process: Process, rates: Float[np.ndarray, "states transitions"] | None) -> Process:
    """`rare_first` by the rates that a walk has met (`seen`)."""
    return together([process], [rates])[0]


def together(processes: Sequence[Process], met: Sequence[np.ndarray | None]) -> list[Process]:
    """Processes of one program, each with the rates that a walk has met, in one order of their transitions that is good for
    all. ValueError where there is none: a transition is rare in one of them, and another one in another."""
    orders = {order for process, rates in zip(processes, met, strict=True) if (order := _order(process, rates))}
    for order in orders:
        put = [process.in_order(order) for process in processes if isinstance(process, MarkovProcess)]
        again = [rates[:, list(order)] for rates in met if rates is not None]
        if len(put) == 1 or all(
            _order(p, rates) in (None, tuple(range(len(order)))) for p, rates in zip(put, again, strict=True)
        ):
            return list(put)
    if orders:
        raise ValueError(
            f"{type(processes[0]).__name__}: other transitions are rare at other times; simulate them apart"
        )
    return list(processes)


def _order(process: Process, rates: np.ndarray | None) -> tuple[int, ...] | None:
    """`rare_order` of a jump process by the rates that a walk has met; None of any other."""
    if not isinstance(process, MarkovProcess) or rates is None:
        return None
    bound = process.clock().bound
    return rare_order(rates, rates.sum(axis=1) if bound is None else float(bound))


def seen(processes: Sequence[Process]) -> list[np.ndarray | None]:
    """The rates of prepared jump processes along a walk, 1/time, float64, shape (states, K); None of any other process."""
    found: list[np.ndarray | None] = [None] * len(processes)
    jumping = [(i, process) for i, process in enumerate(processes) if isinstance(process, MarkovProcess)]
    for members in alike([process for _, process in jumping]):
        for begin in range(0, len(members), TOGETHER):
            places, some = zip(*(jumping[k] for k in members[begin : begin + TOGETHER]), strict=True)
            for i, rates in zip(places, rates_met(some), strict=True):
                found[i] = rates
    return found


def hardly_due(largest: Float[np.ndarray, " transitions"] | None, time: float) -> bool:
    """Whether a transition can happen, but is due fewer than `DUE` times in ``time`` at the ``largest`` rate that a walk has
    met, shape (K,)."""
    return largest is not None and bool(((largest > 0) & (largest * time < DUE)).any())


def rare_order(
    rates: Float[np.ndarray, "states transitions"], total: Float[np.ndarray, " states"] | float
) -> tuple[int, ...] | None:
    """The transitions with the rare ones first, the rarest of all at the front; None if one word serves them all.

    ``rates``: of K transitions in some states, shape (states, K); ``total``: what a word stands for there. The error of
    a share p that ends at the cumulated share e is taken as ``(2**-24 e + 2**-32) / p``. States in which p is under 1/256
    of what it is elsewhere add too little to how often the transition happens to count.
    """
    with np.errstate(all="ignore"):  # rates that are not allowed are for others to see
        shares = rates / np.reshape(np.maximum(total, np.finfo(float).tiny), (-1, 1))
        error = (2.0**-24 * np.cumsum(shares, axis=1) + 2.0**-32) / np.where(shares > 0, shares, 1.0)
    most = shares.max(axis=0)
    likely = shares > TOLERANCE * most
    typical = [np.median(error[likely[:, k], k]) if most[k] > 0 else 0.0 for k in range(len(most))]
    rare = np.flatnonzero(np.array(typical) > TOLERANCE)
    if not rare.size:
        return None
    first = rare[np.argsort(most[rare], kind="stable")]
    return (*first.tolist(), *[k for k in range(len(most)) if k not in set(rare.tolist())])
