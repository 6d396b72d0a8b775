"""The drift of the limiting diffusion, and the safety staffing that follows from it."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from jaxq.analytic.staffing.tree import tree
from jaxq.checks import FieldError, vector


class Drift(NamedTuple):
    """Matrices of b(x, u) = ell - B1 (x - (e.x)^+ u^c) + (e.x)^- B2 u^s.

    b1: shape (I, I), 1/time; lower triangular with a positive diagonal in the order of ``order``.
    b2: shape (I, J), 1/time; its column of the root pool is 0.
    order: the classes, descendants first; the last one is next to the root.
    """

    b1: Float[np.ndarray, "classes classes"]
    b2: Float[np.ndarray, "classes pools"]
    order: tuple[int, ...]


def drift_matrices(service_rates: ArrayLike, root: int = -1) -> Drift:
    """B1 and B2 of the tree rooted at a pool.

    Formula: par(i) is the pool next to class i towards the root, ch(i, y) the one towards a descendant y of i.
    B1[i, i] = mu_{i,par(i)}, B1[i, i'] = mu_{i,par(i)} - mu_{i,ch(i,i')} for a descendant i' of i,
    B2[i, j] = mu_{i,ch(i,j)} - mu_{i,par(i)} for a descendant j of i, else 0.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        root: the pool, from 0 (default: the last).

    Returns:
        See `Drift`.

    Raises:
        ValueError: the graph is no tree, or there is no such pool.

    Source: Hmedi, Arapostathis and Pang, Proposition 4.4; the entries are subtree sums of the flow z.
    """
    mu = tree(service_rates)
    classes, pools = mu.shape
    if not -pools <= root < pools:
        raise FieldError("root", root, f"must be one of {pools} pools, from 0")
    b1, b2, order = np.zeros((classes, classes)), np.zeros((classes, pools)), []

    def hang(pool: int, above: int) -> tuple[list[int], list[int]]:
        """Classes and pools of the subtree of a pool, without the class above it."""
        under_classes, under_pools = [], [pool]
        for i in np.flatnonzero(mu[:, pool]).tolist():
            if i == above:
                continue
            b1[i, i] = mu[i, pool]
            for child in np.flatnonzero(mu[i]).tolist():
                if child != pool:
                    lower_classes, lower_pools = hang(child, i)
                    b1[i, lower_classes] = mu[i, pool] - mu[i, child]
                    b2[i, lower_pools] = mu[i, child] - mu[i, pool]
                    under_classes += lower_classes
                    under_pools += lower_pools
            under_classes.append(i)
            order.append(i)
        return under_classes, under_pools

    hang(root % pools, -1)
    return Drift(b1, b2, tuple(order))


def constant_drift(
    service_rates: ArrayLike, demand: ArrayLike, staffing: ArrayLike, shares: ArrayLike
) -> Float[np.ndarray, " classes"]:
    """ell, the drift of the diffusion at x = 0.

    Formula: ell_i = a_i - sum_j mu_ij xi*_ij nh_j with a_i = lh_i - sum_j mh_ij z*_ij. Shares other than xi* move the
    centre of x, and not theta.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        demand: a_i, rate units, shape (I,).
        staffing: nh_j, shape (J,).
        shares: xi*, shape (I, J), columns sum to 1, 0 off the tree.

    Returns:
        Shape (I,), rate units.

    Raises:
        ValueError: the graph is no tree, an argument has the wrong shape, or a column does not sum to 1.

    Source: Hmedi, Arapostathis and Pang, Eq. 12.
    """
    mu = tree(service_rates)
    xi = np.asarray(shares, np.float64)
    if xi.shape != mu.shape or (xi[mu == 0] != 0).any() or np.abs(xi.sum(axis=0) - 1).max() > 1e-9:
        raise FieldError("shares", xi, "each pool's must sum to 1 over the classes it serves")
    return vector("demand", demand, len(mu)) - (mu * xi) @ vector("staffing", staffing, mu.shape[1])


def safety_staffing(service_rates: ArrayLike, ell: ArrayLike, weights: ArrayLike, root: int = -1) -> float:
    """theta from the drift matrices.

    Formula: theta = -(e' B1^-1 ell) / (e' B1^-1 p), the same for every root.

    Args:
        service_rates: mu, shape (I, J), 1/time; 0: not served.
        ell: see `constant_drift`, shape (I,).
        weights: p > 0, sums to 1, shape (I,).
        root: the pool the tree hangs from.

    Returns:
        theta, rate units.

    Raises:
        ValueError: the graph is no tree, or an argument has the wrong shape or sign.

    Source: Hmedi, Arapostathis and Pang, Theorem 4.9.
    """
    value = class_values(service_rates, root)
    spare = -(value @ vector("ell", ell, value.size))
    return float(spare / (value @ vector("weights", weights, value.size, low=0, open_low=True)))


def spare_capacity(service_rates: ArrayLike, ell: ArrayLike, root: int = -1) -> float:
    """Servers of the root pool that are idle on average in every stationary regime, per sqrt(n).

    Formula: rho = -e' B1^-1 ell = theta e' B1^-1 p = E[(e.x)^- (1 + e' B1^-1 B2 u^s)].

    Args:
        service_rates, ell, root: as `safety_staffing`.

    Raises:
        ValueError: as `safety_staffing`.

    Source: Hmedi, Arapostathis and Pang, Remark 6.5.
    """
    value = class_values(service_rates, root)
    return float(-(value @ vector("ell", ell, value.size)))


def class_values(service_rates: ArrayLike, root: int = -1) -> Float[np.ndarray, " classes"]:
    """e' B1^-1, all > 0: time of the root pool's servers that one customer of each class is worth, shape (I,).

    Raises:
        ValueError: the graph is no tree, or there is no such pool.

    Source: Hmedi, Arapostathis and Pang, Theorem 4.7.
    """
    b1 = drift_matrices(service_rates, root).b1
    return np.asarray(np.linalg.solve(b1.T, np.ones(len(b1))), np.float64)
