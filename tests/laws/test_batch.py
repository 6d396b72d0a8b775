"""Laws of how many customers come together: what they sample, how they are written, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.analytic.distributions.batch_sizes import excesses, probabilities
from jaxq.laws.batch import BATCH_LAWS, parse_batch_law

COUNT = 2**20
K = 4.5
"""Standard errors allowed: one false alarm in 150,000."""


def geometric(mean):
    return lambda k: (1 - 1 / mean) ** (k - 1) / mean


def listed(*chances):
    return lambda k: np.array([*chances, *np.zeros(40)])[k - 1]


EXACT = {
    "geometric:1": geometric(1.0),
    "geometric:1.25": geometric(1.25),
    "geometric:3": geometric(3.0),
    "geometric:40": geometric(40.0),
    "fixed:1": listed(1.0),
    "fixed:4": listed(0.0, 0.0, 0.0, 1.0),
    "sizes:0.5,0.3,0.2": listed(0.5, 0.3, 0.2),
    "sizes:0,0.25,0,0.75": listed(0.0, 0.25, 0.0, 0.75),
    "sizes:1": listed(1.0),
}


@pytest.mark.parametrize("text", EXACT)
def test_samples_are_as_likely_as_they_should_be(text):
    law = parse_batch_law(text)
    words = np.random.default_rng(3).integers(0, 2**32, (law.words, COUNT), np.uint32)
    sample = jax.jit(jax.vmap(lambda *w: law.sample(w), axis_size=COUNT))
    x = np.asarray(sample(*map(jnp.asarray, words)))
    assert x.dtype == np.int32 and x.min() >= 1
    k = np.arange(1, 30)
    chance, share = EXACT[text](k), np.mean(x == k[:, None], axis=1)
    assert np.all(np.abs(share - chance) <= K * np.sqrt(chance * (1 - chance) / COUNT))
    assert abs(x.mean() - float(law.mean)) <= K * x.std() / np.sqrt(COUNT)


@pytest.mark.parametrize("text", EXACT)
def test_the_exact_side_knows_the_same_law(text):
    """Its probabilities, and what goes beyond each size, by sums over the sizes one by one."""
    law = parse_batch_law(text)
    known = probabilities(*law.key())
    k = np.arange(1, min(known.size, 39) + 1)
    np.testing.assert_allclose(known[: k.size], EXACT[text](k), rtol=1e-13, atol=1e-300)
    assert known.sum() == pytest.approx(1, abs=1e-12)
    assert np.arange(1, known.size + 1) @ known == pytest.approx(float(law.mean), rel=1e-12)
    x = np.arange(1, known.size + 1)
    for m in (1, 2, 5):
        if m <= known.size:
            over = np.maximum(x - m + 1, 0)
            wanted = known @ (x >= m), known @ over, known @ (over * (over + 1) / 2)
            assert excesses(*law.key())[:, m - 1] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("text", [*EXACT, "geometric:2.5"])
def test_text_and_key_round_trip(text):
    law = parse_batch_law(text)
    assert str(law) == text and parse_batch_law(str(law)) == law and law.key()[0] == law.name
    assert law.name in BATCH_LAWS


def test_python_takes_arrays():
    assert jaxq.BatchSizes(np.array([0.25, 0.75])) == parse_batch_law("sizes:0.25,0.75")
    with pytest.raises(ValueError, match="sizes probabilities = 65 of them: must be 1 to 64"):
        jaxq.BatchSizes(np.full(65, 1 / 65))


ALL = "must be geometric:MEAN, fixed:SIZE, sizes:P1,P2,..."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("geometric:0.5", "geometric mean = 0.5: must be a number >= 1 and <= 10000 (mean size of a batch)"),
        ("geometric:x", "geometric mean = x: must be a number >= 1"),
        ("geometric", "batch_law = geometric: must be geometric:MEAN"),
        ("geometric:", f"batch_law = geometric:: {ALL}"),
        ("geometrik:3", f"batch_law = geometrik:3: {ALL}; did you mean geometric?"),
        ("size:1,2", f"batch_law = size:1,2: {ALL}; did you mean sizes?"),
        ("zipf:2", f"batch_law = zipf:2: {ALL}"),
        ("fixed:0", "fixed size = 0: must be a whole number >= 1 and <= 10000 (size of a batch)"),
        ("fixed:2.5", "fixed size = 2.5: must be a whole number >= 1"),
        ("fixed:1e5", "fixed size = 100000: must be a whole number >= 1 and <= 10000"),
        ("sizes:0.5,0.3", "sizes probabilities = 0.5,0.3: must be of 1, 2, 3, ... customers and sum to 1"),
        ("sizes:-1,2", "sizes probabilities[1] = -1: must be >= 0"),
        ("sizes:a,b", "batch_law = sizes:a,b: must be sizes:P1,P2,..."),
        ("sizes:1e-9,0.999999999", "an event has the probability 1e-09, must be 0 or >= 1.2e-08 to be drawn"),
    ],
)
def test_bad_laws_name_the_field_the_value_and_the_rule(text, words):
    with pytest.raises(ValueError) as error:
        jaxq.GG1(0.5, 1.0, batch_law=text)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_the_exact_side_refuses_too():
    for key, words in {
        ("geometric", 0.5): "geometric parameter",
        ("fixed", 2.5): "fixed parameter",
        ("sizes", (0.5, 0.4)): "sizes parameter",
        ("poisson", 2.0): "batch law name = poisson",
    }.items():
        with pytest.raises(ValueError, match=words):
            probabilities(*key)
