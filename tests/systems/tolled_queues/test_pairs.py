"""Derivatives of one tolled queue by pairs born at the threshold: against the exact laws of M/D/1 and M/M/1 with balking."""

import dataclasses

import numpy as np
import pytest
from scipy import integrate, stats

import jaxq
from jaxq.engine import gradient as module
from jaxq.engine.planned import plan_of
from jaxq.laws.standard import parse_law
from jaxq.systems.tolled_queues.arrivals import Modulated
from tests.resumption import straight_and_resumed

ONE = jaxq.TolledQueues(0.9, 10.0, 1.0, 1.0, 4.3, mean_sizes=1.0)
FIELDS = "arrival_rates", "rewards", "waiting_costs", "service_rates", "tolls", "mean_sizes"
BY_ALL = "arrival_rates", "service_rates", "tolls"
TWO = jaxq.TolledQueues([0.5, 0.4], [10.0, 6.5], [1.0, 0.8], 1.0, 2.3, mean_sizes=[1.0, 1.0])
KNOWN = {
    "unit sizes": (ONE, BY_ALL, 50),
    "unit sizes by length": (ONE.replace(information="lengths"), BY_ALL[1:], 30),
    "sizes unknown": (ONE.replace(size_law=parse_law("exponential"), information="workload-only"), BY_ALL[1:], 50),
    "two classes": (TWO, ("rewards[1]", "service_rates"), 30),
}


@pytest.mark.parametrize("case", KNOWN)
def test_beside_the_exact_law(case):
    system, paths, least = KNOWN[case]
    found = jaxq.gradient(system, None, paths, events=12_000, warmup=3000, replicas=512, seed=1)
    assert found.run["gradient"]["method"] == "coupling" and found.flags == ()
    slopes = [found[name, path] for name in found.means for path in paths]
    known = [slope for slope in slopes if slope.oracle is not None]
    assert len(known) >= 7 * len(paths) and all(slope.z is None or abs(slope.z) < 4.5 for slope in known)
    revenue = found["revenue", paths[-1]]
    assert revenue.half_width < abs(revenue.oracle) / least, "no power"


def of_mm1(arrival_rates, rewards, waiting_costs, service_rates, tolls, mean_sizes):
    """Means of M/M/1 whose customers join while the work that they find and their own is at most K.

    Crossings of level x balance: mu f(x) = lambda (e^{-x/s} - e^{-K/s}) A(x), A(x) = E[e^{W/s}; W <= x], a linear equation.
    """
    s, most = mean_sizes, (rewards - tolls) * service_rates / waiting_costs
    rho = arrival_rates / service_rates

    def density(x):
        below = np.exp(rho * (x - s * (np.exp((x - most) / s) - np.exp(-most / s))))
        return rho * (np.exp(-x / s) - np.exp(-most / s)) * below

    def mean(of):
        return (of(0.0) + integrate.quad(lambda x: density(x) * of(x), 0, most, epsabs=1e-13, epsrel=1e-12)[0]) / total

    total = 1.0
    total = mean(lambda x: 1.0)

    def stay(x):
        """E[x + S; S <= K - x]."""
        room = most - x
        return x * -np.expm1(-room / s) + s - (room + s) * np.exp(-room / s)

    joins, stays = mean(lambda x: -np.expm1((x - most) / s)), mean(stay) / service_rates
    return {
        "revenue": tolls * arrival_rates * joins,
        "throughput": arrival_rates * joins,
        "welfare": arrival_rates * (rewards * joins - waiting_costs * stays),
        "number_in_system": arrival_rates * stays,
        "sojourn_time": stays / joins,
        "utilisation_1": 1 - 1 / total,
        "workload": mean(lambda x: x),
    }


def exact_slopes(system, path):
    """Derivatives of `of_mm1` at a system, by a difference of fourth order."""
    fields = {name: float(np.ravel(getattr(system, name))[0]) for name in FIELDS}
    h = 1e-3 * fields[path]
    far, near, below, under = (of_mm1(**{**fields, path: fields[path] + k * h}) for k in (2, 1, -1, -2))
    return {name: (8 * (near[name] - below[name]) - (far[name] - under[name])) / (12 * h) for name in near}


