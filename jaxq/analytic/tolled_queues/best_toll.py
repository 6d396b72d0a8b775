"""OPTn: the single toll of one server that brings most revenue."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from jaxq.analytic.markov.birth_death import stationary
from jaxq.analytic.tolled_queues.chain import visible
from jaxq.analytic.tolled_queues.customers import accepted, classes
from jaxq.analytic.tolled_queues.exponential import exponential
from jaxq.analytic.tolled_queues.level_crossing import deterministic
from jaxq.checks import positive

_GRID = 64
_REFINED = 4
_MOST_KINKS = 200


def best_toll(
    revenue: Callable[[float], float],
    jumps: Sequence[float],
    most_throughput: float,
    kinks: Sequence[float] = (),
    staircase: bool = False,
) -> tuple[float, float]:
    """The toll of most revenue.

    Formula: with tolls at which a class leaves (a state) t_1 < ... < t_k, a customer joining where its utility is 0,
    revenue is continuous on each (t_i, t_{i+1}], falls at each t_i, and nobody joins above t_k. All t_i and kinks are
    tried as they are, with a grid in between, and the neighbourhoods of the best four are searched (Brent). Where the
    throughput is constant between them (a staircase) the best toll is one of them. Tolls too low to bring as much as a
    higher one are left out.

    Args:
        revenue: toll -> revenue, per unit of time.
        jumps: tolls at which revenue jumps down, the highest being the last at which anybody joins.
        most_throughput: no toll has more, 1/time.
        kinks: tolls at which only its derivative jumps.
        staircase: whether throughput is constant between the jumps.

    Returns:
        (toll, revenue); (0, 0) if no jump is positive.

    Source: Naor (1969), Econometrica 37(1), 15-24, where the best toll leaves a customer nothing.
    """
    tried = steps = np.unique([toll for toll in jumps if toll > 0])
    if steps.size == 0:
        return 0.0, 0.0
    if not staircase:
        inner = [np.linspace(a, b, _GRID, endpoint=False)[1:] for a, b in zip((0.0, *steps[:-1]), steps, strict=True)]
        tried = np.unique(np.concatenate([steps, [k for k in kinks if 0 < k < steps[-1]], *inner]))
    found: dict[float, float] = {}
    for toll in tried[::-1].tolist():
        if found and toll * most_throughput < max(found.values()):
            break
        found[toll] = revenue(toll)
    if not staircase:
        # A jump ends what is searched on either side of it.
        ends = [0.0, *sorted(found), float(steps[-1])]
        best = sorted(range(1, len(ends) - 1), key=lambda i: -found[ends[i]])[:_REFINED]
        for low, high in {pair for i in best for pair in ((ends[i - 1], ends[i]), (ends[i], ends[i + 1]))}:
            if low < high:
                peak = _peak(revenue, low, high)
                found[peak] = revenue(peak)
    toll = max(found, key=found.__getitem__)
    return toll, found[toll]


def _peak(revenue: Callable[[float], float], low: float, high: float) -> float:
    options = {"xatol": 1e-10 * high}
    peak: Any = minimize_scalar(
        lambda toll: -revenue(float(toll)), bounds=(low, high), method="bounded", options=options
    )
    return float(peak.x)


def deterministic_best_toll(
    arrival_rates: ArrayLike, rewards: ArrayLike, waiting_costs: ArrayLike, service_rate: float, lengths: bool = False
) -> tuple[float, float]:
    """OPTn of unit sizes and customers who see the work before them, or their number.

    Formula: `best_toll` of `deterministic`; class i leaves the empty server at R_i - c_i / mu, and its threshold is a
    whole number k, where the density of the work has its kinks, at R_i - c_i (k + 1) / mu. With lengths visible
    revenue jumps at all of these, and is a staircase.

    Args:
        arrival_rates, rewards, waiting_costs, service_rate, lengths: as `deterministic`.

    Returns:
        (toll, revenue), the toll relatively within 1e-8, the revenue within 1e-12.

    Raises:
        ValueError: as `deterministic`.

    Source: Poisson arrivals, unit sizes; Shen, "A study on the splitting strategy of server resources", Definition 2.
    """
    _, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    mu = positive("service_rate", service_rate)
    last = gains - costs / mu
    most = min(float(np.sum(arrival_rates)), mu)

    def revenue(toll: float) -> float:
        return deterministic(arrival_rates, rewards, waiting_costs, mu, toll, lengths=lengths)["revenue"]

    if lengths:
        jumps = [t - c * k / mu for t, c in zip(last, costs, strict=True) for k in range(max(0, int(t * mu / c)) + 1)]
        return best_toll(revenue, jumps, most, staircase=True)
    kinks = [t - c * k / mu for t, c in zip(last, costs, strict=True) for k in range(1, _MOST_KINKS)]
    return best_toll(revenue, last.tolist(), most, kinks)


def exponential_best_toll(
    arrival_rates: ArrayLike,
    rewards: ArrayLike,
    waiting_costs: ArrayLike,
    service_rate: float,
    mean_sizes: ArrayLike = 1.0,
) -> tuple[float, float]:
    """OPTn of exponential sizes and customers who know the work before them and their own mean size.

    Formula: `best_toll` of `exponential`; class i leaves the empty server at R_i - c_i s_i / mu.

    Args:
        arrival_rates, rewards, waiting_costs, service_rate, mean_sizes: as `exponential`.

    Returns:
        (toll, revenue), as exact as `deterministic_best_toll`.

    Raises:
        ValueError: as `exponential`.

    Source: Poisson arrivals, exponential sizes; Shen, Definition 2.
    """
    _, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    mu, sizes = positive("service_rate", service_rate), np.broadcast_to(np.asarray(mean_sizes, float), gains.shape)

    def revenue(toll: float) -> float:
        return exponential(arrival_rates, rewards, waiting_costs, mu, toll, sizes)["revenue"]

    most = min(float(np.sum(arrival_rates)), mu / float(sizes.min()))
    return best_toll(revenue, (gains - costs * sizes / mu).tolist(), most)


def visible_best_toll(
    arrival_rates: ArrayLike,
    rewards: ArrayLike,
    waiting_costs: ArrayLike,
    service_rate: float,
    mean_sizes: ArrayLike = 1.0,
    most: int = 60,
    size_ahead: float | None = None,
    most_states: int = 60_000,
) -> tuple[float, float]:
    """OPTn of exponential sizes and customers who see who is before them, or how many.

    Formula: `best_toll`, a staircase: class i leaves the state with expected work w before it at R_i - c_i (w + s_i)/mu,
    w running over the sums of mean sizes, or the multiples of ``size_ahead``.

    Args:
        arrival_rates, rewards, waiting_costs, mean_sizes, most, size_ahead, most_states: as `visible`.
        service_rate: mu, work/time.

    Returns:
        (toll, revenue).

    Raises:
        ValueError: as `visible`, also where a toll that could be the best one leaves too many states.

    Source: Naor (1969) for one class.
    """
    arriving, gains, costs = classes(arrival_rates, rewards, waiting_costs)
    mu, sizes = positive("service_rate", service_rate), np.broadcast_to(np.asarray(mean_sizes, float), gains.shape)
    longest = float(np.max(gains / costs * mu))
    known: Any = {"size_ahead": size_ahead, "most_states": most_states}
    ahead = {0.0}
    for size in np.unique(sizes if size_ahead is None else size_ahead):
        ahead = {round(w + size * k, 12) for w in ahead for k in range(int(max(longest - w, 0) / size) + 1)}
    jumps = [float(r - c * (w + s) / mu) for r, c, s in zip(gains, costs, sizes, strict=True) for w in sorted(ahead)]

    if sizes.min() == sizes.max() and size_ahead in (None, sizes[0]):
        rate = mu / sizes[0]
        return best_toll(lambda toll: _of_lengths(arriving, gains, costs, rate, toll), jumps, rate, staircase=True)

    def revenue(toll: float) -> float:
        return visible(arrival_rates, rewards, waiting_costs, (mu,), (toll,), sizes, most=most, **known)["revenue"]

    return best_toll(revenue, jumps, min(float(np.sum(arrival_rates)), mu / float(sizes.min())), staircase=True)


def _of_lengths(
    arriving: Float[np.ndarray, " classes"],
    gains: Float[np.ndarray, " classes"],
    costs: Float[np.ndarray, " classes"],
    rate: float,
    toll: float,
) -> float:
    """Revenue of one server where lengths are the state: a birth-death chain, class i joining as long as it makes at most
    floor((R_i - theta) mu / (c_i s))."""
    most = np.floor(accepted(gains, costs, rate, toll))
    births = ((np.arange(max(most.max(), 0)) < most[:, None]) * arriving[:, None]).sum(axis=0)
    return toll * float(births @ stationary(births, np.full(births.size, rate))[:-1])
