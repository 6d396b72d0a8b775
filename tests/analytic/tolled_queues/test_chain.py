"""The chain of parallel queues with tolls, against laws in closed form and the general enumeration of one server."""

import numpy as np
import pytest

from jaxq.analytic.stations.erlang import erlang_b
from jaxq.analytic.tolled_queues.chain import visible


def test_one_class_and_server_is_a_truncated_geometric_law():
    found = visible(0.9, 10.0, 1.0, (1.0,), (4.3,))
    law = 0.9 ** np.arange(6)
    law /= law.sum()
    assert found["throughput"] == pytest.approx(0.9 * (1 - law[-1]), rel=1e-12)
    assert found["number_in_system"] == pytest.approx(np.arange(6) @ law, rel=1e-12)
    assert found["welfare"] == pytest.approx(10 * found["throughput"] - found["number_in_system"], rel=1e-12)
    assert found["truncated"] == 0


def test_two_classes_are_a_birth_death_law():
    """The first accepts 9 - 2 + 1 customers at most, the second two."""
    found = visible((0.4, 0.7), (10.0, 4.0), (1.0, 1.0), (1.0,), (2.0,))
    law = np.cumprod([1.0, 1.1, 1.1, *[0.4] * 6])
    law /= law.sum()
    assert found["join"][:, 0] == pytest.approx([1 - law[-1], law[:2].sum()], rel=1e-12)


def test_servers_joined_only_when_empty_are_erlang_s_loss_system():
    """The class of long jobs never joins the halves: 2 servers, load 4, toll 8."""
    found = visible((2.0, 0.5), (10.0, 32.0), (1.0, 1.0), (0.5, 0.5), (8.0, 8.0), (1.0, 20.0), random_ties=True)
    assert found["revenue"] == pytest.approx(8 * 2 * (1 - erlang_b(2, 4.0)), rel=1e-12)
    assert found["revenue"] == pytest.approx(6.153846, abs=5e-7)
    assert found["join"][0] == pytest.approx(np.full(2, (1 - erlang_b(2, 4.0)) / 2), rel=1e-12)
    assert not found["join"][1].any()


def test_class_dependent_sizes_by_hand():
    """Toll 9 on one server: short jobs (mean 1) join when it is empty, long ones (mean 20) behind one short at most."""
    found = visible((2.0, 0.5), (10.0, 32.0), (1.0, 1.0), (1.0,), (9.0,), (1.0, 20.0))
    short = 2 / 1.5
    behind = 0.5 * short
    weights = np.array([1, short, behind, (0.5 + behind) / 0.05])
    empty, one, _, _ = weights / weights.sum()
    assert found["join"][:, 0] == pytest.approx([empty, empty + one], rel=1e-12)
    assert found["utilisation"][0] == pytest.approx(1 - empty, rel=1e-12)


def test_what_is_accepted_leaves_again():
    found = visible((0.4, 0.6), (12.0, 5.0), (2.0, 0.4), (0.6, 0.4), (4.0, 2.5), (1.0, 0.5))
    work = (np.array([0.4, 0.6])[:, None] * found["join"] * np.array([[1.0], [0.5]])).sum(axis=0)
    assert work == pytest.approx(np.array([0.6, 0.4]) * found["utilisation"], rel=1e-12)
    assert found["revenue"] == pytest.approx(np.array([0.4, 0.6]) @ found["join"] @ [4.0, 2.5], rel=1e-12)


def test_truncation_is_reported():
    exact = visible(0.9, 40.0, 1.0, (1.0,), (4.3,))
    cut = visible(0.9, 40.0, 1.0, (1.0,), (4.3,), most=30)
    assert exact["truncated"] == 0
    assert cut["truncated"] == pytest.approx(0.1 * 0.9**30 / (1 - 0.9**31), rel=1e-12)
    assert abs(cut["throughput"] / exact["throughput"] - 1) < cut["truncated"]


def test_nobody_joins_what_costs_too_much():
    found = visible(0.9, 10.0, 1.0, (1.0, 2.0), (9.5, 11.0))
    assert found["throughput"] == 0 and np.isnan(found["sojourn_time"])


def test_bad_input():
    with pytest.raises(ValueError, match="as many"):
        visible(0.9, 10.0, 1.0, (1.0, 2.0), (9.5,))
    with pytest.raises(ValueError, match="mean_sizes"):
        visible(0.9, 10.0, 1.0, (1.0,), (9.5,), 0.0)
    with pytest.raises(ValueError, match="states"):
        visible((0.9, 0.8), (1000.0, 1000.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 2.0))
