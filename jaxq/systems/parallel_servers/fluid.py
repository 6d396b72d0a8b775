"""Fluids of a network: differential equations under static priority and their rest point, and reward rates to tune.

Papers: Stolyar and Tezcan (2011), e-companion, EC.6-EC.32. Notation as in `jaxq.systems.parallel_servers.model`. Which pool
serves which class is read off the service rates on the host; all else is differentiable. The dtype follows that of the
arguments; run under ``jax.enable_x64(True)`` for float64.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num
from numpy.typing import ArrayLike

from jaxq.analytic.parallel_servers.rates import Rates
from jaxq.fluid import in_order
from jaxq.fluid.rest_point import rest_point

Classes = Float[Array | np.ndarray, " classes"]
Edges = Float[Array | np.ndarray, " edges"]
Pairs = Float[Array | np.ndarray, "classes pools"]

LAYER = 1e-6
"""Boundary layer of an empty queue and of a full pool, per server of the network."""


class Fluid(NamedTuple):
    """Class queues under static priority, the right-hand side made smooth.

    Attributes:
        arrival_rates: lambda_i, shape (I,).
        service_rates: mu_e by edge e = (i, j), shape (E,).
        servers: N_j, shape (J,).
        abandonment_rates: theta_i, shape (I,).
        of_class, of_pool: i and j by edge, shape (E,); host arrays.
        sooner: 1 where pool j serves the class of f before that of e, shape (E, E) as [e, f]; host.
        nearer: 1 where class i goes to the pool of f before that of e; host.
    """

    arrival_rates: Any
    service_rates: Any
    servers: Any
    abandonment_rates: Any
    of_class: np.ndarray
    of_pool: np.ndarray
    sooner: np.ndarray
    nearer: np.ndarray


def class_queues(
    arrival_rates: Classes,
    service_rates: Pairs,
    servers: Num[Array | np.ndarray, " pools"],
    abandonment_rates: Classes,
    priority: ArrayLike,
    preference: ArrayLike | None = None,
) -> Fluid:
    """The fluid of a network with one queue a class.

    Args:
        arrival_rates: lambda_i, shape (I,), 1/time.
        service_rates: mu_ij, shape (I, J), known on the host: 0 where the class is not served.
        servers: N_j, shape (J,).
        abandonment_rates: theta_i, shape (I,), 1/time.
        priority: rank of class i at pool j, shape (I, J) or (I,): the smaller, the earlier. Host.
        preference: rank of pool j for an arrival of class i, shape (I, J); default: the fastest first. Host.
    """
    rates = np.asarray(service_rates)
    of_class, of_pool = np.nonzero(rates)
    rank = np.asarray(priority)
    rank = np.broadcast_to(rank[:, None] if rank.ndim == 1 else rank, rates.shape)
    near = -rates if preference is None else np.asarray(preference)
    return Fluid(
        jnp.asarray(arrival_rates),
        jnp.asarray(service_rates)[of_class, of_pool],
        jnp.asarray(servers),
        jnp.asarray(abandonment_rates),
        of_class,
        of_pool,
        _earlier(rank[of_class, of_pool], of_pool),
        _earlier(near[of_class, of_pool], of_class),
    )


def slope(
    fluid: Fluid, queues: Classes, busy: Edges, layer=LAYER
) -> tuple[Float[Array, " classes"], Float[Array, " edges"]]:
    """dy/dt and dpsi/dt under static priority, non-preemptive.

    Formula: with S the queues of pool j's first classes up to one, servers freed at rate D_j = sum_i mu_ij psi_ij take
    these classes at rate D_j (1 - exp(-S/w)) in all: EC.15, and D_j 1{S > 0} for w -> 0. With T the idle servers of
    class i's first pools up to one, its arrivals enter these at rate lambda_i (1 - exp(-T/w)) in all (EC.12); the others
    join the queue, which is abandoned at rate theta_i y_i. A queue (or idle pool) held at 0 in equilibrium is then of
    order w and is non-empty a fraction of the time, in agreement with the averaging principle: the classes that a freed
    server finds are those of EC.29. The error is O(w) in all components. Only where two queues that are
    both in balance at 0 are ranked differently by pools is it an approximation, that they are empty independently: in an
    example with service rates .5 to 2 busy servers are off by up to 8 % of a pool.

    Args:
        fluid: the network.
        queues: y_i, shape (I,).
        busy: psi_e by edge, shape (E,).
        layer: w per server of the network.

    Source: Stolyar and Tezcan (2011), e-companion, EC.6-EC.15.
    """
    width = layer * jnp.sum(fluid.servers)
    idle = fluid.servers - jnp.zeros_like(fluid.servers).at[fluid.of_pool].add(busy)
    done = fluid.service_rates * busy
    freed = jnp.zeros_like(fluid.servers).at[fluid.of_pool].add(done)
    taken = freed[fluid.of_pool] * in_order.first_positive(queues[fluid.of_class], fluid.sooner, width)
    entering = in_order.first_positive(idle[fluid.of_pool], fluid.nearer, width)
    entering = fluid.arrival_rates[fluid.of_class] * entering
    of_class = jnp.zeros_like(fluid.arrival_rates).at[fluid.of_class]
    joined = fluid.arrival_rates - of_class.add(entering)
    return joined - of_class.add(taken) - fluid.abandonment_rates * queues, entering + taken - done


@jax.jit
def rest(fluid: Fluid, layer=LAYER) -> tuple[Float[Array, " classes"], Float[Array, "classes pools"]]:
    """Where `slope` vanishes, with the implicit gradient of a fixed point.

    Args:
        fluid: the network; a class that is not served in full must abandon.
        layer: see `slope`.

    Returns:
        y, shape (I,), and psi, shape (I, J).
    """
    classes = fluid.arrival_rates.size

    def flat(x):
        return jnp.concatenate(slope(fluid, x[:classes], x[classes:], layer))

    start = jnp.zeros(classes + len(fluid.of_class), fluid.arrival_rates.dtype)
    found = rest_point(flat, start, layer / jnp.max(fluid.service_rates))
    return found[:classes], _matrix(fluid, found[classes:])


def routed_reward(routing: Pairs, network: Rates) -> Float[Array, ""]:
    """Reward rate if class i is routed to pool j with probability p_ij and pools serve the largest g_i mu_ij first.

    Formula: at EC.17's rest point psi_ij = min(lambda_i p_ij / mu_ij, N_j - sum psi_kj over classes of larger index); the
    reward is sum g_i mu_ij psi_ij. Each pool is a knapsack, so that it is concave in p, piecewise linear with kinks at the
    optimum. Its maximum over p is that of the static planning problem, as what a pool cannot serve abandons without
    delaying others.

    Args:
        routing: p_ij, shape (I, J), rows on the simplex; ignored where the class is not served.
        network: its service rates and rewards are known on the host.

    Returns:
        Reward/time, a scalar.
    """
    rates = np.asarray(network.service_rates)
    of_class, of_pool = np.nonzero(rates)
    index = (np.asarray(network.rewards)[:, None] * rates)[of_class, of_pool]
    arrivals = jnp.asarray(network.arrival_rates)[of_class] * jnp.asarray(routing)[of_class, of_pool]
    demands = arrivals / rates[of_class, of_pool]
    capacity = jnp.asarray(network.servers, demands.dtype)[of_pool]
    return jnp.asarray(index) @ in_order.fill(demands, _earlier(-index, of_pool), capacity)


def shadow_guarantee(eta, busy: Pairs, service_rates: Pairs, rewards: Classes, distance, horizon) -> Float[Array, ""]:
    """Reward rate that SHADOW-RM(eta) is sure of, on average over a time in which the arrival rates do not change.

    Formula: SPP - eta B - sum_j (nu_j - nu0_j)^2 / (2 eta H), B = sum_ij psi_ij / (2 mu_ij). It follows from the drift of
    sum Q_j^2 / 2 with the reward as penalty, as the virtual queues fall deterministically: what is admitted, less the
    backlog Q(H) - Q(0) at the prices nu, earns that at least. The first loss is that of fluctuating prices, the second that
    of prices nu0 to begin with; eta = sqrt(sum (nu - nu0)^2 / (2 B H)) balances them. Of the virtual system alone, and a
    bound: in set A of the X-model the first loss really vanishes for eta <= .3. What pools of finite size lose besides
    (1.8 % at 100 servers) hardly depends on eta.

    Args:
        eta: step, > 0, a scalar.
        busy: psi_ij, the optimum of the planning problem, shape (I, J).
        service_rates: mu_ij, shape (I, J), known on the host.
        rewards: g_i, shape (I,).
        distance: sum_j (nu_j - nu0_j)^2.
        horizon: H, time.

    Returns:
        Reward/time, a scalar.

    Source: derived; Neely (2010), Stochastic Network Optimization, Section 4.1, for drift plus penalty.
    """
    rates = np.asarray(service_rates)
    spread = jnp.sum(jnp.asarray(busy) / np.where(rates > 0, rates, np.inf)) / 2
    best = jnp.sum(jnp.asarray(rewards)[:, None] * rates * busy)
    return best - eta * spread - distance / (2 * eta * horizon)


def _matrix(fluid: Fluid, values):
    """Values by edge as an (I, J) array."""
    shape = fluid.arrival_rates.size, fluid.servers.size
    return jnp.zeros(shape, values.dtype).at[fluid.of_class, fluid.of_pool].set(values)


def _earlier(ranks, groups) -> np.ndarray:
    """1 where f is in the group of e and comes before it, ties to the first: shape (E, E) as [e, f]."""
    order = np.arange(len(ranks))
    ahead = (ranks < ranks[:, None]) | ((ranks == ranks[:, None]) & (order < order[:, None]))
    return (ahead & (groups == groups[:, None])).astype(float)
