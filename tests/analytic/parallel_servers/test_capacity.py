"""Loads, bottlenecks and headroom of networks worked out by hand."""

import numpy as np
import pytest

from jaxq.analytic.parallel_servers.capacity import capacity
from jaxq.analytic.staffing.gains import gains


def test_a_network_with_a_pool_apart():
    # class 1: pool 1 alone, load 8/10; class 2: pools 1 and 2 at rates 1 and 2, all of it fits into pool 2: 6/(2 x 5)
    found = capacity([8, 6], [[1, 0], [1, 2]], [10, 5])
    assert found.load == pytest.approx(0.8) and found.growth == 0
    assert found.bottleneck.tolist() == [True, False] and found.bound.tolist() == [True, False]
    assert found.pool_loads[0] == pytest.approx(0.8) and 0.6 <= found.pool_loads[1] <= 0.8 + 1e-9
    # class 1 has the 2 servers left; class 2 has them at rate 1 and the 2 of pool 2 at rate 2
    assert found.headroom == pytest.approx([2, 2 + 4])


def test_an_overloaded_pool_beside_one_with_room():
    # class 1 brings 12 to 10 servers that serve at rate 1, and has nowhere else to go
    found = capacity([12, 6], [[1, 0], [1, 2]], [10, 5])
    assert found.load == pytest.approx(1.2) and found.growth == pytest.approx(2)
    assert found.bound.tolist() == [True, False] and found.headroom.tolist() == [0, 0]


def test_headroom_of_a_pooled_tree_is_what_its_gains_say():
    # w.N - v.lambda spare, each customer of class i takes v_i of it
    arrivals, rates, servers = np.array([131.0, 49.0]), np.array([[1.51, 0.98], [0, 0.805]]), np.array([55, 118])
    worth = gains(rates)
    spare = worth.class_pool[0] @ servers - worth.classes[0] @ arrivals
    assert capacity(arrivals, rates, servers).headroom == pytest.approx(spare / worth.classes[0], rel=1e-9)


def test_a_class_without_a_pool_is_named():
    with pytest.raises(ValueError, match="class 0 has arrivals, but no pool serves it"):
        capacity([1, 1], [[0, 0], [1, 1]], [1, 1])
