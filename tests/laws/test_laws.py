"""The laws of interarrival times and sizes: what they sample, how they are written, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg, special, stats

import jaxq
from jaxq.analytic.distributions import transforms as exact_laws
from jaxq.laws.standard import LAWS, parse_law

COX = "phase-type:0.5,0.3,0.2;-1,0.4,0.3;0,-3,2.5;0,0,-2"
COUNT = 2**20
KS = 2.5
"""Kolmogorov-Smirnov: largest difference of the distribution functions x sqrt(COUNT). One false alarm in 130,000; a
distribution function that is off by 0.005 anywhere shows."""
K = 4.5


def draw(law):
    words = np.random.default_rng(11).integers(0, 2**32, (law.words, COUNT), np.uint32)
    sample = jax.jit(jax.vmap(lambda *w: law.sample(w), axis_size=COUNT))
    return np.asarray(sample(*map(jnp.asarray, words)), np.float64)


def gamma(scv):
    return lambda x: special.gammainc(1 / scv, x / scv)


def weibull(shape):
    return lambda x: -np.expm1(-((x * special.gamma(1 + 1 / shape)) ** shape))


def pareto(index):
    return lambda x: 1 - np.minimum(1.0, (1 - 1 / index) / x) ** index


def lognormal(scv):
    variance = np.log1p(scv)
    return lambda x: special.ndtr((np.log(x) + variance / 2) / np.sqrt(variance))


def phase_type(text):
    initial, generator = map(np.array, parse_law(text).parameter())
    rates, vectors = np.linalg.eig(generator)
    ends = np.linalg.solve(vectors, np.ones(len(initial)))
    mean = initial @ np.linalg.solve(-generator, np.ones(len(initial)))
    return lambda x: 1 - ((initial @ vectors) * np.exp(np.outer(x * mean, rates))) @ ends


def empirical(*values):
    scaled = np.sort(values) / np.mean(values)
    return lambda x: np.searchsorted(scaled * (1 - 1e-6), x, side="right") / len(scaled)


SAMPLED = {
    "exponential": gamma(1),
    "erlang:3": gamma(1 / 3),
    "lognormal:0.5": lognormal(0.5),
    "gamma:0.001": gamma(0.001),
    "gamma:0.4": gamma(0.4),
    "gamma:4": gamma(4),
    "weibull:0.5": weibull(0.5),
    "weibull:3": weibull(3),
    "pareto:1.4": pareto(1.4),
    "pareto:9": pareto(9),
    COX: phase_type(COX),
    "empirical:3,1,1,7.5": empirical(3, 1, 1, 7.5),
    "empirical:0,4,0,0,1": empirical(0, 4, 0, 0, 1),
}


@pytest.mark.parametrize("text", SAMPLED)
def test_samples_have_the_distribution_function_and_the_moments(text):
    law = parse_law(text)
    x = np.sort(draw(law))
    assert x[0] >= 0 and np.isfinite(x[-1])
    # at 4000 of the sample's own quantiles, the empirical distribution function being right-continuous
    at = np.unique(x[:: COUNT // 4000])
    difference = np.searchsorted(x, at, side="right") / COUNT - SAMPLED[text](at)
    assert np.max(np.abs(difference)) * np.sqrt(COUNT) < KS
    for order in (1, 2, 3):
        exact = exact_laws.moment(*law.key(), order)
        error = np.std(x**order) / np.sqrt(COUNT)
        # a sample whose own error is not small against the moment says nothing (pareto:1.4 beyond its mean)
        if np.isfinite(exact) and error < 0.03 * exact and text != "pareto:1.4":
            assert abs(np.mean(x**order) - exact) < K * error + 2e-6 * exact
        else:
            assert text in ("pareto:1.4", "weibull:0.5")


def test_tails_reach_beyond_one_word():
    """What 2**-20 of the variates exceed, from words that lie there; one word ends at 2**-33."""
    low = jnp.arange(2**12, dtype=jnp.uint32)
    second = jnp.asarray(np.random.default_rng(5).integers(0, 2**32, 2**12, np.uint32))
    e = np.asarray(jax.vmap(lambda *w: parse_law("weibull:1").sample(w))(low, second), np.float64)
    assert np.mean(e - 16 * np.log(2)) == pytest.approx(1, abs=0.07)
    least = jax.vmap(lambda *w: parse_law("pareto:2").sample(w))(jnp.uint32([0]), jnp.uint32([0]))
    assert float(least[0]) == pytest.approx(0.5 * 2 ** (49 / 2), rel=1e-4)


@pytest.mark.parametrize("scv", [0.5, 30, 1000, 1e5])
def test_lognormal_values_are_quantiles_to_the_end_of_two_words(scv):
    """Of a second moment, values cut at z leave out P(Z > z - 2 s): .4 %, 2 % and 14 % at scv 30, 100 and 1000 if one word
    ended at 6.34, and under 1 % at 1e5 with two."""
    first = np.array([0, 0, 0, 1, 2, 1000, 2**30, 2**31 - 1], np.uint32)
    second = np.array([0, 2**10, 2**31, 7, 0, 9, 0, 0], np.uint32)
    u = (first * 2.0**32 + second + 0.5) / 2.0**64
    s = np.sqrt(np.log1p(scv))
    law = parse_law(f"lognormal:{scv}")
    for half, z in ((0, special.ndtri(u)), (2**31, -special.ndtri(u))):
        x = jax.jit(jax.vmap(lambda *w: law.sample(w)))(first + np.uint32(half), second)
        np.testing.assert_allclose(np.asarray(x, np.float64), np.exp(s * z - s**2 / 2), rtol=5e-4)
    assert special.ndtr(2 * s + special.ndtri(u[0])) < 0.01


@pytest.mark.parametrize("scv", [4, 1e4, 1e6, 1e7])
def test_the_long_phase_is_as_likely_as_it_should_be(scv):
    """1 - p = (1 - sqrt((c - 1)/(c + 1)))/2 by bisection of the first word, in float64 against it."""
    law = parse_law(f"hyperexponential:{scv}")
    sample = jax.jit(lambda word: law.sample((word, jnp.uint32(2**31))))
    short = float(sample(jnp.uint32(2**32 - 1)))
    low, high = 0, 2**32 - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if float(sample(jnp.uint32(middle))) == short else (middle + 1, high)
    likely = 1 / ((scv + 1) * (1 + np.sqrt((scv - 1) / (scv + 1))))
    assert low / 2**32 == pytest.approx(likely, rel=0.005)
    means = [float(sample(jnp.uint32(word))) / np.log(2) for word in (0, 2**32 - 1)]
    assert likely * means[0] == pytest.approx(0.5, rel=0.001) and (1 - likely) * means[1] == pytest.approx(
        0.5, rel=0.001
    )


def test_small_gamma_variates_do_not_vanish_in_rounding():
    """Shape 1/5: a tenth of the variates is under 1e-5; the median is that of scipy."""
    x = draw(parse_law("gamma:5"))
    assert np.median(x) == pytest.approx(special.gammaincinv(0.2, 0.5) * 5, rel=0.03)
    assert np.all(x > 0)


TEXTS = ["gamma:0.5", "weibull:0.7", "pareto:1.5", "phase-type:0.5,0.5;-1,0.5;0,-2", "empirical:0.3,1.25,9"]


@pytest.mark.parametrize("text", [*TEXTS, "erlang:3", "gamma:0.1234567890123", "exponential", COX])
def test_text_and_key_round_trip(text):
    law = parse_law(text)
    assert str(law) == text and parse_law(str(law)) == law
    name, parameter = law.key()
    assert name == law.name and exact_laws.moment(name, parameter, 1) == 1.0
    assert set(LAWS) == set(exact_laws.NAMES)


def test_python_takes_arrays():
    law = jaxq.PhaseType(np.array([0.5, 0.5]), np.array([[-1, 0.5], [0, -2]]))
    assert law == parse_law("phase-type:0.5,0.5;-1,0.5;0,-2") and law.words == 4
    assert jaxq.Empirical(np.array([1, 2])) == parse_law("empirical:1,2")
    assert [parse_law(x).words for x in TEXTS] == [10, 2, 2, 4, 1]


def test_observed_values_from_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "waits.txt").write_text("# seconds\n1.5\n2\n0.5  # short\n\n4\n")
    law = parse_law("empirical:waits.txt")
    assert law.key() == ("empirical", (1.5, 2.0, 0.5, 4.0)) and str(law) == "empirical:waits.txt"
    assert jaxq.MG1(0.5, 1.0, "empirical:waits.txt").service_law == law
    assert np.allclose(np.unique(draw(law)), np.array([0.5, 1.5, 2, 4]) / 2)
    assert law.mean == 2.0 and law.rate == 0.5
    (tmp_path / "words.txt").write_text("1\ntwo\n3\n")
    with pytest.raises(ValueError, match=r"law = empirical:words.txt: line 2 has two: must be a finite number"):
        parse_law("empirical:words.txt")
    (tmp_path / "negative.csv").write_text("id,wait\n1,0\n2,-0.5\n")
    with pytest.raises(ValueError, match=r"law = empirical:negative.csv#wait: line 3 has -0.5: must be >= 0"):
        parse_law("empirical:negative.csv#wait")


def test_columns_are_never_pooled(tmp_path, monkeypatch):
    """They were: 1000 values of mean 3.95 from 500 rows whose services have mean 3.41."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text("gap,service\n5,1\n0,2\n4,6\n")
    with pytest.raises(ValueError, match=r"the file has the columns gap, service: must be FILE#COLUMN"):
        parse_law("empirical:bank.csv")
    law = parse_law("empirical:bank.csv#service")
    assert law.key() == ("empirical", (1.0, 2.0, 6.0)) and str(law) == "empirical:bank.csv#service"
    assert parse_law(str(law)) == law and parse_law("empirical:bank.csv#1").parameter() == (5.0, 0.0, 4.0)


