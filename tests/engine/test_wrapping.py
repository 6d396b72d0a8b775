"""A whole number that 32 bits do not hold is refused or flagged, in a run and over time; it was a wrong mean."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.wrapping import wrapped
from tests.own_systems import Station

SHORT = {"replicas": 64, "events": 2000, "warmup": 200}


class Squared(Station):
    """A walk about 50,000, whose square is 2.5e9."""

    def init(self, words):
        return 50_000

    def observe(self, state):
        return {"number": state, "square": state * state}


class Cubed(Squared):
    """The same number in a rate."""

    def rates(self, state):
        return self.arrival_rate, 1e-15 * state**3

    def observe(self, state):
        return {"number": state}


@pytest.mark.parametrize(("kind", "what"), [(Squared, "observe: square"), (Cubed, "rates: transition 1")])
@pytest.mark.parametrize("use", [jaxq.check, lambda x: jaxq.simulate(x, **SHORT), lambda x: jaxq.paths(x, [1.0])])
def test_what_wraps_near_the_start_is_refused(kind, what, use):
    """The mean of the square was -1.795e9 +- .001e9."""
    with pytest.raises(
        ValueError, match=rf"^{kind.__name__}.{what} has a whole number beyond 32 bits in state 50000: "
    ):
        use(kind())


class Crowd(jaxq.JumpProcess):
    """M/M/infinity with 50,000 customers, whose square no walk from 45,000 meets; an embedded chain."""

    def init(self, words):
        return 45_000

    def rates(self, state):
        return 50_000.0, 1.0 * state

    def jump(self, state, k):
        return [state + 1, state - 1][k]

    def observe(self, state):
        return {"square": state * state}


def test_what_wraps_on_the_way_is_flagged():
    """Of 2.5e9 the mean was -1.8e9 in a narrow interval."""
    jaxq.check(Crowd())
    result = jaxq.simulate(Crowd(), replicas=64, events=2000, warmup=200_000)
    assert result.flags == ("overflow",) and result["square"].mean is None
    path = jaxq.paths(Crowd(), [0.0, 4.0], replicas=16)
    assert path.flags == ("overflow",) and np.isnan(path.mean["square"][1])


def test_what_is_not_used_may_wrap():
    class Fine(Station):
        def observe(self, state):
            return {"square": jnp.where(state < 100, state * state, (state + 1) * 2**30), "hash": state * 12345 % 7}

    states = np.arange(3000, dtype=np.int32)
    assert wrapped(Fine(), states[:100]) is None
    assert wrapped(Fine(), states) == ("observe: square", 100)
    assert jaxq.simulate(Fine(), **SHORT).flags == ()
