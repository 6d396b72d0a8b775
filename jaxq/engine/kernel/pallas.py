"""All that is used of JAX's Pallas, whose interface changes from version to version. Imported when a kernel is made."""

import warnings

import jax
from jax.experimental import pallas
from jax.experimental.pallas import triton

WARPS = 4
"""Of 32 threads each; a tile of 128 replicas is one replica a thread."""


def kernel_call(body, name: str, tiles: int, outputs: list, aliases: dict[int, int], interpret: bool):
    """The function of arrays that runs ``body(*inputs, *outputs)``, of references to them, once for each tile.

    ``aliases``: inputs that are changed in place, with the outputs that they become.
    """
    call = pallas.pallas_call(
        body,
        grid=(tiles,),
        out_shape=outputs,
        input_output_aliases=aliases,
        compiler_params=triton.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name=name,
    )

    def quietly(*arrays):
        with warnings.catch_warnings():  # from 0.11 on JAX says that the Triton form will go one day
            warnings.filterwarnings("ignore", message=".*Triton.*")
            return call(*arrays)

    return quietly


def tile_number(tiles: int) -> jax.Array:
    """Which of so many tiles this is, int32.

    A compiler is told how large it can be. It then knows that no index overflows, and writes the constant part of one into
    the instruction that loads; else each is an address of its own, which fills two registers through all loops.
    """
    return pallas.program_id(0) & (1 << (tiles - 1).bit_length()) - 1


def load(reference, *place):
    """The entries at ``place``, an index or an array of them for each axis."""
    return triton.load(reference.at[place])


def store(reference, value, *place, mask=None) -> None:
    """Write the entries at ``place``, where ``mask`` is true."""
    triton.store(reference.at[place], value, mask=mask)
