"""A customer of tolled queues that are stepped by customer."""

from typing import Any, NamedTuple


class Customer(NamedTuple):
    """Who comes, drawn before it is known what it finds.

    ``kind``: its class. ``mean``: the mean size of that; ``size``: its own. ``gap``: to the next event, at which the stream
    is in state ``following``. ``tie``: the word by which equally good servers are told apart.
    """

    kind: Any
    mean: Any
    size: Any
    gap: Any
    following: Any
    tie: tuple
