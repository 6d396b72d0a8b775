import numpy as np
import pytest

from jaxq.analytic.markov.banded import stationary


def dense_stationary(generator: np.ndarray) -> np.ndarray:
    """Null vector of a generator by least squares on the balance equations."""
    generator = generator - np.diag(generator.sum(axis=1))
    system = np.vstack([generator.T, np.ones(len(generator))])
    return np.linalg.lstsq(system, np.append(np.zeros(len(generator)), 1.0), rcond=None)[0]


@pytest.mark.parametrize("steps", [(1, -1), (1, -3), (4, -1, 2), (5, -5, 1, -1, 1)])
def test_against_least_squares(steps: tuple[int, ...]) -> None:
    n = 23
    rng = np.random.default_rng(len(steps))
    flows, generator = [], np.zeros((n, n))
    for step in steps:
        targets = np.arange(n) + step
        rate = rng.uniform(0.2, 3, n) * ((targets >= 0) & (targets < n))
        flows.append((step, rate))
        for origin in np.flatnonzero(rate):
            generator[origin, targets[origin]] += rate[origin]
    # Every state below the last can be left downwards only if a step of -1 exists or the small states are reset.
    if -1 not in steps:
        reset = np.zeros(n)
        reset[1:] = 0.1
        flows.append((-1, reset))
        generator[np.arange(1, n), np.arange(n - 1)] += 0.1
    np.testing.assert_allclose(stationary(flows), dense_stationary(generator), atol=1e-13)


def test_tiny_probabilities_keep_their_digits() -> None:
    n = 60
    up, down = np.full(n, 1e-5), np.ones(n)
    up[-1] = down[0] = 0
    law = stationary([(1, up), (-1, down)])
    np.testing.assert_allclose(law[1:] / law[:-1], 1e-5, rtol=1e-13)


def test_bad_flows() -> None:
    with pytest.raises(ValueError, match="step -1 needs"):
        stationary([(1, [1.0, 0.0]), (-1, [0.0, -1.0])])
    with pytest.raises(ValueError, match="leads out of the states 0 to 1"):
        stationary([(1, [1.0, 1.0]), (-1, [0.0, 1.0])])
    with pytest.raises(ValueError, match="from state 1 no state below"):
        stationary([(1, [1.0, 0.0]), (-1, [0.0, 0.0])])
