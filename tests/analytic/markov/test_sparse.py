import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxq.analytic.markov import birth_death
from jaxq.analytic.markov.sparse import stationary


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=12), st.data())
def test_birth_death_chain(rates: list[tuple[float, float]], data: st.DataObject) -> None:
    births, deaths = np.array(rates).T
    n = births.size
    up = np.arange(n)
    law = stationary(
        n + 1,
        np.concatenate((up, up + 1)),
        np.concatenate((up + 1, up)),
        np.concatenate((births, deaths)),
        data.draw(st.integers(0, n)),
    )
    np.testing.assert_allclose(law, birth_death.stationary(births, deaths), rtol=1e-9)


def test_dense_balance_with_repeated_jumps() -> None:
    rng = np.random.default_rng(5)
    origins, targets = rng.integers(0, 9, (2, 200))
    rates = rng.random(200)
    law = stationary(9, origins, targets, rates, 4)
    generator = np.zeros((9, 9))
    np.add.at(generator, (origins, targets), rates)
    generator -= np.diag(generator.sum(axis=1))
    np.testing.assert_allclose(law @ generator, 0, atol=1e-13)
    assert law.sum() == pytest.approx(1)


def test_states_that_are_left_for_good_have_no_weight() -> None:
    assert stationary(3, [2, 0, 1], [1, 1, 0], [1.0, 1.0, 3.0]) == pytest.approx([0.75, 0.25, 0.0], abs=1e-15)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"shapes"):
        stationary(2, [0], [1, 0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"targets: a state lies outside 0 to 1"):
        stationary(2, [0, 1], [2, 0], [1.0, 1.0])
    with pytest.raises(ValueError, match=r"reference: a state"):
        stationary(2, [0, 1], [1, 0], [1.0, 1.0], 2)
    with pytest.raises(ValueError, match=r"rates"):
        stationary(2, [0, 1], [1, 0], [1.0, -1.0])
    with pytest.raises(ValueError, match=r"reference = 0: must"):
        stationary(3, [0, 1, 2], [1, 2, 1], [1.0, 1.0, 1.0])
