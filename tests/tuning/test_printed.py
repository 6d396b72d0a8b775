"""A point as it is printed."""

import math

import numpy as np
import pytest

from jaxq.tuning.printed import Lattice, printable


def test_shares_keep_their_sum_and_every_entry_is_what_it_prints_as():
    rates = np.array([0.7639112, 0.0360888, 0.2])
    fields = Lattice({"rates": rates, "tolls": np.array([9.76382, 0.0])}, 5, ("rates",))
    for move in (0, *fields.moves):
        found = fields.decode(fields.origin + move)
        assert math.fsum(found["rates"]) == pytest.approx(1, abs=1e-15)
        for x in np.concatenate(list(found.values())):
            assert float(f"{x:.5g}") == x
    assert len(fields.moves) == 2 * 3, "the largest share takes the rest, a 0 stays"


def test_a_small_share_does_not_become_0():
    rates = printable(lambda v: 0.0, {"rates": np.array([1 - 1e-6, 1e-6])}, 5, ("rates",))[0]["rates"]
    assert rates.tolist() == [0.99999, 0.00001]


@pytest.mark.parametrize("x", [12345.678, 0.99999999, 1.2345678e-7, -3.14159265])
def test_one_number(x):
    found, value = printable(lambda v: -v["x"], {"x": x}, 4, moved=False)
    assert found["x"] == float(f"{x:.4g}") and value == -found["x"]


def test_rows_of_a_matrix_keep_their_sums():
    rows = np.array([[1 / 3, 1 / 3, 1 / 3], [0.123456789, 0.0, 0.876543211]])
    found = printable(lambda v: 0.0, {"routing": rows}, 6, ("routing",))[0]["routing"]
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    assert found[1, 1] == 0 and found[1].tolist() == [0.123457, 0, 0.876543]


def test_it_moves_to_the_side_of_an_edge_that_earns():
    """Value x + y up to the edge x + y <= 1.23456789, nothing beyond: rounding to nearest (1.2346) falls off."""

    def value(v):
        total = v["x"] + v["y"]
        return total if total <= 1.23456789 else 0.0

    found, best = printable(value, {"x": 0.5, "y": 0.73456789}, 4)
    assert value(found) == best == pytest.approx(1.2345, abs=1e-9)


def test_a_margin_keeps_a_printed_unit_from_the_edge():
    def value(v):
        return v["x"] if v["x"] <= 6 else 0.0

    assert printable(value, {"x": 5.99999}, 4)[0]["x"] == 6
    assert printable(value, {"x": 5.99999}, 4, margin=True)[0]["x"] == 5.999
