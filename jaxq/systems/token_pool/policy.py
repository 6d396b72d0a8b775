"""What a server does with its jobs and capacity units: threshold policies, Lemma 4.2's among them, and policies that see
the pool."""

import math
from typing import Any

import equinox as eqx
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.fields import real, rules, whole

_ROUNDING = 1e-12
"""phi this close (relative) to a power of rho counts as that power."""


class Policy(eqx.Module):
    """What one server does."""


class ThresholdPolicy(Policy):
    """Route a job that finds ``q >= threshold`` jobs to the pool, with probability ``mix`` also at ``threshold - 1``;
    offer a capacity unit that finds ``q = 0`` with probability ``offer``. Each is a number or one per server, shape (N,).
    """

    threshold: Any = whole("jobs in the own queue from which jobs are routed to the pool", low=0, listed=True)
    mix: Any = real("probability of routing at threshold - 1", low=0.0, high=1.0, default=0.0, listed=True)
    offer: Any = real("probability of offering an idle capacity unit", low=0.0, high=1.0, default=1.0, listed=True)

    def __str__(self) -> str:
        return ":".join(f"{x:g}" if np.ndim(x) == 0 else str(np.asarray(x).tolist()) for x in vars(self).values())

    def __check_init__(self):
        for name, rule in rules(type(self)).items():
            rule.check(f"policy {name}", getattr(self, name))

    def of_one(self, server: int) -> "ThresholdPolicy":
        """The policy of one server, all numbers."""
        return ThresholdPolicy(*(x if np.ndim(x) == 0 else x[server] for x in vars(self).values()))

    def table(self) -> "TablePolicy":
        """The same policy, of numbers, as a table."""
        threshold = int(self.threshold)
        jobs = np.arange(threshold + 1)
        request = np.where(jobs == threshold, 1.0, np.where(jobs == threshold - 1, self.mix, 0.0))
        idle = np.where(jobs == 0, self.offer, 0.0)
        columns = [x[:, None] for x in (request, np.zeros(threshold + 1), idle, 1.0 * (jobs > 0))]
        if threshold == 0:  # a job may be there although every job is routed: it found no token
            columns = [np.concatenate([x, x]) for x in columns]
            columns[2][1], columns[3][1] = 0.0, 1.0
        return TablePolicy(*columns)


class TablePolicy(Policy):
    """Probabilities by own queue, pool queue, own tokens, and queue and tokens of the other of two servers: shape
    (own, pool), (own, pool, tokens) or all five. More than listed does as the most listed.

    ``request``: an arriving job is routed to the pool. ``relocate``: a job of the own queue is moved to the pool after
    another server's unit has served the pool, lengths as before that service. ``offer``: an arriving capacity unit is
    offered; ``serve``: it serves the own queue; otherwise it is wasted.
    """

    request: Any = eqx.field(converter=np.asarray)
    relocate: Any = eqx.field(converter=np.asarray)
    offer: Any = eqx.field(converter=np.asarray)
    serve: Any = eqx.field(converter=np.asarray)

    def __str__(self) -> str:
        return f"table of {' x '.join(map(str, np.shape(self.request)))}"

    def __check_init__(self):
        shape = np.shape(self.request)
        for name, x in vars(self).items():
            if np.shape(x) != shape or 0 in shape:
                raise FieldError(f"policy {name}", f"shape {np.shape(x)}", f"must be that of request, {shape}")
            if len(shape) not in (2, 3, 5):
                rule = "must have 2 axes (own, pool), 3 with the tokens, or 5 with queue and tokens of the other server"
                raise FieldError(f"policy {name}", f"shape {shape}", rule)
            if not np.all((x >= 0) & (x <= 1 + 1e-9)):
                raise FieldError(f"policy {name}", ..., "must hold probabilities >= 0 and <= 1")
        if not np.all(self.offer + self.serve <= 1 + 1e-6):
            raise FieldError("policy offer", ..., "must be <= 1 together with serve")


class NamedPolicy(Policy):
    """A policy worked out when the run is prepared: ``mean-field``, what the other servers play, or ``optimal``, the best
    response: LP (76), and with a token cap the one that minds its tokens."""

    name: str = eqx.field(static=True)

    def __str__(self) -> str:
        return self.name

    def __check_init__(self):
        if self.name not in NAMED:
            raise FieldError("policy", self.name, f"must be one of {', '.join(NAMED)}")


NAMED = ("mean-field", "optimal")


def parse_threshold(text: str) -> ThresholdPolicy:
    """``threshold``, ``threshold:mix`` or ``threshold:mix:offer``. Raises ValueError."""
    try:
        return ThresholdPolicy(*[float(x) for x in text.split(":")])
    except (TypeError, ValueError) as error:
        raise FieldError("policy", text, f"must be threshold[:mix[:offer]] ({error})") from None


def parse_deviator(text: str) -> Policy:
    """``mean-field``, ``optimal``, or the text of a threshold policy. Raises ValueError."""
    return NamedPolicy(text) if text[:1].isalpha() else parse_threshold(text)


def switching_wait(rho: float, threshold: int) -> float:
    """``m(z) = (z - sum_{i=1}^z rho^i) / (1 - rho)``: the pool wait, in mean service times, above which a server keeps
    one more job (paper, before Proposition 4.1)."""
    return (threshold - sum(rho**i for i in range(1, threshold + 1))) / (1 - rho)


def best_response(rho: float, phi: float, wait: float = 0.0) -> tuple[int, float, float]:
    """Lemma 4.2: the optimal ``(threshold, mix, offer)`` of one server in the fluid mean-field problem.

    With k such that ``rho**(k+1) <= phi < rho**k`` (k = 0 if phi >= rho): Case One, ``wait < m(k)``: threshold k, mix
    ``(phi - rho**(k+1)) / (rho**k - rho**(k+1))``, offer 1. Case Two: the least z >= k with ``wait <= m(z+1)``, offer
    ``rho**(z+1) / phi``. At a boundary both of the paper's forms are the same policy; the one without mixing is given.

    Args:
        rho: utilisation of the server, in (0, 1).
        phi: token-earning probability, in (0, 1).
        wait: anticipated wait in the pool, mean service times.
    """
    k, power = 0, rho
    while power > phi * (1 + _ROUNDING):
        k, power = k + 1, power * rho
    if wait < switching_wait(rho, k):
        above = power / rho
        mix = 0.0 if math.isclose(power, phi, rel_tol=_ROUNDING) else (phi - power) / (above - power)
        return k, mix, 1.0
    z = k
    while wait > switching_wait(rho, z + 1):
        z, power = z + 1, power * rho
    return z, 0.0, min(1.0, power / phi)


def fmfe_policy(rho, phi, wait) -> ThresholdPolicy:
    """`best_response` of every server: a policy of numbers for a number ``rho``, of arrays for shape (N,)."""
    if np.ndim(rho) == 0:
        return ThresholdPolicy(*best_response(float(rho), float(phi), float(wait)))
    waits = np.broadcast_to(wait, np.shape(rho))
    columns = zip(
        *[best_response(float(r), float(phi), float(w)) for r, w in zip(rho, waits, strict=True)], strict=True
    )
    return ThresholdPolicy(*map(np.asarray, columns))
