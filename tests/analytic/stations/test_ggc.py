import math

import numpy as np
import pytest

from jaxq.analytic.distributions.transforms import Law, scv
from jaxq.analytic.stations.gg1 import gm1, mg1
from jaxq.analytic.stations.ggc import ggc_bound, gmc, gmc_sojourn_tail, gmc_wait_tail, mdc
from jaxq.analytic.stations.mmc import mmc

EXPONENTIAL: Law = ("exponential", None)
DETERMINISTIC: Law = ("deterministic", None)
LAWS: list[Law] = [DETERMINISTIC, ("erlang", 3), ("gamma", 2.0), ("pareto", 1.6), ("weibull", 0.5), ("lognormal", 2.0)]
MEASURES = ("waiting_time", "sojourn_time", "queue_length", "probability_wait", "utilisation")


@pytest.mark.parametrize(("servers", "rho"), [(1, 0.4), (2, 0.8), (10, 0.9), (100, 0.95), (1000, 0.999), (600, 0.5)])
def test_exponential_gaps_are_erlang_c(servers: int, rho: float) -> None:
    # With rho = 1 - j/c the last factor of Takacs' j-th term is 0/0.
    general, markov = gmc(rho * servers * 2, 2.0, servers, EXPONENTIAL), mmc(rho * servers * 2, 2.0, servers)
    for name in ("waiting_time", "queue_length", "probability_wait", "utilisation"):
        assert general[name] == pytest.approx(markov[name], rel=1e-10)
    assert general["sojourn_time"] == pytest.approx(general["waiting_time"] + 0.5, rel=1e-14)


@pytest.mark.parametrize("law", LAWS)
def test_one_server_is_gm1(law: Law) -> None:
    several, one = gmc(0.7, 1.0, 1, law), gm1(0.7, 1.0, law)
    for name in MEASURES:
        assert several[name] == pytest.approx(one[name], rel=1e-12)


@pytest.mark.parametrize(("phases", "servers", "arrival_rate"), [(2, 2, 1.6), (3, 4, 2.0), (5, 3, 2.7)])
def test_erlang_gaps_by_the_generator(phases: int, servers: int, arrival_rate: float) -> None:
    # States (customers, phase of the gap), censored at 300 customers; customers see the law before a phase ends.
    last = 300
    size, rate = (last + 1) * phases, phases * arrival_rate
    generator = np.zeros((size, size))
    for n in range(last + 1):
        for phase in range(phases):
            here = n * phases + phase
            if phase + 1 < phases:
                generator[here, here + 1] += rate
            elif n < last:
                generator[here, (n + 1) * phases] += rate
            if n > 0:
                generator[here, here - phases] += min(n, servers)
    generator -= np.diag(generator.sum(axis=1))
    system = generator.T.copy()
    system[0] = 1.0
    law = np.linalg.solve(system, np.eye(size)[0]).reshape(last + 1, phases)
    queue = float(law.sum(axis=1)[servers:] @ np.arange(last + 1 - servers))
    found = law[:, -1] / law[:, -1].sum()
    expected = gmc(arrival_rate, 1.0, servers, ("erlang", phases))
    assert expected["queue_length"] == pytest.approx(queue, rel=1e-9)
    assert expected["probability_wait"] == pytest.approx(float(found[servers:].sum()), rel=1e-9)


@pytest.mark.parametrize(("rho", "wait"), [(0.5, 0.5), (0.8, 2.0), (0.9, 4.5), (0.99, 49.5), (0.9999, 4999.5)])
def test_md1(rho: float, wait: float) -> None:
    assert mdc(rho, 1.0, 1)["waiting_time"] == pytest.approx(wait, rel=1e-9)
    assert mdc(rho, 1.0, 1)["probability_wait"] == pytest.approx(rho, rel=1e-9)
    slow = mdc(rho / 40, 1 / 40, 1)
    assert slow["waiting_time"] == pytest.approx(40 * wait, rel=1e-9)
    assert slow["waiting_time"] == pytest.approx(mg1(rho / 40, 1 / 40, DETERMINISTIC)["waiting_time"], rel=1e-9)


@pytest.mark.parametrize(("servers", "load"), [(2, 1.6), (5, 4.0), (20, 17.0), (40, 20.0)])
def test_mdc_by_its_chain(servers: int, load: float) -> None:
    # The number in system every 1/mu: N' = (N - c)^+ + Poisson(a), to 400 customers.
    last = 400
    customers = np.arange(last + 1)
    arrivals = np.exp(customers * math.log(load) - load - np.array([math.lgamma(n + 1) for n in customers]))
    chain = np.zeros((last + 1, last + 1))
    for n in customers:
        left = max(n - servers, 0)
        chain[n, left:] = arrivals[: last + 1 - left]
        chain[n] /= chain[n].sum()
    system = chain.T - np.eye(last + 1)
    system[0] = 1.0
    law = np.linalg.solve(system, np.eye(last + 1)[0])
    result = mdc(load, 1.0, servers)
    assert result["queue_length"] == pytest.approx(float(law @ np.maximum(customers - servers, 0)), rel=1e-9, abs=1e-14)
    assert result["probability_wait"] == pytest.approx(float(law[servers:].sum()), rel=1e-9)
    assert result["waiting_time"] == pytest.approx(result["queue_length"] / load, rel=1e-14)


