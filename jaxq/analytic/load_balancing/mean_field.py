"""Power-of-d load balancing with many servers: closed form for equal servers, fixed point for several types."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from jaxq.analytic.load_balancing.policies import Policy, weights_of
from jaxq.analytic.load_balancing.pools import decreasing
from jaxq.checks import FieldError, integer, positive

_MOST_LEVELS = 400
_NEGLIGIBLE = 1e-13
_MOST_STEPS = 100
_NUDGE = 1e-7


class MeanField:
    """The mean-field equations of a policy with d draws, on s_{j,i}, i = 1, ..., K.

    Formula: gamma_j ds_{j,i+1}/dt = lambda w_j (s_{j,i} - s_{j,i+1}) F - gamma_j mu_j (s_{j,i+1} - s_{j,i+2}), with
    w_j the chance that a draw is of type j and F = (W^d - V^d) / (W - V), W (V) the chance that a draw has the rank of
    (j, i) or more (more); s_{j,0} = 1 and s_{j,K+1} = 0: an arrival to a server with K jobs is lost.

    Args:
        arrival_rate: lambda, of the whole system divided by n, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        shares: gamma_j = N_j / n, sum 1.
        policy: see `Policy`; draws is not None; in the limit distinct draws are as good as draws with replacement.
        levels: K.

    Raises:
        ValueError: an argument is out of its range.

    Source: Mukhopadhyay and Mazumdar (2016), IEEE Trans. Control of Network Systems 3(2), for the speed-blind policy.
    """

    def __init__(
        self,
        arrival_rate: float,
        service_rates: Sequence[float],
        shares: Sequence[float],
        policy: Policy,
        levels: int,
    ) -> None:
        self.arrival_rate = positive("arrival_rate", arrival_rate)
        self.rates = np.array([positive(f"service_rates[{j}]", rate) for j, rate in enumerate(service_rates)])
        self.shares = np.array([positive(f"shares[{j}]", share) for j, share in enumerate(shares)])
        if self.rates.size == 0 or self.rates.size != self.shares.size:
            raise ValueError(f"shares has length {self.shares.size}: it must be {self.rates.size} and at least 1")
        decreasing(self.rates.tolist())
        if not math.isclose(self.shares.sum(), 1, rel_tol=1e-9):
            raise FieldError("shares", list(shares), "the sum must be 1")
        if policy.draws is None:
            raise FieldError("draws", None, "must be a number, see Policy")
        self.policy = policy
        self.draws = policy.draws
        self.levels = integer("levels", levels, 2)
        weights = np.array(weights_of(policy, self.rates.size)) * self.shares
        self.chances = weights / weights.sum()
        ranks = [policy.rank(i, rate) for rate in self.rates.tolist() for i in range(self.levels + 1)]
        # Classes (j, i) in the order of their ranks, where each rank starts, and the rank each class has.
        self.order = np.array(sorted(range(len(ranks)), key=ranks.__getitem__))
        changes = [k == 0 or ranks[self.order[k]] != ranks[self.order[k - 1]] for k in range(len(ranks))]
        self.starts = np.flatnonzero(changes)
        self.place = np.empty(len(ranks), dtype=np.int64)
        self.place[self.order] = np.cumsum(changes) - 1

    def arrivals(
        self, occupied: Float[np.ndarray, "*batch types levels"]
    ) -> Float[np.ndarray, "*batch types levels+1"]:
        """Arrival rates per server of the system to type j with i jobs, shape (..., M, K+1), from s, (..., M, K)."""
        padded = np.concatenate(
            (np.ones((*occupied.shape[:-1], 1)), occupied, np.zeros((*occupied.shape[:-1], 1))), axis=-1
        )
        mass = self.chances[:, None] * (padded[..., :-1] - padded[..., 1:])
        flat = mass.reshape(*mass.shape[:-2], -1)
        by_rank = np.add.reduceat(flat[..., self.order], self.starts, axis=-1)
        tails = np.cumsum(by_rank[..., ::-1], axis=-1)[..., ::-1]
        after = tails - by_rank
        factor = np.zeros_like(tails)
        for k in range(self.draws):
            factor += tails**k * after ** (self.draws - 1 - k)
        return self.arrival_rate * (flat * factor[..., self.place]).reshape(mass.shape)

    def slope(self, occupied: Float[np.ndarray, "*batch types levels"]) -> Float[np.ndarray, "*batch types levels"]:
        """ds/dt, shape (..., M, K), from s of the same shape."""
        beyond = np.concatenate((occupied[..., 1:], np.zeros((*occupied.shape[:-1], 1))), axis=-1)
        inflow = self.arrivals(occupied)[..., :-1] / self.shares[:, None]
        return inflow - self.rates[:, None] * (occupied - beyond)

    def path(
        self, start: Float[np.ndarray, "types levels"], times: Float[np.ndarray, " times"]
    ) -> Float[np.ndarray, "times types levels"]:
        """s at the given increasing times from `start` at time 0, shape (len(times), M, K)."""
        shape = self.rates.size, self.levels
        solution: Any = solve_ivp(
            lambda _, y: self.slope(y.reshape(shape)).ravel(),
            (0.0, float(times[-1])),
            np.asarray(start, dtype=np.float64).ravel(),
            method="DOP853",
            t_eval=times,
            rtol=1e-9,
            atol=1e-12,
        )
        return solution.y.T.reshape(-1, *shape)

    def rest(self) -> Float[np.ndarray, "types levels"]:
        """Fixed point s, shape (M, K), by implicit Euler with growing steps from the empty system.

        Raises:
            ValueError: the steps do not settle.
        """
        size = self.rates.size * self.levels
        shape = self.rates.size, self.levels
        occupied, step = np.zeros(size), 1 / float(self.rates.max())
        slope = self.slope(occupied.reshape(shape)).ravel()
        for _ in range(_MOST_STEPS):
            # The rates are polynomials of degree d: a forward difference is good enough for Newton's last steps.
            nudged = (occupied + _NUDGE * np.eye(size)).reshape(size, *shape)
            jacobian = (self.slope(nudged).reshape(size, size) - slope).T / _NUDGE
            update = np.linalg.solve(np.eye(size) / step - jacobian, slope)
            occupied = occupied + update
            slope = self.slope(occupied.reshape(shape)).ravel()
            step = min(3 * step, 1e12)
            if step > 1e6 and np.abs(update).max() < 1e-13:
                return occupied.reshape(shape)
        raise ValueError(f"no fixed point found in {_MOST_STEPS} steps for policy {self.policy}")


def power_of_d_fixed_point(
    arrival_rate: float, service_rates: Sequence[float], shares: Sequence[float], policy: Policy
) -> dict[str, Any]:
    """Stationary mean field of a policy with d draws over servers of several types.

    Formula: zero of the equations of `MeanField`, with more levels until the last one is empty. It exists, for a rank
    that grows with the jobs, if and only if lambda (sum_A w_j)^d < sum_A gamma_j mu_j for every set A of types.

    Args:
        arrival_rate: lambda, of the whole system divided by n, 1/time.
        service_rates: mu_j of one server, 1/time, fastest type first.
        shares: gamma_j = N_j / n, sum 1.
        policy: see `Policy`, with a number of draws.

    Returns:
        levels: s_{j,i}, fraction of type-j servers with at least i jobs, shape (M, K), i = 1, ..., K.
        jobs: mean jobs per server.
        response_time: mean response time.
        type_response_times: mean response time of the jobs that went to type j, shape (M,).
        type_probabilities: an arrival goes to type j, shape (M,).

    Raises:
        ValueError: an argument is out of its range, there is no fixed point (the message says which types overflow),
            or more than 400 levels are needed.

    Source: Mukhopadhyay and Mazumdar (2016), IEEE Trans. Control of Network Systems 3(2); Bramson (2011), Annals of
    Applied Probability 21(5), for the condition.
    """
    field = MeanField(arrival_rate, service_rates, shares, policy, 25)
    for subset in range(1, 2**field.rates.size):
        chosen = [j for j in range(field.rates.size) if subset >> j & 1]
        inflow = field.arrival_rate * float(field.chances[chosen].sum()) ** field.draws
        capacity = float((field.shares * field.rates)[chosen].sum())
        if inflow >= capacity:
            raise ValueError(
                f"no fixed point: the draws are all of types {[j + 1 for j in chosen]} at rate {inflow:.6g} per server, "
                f"which must be below their capacity {capacity:.6g}"
            )
    levels = 25
    while True:
        occupied = field.rest()
        if occupied[:, -1].max() < _NEGLIGIBLE:
            break
        levels *= 4
        if levels > _MOST_LEVELS:
            raise ValueError(
                f"no fixed point within {_MOST_LEVELS} levels: the fractions of servers with {field.levels} jobs are "
                f"{occupied[:, -1].tolist()}"
            )
        field = MeanField(arrival_rate, service_rates, shares, policy, levels)
    jobs = field.shares * occupied.sum(axis=1)
    flows = field.shares * field.rates * occupied[:, 0]
    return {
        "levels": occupied,
        "jobs": float(jobs.sum()),
        "response_time": float(jobs.sum()) / field.arrival_rate,
        "type_response_times": jobs / flows,
        "type_probabilities": flows / field.arrival_rate,
    }
