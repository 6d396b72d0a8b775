"""One error names field, value and rule; one set of checks."""

import pickle

import numpy as np
import pytest

import jaxq
from jaxq import checks


def test_an_error_is_its_sentence_and_its_parts():
    with pytest.raises(jaxq.FieldError) as caught:
        jaxq.MMc(arrival_rate=-1.0)
    error = caught.value
    assert isinstance(error, ValueError)
    assert (error.field, error.value) == ("arrival_rate", -1.0)
    assert str(error) == f"arrival_rate = -1.0: {error.rule}" and error.rule.startswith("must be a number > 0")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (checks.FieldError("times", 3, "must be less", "[2]"), "times[2] = 3: must be less"),
        (checks.FieldError("load", 1 / 3, "must be less", short=True), "load = 0.333333: must be less"),
        (checks.FieldError("network", ..., "has no servers"), "network: has no servers"),
        (checks.FieldError("servers", "3", "must be less"), "servers = '3': must be less"),
    ],
)
def test_a_sentence(error, sentence):
    assert str(error) == sentence
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == sentence and vars(copy) == vars(error)


@pytest.mark.parametrize(
    ("check", "good", "bad", "rule"),
    [
        (checks.number, [0, -2.5, np.float32(1)], [np.nan, np.inf, "1", True, None, [1]], "a number that is finite"),
        (checks.positive, [1e-300, 3], [0, -1, np.inf, "x"], "a number > 0"),
        (checks.nonnegative, [0, 0.0], [-1e-300, np.nan], "a number >= 0"),
        (checks.probability, [0.5], [0, 1, np.nan], "a number > 0 and < 1"),
        (
            checks.integer,
            [1, 3.0, np.int32(2), 2**63 - 1],
            [0, 2.5, np.nan, True, "2", 2**63, 10**400],
            "a whole number >= 1",
        ),
    ],
)
def test_a_check(check, good, bad, rule):
    for value in good:
        assert check("x", value) == value
    for value in bad:
        with pytest.raises(checks.FieldError) as caught:
            check("x", value)
        assert caught.value.field == "x" and caught.value.rule.startswith(f"must be {rule}")


def test_a_vector_names_the_place():
    np.testing.assert_array_equal(checks.vector("x", (1, 2), 2), [1.0, 2.0])
    for values, sentence in (
        ((1.0,), "x = [1.0]: must be 2 numbers, one a class"),
        ((1.0, -1.0), "x[2] = -1: must be >= 0"),
        ((np.nan, 0.0), "x[1] = nan: must be >= 0"),
    ):
        with pytest.raises(checks.FieldError) as caught:
            checks.vector("x", values, 2, 0, meaning="one a class")
        assert str(caught.value) == sentence


def test_a_matrix_names_the_place():
    assert checks.matrix("x", [[1, 2]], "(a, b)").shape == (1, 2)
    for values, sentence in (
        ([1.0], "x = an array of shape (1,): must be of shape (a, b)"),
        ([[1.0], [-1.0]], "x[2, 1] = -1: must be >= 0"),
    ):
        with pytest.raises(checks.FieldError) as caught:
            checks.matrix("x", values, "(a, b)")
        assert str(caught.value) == sentence