@pytest.mark.parametrize("servers", [1, 3, 30])
@pytest.mark.parametrize("rho", [0.3, 0.9, 0.99])
def test_the_bound_holds(servers: int, rho: float) -> None:
    rates = rho * servers * 5, 5.0, servers
    for law in LAWS:
        assert gmc(*rates, law)["waiting_time"] <= ggc_bound(*rates, law, EXPONENTIAL)
    assert mdc(*rates)["waiting_time"] <= ggc_bound(*rates, EXPONENTIAL, DETERMINISTIC)
    assert mg1(rho * 5, 5.0, ("gamma", 2.0))["waiting_time"] <= ggc_bound(rho * 5, 5.0, 1, EXPONENTIAL, ("gamma", 2.0))


def test_heavy_traffic() -> None:
    # E[W] (1 - rho) -> (scv of A + scv of S) / (2 c mu); the bound has c times the second, and closes without it.
    rates = 0.99999 * 3, 1.0, 3
    for law in (DETERMINISTIC, ("gamma", 2.0)):
        assert gmc(*rates, law)["waiting_time"] == pytest.approx((scv(*law) + 1) / 2 / 3 / 1e-5, rel=1e-4)
    rates = 0.999 * 3, 1.0, 3
    assert mdc(*rates)["waiting_time"] == pytest.approx(ggc_bound(*rates, EXPONENTIAL, DETERMINISTIC), rel=5e-3)
    assert ggc_bound(*rates, EXPONENTIAL, ("pareto", 2.0)) == math.inf


def test_errors() -> None:
    for overloaded in (
        lambda: gmc(4.0, 2.0, 2, EXPONENTIAL),
        lambda: mdc(4.0, 2.0, 2),
        lambda: ggc_bound(4.0, 2.0, 2, EXPONENTIAL, EXPONENTIAL),
    ):
        with pytest.raises(ValueError, match=r"load .* = 2.0 must be below servers = 2"):
            overloaded()
    with pytest.raises(ValueError, match=r"servers = 1.5"):
        gmc(1.0, 2.0, 1.5, EXPONENTIAL)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"law name = normal"):
        gmc(1.0, 2.0, 2, ("normal", None))


@pytest.mark.parametrize(("servers", "rate"), [(1, 0.8), (2, 1.7), (5, 3.0)])
def test_the_tail_of_the_wait_with_constant_gaps(servers: int, rate: float) -> None:
    """Customers of D/M/c find n of a chain that loses whom the servers finish in a gap; who finds n >= c waits Erlang."""
    from scipy.linalg import expm
    from scipy.special import gammaincc

    last = 200
    leave = np.minimum(np.arange(last + 1), servers) * 2.0
    death = np.diag(-leave) + np.diag(leave[1:], -1)
    chain = np.roll(np.eye(last + 1), 1, axis=1) @ expm(death / rate / 2)  # the room is full far out
    chain[-1] = chain[-2]
    law = np.linalg.matrix_power(chain, 4096)[0]
    found = gmc_wait_tail(2 * rate, 2.0, servers, DETERMINISTIC)
    for t in (0.0, 0.1, 0.5, 2.0):
        waits = sum(law[n] * gammaincc(n - servers + 1, 2 * servers * t) for n in range(servers, last))
        assert found(t) == pytest.approx(waits, rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "service_rate", "servers", "law", "batches"),
    [
        (0.8, 1.0, 1, EXPONENTIAL, 1),
        (4.8, 2.0, 3, ("gamma", 2.0), 1),
        (1.0, 1.0, 2, EXPONENTIAL, 1),
        (2.4, 1.0, 3, DETERMINISTIC, 2),
    ],
)
def test_the_tail_of_the_time_is_that_of_wait_and_service(rate, service_rate, servers, law, batches) -> None:
    """In M/M/2 at one half both decay at the same rate."""
    from scipy.integrate import quad

    given = rate, service_rate, servers, law, batches
    time, wait = gmc_sojourn_tail(*given), gmc_wait_tail(*given)
    for t in (0.0, 0.3, 2.0, 15.0):
        waits = quad(lambda s, t=t: math.exp(-service_rate * s) * wait(t - s), 0, t, epsabs=1e-14)[0]
        assert time(t) == pytest.approx(math.exp(-service_rate * t) + service_rate * waits, rel=1e-9)
    if servers == 1:
        assert time(7.0) == pytest.approx(math.exp(-0.2 * 7), rel=1e-12)
