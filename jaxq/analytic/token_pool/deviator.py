"""The chain of a server that answers to the others as it likes: its queue, its tokens, the pool and what the others do.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Appendix D, the four cases before LP (76). Notation as in
`jaxq.analytic.token_pool.server_chain`; costs per time, holding cost 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from jaxq.analytic.markov.decisions import Event, Option
from jaxq.analytic.token_pool.server_chain import best_response

_TAIL = 1e-7
"""Share of its weight beyond which the other server's own queue is cut."""

_Flow = tuple[NDArray[np.float64], NDArray[np.int64]]


class Others(NamedTuple):
    """The other servers as a chain of phases x: (rates, phase that follows), each of shape (phases,).

    Attributes:
        jobs: jobs that they send to the pool.
        units: capacity units that they offer, with the phases that may follow: (rates, ((chance, phase), ...)).
        quiet: changes of phase that the pool does not see.
        place: phase by (queue, tokens) where the others are one server; none where they are streams without phases.
    """

    jobs: list[_Flow]
    units: tuple[NDArray[np.float64], tuple[tuple[float, NDArray[np.int64]], ...]]
    quiet: list[_Flow]
    place: NDArray[np.int64] | None

    @property
    def phases(self) -> int:
        return self.jobs[0][0].size


def streams(rate: float, phi: float) -> Others:
    """Poisson streams of ``rate`` jobs and rate / phi units per time."""
    stay = np.zeros(1, np.int64)
    return Others([(np.array([rate]), stay)], (np.array([rate / phi]), ((1.0, stay),)), [], None)


def one_server(arrival_rate: float, service_rate: float, phi: float, token_cap: int | None, wait: float) -> Others:
    """One server that plays Lemma 4.2 with its tokens, 0 to C or, without a cap, unconstrained.

    With a token its queue is at most the threshold; without one it is cut where its tail is below 1e-7.
    """
    rho = arrival_rate / service_rate
    threshold, mix, offer = best_response(rho, phi, wait * service_rate)
    levels = 1 if token_cap is None else token_cap + 1
    longest = threshold if token_cap is None else threshold + math.ceil(math.log(_TAIL) / math.log(rho))
    place = np.full((longest + 1, levels), -1)
    place[:, 0] = np.arange(longest + 1)
    place[: threshold + 1, 1:] = longest + 1 + np.arange((threshold + 1) * (levels - 1)).reshape(threshold + 1, -1)
    q, s = np.array([np.argwhere(place == x)[0] for x in range(place.max() + 1)]).T
    token = 0 if token_cap is None else 1
    asks = np.where(q >= threshold, 1.0, np.where(q == threshold - 1, mix, 0.0))
    asks, earns = asks * (s >= token), 1.0 * (q == 0) * ((token_cap is None) | (s < levels - 1))

    def at(q, s) -> NDArray[np.int64]:
        found = place[np.clip(q, 0, longest), np.clip(s, 0, levels - 1)]
        return np.where(found < 0, 0, found)  # where it cannot happen

    return Others(
        jobs=[(arrival_rate * asks, at(q, s - token))],
        units=(service_rate * offer * earns, ((phi, at(q, s + token)), (1 - phi, at(q, s)))),
        quiet=[(arrival_rate * (1 - asks), at(q + 1, s)), (1.0 * service_rate * (q > 0), at(q - 1, s))],
        place=place,
    )


