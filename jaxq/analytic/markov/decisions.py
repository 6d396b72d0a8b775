"""Least long-run cost of a Markov chain whose events are answered one by one: policy iteration.

At state x events e happen at rates r_e(x), and each is answered by one of its options, which costs something and says
where the chain goes; a holding cost h(x) runs all the time. The least mean cost g and the relative values v solve

    g = h(x) + sum_e r_e(x) min over options a of [cost_a(x) + sum_y P_a(x, y) v(y) - v(x)].

Source: Howard (1960), Dynamic Programming and Markov Processes; Puterman (1994), Sections 8.6 and 8.9 (a mean that is
prescribed: a price on it, and a mixture of two policies).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

_SETTLED = 1e-10
"""An option is better if by this share of the spread of the values: beyond their rounding."""
_MOST_ROUNDS = 100


class Option(NamedTuple):
    """One answer to an event, of all n states.

    Attributes:
        cost: of taking it once, shape (n,); inf where it cannot be taken.
        moves: (chance, state that follows); chances a number or shape (n,), states shape (n,).
        gain: what it adds to the quantity that `balanced` prescribes.
    """

    cost: Float[np.ndarray, " states"]
    moves: tuple[tuple[ArrayLike, NDArray[np.int64]], ...]
    gain: float = 0.0


class Event(NamedTuple):
    """What happens at a rate, 1/time, a number or shape (n,), and the answers to it."""

    rate: ArrayLike
    options: tuple[Option, ...]


class Outcome(NamedTuple):
    """What a policy leads to.

    Attributes:
        chances: probability of each option, one array (options, n) for each event.
        cost: mean cost per time.
        drift: mean of the options' gains, per time.
        law: stationary probabilities, shape (n,).
        values: relative values v, shape (n,).
    """

    chances: list[Float[np.ndarray, " states"]]
    cost: float
    drift: float
    law: Float[np.ndarray, " states"]
    values: Float[np.ndarray, " states"]


def outcome(
    holding: Float[np.ndarray, " states"], events: Sequence[Event], chances: list, price: float = 0.0
) -> Outcome:
    """Stationary law, mean cost and values of the policy ``chances``; a unit of gain earns ``price``, in the values only.

    The equations g = h + G v with v = 0 in the first state, and those of the law, are one sparse factorisation.

    Raises:
        ArithmeticError: the chain has more than one closed class.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import splu

    states = np.arange(holding.size)
    rows, columns, entries = [], [], []
    cost, drift = holding.astype(np.float64), np.zeros(holding.size)
    for event, shares in zip(events, chances, strict=True):
        for option, share in zip(event.options, shares, strict=True):
            taken = np.flatnonzero(share)
            rate = (np.asarray(event.rate) * share)[taken]
            cost[taken] += rate * option.cost[taken]
            drift[taken] += rate * option.gain
            for chance, target in option.moves:
                flow = (rate * np.broadcast_to(chance, holding.shape)[taken], states[taken])
                rows += [flow[1], flow[1]]
                columns += [target[taken], flow[1]]
                entries += [flow[0], -flow[0]]
    row, column, entry = (np.concatenate(x) for x in (rows, columns, entries))
    kept = column > 0  # v = 0 in the first state leaves its column to -g
    row, column = np.concatenate([row[kept], states]), np.concatenate([column[kept], 0 * states])
    entry = np.concatenate([entry[kept], np.full(holding.size, -1.0)])
    try:
        matrix = coo_matrix((entry, (row, column)), shape=(holding.size,) * 2).tocsc()
        factors = splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=1e-3, options={"SymmetricMode": True})
    except RuntimeError as error:
        raise ArithmeticError(f"a policy of the chain has more than one closed class: {error}") from None
    values = factors.solve(price * drift - cost)
    law = factors.solve(-1.0 * (states == 0), trans="T")
    values[0] = 0.0
    return Outcome(chances, float(law @ cost), float(law @ drift), law, values)


def least_cost(
    holding: Float[np.ndarray, " states"], events: Sequence[Event], start: list, price: float = 0.0
) -> Outcome:
    """The policy of least mean cost, less ``price`` for each unit of gain, by policy iteration.

    Args:
        holding: cost h per time, shape (n,).
        events: what happens; every policy that is met must have one closed class.
        start: chances of the policy to begin with, as in `Outcome`; deterministic.
        price: of a unit of gain.

    Returns:
        A deterministic policy with its outcome, whose cost is without the price.

    Raises:
        ArithmeticError: policies did not settle in 100 rounds, or one has more than one closed class.
    """
    chances = start
    for _ in range(_MOST_ROUNDS):
        found = outcome(holding, events, chances, price)
        margin = _SETTLED * (1 + np.ptp(found.values))
        chances, settled = [], True
        for event, shares in zip(events, found.chances, strict=True):
            worth = np.stack(
                [
                    option.cost
                    - price * option.gain
                    + sum(np.asarray(chance) * found.values[to] for chance, to in option.moves)
                    for option in event.options
                ]
            )
            now, best = shares.argmax(axis=0), worth.argmin(axis=0)
            one = np.arange(holding.size)
            better = worth[best, one] < worth[now, one] - margin
            settled &= not better.any()
            chances.append(1.0 * (np.arange(len(worth))[:, None] == np.where(better, best, now)))
        if settled:
            return found
    raise ArithmeticError(f"policy iteration did not settle in {_MOST_ROUNDS} rounds")


def balanced(holding: Float[np.ndarray, " states"], events: Sequence[Event], start: list) -> tuple[Outcome, float]:
    """The policy of least mean cost among those whose drift is 0, and the price of a unit of gain.

    Formula: the least cost less price x drift is concave and piecewise linear in the price. Its top lies where the lines
    of two policies cross, one of each sign of drift; their laws, mixed so that the drift is 0, are an optimal law.

    Args:
        holding, events, start: as `least_cost`.

    Raises:
        ArithmeticError: as `least_cost`, or the drift has one sign whatever the price.
    """
    ends = []
    for sign in (-1, 1):
        price = float(sign)
        found = least_cost(holding, events, start, price)
        while sign * found.drift < 0:
            price *= 4
            if abs(price) > 1e9:
                raise ArithmeticError("the drift has one sign whatever the price")
            found = least_cost(holding, events, found.chances, price)
        ends.append(found)
    while True:
        low, high = ends
        if high.drift - low.drift <= 1e-12:
            return low, price
        price = (high.cost - low.cost) / (high.drift - low.drift)
        found = least_cost(holding, events, low.chances, price)
        crossing, least = low.cost - price * low.drift, found.cost - price * found.drift
        if least >= crossing - 1e-10 * (1 + abs(price) + abs(crossing)) or found.drift in (low.drift, high.drift):
            break
        ends[int(found.drift > 0)] = found
    share = high.drift / (high.drift - low.drift)
    weight = share * np.maximum(low.law, 0.0), (1 - share) * np.maximum(high.law, 0.0)
    total = weight[0] + weight[1]
    part = np.where(total > 1e-300, weight[0] / np.maximum(total, 1e-300), 1.0)
    mixed = [part * a + (1 - part) * b for a, b in zip(low.chances, high.chances, strict=True)]
    return outcome(holding, events, mixed), price
