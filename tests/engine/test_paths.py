import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse, stats
from scipy.sparse.linalg import expm_multiply

import jaxq
from jaxq.engine.exact import exact
from jaxq.engine.paths import paths
from jaxq.stats.intervals import family_bound, t_quantile
from tests.own_systems import Station

SHARE = 0.04
"""Half-widths must be under this share of the largest mean, or the comparison has no power."""
LEVEL = 0.9999
"""Family-wise level of a whole curve: a correct program fails one seed in 10,000, and the seeds are fixed."""


def check_means(result, name, wanted):
    """Power, then the whole curve within its simultaneous interval; exact where the law is degenerate."""
    mean, half_width = result.mean[name], result.half_width[name]
    assert half_width.max() < SHARE * wanted.max()
    spread = half_width / half_width_quantile(result)
    fixed = spread == 0
    np.testing.assert_allclose(mean[fixed], wanted[fixed], atol=1e-3)
    z = (mean - wanted)[~fixed] / spread[~fixed]
    assert np.abs(z).max() < family_bound(z.size, LEVEL), z
    return z


def half_width_quantile(result):
    return t_quantile((1 + result.level) / 2, result.run["replicas"] - 1)


def kolmogorov(rates, values, times):
    """E f(X_t) from every state, shape (times, states): the backward equations by the exponential of the generator."""
    generator = sparse.csr_array(rates - np.diag(rates.sum(axis=1)))
    return np.array([expm_multiply(generator * t, values * 1.0, traceA=t * generator.trace()) for t in times])


class Gaps(jaxq.System):
    """A long first gap, then events at a constant distance: the weight is the clock."""

    first: float = jaxq.positive("first gap, time")
    gap: float = jaxq.positive("later gaps, time")

    def init(self, words):
        return 0

    def next_event(self, state, words):
        return 0, jnp.where(state == 0, self.first, self.gap)

    def update(self, state, event):
        return state + 1

    def observe(self, state):
        return {"count": state}


class Pure(jaxq.JumpProcess):
    """A pure death process that is absorbed at 0, started from a random size; it may call itself overflown."""

    rate: float = jaxq.nonnegative("death rate, 1/time")
    limit: int = jaxq.whole("size above which the state is out of range", default=100)

    def init(self, words):
        return (words[0] >> 30).astype(jnp.int32)

    def rates(self, state):
        return (self.rate * state,)

    def jump(self, state, k):
        return state - 1

    def observe(self, state):
        return {"zulu": state, "alive": state > 0}

    def overflow(self, state):
        return state >= self.limit


def test_infinitely_many_servers():
    """From empty, n(t) is Poisson with mean rho (1 - exp(-mu t)) (Takacs); 60 servers are never all busy here."""
    times = np.linspace(0, 4, 17)
    result = paths(jaxq.MMc(arrival_rate=20, service_rate=2, servers=60), times, replicas=4096, seed=1, devices=1)
    check_means(result, "number_in_system", 10 * (1 - np.exp(-2 * times)))
    assert result.mean["queue_length"].max() == 0 and result.flags == ()
    assert list(result.mean) == ["number_in_system", "queue_length", "all_busy"]


@pytest.mark.parametrize("abandonment_rate", [None, 0.5])
def test_single_server_from_empty(abandonment_rate):
    """Uniformised (no abandonment) and embedded: both clocks against Kolmogorov's equations, from t > 0 on."""
    times = np.array([0.1, 0.5, 1.0, 2.5, 6.0, 15.0])
    levels = np.arange(121)
    rates = np.diag(np.full(120, 0.8), 1)
    rates += np.diag(1.0 + (abandonment_rate or 0.0) * (levels[1:] - 1), -1)
    system = jaxq.MMc(arrival_rate=0.8, abandonment_rate=abandonment_rate)
    result = paths(system, times, replicas=16384, seed=2, devices=1)
    check_means(result, "number_in_system", kolmogorov(rates, levels, times)[:, 0])
    check_means(result, "all_busy", kolmogorov(rates, levels > 0, times)[:, 0])


def test_an_unstable_queue_is_a_transient_question():
    times = np.array([5.0, 40.0])
    rates = np.diag(np.full(250, 2.0), 1) + np.diag(np.ones(250), -1)
    result = paths(jaxq.MMc(arrival_rate=2.0), times, replicas=4096, seed=3, devices=1)
    check_means(result, "number_in_system", kolmogorov(rates, np.arange(251), times)[:, 0])


