"""The end of a climb over jumps: the best of them, sums that stay, entries that ride on an edge."""

import numpy as np
import pytest

from jaxq.tuning.polish import carried, over_jumps


def test_the_best_jump_of_each_entry_is_found():
    """Steps up at whole numbers, a slope down in between."""

    def value(fields):
        return -abs(np.floor(fields["x"]) - [3, 5]).sum() - 0.1 * (fields["x"] - np.floor(fields["x"])).sum()

    def jumps(fields):
        return {"x": np.tile(np.arange(9.0), (2, 1))}

    at, best = over_jumps(value, {"x": np.array([0.3, 8.7])}, jumps)
    assert at["x"].tolist() == [3.0, 5.0] and best == 0


def test_shares_keep_their_sum_and_their_proportions():
    at, _ = over_jumps(
        lambda f: -abs(f["x"][0] - 0.6), {"x": np.array([0.2, 0.6, 0.2])}, lambda f: {"x": [[0.6]]}, ["x"]
    )
    assert at["x"] == pytest.approx([0.6, 0.3, 0.1])


def test_an_entry_is_carried_by_the_nearest_jump():
    """Jumps at 10 - n/y: from y = 1 to 2 the one at 8, next to 7.9, moves by 1, the one at 9 by 1/2."""

    def jumps(fields):
        return {"x": 10 - np.arange(1, 6) / np.reshape(fields["y"], (-1, 1))}

    start = {"x": np.array([7.9, 9.0]), "y": np.array([1.0, 1.0])}
    found = carried({"x": np.array([7.8, 9.0]), "y": np.array([2.0, 2.0])}, start, jumps)
    assert found["x"] == pytest.approx([8.8, 9.5]) and found["y"].tolist() == [2.0, 2.0]
    assert carried({"x": 3.0, "y": 1.0}, {"x": 3.0, "y": 1.0}, jumps)["x"] == 3.0
