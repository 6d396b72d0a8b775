import math

import numpy as np
import pytest

from jaxq.analytic.distributions.transforms import (
    Law,
    laplace,
    laplace_complement,
    moment,
    phases,
    scv,
    stopped_mean,
    tail,
)

LAWS: list[Law] = [
    ("exponential", None),
    ("deterministic", None),
    ("erlang", 1),
    ("erlang", 4),
    ("hyperexponential", 1.5),
    ("hyperexponential", 20.0),
    ("lognormal", 0.25),
    ("lognormal", 3.0),
    ("gamma", 0.3),
    ("gamma", 6.0),
    ("weibull", 0.5),
    ("weibull", 3.0),
    ("pareto", 5.5),
    ("phase-type", ((0.5, 0.5), ((-1.0, 0.5), (0.0, -2.0)))),
    ("empirical", (0.5, 4.0, 1.0)),
    ("empirical", (0.0, 3.0, 0.0, 1.0)),
]


@pytest.mark.parametrize("law", LAWS)
def test_moments_are_consistent(law: Law) -> None:
    assert moment(*law, 1) == pytest.approx(1.0, rel=1e-14)
    assert moment(*law, 2) == pytest.approx(1 + scv(*law), rel=1e-14)
    # Cauchy-Schwarz: E[X^2]^2 <= E[X] E[X^3].
    assert moment(*law, 3) >= moment(*law, 2) ** 2 * (1 - 1e-14)


# gamma: prod (1 + i scv); weibull k: Gamma(1 + 4/k) / Gamma(1 + 1/k)^4; pareto a: a ((a-1)/a)^4 / (a-4);
# phase-type and empirical: bounds; (0, 3, 0, 1): (3^4 + 1)/4.
FOURTH_MOMENTS = [24, 1, 24, 1.25 * 1.5 * 1.75, 150, 1.1e5, 1.25**6, 4.0**6]
FOURTH_MOMENTS += [1.3 * 1.6 * 1.9, 7 * 13 * 19, 2520, 1.873, 1.643, 60, 30, 20.5]


@pytest.mark.parametrize(("law", "fourth"), list(zip(LAWS, FOURTH_MOMENTS, strict=True)))
def test_transform_expands_in_the_moments(law: Law, fourth: float) -> None:
    transform, s = laplace(*law), 1e-3
    series = 1 - s + moment(*law, 2) * s**2 / 2 - moment(*law, 3) * s**3 / 6
    # The next term of the alternating series bounds the rest.
    assert transform(0.0) == pytest.approx(1.0, rel=1e-14)
    assert -1e-15 < transform(s) - series < fourth * s**4 / 24 + 1e-15
    assert transform(2.0) > transform(3.0) > math.exp(-3.0) * (1 - 1e-14)


@pytest.mark.parametrize("law", LAWS)
def test_complement(law: Law) -> None:
    for s in (0.0, 0.3, 40.0):
        assert laplace_complement(*law)(s) == pytest.approx(1 - laplace(*law)(s), abs=1e-14)
    # 1 - E exp(-s X) = s - E[X^2] s^2 / 2 + ..., where the plain difference has lost every digit.
    s = 1e-17
    assert laplace_complement(*law)(s) == pytest.approx(s, rel=1e-12)


def test_known_values() -> None:
    assert laplace("exponential", None)(2.0) == pytest.approx(1 / 3)
    assert laplace("erlang", 2)(2.0) == pytest.approx(1 / 4)
    assert laplace("erlang", 1)(0.7) == pytest.approx(laplace("exponential", None)(0.7), rel=1e-14)
    assert moment("erlang", 2, 3) == pytest.approx(1 * 1.5 * 2)
    assert moment("lognormal", 3.0, 3) == pytest.approx(64.0)
    # scv 3: p = (1 +- sqrt(1/2)) / 2, third moment 6 (p1 / (2 p1)^3 + p2 / (2 p2)^3) = 6/8 (p1^-2 + p2^-2) = 36.
    assert moment("hyperexponential", 3.0, 3) == pytest.approx(36.0)


@pytest.mark.parametrize(("variation", "s"), [(0.25, 1.0), (3.0, 0.4), (3.0, 50.0), (100.0, 2.0)])
def test_lognormal_transform_by_adaptive_quadrature(variation: float, s: float) -> None:
    from scipy.integrate import quad

    variance = math.log(1 + variation)

    def integrand(log_x: float) -> float:
        deviation = (log_x + variance / 2) ** 2 / (2 * variance)
        return math.exp(-s * math.exp(log_x) - deviation) / math.sqrt(2 * math.pi * variance)

    width = 12 * math.sqrt(variance)
    expected = quad(integrand, -variance / 2 - width, -variance / 2 + width, epsabs=1e-14, epsrel=1e-12, limit=400)[0]
    assert laplace("lognormal", variation)(s) == pytest.approx(expected, rel=1e-11)