def test_recursion_by_customer_runs_on_its_own_clock():
    """M/M/1 by Lindley: the wait of the customer at hand, against the queue that the last arrival by t found."""
    times = np.array([0.0, 1.0, 4.0, 12.0])
    # state (number in system now, number found by the last arrival), cut at 24; the first customer comes at 0
    index = {state: i for i, state in enumerate((n, m) for m in range(24) for n in range(m + 2))}
    rates = np.zeros((len(index), len(index)))
    for (n, m), i in index.items():
        if (n + 1, n) in index:
            rates[i, index[n + 1, n]] = 0.5
        if n > 0:
            rates[i, index[n - 1, m]] = 1.0
    wanted = kolmogorov(rates, np.array([m for _, m in index]), times)[:, index[1, 0]]
    result = paths(jaxq.MG1(arrival_rate=0.5), times, replicas=16384, seed=4, devices=1)
    assert list(result.mean) == ["waiting_time", "waited"]
    check_means(result, "waiting_time", wanted)


class Workload(jaxq.JumpProcess):
    """M/D/1 workload: it grows by 1 at an arrival and drifts down at rate 1."""

    arrival_rate: float = jaxq.nonnegative("arrival rate, 1/time")
    initial: float = jaxq.nonnegative("workload at time 0, time", default=0.0)

    def init(self, words):
        return self.initial

    def rates(self, state):
        return (self.arrival_rate,)

    def jump(self, state, k):
        return state + 1.0

    def drift(self, state, elapsed):
        return jnp.maximum(state - elapsed, 0.0)

    def observe(self, state):
        return {"work": state}


def test_a_state_that_drifts_is_seen_where_it_is():
    still = paths(Workload(0.0, 5.0), [1.0, 2.5, 100.0], replicas=2, devices=1)
    np.testing.assert_allclose(still.mean["work"], [4.0, 2.5, 0.0], atol=1e-6)
    # Pollaczek-Khinchine: lambda E S^2 / (2 (1 - rho)) = .5 once the start is forgotten
    result = paths(Workload(0.5), [0.0, 60.0, 61.0], replicas=16384, seed=6, devices=1)
    check_means(result, "work", np.array([0.0, 0.5, 0.5]))
    with pytest.raises(ValueError, match="its state drifts between jumps"):
        exact(Workload(0.5))


def test_the_clock_keeps_its_precision_far_from_zero():
    late = 2.0**20
    times = late + np.arange(1, 21) * 0.105
    result = paths(Gaps(late, 0.01), times, replicas=2, devices=1)
    wanted = 1 + np.floor((times - late) / np.float64(np.float32(0.01)))
    assert np.abs(result.mean["count"] - wanted).max() <= 1


def test_one_long_interval_does_not_swallow_small_steps():
    """At 2**15 a float32 holds .01 as .0098: the count would be 2 % off."""
    result = paths(Gaps(0.01, 0.01), [2.0**15, 2.0**15 + 1], replicas=2, devices=1)
    wanted = np.floor(result.times / np.float64(np.float32(0.01)))
    assert np.abs(result.mean["count"] - wanted).max() <= 1
    assert result.flags == ()


def test_absorbed_replicas_wait_for_ever():
    times = [0.0, 0.5, 1e9]
    result = paths(Pure(1.0), times, replicas=4096, seed=5, devices=1)
    check_means(result, "zulu", 1.5 * np.exp(-np.array(times)))
    assert result.mean["zulu"][-1] == 0 and result.flags == ()
    assert paths(Pure(0.0), times, replicas=8, devices=1).run["events"] == 0


def test_replica_is_the_same_path_beside_any_number_of_others():
    system, times = jaxq.MMc(arrival_rate=4, servers=5, abandonment_rate=0.2), np.linspace(0, 30, 61)
    few = paths(system, times, replicas=3, seed=7, keep_paths=3, devices=1)
    many = paths(system, times, replicas=700, seed=7, keep_paths=700, devices=1)
    for name in few.paths:
        assert few.paths[name].shape == (3, 61)
        np.testing.assert_array_equal(few.paths[name], many.paths[name][:3])
    np.testing.assert_allclose(many.mean["number_in_system"], many.paths["number_in_system"].mean(axis=0))
    other = paths(system, times, replicas=3, seed=8, keep_paths=3, devices=1)
    assert not np.array_equal(few.paths["number_in_system"], other.paths["number_in_system"])
    waits = [paths(jaxq.MG1(0.8), times, replicas=n, keep_paths=2, devices=1).paths["waiting_time"] for n in (2, 300)]
    np.testing.assert_array_equal(waits[0], waits[1][:2])


def test_a_finer_grid_follows_the_same_path():
    system = jaxq.MMc(arrival_rate=0.9)
    coarse = paths(system, [10, 20], replicas=200, seed=9, keep_paths=200, devices=1)
    fine = paths(system, np.arange(1, 21), replicas=200, seed=9, keep_paths=200, devices=1)
    same = coarse.paths["number_in_system"] == fine.paths["number_in_system"][:, [9, 19]]
    assert same.mean() > 0.995  # an event within rounding of a grid point may fall on either side


