"""One tagged job at a time: the wait of single jobs in a first-come-first-served line, without keeping the line.

Every ``every``-th job that joins is tagged; from then on only its position matters, which falls by one with each job
that leaves the front. Choosing by count makes the tagged jobs typical ones (choosing the next one after a tag has left,
or after a given time, would favour some). ``every`` must be large enough that a tag has nearly always left when the next
is due; a tag that was due too early is missed, and `too_many_missed` says if that has happened to a thousandth of them.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp


class Tag(NamedTuple):
    """State of the tag of one replica."""

    position: Any  # int32: jobs ahead of the tagged job and itself; 0 if no job is tagged
    age: Any  # float32: time since it joined
    joined: Any  # int32: jobs that have joined so far
    missed: Any  # int32: tags that were due while another was out

    @classmethod
    def none(cls) -> "Tag":
        """No job tagged yet."""
        return cls(jnp.int32(0), jnp.float32(0), jnp.int32(0), jnp.int32(0))

    def finished(self, leaves, gap):
        """(wait, whether one ended now): float32 and bool; ``leaves`` and ``gap`` as in `step`."""
        done = (self.position == 1) & (leaves > 0)
        return jnp.where(done, self.age + gap, 0.0), done

    def step(self, every, joins, place, leaves, gap) -> "Tag":
        """The tag after an event.

        Args:
            every: tag each job whose number is a multiple of this power of two.
            joins: 1 if a job joins now, else 0.
            place: its position on joining, the jobs of the line after the event.
            leaves: 1 if the first job of the line leaves now, else 0; it leaves before the other joins.
            gap: time since the event before.
        """
        position = jnp.maximum(self.position - leaves, 0)
        due = (joins > 0) & (self.joined & (every - 1) == 0)
        taken = due & (position == 0)
        return Tag(
            jnp.where(taken, place, position),
            jnp.where(taken, 0.0, self.age + gap),
            self.joined + joins,
            self.missed + (due & ~taken),
        )

    def too_many_missed(self, every):
        """Whether more than a thousandth of the tags due, and more than ten, were missed."""
        return self.missed > 10 + (self.joined >> 10) // every


def tag_every(longest: float) -> int:
    """Jobs between two tagged ones: the smallest power of two >= ``2 longest + 8``, where ``longest`` bounds, with high
    probability, the number of jobs that join while a tagged job waits."""
    return 1 << math.ceil(math.log2(2 * longest + 8))