RUNS, REPLICAS = 192, 64
BY = "tolls", "service_rates", "arrival_rates"


@pytest.fixture(scope="module")
def mm1():
    """A system, and a run of it whose replicas are many small runs too."""
    system = ONE.replace(size_law=parse_law("exponential"))
    return system, jaxq.gradient(system, None, BY, events=3000, warmup=1000, replicas=RUNS * REPLICAS, seed=3)


@pytest.mark.parametrize("path", ["tolls", "arrival_rates"])
def test_mm1_of_known_work(path, mm1):
    system, found = mm1
    assert found.run["gradient"]["method"] == "coupling"
    for name, value in exact_slopes(system, path).items():
        slope = found[name, path]
        assert abs(slope.mean - value) < 4 * slope.standard_error, f"{name} by {path}"
        assert slope.half_width < max(0.02 * abs(value), 0.002), "no power"


@pytest.mark.parametrize("path", ["tolls", "service_rates"])
def test_z_over_many_small_runs(path, mm1):
    """Groups of the replicas of one run, which are independent."""
    system, found = mm1
    exact = exact_slopes(system, path)
    for name in ("revenue", "sojourn_time"):
        slope = found.result.estimates[f"{name}/{path}"]
        sums = (slope.value + slope.residuals).reshape(RUNS, REPLICAS)
        z = (sums.mean(axis=1) - exact[name]) / (sums.std(axis=1, ddof=1) / REPLICAS**0.5)
        assert abs(z.mean()) < 0.3 and 0.7 < z.var(ddof=1) < 1.4, f"{name} by {path}"


