"""The positive laws of mean 1 one by one: each function checks its parameter and gives moments and transform."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, ndtr

from jaxq.checks import FieldError, integer, number, positive

Function = Callable[[float], float]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
MOST_PHASES = 32
"""Phases of a law whose generator is made."""


class Form(NamedTuple):
    """What is known of a law of mean 1."""

    scv: float
    moments: tuple[float, float]
    """E[X^2] and E[X^3], infinite where they are."""
    transforms: Callable[[], tuple[Function, Function]]
    """s -> E exp(-s X) and s -> E[1 - exp(-s X)], made when they are asked for."""
    stopped: Curve
    """x -> E min(X, x), for an array of x >= 0."""
    tail: Curve
    """x -> P(X > x), as `stopped`."""
    kinks: tuple[float, ...] = ()
    """Where `stopped` has no derivative, or one that jumps."""
    phases: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """Initial vector and sub-generator of a law of few phases."""


def exponential(parameter: Any) -> Form:
    """e^-x."""
    _nothing("exponential", parameter)
    return Form(
        1.0,
        (2.0, 6.0),
        lambda: (lambda s: 1 / (1 + s), lambda s: s / (1 + s)),
        stopped=lambda x: -np.expm1(-x),
        tail=lambda x: np.exp(-x),
        phases=(np.ones(1), -np.ones((1, 1))),
    )


def deterministic(parameter: Any) -> Form:
    """The constant 1."""
    _nothing("deterministic", parameter)
    return Form(
        0.0,
        (1.0, 1.0),
        lambda: (lambda s: math.exp(-s), lambda s: -math.expm1(-s)),
        stopped=lambda x: np.minimum(x, 1.0),
        tail=lambda x: np.where(x < 1.0, 1.0, 0.0),
        kinks=(1.0,),
    )


def erlang(parameter: Any) -> Form:
    """Gamma with a whole shape k."""
    shape = integer("erlang parameter (shape)", parameter, 1)
    stages = np.diag(np.full(shape, -float(shape))) + np.diag(np.full(shape - 1, float(shape)), 1)
    return _gamma(1 / shape, shape)._replace(phases=(np.eye(shape)[0], stages) if shape <= MOST_PHASES else None)


def gamma(parameter: Any) -> Form:
    """Gamma of shape 1/scv."""
    variation = positive("gamma parameter (scv)", parameter)
    return _gamma(variation, 1 / variation)


def _gamma(variation: float, shape: float) -> Form:
    return Form(
        variation,
        (1 + variation, (1 + variation) * (1 + 2 * variation)),
        lambda: (
            lambda s: math.exp(-shape * math.log1p(s / shape)),
            lambda s: -math.expm1(-shape * math.log1p(s / shape)),
        ),
        stopped=lambda x: gammainc(shape + 1, shape * x) + x * gammaincc(shape, shape * x),
        tail=lambda x: gammaincc(shape, shape * x),
    )


def hyperexponential(parameter: Any) -> Form:
    """Two phases with balanced means: probabilities p1, p2, rates 2 p1, 2 p2."""
    variation = number("hyperexponential parameter (scv)", parameter, 1, open_low=True)
    first = (1 + math.sqrt((variation - 1) / (variation + 1))) / 2
    phases = first, 1 / (2 * (variation + 1) * first)
    return Form(
        variation,
        (2 * sum(p * (2 * p) ** -2 for p in phases), 6 * sum(p * (2 * p) ** -3 for p in phases)),
        lambda: (
            lambda s: sum(p * 2 * p / (2 * p + s) for p in phases),
            lambda s: sum(p * s / (2 * p + s) for p in phases),
        ),
        stopped=lambda x: sum((-np.expm1(-2 * p * x) / 2 for p in phases), np.zeros_like(x)),
        tail=lambda x: sum((p * np.exp(-2 * p * x) for p in phases), np.zeros_like(x)),
        phases=(np.array(phases), np.diag([-2 * p for p in phases])),
    )


def lognormal(parameter: Any) -> Form:
    """exp(d Z - d^2/2), d^2 = log(1 + scv); transform by the trapezoid rule over Z."""
    variation = positive("lognormal parameter (scv)", parameter)
    deviation = math.sqrt(math.log1p(variation))

    def transforms():
        # Beyond 12 the normal density is below 1e-31; the step of 1/100 is small against
        # the strip of decay, pi / (2 deviation), for every deviation a float scv can give (below 27).
        normal = np.linspace(-12.0, 12.0, 2401)
        weights = np.exp(-(normal**2) / 2)
        return _discrete(np.exp(deviation * normal - deviation**2 / 2), weights / weights.sum())

    def stopped(x):
        with np.errstate(divide="ignore"):
            z = np.log(x) / deviation
        return ndtr(z - deviation / 2) + x * ndtr(-z - deviation / 2)

    def tail(x):
        with np.errstate(divide="ignore"):
            return ndtr(-np.log(x) / deviation - deviation / 2)

    return Form(variation, (1 + variation, (1 + variation) ** 3), transforms, stopped, tail)


def weibull(parameter: Any) -> Form:
    """E^(1/k) / Gamma(1 + 1/k), E exponential; transform by the trapezoid rule over log E."""
    shape = positive("weibull parameter (shape)", parameter)
    log_mean = math.lgamma(1 + 1 / shape)
    second, third = (math.exp(math.lgamma(1 + n / shape) - n * log_mean) for n in (2, 3))

    def transforms():
        # The density over y = log E, exp(y - e^y), decays in the strip |Im y| < pi/2, the rest where |Im y| < pi k/2.
        y = np.arange(-80.0, 6.7, min(1.0, shape) / 5)
        weights = np.exp(y - np.exp(y))
        return _discrete(np.exp(y / shape - log_mean), weights / weights.sum())

    def stopped(x):
        return gammainc(1 / shape, (x * math.exp(log_mean)) ** shape)

    def tail(x):
        return np.exp(-((x * math.exp(log_mean)) ** shape))

    return Form(second - 1, (second, third), transforms, stopped, tail)


def pareto(parameter: Any) -> Form:
    """m e^(E/a), E exponential, a the index and m = (a-1)/a; transform by the trapezoid rule over t, E = e^(t - e^-t)."""
    index = number("pareto parameter (index)", parameter, 1, open_low=True)
    least = (index - 1) / index
    second, third = (index * least**n / (index - n) if index > n else math.inf for n in (2, 3))

    def transforms():
        # Beyond 7.3 E is above 1480; the step resolves where exp(-s X) breaks off, at E up to 40 times the index.
        t = np.arange(-4.0, 7.3, 1 / 256)
        e = np.exp(t - np.exp(-t))
        weights = np.exp(-e) * e * (1 + np.exp(-t))
        return _discrete(least * np.exp(np.minimum(e / index, 700.0)), weights / weights.sum())

    def stopped(x):
        beyond = least / (index - 1) * -np.expm1((index - 1) * np.log(least / np.maximum(x, least)))
        return np.minimum(x, least) + beyond

    def tail(x):
        return (least / np.maximum(x, least)) ** index

    return Form(second - 1 if index > 2 else math.inf, (second, third), transforms, stopped, tail, (least,))


def phase_type(parameter: Any) -> Form:
    """Absorption time with initial vector b and sub-generator T, over its mean: b (sI - T)^-1 (-T) 1."""
    try:
        initial, generator = (np.asarray(part, np.float64) for part in parameter)
    except (TypeError, ValueError):
        initial = generator = np.empty(0)
    if initial.size == 0 or initial.ndim != 1 or generator.shape != (initial.size, initial.size):
        raise FieldError("phase-type parameter", parameter, "must be (initial, generator)")
    off = generator - np.diag(np.diag(generator))
    if not (np.all(initial >= 0) and abs(initial.sum() - 1) < 1e-9 and np.all(off >= 0)):
        raise FieldError("phase-type parameter", parameter, "must be probabilities and rates")
    if np.any(generator.sum(axis=1) > 1e-9) or np.linalg.matrix_rank(generator) < initial.size:
        raise FieldError("phase-type parameter", parameter, "must be a sub-generator")
    one, identity = np.ones(initial.size), np.eye(initial.size)
    first = np.linalg.solve(-generator, one)
    generator = generator * (initial @ first)
    mean = np.linalg.solve(-generator, one)
    second = np.linalg.solve(-generator, mean)
    third = np.linalg.solve(-generator, second)

    def complement(s: float) -> float:
        return float(s * (initial @ np.linalg.solve(s * identity - generator, one)))

    def transform(s: float) -> float:
        return float(initial @ np.linalg.solve(s * identity - generator, -generator @ one))

    def stopped(x):
        return (1 - exponentials(generator * x[:, None, None]) @ one) @ np.linalg.solve(-generator.T, initial)

    def tail(x):
        return exponentials(generator * x[:, None, None]) @ one @ initial

    moments = 2 * float(initial @ second), 6 * float(initial @ third)
    few = (initial, generator) if initial.size <= MOST_PHASES else None
    return Form(moments[0] - 1, moments, lambda: (transform, complement), stopped, tail, phases=few)


def empirical(parameter: Any) -> Form:
    """One of some values, each as likely, over their mean; of n, those that are 0 are an atom there: E exp(-s X) tends
    to their share as s grows."""
    try:
        values = np.asarray(parameter, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.size == 0 or values.ndim != 1 or not np.all((values >= 0) & np.isfinite(values)) or not values.any():
        raise FieldError("empirical parameter", parameter, "must be finite numbers, zero or positive, not all 0")
    values = values / values.mean()
    moments = float(np.mean(values**2)), float(np.mean(values**3))
    weights = np.full(values.size, 1 / values.size)
    ordered = np.sort(values)
    below = np.append(0.0, np.cumsum(ordered)) / values.size

    def stopped(x):
        count = np.searchsorted(ordered, x)
        return below[count] + x * (1 - count / values.size)

    def tail(x):
        return 1 - np.searchsorted(ordered, x, side="right") / values.size

    kinks = tuple(np.unique(ordered).tolist())
    return Form(float(np.var(values)), moments, lambda: _discrete(values, weights), stopped, tail, kinks)


def exponentials(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """e^M of many sub-generators, shape (matrices, phases, phases), by scaling and squaring; scipy's `expm` goes through
    them one by one and takes milliseconds for each."""
    norms = np.abs(matrices).sum(axis=-1).max(axis=-1)
    halvings = np.maximum(np.ceil(np.log2(np.maximum(norms, 1e-300))) + 4, 0).astype(int)
    scaled = matrices / 2.0 ** halvings[:, None, None]
    found = identity = np.broadcast_to(np.eye(matrices.shape[-1]), matrices.shape)
    for n in range(12, 0, -1):  # Taylor's sum: the norm is at most 1/16
        found = identity + scaled @ found / n
    for done in range(halvings.max(initial=0)):
        again = halvings > done
        found[again] = found[again] @ found[again]
    return found


def _nothing(name: str, parameter: Any) -> None:
    if parameter is not None:
        raise FieldError(name, parameter, "must be None", " parameter")


def _discrete(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[Function, Function]:
    """The transform of a law on some values, and 1 minus it."""
    return lambda s: float(weights @ np.exp(-s * values)), lambda s: float(-weights @ np.expm1(-s * values))
