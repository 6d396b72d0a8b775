"""The wait in M/D/c against its mean, Crommelin's sum for one server, and the embedded chain for several."""

import math
from fractions import Fraction

import numpy as np
import pytest

from jaxq.analytic.stations.ggc import mdc
from jaxq.analytic.stations.mdc import mdc_wait_tail


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_one_server_by_an_alternating_sum(rho):
    """P(W <= t) = (1 - rho) sum_{k <= t} (rho (k - t))^k / k! exp(rho (t - k)), Erlang 1909, in rational numbers."""
    found = mdc_wait_tail(2 * rho, 2.0, 1)
    for t in (0.0, 0.4, 1.0, 2.7, 9.5):
        terms = [
            (Fraction(rho) * (k - Fraction(t))) ** k / math.factorial(k) * Fraction(math.exp(rho * (t - k)))
            for k in range(math.floor(t) + 1)
        ]
        assert found(t / 2) == pytest.approx(1 - (1 - rho) * float(sum(terms)), abs=1e-11)


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (1.5, 3), (4.5, 5), (95.0, 100)])
def test_the_mean_of_the_tail(load, servers):
    """E W by a series of its own (`mdc`), and the integral by Gauss-Legendre between the kinks."""
    found, known = mdc_wait_tail(3 * load, 3.0, servers), mdc(3 * load, 3.0, servers)
    node, weight = np.polynomial.legendre.leggauss(40)
    mean = sum(
        weight[i] / 6 * found((k + (1 + node[i]) / 2) / 3) for k in range(120 if servers < 50 else 8) for i in range(40)
    )
    assert found(0.0) == pytest.approx(known["probability_wait"], rel=1e-12)
    assert mean == pytest.approx(known["waiting_time"], rel=1e-9)
    assert found(1e6) == 0.0


def test_several_servers_by_the_chain_of_numbers():
    """N(t + 1) = (N(t) - c)+ + arrivals, solved densely. Who comes with c or more before it waits for another unit of time
    for every c of them: at whole k, P(W > k) = P(N >= c (k + 1))."""
    load, servers, size = 2.4, 3, 200
    arrivals = np.exp(np.arange(size) * math.log(load) - load - np.cumsum(np.log(np.maximum(np.arange(size), 1))))
    chain = np.zeros((size, size))
    for n in range(size):
        queue = max(n - servers, 0)
        chain[n, queue:] = arrivals[: size - queue]
        chain[n, -1] += 1 - chain[n].sum()
    system = np.vstack([(chain.T - np.eye(size))[:-1], np.ones(size)])
    law = np.linalg.solve(system, np.eye(size)[-1])
    found = mdc_wait_tail(load, 1.0, servers)
    for k in range(4):
        assert found(float(k)) == pytest.approx(law[servers * (k + 1) :].sum(), abs=1e-12)


def test_none_near_saturation():
    assert mdc_wait_tail(0.9999, 1.0, 1) is None
    with pytest.raises(ValueError, match="load"):
        mdc_wait_tail(3.0, 1.0, 3)
