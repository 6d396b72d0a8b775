"""An event of the token mechanism."""

from typing import NamedTuple

import jax

from jaxq.engine.bits import Bits

CHANGES = Bits(
    "joins",
    "serves",
    "request",
    "offers",
    "helps",
    "earns",
    "leaves_empty",
    "gets_empty",
    "leaves_full",
    "gets_full",
    "relocates",
    "relocating_empties",
    "relocating_unfills",
)


class Event(NamedTuple):
    """Which server is touched, and all that changes, a bit each of one word."""

    server: jax.Array
    changes: jax.Array  # `CHANGES`
    gap: jax.Array | None  # time since the event before, where waits are measured