SAME: list[tuple[Law, Law]] = [
    (("gamma", 0.25), ("erlang", 4)),
    (("weibull", 1.0), ("exponential", None)),
    (("phase-type", ((1.0, 0.0, 0.0), ((-7.0, 7.0, 0.0), (0.0, -7.0, 7.0), (0.0, 0.0, -7.0)))), ("erlang", 3)),
    # scv 3: p = (1 +- sqrt(1/2)) / 2 and rates 2 p, here in another unit of time.
    (
        (
            "phase-type",
            ((0.8535533905932737, 0.1464466094067263), ((-8.535533905932737, 0.0), (0.0, -1.464466094067263))),
        ),
        ("hyperexponential", 3.0),
    ),
    (("empirical", (2.5,)), ("deterministic", None)),
]


@pytest.mark.parametrize(("law", "other"), SAME)
def test_laws_that_are_others(law: Law, other: Law) -> None:
    assert scv(*law) == pytest.approx(scv(*other), rel=1e-12, abs=1e-15)
    for order in (1, 2, 3):
        assert moment(*law, order) == pytest.approx(moment(*other, order), rel=1e-12)
    for s in (1e-12, 0.7, 30.0):
        assert laplace(*law)(s) == pytest.approx(laplace(*other)(s), rel=1e-12)
        assert laplace_complement(*law)(s) == pytest.approx(laplace_complement(*other)(s), rel=1e-12)


def test_a_cycle_of_phases_is_a_law_too() -> None:
    # From phase 1 to 2 and back with probability 1/2: (E1 + E2) a geometric number of times.
    law: Law = ("phase-type", ((1.0, 0.0), ((-2.0, 2.0), (1.0, -2.0))))
    once = (4 / (2 + 0.4)) ** 2 / 4  # both phases of rate 2 at s = 0.4, the mean being 2
    assert laplace(*law)(0.8) == pytest.approx(once / 2 / (1 - once / 2), rel=1e-12)
    assert scv(*law) > 0.5


def test_an_atom_at_zero_by_hand() -> None:
    """1/2 at 0, 1/4 at 1 and at 3, of mean 1: second and third moment (1 + 9)/4 and (1 + 27)/4."""
    law: Law = ("empirical", (0.0, 3.0, 0.0, 1.0))
    assert scv(*law) == pytest.approx(1.5, rel=1e-14)
    assert moment(*law, 2) == pytest.approx(2.5, rel=1e-14) and moment(*law, 3) == pytest.approx(7.0, rel=1e-14)
    for s in (0.1, 1.0, 5.0):
        x = math.exp(-s)
        assert laplace(*law)(s) == pytest.approx(0.5 + (x + x**3) / 4, rel=1e-14)
        assert laplace_complement(*law)(s) == pytest.approx((2 - x - x**3) / 4, rel=1e-14)
    assert laplace(*law)(1e3) == 0.5  # the atom


@pytest.mark.parametrize("index", [1.1, 1.5, 2.5, 7.0])
@pytest.mark.parametrize("s", [0.02, 1.0, 20.0])
def test_pareto_transform_by_adaptive_quadrature(index: float, s: float) -> None:
    from scipy.integrate import quad

    # By parts: E exp(-s X) = 1 - s int P(X > x) exp(-s x) dx.
    least = (index - 1) / index
    tail = quad(lambda x: (least / x) ** index * math.exp(-s * x), least, 60 / s, epsabs=0, epsrel=1e-12, limit=800)[0]
    assert laplace_complement("pareto", index)(s) == pytest.approx(-math.expm1(-s * least) + s * tail, rel=1e-10)