def test_more_values_than_half_a_word_tells_apart():
    """Every one of them is drawn as often as any other: by index, from words that lie in its part of 2**32."""
    count = 3 * 2**16 + 1
    law = jaxq.Empirical(np.arange(count))
    at = np.array([0, 1, 65535, 65536, 2**17, count - 2, count - 1])
    first = -(-at * 2**32 // count)  # the least word w with w count / 2**32 >= the index
    last = -(-(at + 1) * 2**32 // count) - 1
    for words in (first, last):
        drawn = np.asarray(jax.vmap(lambda w: law.sample((w,)))(jnp.asarray(words.astype(np.uint32))), np.float64)
        np.testing.assert_allclose(drawn * law.mean, at, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gamma:0", "gamma scv = 0.0: must be a number > 0"),
        ("gamma", "law = gamma: must be gamma:SCV"),
        ("weibull:0.1", "weibull shape = 0.1: must be a number >= 0.2"),
        ("pareto:1", "pareto index = 1.0: must be a number >= 1.2"),
        ("pareto:1.1", "pareto index = 1.1: must be a number >= 1.2"),
        ("hyperexponential:1e8", "hyperexponential scv = 100000000.0: must be a number > 1 and <= 1e+07"),
        ("lognormal:1e6", "lognormal scv = 1000000.0: must be a number > 0 and <= 100000"),
        ("gamma:1e7", "gamma scv = 10000000.0: must be a number > 0 and <= 1e+06"),
        ("phase-type:1e-9,0.999999999;-1,0.5;0,-2", "phase-type initial = (1e-09, 0.999999999): an event has the prob"),
        ("phase-type:1,0;-1,1e-9;0,-2", "phase-type generator = ((-1.0, 1e-09), (0.0, -2.0)): an event has the prob"),
        ("pareto:x", "pareto index = x: must be a number >= 1.2"),
        ("phase-type", "law = phase-type: must be phase-type:INITIAL;ROW;ROW"),
        ("phase-type:1;a", "law = phase-type:1;a: must be phase-type:INITIAL;ROW;ROW, numbers"),
        ("phase-type:1,0;-1", "with 2 rows of 2 rates"),
        ("phase-type:0.5;-1", "initial = (0.5,): must be probabilities that sum to 1"),
        ("phase-type:1;1", "must be < 0 on the diagonal"),
        ("phase-type:1,0;-1,2;0,-1", "must have row sums <= 0"),
        ("phase-type:1,0;-1,1;0.5,-1", "must be upper triangular (no phase comes twice"),
        ("empirical:1,-2", "empirical values = -2: must be numbers >= 0"),
        ("empirical:1,nan", "empirical values = nan: must be numbers >= 0"),
        ("empirical:0,0", "empirical values = 2 of them, of mean 0: must have a finite mean > 0"),
        (
            "empirical:none.txt",
            "law = empirical:none.txt: must be empirical:FILE[#COLUMN] or empirical:NUMBER,NUMBER (No such",
        ),
        ("empirical", "law = empirical: must be empirical:FILE"),
        ("beta:2", "law = beta:2: must be exponential, deterministic, erlang:PHASES"),
        ("gamma:", "law = gamma:: must be exponential"),
    ],
)
def test_bad_laws_name_the_field_the_value_and_the_rule(text, words):
    with pytest.raises(ValueError) as error:
        jaxq.MG1(0.5, 1.0, text)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_bad_arrays():
    with pytest.raises(ValueError, match=r"empirical values = 0 of them: must be 1 to 16777216"):
        jaxq.Empirical([])
    with pytest.raises(ValueError, match=r"empirical values = 16777217 of them: must be 1 to 16777216"):
        jaxq.Empirical(np.ones(2**24 + 1))
    with pytest.raises(ValueError, match=r"must be 1 to 32 probabilities"):
        jaxq.PhaseType(np.eye(33)[0], -np.eye(33))
    with pytest.raises(ValueError, match=r"phase-type = hello: must be numbers"):
        jaxq.PhaseType("hello", [[-1.0]])
    with pytest.raises(ValueError, match=r"generator = .*: must have 1 rows of 1 rates"):
        jaxq.PhaseType([1.0], [[-1.0, 0.0]])


@pytest.mark.parametrize(("law", "scv"), [("exponential", 1.0), ("erlang:3", 1 / 3), ("hyperexponential:4", 4.0)])
def test_densities(law, scv):
    """They integrate to 1, to the mean and to the second moment."""
    x = np.linspace(1e-6, 120.0, 600_001)
    density = np.asarray(parse_law(law).density(x.astype(np.float32)), np.float64)
    for power, moment in ((0, 1.0), (1, 1.0), (2, 1 + scv)):
        assert np.trapezoid(density * x**power, x) == pytest.approx(moment, rel=1e-4)


SCIPY = {
    "lognormal": lambda scv: stats.lognorm(np.sqrt(np.log1p(scv)), scale=1 / np.sqrt(1 + scv)),
    "gamma": lambda scv: stats.gamma(1 / scv, scale=scv),
    "weibull": lambda shape: stats.weibull_min(shape, scale=1 / special.gamma(1 + 1 / shape)),
    "pareto": lambda index: stats.pareto(index, scale=(index - 1) / index),
}


@pytest.mark.parametrize(("name", "most"), [("lognormal", 400.0), ("gamma", 1.0), ("weibull", 40.0), ("pareto", 9.0)])
def test_densities_beside_those_of_scipy(name, most):
    for parameter in np.geomspace({"weibull": 1.0, "pareto": 1.2}.get(name, 0.001), most, 9):
        law, known = parse_law(f"{name}:{float(parameter)!r}"), SCIPY[name](parameter)
        x = known.ppf(np.linspace(0.001, 0.999, 200)).astype(np.float32)
        np.testing.assert_allclose(law.density(x), known.pdf(x.astype(np.float64)), rtol=2e-4)
        assert law.dense and np.isfinite(law.density(np.float32(0)))


PHASES = {
    "exponential": ([1.0], [[-3.0]]),
    "hyperexponential": ([0.9, 0.1], [[-2.0, 0.0], [0.0, -0.1]]),
    "Coxian": ([0.5, 0.5], [[-1.0, 0.5], [0.0, -2.0]]),
    "Erlang, 8 phases": (np.eye(8)[0], -np.eye(8) + np.eye(8, k=1)),
    "equal rates that are not next to each other": (
        [0.6, 0.4, 0.0],
        [[-1.0, 0.7, 0.2], [0.0, -4.0, 4.0], [0.0, 0.0, -1.0]],
    ),
}


@pytest.mark.parametrize("case", PHASES)
def test_densities_of_phases_beside_the_exponential_of_the_matrix(case):
    initial, generator = np.array(PHASES[case][0]), np.array(PHASES[case][1])
    law, mean = jaxq.PhaseType(initial, generator), initial @ np.linalg.solve(-generator, np.ones(len(initial)))
    x = np.linspace(0.0, 12.0, 60)
    known = [initial @ linalg.expm(generator * mean * t) @ -generator.sum(axis=1) * mean for t in x]
    np.testing.assert_allclose(law.density(x.astype(np.float32)), known, rtol=1e-4, atol=2e-6 * max(known))
    assert law.dense


def test_a_density_that_float32_would_lose_between_its_terms_is_not_known():
    rates = np.linspace(1.0, 1.01, 4)
    assert not jaxq.PhaseType(np.eye(4)[0], -np.diag(rates) + np.diag(rates[:-1], 1)).dense


@pytest.mark.parametrize("law", ["deterministic", "gamma:2", "weibull:0.5", "empirical:1,2"])
def test_laws_without_a_density_that_is_known_and_bounded(law):
    assert not parse_law(law).dense