def of_mg1(law, toll, points=3000):
    """Throughput and mean work of M/G/1 with sizes of a law of `scipy.stats` that join while all work is at most K.

    Crossings of level x balance: f(x) = lambda (P0 (G(x) - G(K)) + int_0^x (G(x - w) - G(K - w)) f(w) dw), G = 1 - F: by the
    trapezoidal rule on a grid, and extrapolated from half of it.
    """

    def on(points):
        rate, most = 0.9, 10.0 - toll
        x, h = np.linspace(0.0, most, points + 1, retstep=True)
        beyond = law.sf(x)
        f = np.empty(points + 1)
        f[0] = rate * (beyond[0] - beyond[-1])
        for i in range(1, points + 1):
            kernel = beyond[i::-1] - beyond[: points - i - 1 if i < points else None : -1]
            inner = h * (kernel[1:i] @ f[1:i] + kernel[0] * f[0] / 2)
            f[i] = rate * (beyond[i] - beyond[-1] + inner) / (1 - rate * h * kernel[-1] / 2)
        total = 1 + integrate.trapezoid(f, x)
        joins = (law.cdf(most) + integrate.trapezoid(f * law.cdf(most - x), x)) / total
        return np.array([rate * joins, integrate.trapezoid(f * x, x) / total])

    return dict(zip(("throughput", "workload"), (4 * on(points) - on(points // 2)) / 3, strict=True))


class Mixture:
    """The law of a Coxian start in either phase, of unit mean: a mixture of two exponentials."""

    def sf(self, x):
        return 0.75 * np.exp(-0.875 * x) + 0.25 * np.exp(-1.75 * x)

    def cdf(self, x):
        return 1 - self.sf(x)


SIZES = {
    "lognormal:2": stats.lognorm(np.sqrt(np.log(3.0)), scale=3**-0.5),
    "phase-type:0.5,0.5;-1,0.5;0,-2": Mixture(),
}


def test_the_grid_is_fine_enough():
    exact = of_mm1(0.9, 10.0, 1.0, 1.0, 4.3, 1.0)
    assert of_mg1(stats.expon(), 4.3) == pytest.approx(
        {name: exact[name] for name in ("throughput", "workload")}, rel=1e-5
    )


@pytest.mark.parametrize("law", SIZES)
def test_mg1_of_known_work(law):
    system, toll, h = ONE.replace(size_law=parse_law(law)), 4.3, 0.05
    found = jaxq.gradient(system, None, "tolls", events=12_000, warmup=3000, seed=2, method="coupling")
    ends = [of_mg1(SIZES[law], toll + step) for step in (h, -h)]
    for name in ("throughput", "workload"):
        slope, value = found[name, "tolls"], (ends[0][name] - ends[1][name]) / (2 * h)
        assert found[name].mean == pytest.approx((ends[0][name] + ends[1][name]) / 2, rel=0.01)
        assert abs(slope.mean - value) < 3.5 * slope.standard_error + 0.003 * abs(value)
        assert slope.half_width < 0.02 * abs(value), "no power"


def test_sizes_of_a_density_and_any_arrivals():
    """No exact law is known: beside differences, which share nothing with pairs but the customers."""
    system = jaxq.TolledQueues(
        [0.3, 0.4],
        [10.0, 7.0],
        [1.0, 1.5],
        tolls=3.0,
        mean_sizes=[1.0, 1.4],
        size_law=parse_law("erlang:2"),
        arrivals=Modulated([2.0, 0.5], [[-0.1, 0.1], [0.3, -0.3]]),
    )
    same = {"events": 20_000, "warmup": 5000, "replicas": 512, "seed": 4}
    pairs, differences = (
        jaxq.gradient(system, None, "service_rates", method=method, **same)
        for method in ("coupling", "finite-difference")
    )
    for name in ("revenue", "sojourn_time", "join_2", "workload"):
        one, other = pairs[name, "service_rates"], differences[name, "service_rates"]
        assert abs(one.mean - other.mean) < 4 * np.hypot(one.standard_error, other.standard_error)
        assert one.half_width < 0.6 * other.half_width < 0.1 * max(abs(other.mean), 0.2)


def test_a_resumed_run_gives_the_same_numbers(tmp_path):
    whole, resumed = straight_and_resumed(ONE, "tolls", 4096, tmp_path)
    assert resumed.run["events_per_replica"] > 3800
    assert resumed["revenue", "tolls"].mean == pytest.approx(whole["revenue", "tolls"].mean, abs=0.02)


VISIBLE = ONE.replace(size_law=parse_law("exponential"))
REFUSED = {
    "two servers": (ONE.replace(service_rates=[0.5, 0.5], tolls=[4.0, 4.2]), "tolls[0]", "has several servers"),
    "arrivals": (
        ONE.replace(arrivals=Modulated([2.0, 0.5], [[-0.1, 0.1], [0.3, -0.3]])),
        "tolls",
        "has arrivals by modulated.*, whose gaps have no density",
    ),
    "sizes": (ONE.replace(size_law=parse_law("gamma:2")), "tolls", "has sizes by gamma:2, whose density"),
    "law": (ONE.replace(size_law=parse_law("hyperexponential:4")), "size_law.scv", "has a law that the parameter"),
    "classes": (
        jaxq.TolledQueues([0.5, 0.4], [10.0, 6.5], [1.0, 0.8], 1.0, 2.3),
        "arrival_rates[0]",
        "has several classes, and the parameter moves of which one",
    ),
    "empty": (ONE.replace(tolls=9.0), "tolls", "has customers who are indifferent to an empty server"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_left_to_differences(case):
    system, path, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=f"method = coupling: tolled-queues: {sentence}.*; must be finite-difference"):
        plan_of(module.gradient)(system, None, path, method="coupling")
    question = plan_of(module.gradient)(system, None, path)
    assert question.method == "finite-difference" and "coupling: tolled-queues" in question.reason


def test_numbers_visible_are_refused_where_the_toll_moves_them():
    """Of customers who see lengths the most that they accept is a whole number."""
    lengths = VISIBLE.replace(information="lengths", tolls=4.0)
    with pytest.raises(ValueError, match="parameter = tolls: Lengths jumps at 4 .a whole number in disguise"):
        plan_of(module.gradient)(lengths, None, "tolls", method="coupling")


def test_other_parameters_of_the_same_program():
    """What tuning does between two steps."""
    half = plan_of(module.gradient)(ONE, None, "tolls", method="coupling").planned.points[0].stepped
    system = ONE.replace(tolls=5.0)
    moved = half.at(system.process(), [module.tangents(module.parameter(system, "tolls"))])
    assert moved.process.thresholds == 5.0 and dataclasses.replace(moved, path=half.path) == half