class Deviator(NamedTuple):
    """The chain of n states.

    Attributes:
        place: number of a state by (own queue, pool, tokens, phase of the others), -1 where there is none.
        holding: own queue of each state, which is its cost per time, shape (n,).
        events: first three: a job of its own (kept, routed), a unit of its own (wasted, serves, offered), a unit of the
            others (nothing, a job moved after it); then what it cannot answer.
    """

    place: NDArray[np.int64]
    holding: Float[np.ndarray, " states"]
    events: list[Event]

    def chances(self, threshold: int, mix: float, offer: float) -> list[NDArray[Any]]:
        """What a threshold policy (Lemma 4.2) answers, as in `jaxq.analytic.markov.decisions`."""
        q1, size = self.holding, self.holding.size
        asks = np.where(q1 >= threshold, 1.0, np.where(q1 == threshold - 1, mix, 0.0))
        kept, routed = (np.isfinite(option.cost) for option in self.events[0].options)
        asks = np.where(kept, asks, 1.0) * routed
        serves, offers = 1.0 * (q1 > 0), offer * (q1 == 0) * np.isfinite(self.events[1].options[2].cost)
        rest = [np.arange(len(event.options))[:, None] == np.zeros(size) for event in self.events[2:]]
        return [np.stack([1 - asks, asks]), np.stack([1 - serves - offers, serves, offers]), *(1.0 * x for x in rest)]

    def carried(self, other: "Deviator", chances: list, otherwise: list) -> list[NDArray[Any]]:
        """A policy of the chain with other cuts: at the nearest state, ``otherwise`` where its answer is not possible."""
        place = np.maximum.accumulate(other.place, axis=0)
        states = np.argwhere(self.place >= 0)
        near = tuple(np.minimum(states, np.array(place.shape) - 1).T)
        found = []
        for event, theirs, mine in zip(self.events, chances, otherwise, strict=True):
            theirs = theirs[:, place[near]]
            possible = np.isfinite(np.stack([option.cost for option in event.options]))
            found.append(np.where(np.all(possible | (theirs == 0), axis=0), theirs, mine))
        return found


def deviator(
    arrival_rate: float,
    service_rate: float,
    phi: float,
    token_cap: int | None,
    others: Others,
    capacity: float,
    processing_cost: float,
    charge_after_service: bool,
    rich: int,
    own: int,
    pool: int,
) -> Deviator:
    """The chain with q_1 < own without a token, q_1 < rich with one, and q_0 < pool; arguments as
    `best_response_to_others`.

    At the cut of the pool jobs that come to it are lost. At q_1 = own - 1 a job that cannot be routed is lost, at the cost
    of serving it. What would lead to a longer queue with a token is not done. Without a cap rich counts for nothing.
    """
    levels, token = (1, 0) if token_cap is None else (token_cap + 1, 1)
    grid = np.indices((own, pool, levels, others.phases))
    kept = (grid[2] == 0) | (grid[0] < rich)
    q1, q0, s, x = (axis[kept] for axis in grid)
    place = np.where(kept, np.cumsum(kept).reshape(kept.shape) - 1, -1)

    def at(more=0, jobs=0, tokens=0, phase=x) -> NDArray[np.int64]:
        queue, line = np.clip(q1 + more, 0, own - 1), np.clip(q0 + jobs, 0, pool - 1)
        return place[queue, line, np.clip(s + token * tokens, 0, levels - 1), phase]

    def option(possible, cost, moves, gain=0.0) -> Option:
        inside = possible & np.all([to >= 0 for _, to in moves], axis=0)
        return Option(np.where(inside, cost, np.inf), tuple((chance, np.maximum(to, 0)) for chance, to in moves), gain)

    charge = (q0 + 1) / capacity
    asks, room = s >= token, (token_cap is None) | (s < levels - 1)
    last, nothing = q1 == own - 1, np.zeros(q1.size)
    job = Event(
        arrival_rate,
        (
            option(~last | ~asks, processing_cost * last, ((1.0, at(more=1)),)),
            option(asks, charge, ((1.0, at(jobs=1, tokens=-1)),), -1.0),
        ),
    )
    help_ = ((phi, at(jobs=-1, tokens=1)), (1 - phi, at(jobs=-1)))
    unit = Event(
        service_rate,
        (
            Option(nothing, ((1.0, at()),)),
            option(q1 > 0, processing_cost, ((1.0, at(more=-1)),)),
            option(room, processing_cost * (q0 > 0), help_, phi),
        ),
    )
    rate, after = others.units
    left = tuple((chance, at(jobs=-1, phase=to[x])) for chance, to in after)
    moved = tuple((chance, at(more=-1, tokens=-1, phase=to[x])) for chance, to in after)
    moving = option((q1 > 0) & (q0 > 0) & asks, charge - charge_after_service / capacity, moved, -1.0)
    events = [job, unit, Event(rate[x], (Option(nothing, left), moving))]
    for jobs, flows in ((1, others.jobs), (0, others.quiet)):
        events += [Event(rate[x], (Option(nothing, ((1.0, at(jobs=jobs, phase=to[x])),)),)) for rate, to in flows]
    return Deviator(place, 1.0 * q1, events)
