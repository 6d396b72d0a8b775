"""A value that is worked out once, however many arrays of the state follow from it."""

import jax.numpy as jnp


def once(x):
    """``x``, float32 and finite, or whole and under 2**24: the same number, kept for all who read it.

    XLA gives each array that an event changes a loop of its own, in which it works out anew all that the array follows
    from. What is costly by itself, it does once for all: a division is (here by 1), and takes a cycle where the choice of a
    customer takes fifty. For what many arrays read alone: each value is one more array to write and read.
    """
    real = x.astype(jnp.float32)
    return (real / (real * 0 + 1)).astype(x.dtype)
