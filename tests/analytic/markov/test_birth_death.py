import math

import numpy as np
import pytest

from jaxq.analytic.markov.birth_death import stationary


def test_detailed_balance_and_normalisation() -> None:
    rng = np.random.default_rng(1)
    birth, death = rng.uniform(0.1, 5, 40), rng.uniform(0.1, 5, 40)
    law = stationary(birth, death)
    assert law.sum() == pytest.approx(1, rel=1e-14)
    np.testing.assert_allclose(law[:-1] * birth, law[1:] * death, rtol=1e-12)


def test_infinite_server_queue_is_poisson() -> None:
    load, n = 7.5, 60
    law = stationary(np.full(n, load), np.arange(1, n + 1))
    expected = [math.exp(-load) * load**i / math.factorial(i) for i in range(n + 1)]
    np.testing.assert_allclose(law, expected, rtol=1e-12)


def test_products_beyond_float_range() -> None:
    # The weights run up to 1e+1200, where their plain product is infinite.
    law = stationary(np.full(400, 1000.0), np.ones(400))
    np.testing.assert_allclose(law[-3:], np.array([1e-6, 1e-3, 1]) * 0.999, rtol=1e-10)


def test_zero_birth_rate_cuts_the_chain() -> None:
    np.testing.assert_allclose(stationary([1.0, 0.0, 1.0], [1.0, 1.0, 1.0]), [0.5, 0.5, 0, 0])


def test_no_transition_is_one_state() -> None:
    assert stationary([], []).tolist() == [1.0]


@pytest.mark.parametrize(
    ("birth", "death", "message"),
    [
        ([1.0, -1.0], [1.0, 1.0], r"birth\[1\] = -1"),
        ([1.0, math.inf], [1.0, 1.0], r"birth\[1\] = inf"),
        ([1.0, 1.0], [0.0, 1.0], r"death\[0\] = 0"),
        ([1.0], [1.0, 1.0], r"shapes \(1,\) and \(2,\)"),
    ],
)
def test_bad_rates(birth: list[float], death: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stationary(birth, death)
