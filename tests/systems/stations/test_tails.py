"""Exact laws of the stations against the exact means, which other formulas give."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

import jaxq
from jaxq.engine.levels import quantile
from jaxq.engine.outline import names

NUMBERS = {
    "M/M/1": jaxq.MMc(0.8),
    "M/M/5": jaxq.MMc(4.0, 1.0, 5),
    "M/M/10+M": jaxq.MMc(12.0, 1.0, 10, abandonment_rate=0.5),
    "M/M/3/7": jaxq.MMc(4.0, 1.0, 3, capacity=7),
    "M/M/3/7+M": jaxq.MMc(4.0, 2.0, 3, abandonment_rate=1.0, capacity=7),
}
WAITS = {
    "M/E3/1": jaxq.MG1(0.7, 1.0, "erlang:3"),
    "M/H2/1": jaxq.MG1(0.7, 2.0, "hyperexponential:3"),
    "M/D/1": jaxq.MG1(1.4, 2.0, "deterministic"),
    "D/M/1": jaxq.GG1(0.8, arrival_law="deterministic"),
    "gamma/M/3": jaxq.GGc(4.8, 2.0, 3, arrival_law="gamma:2"),
    "E2/M/3, in batches": jaxq.GGc(4.8, 2.0, 3, arrival_law="erlang:2", batch_law="geometric:3"),
    "M/D/3": jaxq.GGc(4.8, 2.0, 3, service_law="deterministic"),
    "M/M/4+lognormal": jaxq.GGc(5.0, 1.0, 4, abandonment_rate=0.8, patience_law="lognormal:2"),
}


@pytest.mark.parametrize("system", NUMBERS.values(), ids=NUMBERS)
def test_numbers(system):
    """E N is the sum of P(N > n); all servers are busy, or all places taken, as often as arrivals see it."""
    tails, means = system.tails(), {name: x.value for name, x in system.oracle().items()}
    assert set(tails) == set(names(system, system.process())[1])
    sums = {name: sum(tail(n) for n in range(2000)) for name, tail in tails.items()}
    for name in ("number_in_system", "queue_length"):
        assert sums[name] == pytest.approx(means[name], rel=1e-9)
    blocked = means.get("probability_block", 0.0)
    assert sums["all_busy"] == pytest.approx(means["probability_wait"] * (1 - blocked) + blocked, rel=1e-9)
    assert sums.get("full", 0.0) == pytest.approx(blocked, rel=1e-9)
    if "busy" in sums:
        assert sums["busy"] == pytest.approx(means["utilisation"] * system.servers, rel=1e-9)
    assert all(tail(-1e-9) == 1.0 and tail(np.inf) == 0.0 for tail in tails.values())


@pytest.mark.parametrize("system", WAITS.values(), ids=WAITS)
def test_waits(system):
    tails, means = system.tails(), {name: x.value for name, x in system.oracle().items()}
    times = [name for name in ("waiting_time", "sojourn_time") if name in tails]
    assert set(tails) == {*times, "waited"} and tails["waited"](0.5) == tails["waited"](0)
    assert ("sojourn_time" in times) == (getattr(system, "abandonment_rate", None) is None)
    cuts = np.linspace(0, 60, 241)  # the kinks of M/D/c among them
    for name in times:
        mean = sum(quad(tails[name], a, b, epsabs=1e-13)[0] for a, b in pairwise(cuts))
        assert mean == pytest.approx(means[name], rel=1e-7)
    assert tails["waited"](0.0) == pytest.approx(means["probability_wait"], rel=1e-9)
    assert all(tail(-1e-9) == 1.0 and tail(np.inf) == 0.0 for tail in tails.values()) and tails["waited"](1) == 0


@pytest.mark.parametrize(
    "system",
    [
        jaxq.MG1(0.5, service_law="lognormal:2"),
        jaxq.GG1(0.5, arrival_law="erlang:2", service_law="erlang:2"),
        jaxq.GGc(1.0, servers=2, service_law="erlang:2"),
        jaxq.GGc(1.0, servers=2, batch_law="fixed:2"),
        jaxq.MG1(0.5, service_law="deterministic", batch_law="geometric:2"),
        jaxq.GGc(1.0, servers=2, abandonment_rate=1.0, batch_law="geometric:2"),
        jaxq.GGc(1.0, servers=2, service_law="deterministic", abandonment_rate=1.0),
        jaxq.MGinf(0.5),
    ],
)
def test_no_law_is_made_up(system):
    assert system.tails() == {}


CORNERS = {
    "nobody waits, with patience": jaxq.GGc(1.0, 1.0, 1000, abandonment_rate=1.0),
    "nobody waits": jaxq.GGc(1.0, 1.0, 1000, "deterministic"),
    "nobody comes": jaxq.GGc(1e-17, 1.0, 2, service_law="deterministic"),
    "rare arrivals": jaxq.GG1(1e-3, 1.0, "deterministic"),
    "in nanoseconds": jaxq.MG1(8e8, 1e9, "deterministic"),
    "phases": jaxq.MG1(0.9, 1.0, "hyperexponential:50"),
}


@pytest.mark.parametrize("system", CORNERS.values(), ids=CORNERS)
@pytest.mark.filterwarnings("error")
def test_corners(system):
    """Whatever is asked of a law is a probability, without a word of overflow; it falls."""
    exact = {name: reference.value for name, reference in system.oracle().items()}
    assert all(np.isfinite(x) for x in exact.values()) and exact["probability_wait"] <= 1
    for tail in system.tails().values():
        found = [tail(x) for x in (-1.0, 0.0, 1e-300, 1e-9, 1.0, 7.5, 1e3, 1e30, 1e300, 1.7e308)]
        assert found[0] == 1 and found[-1] == 0 and all(0 <= b <= a for a, b in pairwise(found))


def test_quantiles_by_inversion():
    """M/M/1: of the number, the least n with 1 - rho^(n+1) >= p; of the wait log(rho / (1-p)) / (mu - lambda), or 0."""
    number, wait = jaxq.MMc(0.5).tails()["number_in_system"], jaxq.MG1(0.8).tails()["waiting_time"]
    for p, n in ((0.3, 0), (0.5, 0), (0.75, 1), (0.8, 2), (1 - 2**-40, 39)):
        assert quantile(number, p, whole=True) == n
    for p in (0.3, 0.9, 0.999999):
        assert quantile(wait, p) == pytest.approx(max(np.log(0.8 / (1 - p)) / 0.2, 0.0), rel=1e-9)
    assert quantile(lambda x: 1 / (1 + np.exp(x)), 0.1) == pytest.approx(-np.log(9), rel=1e-10)
    assert quantile(lambda x: 1.0 if x < -7 else 0.0, 0.4, whole=True) == -7
    assert quantile(lambda x: 0.5, 0.9) == np.inf
