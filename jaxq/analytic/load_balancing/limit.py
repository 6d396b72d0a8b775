"""Stationary law of the reflected Ornstein-Uhlenbeck limit of speed-aware JSQ in the Halfin-Whitt regime.

Paper: Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497, Eqs. 3.9-3.10, with X = Y_{M,1} <= 0 the scaled idle servers of
the slowest type and Z = Y_{1,2} >= 0 the scaled servers of the fastest type with two jobs:

    dX = sqrt(2) dW - beta dt + (mu_1 Z - mu_M X) dt - dU,    dZ = -mu_1 Z dt + dU,    U grows at X = 0 only.

All other components vanish, so the number of types, their shares and the rates between play no part, as long as the
time unit is the paper's (sum_j mu_j gamma_j = 1; it makes the variance rate of W 2). mu_1 = mu_M = 1 is JSQ with equal
servers.

Method: a function f of (X, Z) with f_z = f_x at x = 0 has E[Lf] = 0, Lf = f_xx + (-beta - mu_M x + mu_1 z) f_x -
mu_1 z f_z. Lf = c - g is solved by Chebyshev collocation on a rectangle; then c = E[g], whatever g, and the transposed
equations give the weights of g in c. Unlike the density, singular at z = 0, f is smooth, so few nodes do; z = 0 needs
no boundary condition, and at the far side of x, where the drift leads inwards, the diffusion is left out.
"""

import functools
import math

import numpy as np
from jaxtyping import Float

from jaxq.analytic.load_balancing.arguments import limit_rates
from jaxq.checks import FieldError, integer, positive

_GRIDS = ((40, 28), (52, 34), (66, 40), (84, 46))


