"""One entry of a vector moved, as where one of many servers gets a job: O(1) an event, whatever the vector's length."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Num


@jax.custom_batching.custom_vmap
def add_at(values: Num[Array, " servers"], place, change):
    """``values`` (N,) with ``change`` added at ``place``, a whole number in [0, N): ``values.at[place].add(change)``.

    Over replicas, JAX makes a scatter of it, which XLA runs on a CPU as a call of its own, amid an event loop that is then
    no longer one kernel. A loop over the replicas is compiled with the rest, and tiles can be small (the token pool of 100
    servers: 6.6 ns an event, with the loop 4.6; of 10,000: 24 and 8). On a GPU it remains a scatter.
    """
    return values.at[place].add(change, mode="promise_in_bounds")


@add_at.def_vmap
def _add_at_each(replicas: int, batched, values, place, change):
    arguments = zip((values, place, change), batched, strict=True)
    values, place, change = (x if own else jnp.broadcast_to(x, (replicas, *jnp.shape(x))) for x, own in arguments)

    def one(replica, values):
        here = replica, place[replica].astype(replica.dtype)  # with x64 on, loops count in int64
        entry = lax.dynamic_slice(values, here, (1, 1)) + change[replica]
        return lax.dynamic_update_slice(values, entry, here)

    def in_turn(values, place, change):
        return lax.fori_loop(0, replicas, one, values, unroll=4)

    def at_once(values, place, change):
        return jax.vmap(lambda x, i, y: x.at[i].add(y, mode="promise_in_bounds"))(values, place, change)

    return lax.platform_dependent(values, place, change, cpu=in_turn, default=at_once), True
