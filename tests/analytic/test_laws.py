import math

import pytest

from jaxq.analytic.laws import Law, laplace, laplace_complement, moment, scv

LAWS: list[Law] = [
    ("exponential", None),
    ("deterministic", None),
    ("erlang", 1),
    ("erlang", 4),
    ("hyperexponential", 1.5),
    ("hyperexponential", 20.0),
    ("lognormal", 0.25),
    ("lognormal", 3.0),
]


@pytest.mark.parametrize("law", LAWS)
def test_moments_are_consistent(law: Law) -> None:
    assert moment(*law, 1) == pytest.approx(1.0, rel=1e-14)
    assert moment(*law, 2) == pytest.approx(1 + scv(*law), rel=1e-14)
    # Cauchy-Schwarz: E[X^2]^2 <= E[X] E[X^3].
    assert moment(*law, 3) >= moment(*law, 2) ** 2 * (1 - 1e-14)


FOURTH_MOMENTS = [24, 1, 24, 1.25 * 1.5 * 1.75, 150, 1.1e5, 1.25**6, 4.0**6]


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


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"law name = 'weibull' .* lognormal"):
        scv("weibull", 1.0)
    with pytest.raises(ValueError, match=r"exponential parameter = 2"):
        moment("exponential", 2, 1)
    with pytest.raises(ValueError, match=r"erlang parameter \(shape\) = 2.5"):
        laplace("erlang", 2.5)
    with pytest.raises(ValueError, match=r"hyperexponential parameter \(scv\) = 1.0 .* above 1"):
        scv("hyperexponential", 1.0)
    with pytest.raises(ValueError, match=r"lognormal parameter \(scv\) = None"):
        scv("lognormal", None)
    with pytest.raises(ValueError, match=r"order = 4"):
        moment("exponential", None, 4)
    with pytest.raises(ValueError, match=r"s = -1"):
        laplace("exponential", None)(-1)