def test_devices_do_not_change_the_paths():
    """`tests/conftest.py` starts two CPU devices; 37 replicas are not a multiple of what they take."""
    system, times = jaxq.MMc(arrival_rate=4, servers=5, abandonment_rate=0.2), np.linspace(0, 10, 11)
    one, two = (paths(system, times, replicas=37, seed=3, keep_paths=37, devices=n) for n in (1, 2))
    assert (len(one.run["devices"]), len(two.run["devices"])) == (1, 2)
    assert two.run["events"] == one.run["events"]
    for name in one.paths:
        np.testing.assert_array_equal(one.paths[name], two.paths[name])
        np.testing.assert_array_equal(one.half_width[name], two.half_width[name])


def test_other_parameters_compile_nothing(caplog):
    def run(rate, servers, seed):
        times = np.arange(1, servers) / rate
        return paths(jaxq.MMc(arrival_rate=rate, servers=servers), times, replicas=2 * servers, seed=seed, devices=1)

    run(1.0, 2, 0)
    with jax.log_compiles():
        run(3.0, 100, 1)
    assert not [record for record in caplog.records if "Compiling" in record.getMessage()]


def test_a_run_that_cannot_finish_is_marked():
    result = paths(jaxq.MMc(arrival_rate=50, servers=100), [0.5, 100.0], replicas=64, max_events=500, devices=1)
    assert result.flags == ("truncated",)
    assert np.isfinite(result.mean["number_in_system"][0]) and math.isnan(result.mean["number_in_system"][1])
    assert result.run["events"] == 64 * 500
    assert result.to_dict()["observables"]["number_in_system"]["mean"][1] is None
    assert "FLAG truncated" in str(result)


def test_overflow_and_nan_are_marked():
    assert paths(Pure(1.0, limit=2), [0.0, 1.0], replicas=64, devices=1).flags == ("overflow",)

    class Lost(Gaps):
        def observe(self, state):
            return {"log": jnp.log(200.0 - state)}  # further than the walk before a run comes

    result = paths(Lost(1.0, 1.0), [0.5, 200.5, 201.5], replicas=4, devices=1)
    assert result.flags == ("nan",)
    np.testing.assert_array_equal(np.isnan(result.mean["log"]), [False, True, True])


def test_written_results(tmp_path):
    result = paths(jaxq.MMc(arrival_rate=1.0, servers=3), [0, 1, 3], replicas=50, keep_paths=2, devices=1)
    for ending in ("json", "csv", "npz"):
        result.save(tmp_path / f"out.{ending}")
    assert len(list(tmp_path.iterdir())) == 3
    data = json.loads((tmp_path / "out.json").read_text())
    assert data == result.to_dict() and data["times"] == [0, 1, 3] and len(data["paths"]["queue_length"]) == 2
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "time,observable,mean,half_width,replicas,level,seed" and len(lines) == 1 + 3 * 3
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["mean/number_in_system"], result.mean["number_in_system"])
        np.testing.assert_array_equal(file["paths/number_in_system"], result.paths["number_in_system"])
    with pytest.raises(ValueError, match=r"must end in \.json, \.csv or \.npz"):
        result.save(tmp_path / "out.txt")


def test_one_replica_has_no_interval():
    result = paths(jaxq.MMc(arrival_rate=1.0), [1.0, 2.0], replicas=1, devices=1)
    assert np.isnan(result.half_width["number_in_system"]).all() and result.flags == ()
    json.dumps(result.to_dict(), allow_nan=False)


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    result = paths(jaxq.MMc(arrival_rate=1.0), [0, 1, 2], replicas=20, keep_paths=4, devices=1)
    figure, ax = plt.subplots()
    assert jaxq.plot(result, ax) is ax
    assert len(ax.lines) == 1 + 4 and len(ax.collections) == 1
    assert ax.get_xlabel() == "time" and ax.get_ylabel() == "number in system (customers)"
    assert len(jaxq.plot(result).figure.axes) == 3
    plt.close(figure)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (dict(times=[]), "times: must be a list of at least one number"),
        (dict(times=[1.0, 1.0]), r"times\[1\] = 1.0: must be greater than times\[0\] = 1.0"),
        (dict(times=[-1.0]), r"times\[0\] = -1.0: must be a finite number >= 0"),
        (dict(times=[0, math.inf]), r"times\[1\] = inf: must be a finite number"),
        (dict(times="soon"), "must be a list of numbers"),
        (dict(times=5.0), "must be a list of numbers"),
        (dict(replicas=0), "replicas = 0: must be a whole number >= 1"),
        (dict(keep_paths=9), "keep_paths = 9: must be a whole number >= 0 and <= replicas = 8"),
        (dict(level=1.0), "level = 1.0: must be a number > 0 and < 1"),
        (dict(seed=-1), "seed = -1"),
        (dict(devices=99), "devices = 99: must be between 1 and"),
        (dict(max_events=2**40), "must be < 2"),
    ],
)
def test_bad_arguments(changed, message):
    with pytest.raises(ValueError, match=message):
        paths(jaxq.MMc(arrival_rate=1.0), **{"times": [1.0], "replicas": 8, "devices": 1, **changed})


