"""What takes long to compile is announced, and what would take for ever refused, before anything is compiled."""

import time

import numpy as np
import pytest

import jaxq
from jaxq.engine.outline import compile_seconds
from jaxq.engine.progress import Silent


def network(classes: int, pools: int, policy="c-mu") -> jaxq.ParallelServers:
    rates = np.ones((classes, pools))
    return jaxq.ParallelServers(
        jaxq.Network(np.full(classes, 0.7 * pools / classes), rates, np.ones(pools), np.ones(classes)), policy
    )


def test_the_estimate_follows_the_square_of_the_edges():
    seconds = [compile_seconds(network(5, pools).process(), "parallel-servers") for pools in (10, 20, 40)]
    assert 2.5 < seconds[1] / seconds[0] < 4 and 3 < seconds[2] / seconds[1] < 4
    assert compile_seconds(jaxq.MMc(0.8), "mmc") < 1 < seconds[0] < 10 < seconds[1]


def test_five_hundred_single_servers_are_refused_with_the_number_and_what_helps():
    began = time.process_time()
    with pytest.raises(ValueError, match=r"^parallel-servers: has 5\d\d\d numbers.* s .*must be at most 300 s"):
        jaxq.simulate(network(5, 500), events=100)
    assert time.process_time() - began < 60


def test_a_long_compilation_is_announced_before_it_begins():
    class Heard(Exception):
        pass

    class Meter(Silent):
        def start(self, description):
            raise Heard(description)

    with pytest.raises(Heard, match=r"MB of memory, about 1\d s to compile$"):
        jaxq.simulate(network(5, 20), events=100, meter=Meter())
    with pytest.raises(Heard, match=r"MB of memory$"):
        jaxq.simulate(network(2, 2), events=100, meter=Meter())