def test_a_pareto_law_has_the_moments_below_its_index() -> None:
    assert [moment("pareto", 1.5, n) for n in (1, 2, 3)] == [1.0, math.inf, math.inf]
    assert moment("pareto", 2.5, 2) == pytest.approx(2.5 * 0.6**2 / 0.5) and moment("pareto", 2.5, 3) == math.inf
    assert scv("pareto", 2.5) == pytest.approx(1 / (2.5 * 0.5)) and scv("pareto", 2.0) == math.inf


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"law name = beta: must be one of .* lognormal"):
        scv("beta", 1.0)
    with pytest.raises(ValueError, match=r"pareto parameter \(index\) = 1.0: must be a number > 1"):
        scv("pareto", 1.0)
    with pytest.raises(ValueError, match=r"weibull parameter \(shape\) = 0"):
        scv("weibull", 0)
    with pytest.raises(ValueError, match=r"gamma parameter \(scv\) = -1"):
        scv("gamma", -1)
    with pytest.raises(ValueError, match=r"empirical parameter = .*: must be finite numbers, zero or positive"):
        scv("empirical", (1.0, -1.0))
    with pytest.raises(ValueError, match=r"empirical parameter = \(0.0, 0.0\): must be .* not all 0"):
        scv("empirical", (0.0, 0.0))
    for parameter, words in (
        (None, "initial, generator"),
        (((1.0,), ((-1.0, 0.0),)), "initial, generator"),
        (((0.5,), ((-1.0,),)), "probabilities and rates"),
        (((1.0, 0.0), ((-1.0, 2.0), (0.0, -1.0))), "sub-generator"),
        (((1.0, 0.0), ((-1.0, 1.0), (1.0, -1.0))), "sub-generator"),
    ):
        with pytest.raises(ValueError, match=rf"phase-type parameter = .* must be .*{words}"):
            scv("phase-type", parameter)
    with pytest.raises(ValueError, match=r"exponential parameter = 2"):
        moment("exponential", 2, 1)
    with pytest.raises(ValueError, match=r"erlang parameter \(shape\) = 2.5"):
        laplace("erlang", 2.5)
    with pytest.raises(ValueError, match=r"hyperexponential parameter \(scv\) = 1.0: must be a number > 1"):
        scv("hyperexponential", 1.0)
    with pytest.raises(ValueError, match=r"lognormal parameter \(scv\) = None"):
        scv("lognormal", None)
    with pytest.raises(ValueError, match=r"order = 4"):
        moment("exponential", None, 4)
    with pytest.raises(ValueError, match=r"s = -1"):
        laplace("exponential", None)(-1)


@pytest.mark.parametrize("law", [*LAWS, ("pareto", 1.5)])
def test_stopped_means_have_the_transform_of_the_law(law: Law) -> None:
    """int_0^inf s exp(-s x) E min(X, x) dx = E[1 - exp(-s X)] / s, by Simpson's rule between the kinks."""
    stopped, kinks = stopped_mean(*law)
    s, last = 0.7, 60.0
    total = 0.0
    for a, b in zip([0.0, *kinks], [*kinks, last], strict=True):
        x = a + (b - a) * np.linspace(0, 1, 20_001) ** 3  # dense where a slope is steep
        middle = (x[:-1] + x[1:]) / 2
        f, g = (s * np.exp(-s * y) * stopped(y) for y in (x, middle))
        total += float(np.sum(np.diff(x) * (f[:-1] + 4 * g + f[1:]) / 6))
    assert total == pytest.approx(laplace_complement(*law)(s) / s, rel=1e-7)
    ends = stopped(np.array([0.0, 1e-9, 1e12]))
    atom = law[1].count(0.0) / len(law[1]) if law[0] == "empirical" else 0.0
    assert ends[0] == 0 and 0.95e-9 < ends[1] / (1 - atom) < 1e-9 * (1 + 1e-6)
    assert ends[2] == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("law", [*LAWS, ("pareto", 1.5)])
def test_tails_are_slopes_of_stopped_means(law: Law) -> None:
    """E min(X, x) = int_0^x P(X > u) du, by central differences off the kinks; from the right at them."""
    above, (stopped, kinks) = tail(*law), stopped_mean(*law)
    x = np.array([y for y in (0.013, 0.2, 0.7, 1.1, 2.3, 6.0) if all(abs(y - k) > 1e-3 for k in kinks)])
    slope = (stopped(x + 1e-5) - stopped(x - 1e-5)) / 2e-5
    assert above(x) == pytest.approx(slope, abs=2e-8)
    atoms = np.array([k for k in kinks if law[0] != "pareto"])
    assert above(atoms) == pytest.approx((stopped(atoms + 1e-6) - stopped(atoms)) / 1e-6, abs=1e-8)
    assert above(np.zeros(1))[0] == pytest.approx(0.5 if law[1] == (0.0, 3.0, 0.0, 1.0) else 1.0)


@pytest.mark.parametrize("law", LAWS)
def test_phases_have_the_transform_of_the_law(law: Law) -> None:
    """b (sI - T)^-1 (-T) 1."""
    known = phases(*law)
    assert (known is not None) == (law[0] in ("exponential", "erlang", "hyperexponential", "phase-type"))
    if known is not None:
        initial, generator = known
        for s in (0.0, 0.3, 4.0):
            found = initial @ np.linalg.solve(s * np.eye(len(initial)) - generator, -generator.sum(axis=1))
            assert found == pytest.approx(laplace(*law)(s), rel=1e-12)
    assert phases("erlang", 33) is None