def test_not_a_system():
    with pytest.raises(TypeError, match="is not a jaxq system"):
        paths(3, [1.0])
    with pytest.raises(ValueError, match="defines neither observe nor tally"):

        class Silent(Gaps):
            def observe(self, state):
                return {}

        paths(Silent(1.0, 1.0), [1.0], devices=1)


# --- terminating runs -------------------------------------------------------------------------------------------------


def transient_law(arrival_rate, times, states=200):
    """M/M/1 from empty by uniformisation: (mean number, its integral from 0) at each time, in float64."""
    bound = arrival_rate + 1.0
    up, down = arrival_rate / bound, 1.0 / bound
    law, n = np.eye(states)[0], np.arange(states)
    terms = int(bound * max(times) + 12 * np.sqrt(bound * max(times)) + 30)
    means = []
    for _ in range(terms):
        means.append(law @ n)
        after = np.zeros(states)
        after[1:] += up * law[:-1]
        after[:-1] += down * law[1:]
        after[0] += down * law[0]
        law = after
    means = np.array(means)
    value, integral = [], []
    for t in times:
        weights = stats.poisson.pmf(np.arange(terms), bound * t)
        tail = stats.poisson.sf(np.arange(terms), bound * t) / bound
        value.append(weights @ means), integral.append(tail @ means)
    return np.array(value), np.array(integral)


def test_averages_and_counts_over_a_terminating_run():
    times = [20.0, 50.0, 100.0]
    found = jaxq.paths(jaxq.MMc(0.95), times, replicas=4000, totals=True)
    value, integral = transient_law(0.95, times)
    for name, law in {
        "number_in_system": value,
        "average_number_in_system": integral / times,
        "count_0": 0.95 * np.array(times),
        "count_1": 0.95 * np.array(times) - value,
    }.items():
        width = found.half_width[name]
        assert np.all(width < 0.06 * law), "no power"
        assert np.all(np.abs(found.mean[name] - law) < 1.7 * width), name


def test_totals_do_not_change_the_paths():
    plain = jaxq.paths(jaxq.MMc(0.8), [0, 5, 10], replicas=64)
    total = jaxq.paths(jaxq.MMc(0.8), [0, 5, 10], replicas=64, totals=True)
    assert np.array_equal(plain.mean["number_in_system"], total.mean["number_in_system"])
    assert total.mean["average_number_in_system"][0] == 0


def test_means_are_withheld_once_a_state_has_left_its_range():
    """They were printed under a flag that says they are withheld; a count below 0 had no flag."""

    class Limited(Station):
        def overflow(self, state):
            return state > 20

    result = paths(Limited(0.95), [0.0, 1.0, 400.0], replicas=64, devices=1)
    assert result.flags == ("overflow",)
    assert np.isfinite(result.mean["number"][:2]).all() and np.isnan(result.mean["number"][2])

    class Careless(jaxq.JumpProcess):
        def init(self, words):
            return 0, 0

        def rates(self, state):
            return 1.4, 1.0 * (state[0] > 0), 0.5 * (state[0] >= 60)

        def jump(self, state, k):
            queue, helpers = state
            return [(queue + 1, helpers), (queue - 1, helpers), (queue, helpers - 1)][k]

        def total_rate_bound(self):
            return 2.9

        def observe(self, state):
            return {"number": state[0], "helpers": state[1]}

    result = paths(Careless(), [1.0, 400.0], replicas=64, devices=1)
    assert result.flags == ("overflow",) and np.isnan(result.mean["number"]).all()


def test_totals_have_names_of_their_own():
    """``average_number`` was the average of the one and no longer the other."""

    class Named(Station):
        def observe(self, state):
            return {"number": state, "average_number": 100 * state, "count_0": 7 * state, "area of x": state}

    assert set(paths(Named(), [1.0], replicas=8).mean) == {"number", "average_number", "count_0", "area of x"}
    with pytest.raises(
        ValueError, match="^totals = True: area of x, average_number, count_0 has the name of a total too"
    ):
        paths(Named(), [1.0], replicas=8, totals=True)