def reflected_law(
    beta: float, fastest_rate: float, slowest_rate: float, nodes: tuple[int, int] = (52, 34)
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Quadrature for the stationary law of (X, Z) = (Y_{M,1}, Y_{1,2}).

    Formula: sum_k weights[k] g(x[k], z[k]) = E[g(X, Z)] to spectral accuracy for smooth g; no probabilities, some
    weights are negative. See the module for the method; the rectangle ends 6 standard deviations below the mean of
    X without reflection and at z = 25 / min(beta, 4), where Z's tail exp(-beta z) is gone.

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit, at least about 0.2.
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        nodes: Chebyshev degrees in x and z.

    Returns:
        x, z and weights, each of shape ((nodes[0] + 1) (nodes[1] + 1),).

    Raises:
        ValueError: beta or a rate is not positive and finite, slowest_rate is above fastest_rate, or a degree is no
            integer of at least 4.

    Source: Bhambay, Bueke and Mukhopadhyay, Eqs. 3.9-3.10; Trefethen (2000), Spectral Methods in MATLAB, Chapter 6, for
    the differentiation matrices.
    """
    beta, fastest_rate, slowest_rate = limit_rates(beta, fastest_rate, slowest_rate)
    degree_x, degree_z = (integer("nodes", degree, 4) for degree in nodes)

    points, slopes = _chebyshev(degree_x)
    depth = beta / slowest_rate + 6 / math.sqrt(slowest_rate)
    x, by_x = (points - 1) / 2 * depth, slopes * (2 / depth)
    points, slopes = _chebyshev(degree_z)
    # z = height s a / (1 + a - s), s in [0, 1]: denser where Z lives.
    height, a, s = 25 / min(beta, 4.0), 0.15, (1 + points) / 2
    z, by_z = height * a * s / (1 + a - s), slopes * (2 * (1 + a - s) ** 2 / (height * a * (1 + a)))[:, None]

    first, second = np.kron(by_x, np.eye(z.size)), np.kron(by_x @ by_x, np.eye(z.size))
    upwards = np.kron(np.eye(x.size), by_z)
    x, z = np.repeat(x, z.size), np.tile(z, x.size)
    inside = (x < 0) & (x > -depth)
    equations = np.where(inside[:, None], second, 0.0)
    equations += (-beta - slowest_rate * x + fastest_rate * z)[:, None] * first - (fastest_rate * z)[:, None] * upwards
    wall = x == 0
    equations[wall] = upwards[wall] - first[wall]
    # Unknowns f and c: Lf - c = -g off the wall, f = 0 at the corner (0, 0).
    system = np.zeros((x.size + 1, x.size + 1))
    system[:-1, :-1] = equations
    system[:-1, -1] = np.where(wall, 0.0, -1.0)
    system[-1, degree_z] = 1.0
    pick = np.zeros(x.size + 1)
    pick[-1] = 1.0
    weights = np.linalg.solve(system.T, pick)[:-1]
    return x, z, np.where(wall, 0.0, -weights)


def halfin_whitt_limit(
    beta: float, fastest_rate: float, slowest_rate: float, tolerance: float = 1e-6
) -> dict[str, float]:
    """Stationary moments of the limit of speed-aware JSQ.

    Formula: `reflected_law` on finer and finer grids until two agree.

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit.
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M, at most mu_1.
        tolerance: largest error allowed, relative above 1 and absolute below.

    Returns:
        idle: E[Y_{M,1}], -beta / mu_M.
        two_jobs: E[Y_{1,2}], which are also the waiting jobs E[Y_{+2}].
        idle_variance: Var(Y_{M,1}).
        two_jobs_variance: Var(Y_{1,2}).
        covariance: Cov(Y_{M,1}, Y_{1,2}).
        total: E[Y_{+1}], scaled jobs, their sum.
        total_variance: Var(Y_{+1}).
        reflection_rate: of U, the limit of sqrt(n) P(all busy), mu_1 E[Y_{1,2}].
        error: the largest difference to the next coarser grid and to the identities E[X] = -beta / mu_M,
            Cov(X, X + Z) = 1 / mu_M and E[Z] = (1 + mu_M / mu_1) (1 - mu_M Var X) / beta.

    Raises:
        ValueError: an argument is out of its range, or the finest grid does not reach the tolerance (beta near 0, or
            mu_1 / mu_M above some 20).

    Source: Bhambay, Bueke and Mukhopadhyay, Eqs. 3.9-3.10; the identities from E[Lf] = 0 for f = x + z,
    (x + z)^2 and x^2.
    """
    arguments = limit_rates(beta, fastest_rate, slowest_rate)
    return dict(_moments(*arguments, positive("tolerance", tolerance)))


@functools.lru_cache(maxsize=64)
def _moments(beta: float, fastest_rate: float, slowest_rate: float, tolerance: float) -> dict[str, float]:
    """`halfin_whitt_limit` of arguments that are right: a second, and statements and references ask for the same ones."""
    error, previous = math.inf, None
    for nodes in _GRIDS:
        x, z, weights = reflected_law(beta, fastest_rate, slowest_rate, nodes)
        idle, two_jobs = float(weights @ x), float(weights @ z)
        idle_variance = float(weights @ x**2) - idle**2
        two_jobs_variance = float(weights @ z**2) - two_jobs**2
        covariance = float(weights @ (x * z)) - idle * two_jobs
        moments = np.array([idle, two_jobs, idle_variance, two_jobs_variance, covariance])
        if previous is not None:
            balanced = balanced_two_jobs(beta, fastest_rate, slowest_rate, idle_variance)
            known = -beta / slowest_rate, 1 / slowest_rate, balanced
            found = idle, idle_variance + covariance, two_jobs
            gaps = [abs(f - k) / max(1.0, abs(k)) for f, k in zip(found, known, strict=True)]
            error = max(float((np.abs(moments - previous) / np.maximum(1.0, np.abs(moments))).max()), *gaps)
        if error <= tolerance:
            return {
                "idle": idle,
                "two_jobs": two_jobs,
                "idle_variance": idle_variance,
                "two_jobs_variance": two_jobs_variance,
                "covariance": covariance,
                "total": idle + two_jobs,
                "total_variance": idle_variance + 2 * covariance + two_jobs_variance,
                "reflection_rate": fastest_rate * two_jobs,
                "error": error,
            }
        previous = moments
    raise FieldError(
        "tolerance",
        f"{tolerance} is out of reach for beta = {beta}, fastest_rate = {fastest_rate}, slowest_rate = {slowest_rate}",
        f"the finest grid has error {error:.1e}",
    )


def balanced_two_jobs(beta: float, fastest_rate: float, slowest_rate: float, idle_variance: float) -> float:
    """E[Y_{1,2}] of the limit from Var(Y_{M,1}).

    Formula: E[Y_{1,2}] = (1 + mu_M / mu_1) (1 - mu_M Var Y_{M,1}) / beta.

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit.
        fastest_rate: mu_1, in the time unit in which the capacity per server is 1.
        slowest_rate: mu_M.
        idle_variance: Var(Y_{M,1}).

    Returns:
        E[Y_{1,2}].

    Raises:
        ValueError: beta or a rate is not positive and finite.

    Source: E[Lf] = 0 for f = (x + z)^2 and f = x^2, which have f_z = f_x at x = 0.
    """
    beta = positive("beta", beta)
    ratio = positive("slowest_rate", slowest_rate) / positive("fastest_rate", fastest_rate)
    return (1 + ratio) * (1 - slowest_rate * idle_variance) / beta


def central_queue_limit(beta: float, slowest_rate: float) -> dict[str, float]:
    """Stationary moments of the limit of the scaled jobs where all servers share their queues, the fastest first.

    Formula: dX = sqrt(2) dW - (beta + mu_M min(X, 0)) dt: an exponential of rate beta above 0, a normal one of mean
    -beta/mu_M and variance 1/mu_M below. With b = beta / sqrt(mu_M), P(X > 0) = 1 / (1 + b Phi(b) / phi(b)).

    Args:
        beta: sqrt(n) (1 - lambda^(n)) in the limit.
        slowest_rate: mu_M, in the time unit in which the capacity per server is 1.

    Returns:
        probability_all_busy: P(X > 0).
        waiting: E[X^+], scaled jobs that wait.
        total: E[X] = E[X^+] - beta / mu_M.

    Raises:
        ValueError: an argument is not positive and finite.

    Source: Armony (2005), Queueing Systems 51, 287-329, Proposition 4.2; Tezcan (2008), Mathematics of Operations
    Research 33(1), 51-90; Halfin and Whitt (1981) for one type.
    """
    beta, slowest_rate = positive("beta", beta), positive("slowest_rate", slowest_rate)
    b = beta / math.sqrt(slowest_rate)
    normal = (1 + math.erf(b / math.sqrt(2))) / 2
    busy = 1 / (1 + b * normal * math.sqrt(2 * math.pi) * math.exp(b * b / 2))
    waiting = busy / beta
    return {"probability_all_busy": busy, "waiting": waiting, "total": waiting - beta / slowest_rate}


def _chebyshev(degree: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points points"]]:
    """Points cos(pi k / degree) and the matrix that differentiates a polynomial given there."""
    k = np.arange(degree + 1)
    points = np.cos(np.pi * k / degree)
    signs = np.where((k == 0) | (k == degree), 2.0, 1.0) * (-1.0) ** k
    matrix = np.outer(signs, 1 / signs) / (points[:, None] - points + np.eye(degree + 1))
    return points, matrix - np.diag(matrix.sum(axis=1))
