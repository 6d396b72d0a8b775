"""What a system of one's own can get wrong and is not refused before it runs (`tests/test_mistakes.py`): right, or flagged
while it runs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import jaxq
from jaxq.engine.flags import Flag
from jaxq.engine.interpret import Interpreted
from tests.agreement import check_agreement
from tests.own_systems import Customers, Station


@pytest.mark.parametrize("system", [*(kind() for kind in jaxq.SYSTEMS.values())], ids=list(jaxq.SYSTEMS))
def test_every_system_that_ships_passes(system):
    jaxq.check(system)
    prepared = system.process()
    assert isinstance(prepared, jaxq.Process)
    assert isinstance(prepared, jaxq.Model) == isinstance(system, jaxq.Process)


class Signed(Station):
    """The difference of two Poisson processes, pulled back to 0."""

    signed = True

    def rates(self, state):
        return 1.0 * (state < 3), 1.0 * (state > -3)

    def total_rate_bound(self):
        return 2.0


class Closed(jaxq.JumpProcess):
    """Five customers in two queues, in a list that a jump changes in place."""

    def init(self, words):
        return [0, 5]

    def rates(self, state):
        return 1.0 * (state[0] > 0), 2.0 * (state[1] > 0)

    def jump(self, state, k):
        state[k] = state[k] - 1
        state[1 - k] = state[1 - k] + 1
        return state

    def total_rate_bound(self):
        return 3.0

    def observe(self, state):
        return {"first": state[0], "second": state[1]}


class ClosedDict(Closed):
    """The same in a dict."""

    def init(self, words):
        return {"a": 0, "b": 5}

    def rates(self, state):
        return 1.0 * (state["a"] > 0), 2.0 * (state["b"] > 0)

    def jump(self, state, k):
        state["ab"[k]] -= 1
        state["ba"[k]] += 1
        return state

    def observe(self, state):
        return {"first": state["a"], "second": state["b"]}


def test_whole_numbers_may_be_negative_where_the_class_says_so():
    result = jaxq.simulate(Signed(), replicas=256, events=20_000)
    # a symmetric walk on -3, ..., 3 is uniform
    assert abs(result["number"].mean) < 2 * result["number"].half_width < 0.1
    assert result.flags == ()


@pytest.mark.parametrize("kind", [Closed, ClosedDict])
def test_a_jump_may_change_its_state_in_place(kind):
    """pi(a) is geometric with ratio 2 on 0, ..., 5: E a = sum a 2^a / 63 = 258/63."""
    wanted = 258 / 63
    assert jaxq.exact(kind()).metrics == pytest.approx({"first": wanted, "second": 5 - wanted}, rel=1e-12)
    result = jaxq.simulate(kind(), replicas=256, events=5000)
    check_agreement(result["first"], wanted, 0.01)
    path = jaxq.paths(kind(), [200.0], replicas=1024)
    assert path.mean["first"][0] == pytest.approx(wanted, abs=3 * path.half_width["first"][0])


class Late(Station):
    """M/M/1 whose rates go wrong at ``far`` customers, where no walk from empty comes."""

    far: int = jaxq.whole("customers at which it happens", default=150)
    kind: str = jaxq.choice("what happens", ("above", "negative", "nan", "wrapped"), default="above")

    def rates(self, state):
        wrong = {"above": 5.0, "negative": -0.5, "nan": jnp.nan}
        if self.kind == "wrapped":  # 600 x 78 squared is more than 2**31
            return 1.0, 0.1 * (state > 0) + 1e-10 * (600 * state) ** 2
        return jnp.where(state >= self.far, wrong[self.kind], 1.0), 0.2 * (state > 0)

    def total_rate_bound(self):
        return 4.0


@pytest.mark.parametrize("kind", ["above", "negative", "nan", "wrapped"])
def test_rates_that_go_wrong_on_the_way_are_flagged(kind):
    system = Late(kind=kind)
    jaxq.check(system)
    result = jaxq.simulate(system, replicas=64, events=4000, max_events=10**8)
    assert result.flags == ("invalid_rates",) and Flag.INVALID_RATES.withholds
    assert result["number"].mean is None and not result.estimates
    assert "FLAG invalid_rates: a rate was negative or not finite" in str(result)
    assert result.run["events"] < 10**7, "the run ends at the next look"
    path = jaxq.paths(system, [10.0, 1000.0], replicas=64)
    assert "invalid_rates" in path.flags
    assert np.isfinite(path.mean["number"][0]) and np.isnan(path.mean["number"][1])


class Careless(Station):
    """M/M/1 that takes too many away at 60 customers, where no walk from empty comes."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.95)

    def jump(self, state, k):
        return [state + 1, jnp.where(state == 60, -40, state - 1)][k]


def test_a_count_that_falls_below_0_on_the_way_is_flagged():
    jaxq.check(Careless())
    result = jaxq.simulate(Careless(), replicas=256, events=4000, warmup=4000)
    assert result.flags == ("overflow",) and result["number"].mean is None
    assert "fell below 0" in str(result)

    class Signed(Careless):
        signed = True

    assert jaxq.simulate(Signed(), replicas=256, events=4000, warmup=4000).flags == ()


def test_a_narrow_number_that_wraps_needs_an_overflow():
    """At int8 the mean of a busy station came out at a fifth of the right one."""

    class Narrow(Station):
        def init(self, words):
            return jnp.int8(0)

    with pytest.raises(
        TypeError, match=r"^Narrow.init: the state is int8, which wraps beyond 127: must be int32, or the "
    ):
        jaxq.check(Narrow())

    class Watched(Narrow):
        def overflow(self, state):
            return state > 100

    assert jaxq.simulate(Watched(), replicas=64, events=2000).flags == ()
    assert "overflow" in jaxq.simulate(Watched(0.99), replicas=64, events=20_000, warmup=0).flags


def test_a_point_with_wrong_rates_does_not_spoil_a_sweep():
    class Tight(Station):
        def total_rate_bound(self):
            return 1.55

    good, bad = jaxq.sweep(Tight(), {"arrival_rate": [0.5, 0.7]}, replicas=256, events=20_000)
    assert good.flags == () and bad.flags == ("invalid_rates",)
    check_agreement(good["number"], 1.0, 0.05)
    assert bad["number"].mean is None


def test_one_replica_that_is_not_a_number_ends_the_run():
    class Breaks(Customers):
        def update(self, state, event):
            following = super().update(state, event)
            return jnp.where(following > 15.0, jnp.nan, following)

    result = jaxq.simulate(Breaks(), replicas=64, events=2000, max_events=10**9)
    assert result.flags == ("nan",) and result["wait"].mean is None
    assert result.run["events"] < 10**7


class Clearing(Station):
    """x grows by ``batch`` at rate 1 and is cleared at rate .001: x / batch is geometric with mean 1000."""

    batch: int = jaxq.whole("what is added, in the unit of x", default=1)

    def rates(self, state):
        return 0.001, 1.0

    def jump(self, state, k):
        return [0 * state, state + self.batch][k]

    def total_rate_bound(self):
        return 1.001


@pytest.mark.parametrize("batch", [1, 1000])
def test_whole_numbers_that_move_far_are_summed_exactly(batch):
    result = jaxq.simulate(Clearing(batch=batch), replicas=256, events=40_000)
    assert result.flags == ()
    check_agreement(result["number"], 1000.0 * batch, 0.03)


def test_whole_numbers_that_move_too_far_are_flagged():
    result = jaxq.simulate(Clearing(batch=10**5), replicas=64, events=20_000)
    assert result.flags == ("overflow",) and result["number"].mean is None


@pytest.mark.parametrize(("cents", "flags"), [(3_000_000, ()), (30_000_000, ()), (500_000_000, ("overflow",))])
def test_a_large_step_is_exact_or_flagged(cents, flags):
    class Cents(Station):
        def observe(self, state):
            return {"cents": cents * (state > 0), "real": float(cents) * (state > 0)}

    result = jaxq.simulate(Cents(), replicas=64, events=50_000)
    assert result.flags == flags
    if not flags:
        assert result["cents"].mean == pytest.approx(result["real"].mean, rel=1e-5)
        check_agreement(result["cents"], 0.5 * cents, 0.02)


def test_a_counter_that_wraps_within_a_block_is_flagged():
    class Bytes(Station):
        def init(self, words):
            return 0, 0

        def rates(self, state):
            return self.arrival_rate, 1.0 * (state[0] > 0)

        def jump(self, state, k):
            return [(state[0] + 1, state[1]), (state[0] - 1, state[1] + 10_000_000)][k]

        def observe(self, state):
            return {}

        def counters(self, state):
            return {"bytes": state[1]}

    result = jaxq.simulate(Bytes(), replicas=64, events=40_000)
    assert result.flags == ("overflow",) and result["bytes"].mean is None


class Ruin(jaxq.JumpProcess):
    """A gambler with 3 of 10: the states 0 and 10 are left no more. ``bounded``: uniformised, else embedded."""

    bounded: str = jaxq.choice("whether there is a bound", ("yes", "no"), default="no")

    def init(self, words):
        return 3

    def rates(self, state):
        inside = (state > 0) & (state < 10)
        return 1.0 * inside, 1.0 * inside

    def jump(self, state, k):
        return state + 1 - 2 * k

    def total_rate_bound(self):
        return 2.0 if self.bounded == "yes" else None

    def observe(self, state):
        return {"won": state == 10, "inside": (state > 0) & (state < 10)}


@pytest.mark.parametrize("bounded", ["yes", "no"])
def test_a_state_that_nothing_leaves_takes_the_whole_rest(bounded):
    """A fair game of 10 that begins at 3 is won with probability 3/10."""
    result = jaxq.simulate(Ruin(bounded), replicas=4096, events=2000, warmup=2000)
    assert result.flags == ()
    check_agreement(result["won"], 0.3, 0.1)
    assert result["inside"].mean == pytest.approx(0.0, abs=1e-6)


def test_a_closed_period_loses_no_replica():
    """At seed 319873 the first exponential of a replica is 0: 0/0 once made its clock, and every mean, nan."""
    shop = jaxq.ParallelServers(jaxq.Network([0.0], [[1.0]], [1]), "c-mu", changes="5: 0.8")
    result = jaxq.paths(shop, [0, 4, 6, 10, 20], replicas=64, seed=319873)
    assert result.flags == ()
    (name,) = [name for name in result.mean if name.startswith("busy")]
    # M/M/1 from empty at time 5, by its forward equations on 0, ..., 99
    up, down = np.full(99, 0.8), np.ones(99)
    generator = np.diag(up, 1) + np.diag(down, -1)
    generator -= np.diag(generator.sum(axis=1))
    wanted = [0.0, 0.0, *(1.0 - expm(generator * (t - 5.0))[0, 0] for t in (6, 10, 20))]
    np.testing.assert_array_less(np.abs(result.mean[name] - wanted), 1e-9 + 2 * result.half_width[name])
    assert result.half_width[name].max() < 0.15
    run = jaxq.simulate(shop, events=20_000, replicas=64, seed=319873)
    assert run.flags == () and run.run["events"] < 10**8


def test_the_interpreter_gives_what_jax_gives():
    import jax

    def function(x, n):
        moved = jnp.where(x > 0, x + n, 2 * x)
        sums = jnp.cumsum(moved)[::-1]
        largest = jnp.argmax(sums)
        return (
            sums.at[largest].set(7.0),
            jnp.sort(moved),
            jnp.stack([x.sum(), x.max()]),
            jnp.clip(x, 0, 1),
            jax.lax.fori_loop(0, 3, lambda i, a: a + x[i], x),
            n // 2,
            jax.lax.div(n - 50_000, n % 7 - 11),
            jax.lax.rem(n - 50_000, jnp.int32(7)),
            jax.lax.rem(x, jnp.float32(0.7)),
            n * n,
            ~(x > 0) | (n == 3),
            (n.astype(jnp.float32) / x)[None, :],
            -jnp.concatenate([x, x[1:3]]),
            jnp.exp(x),
            jnp.log(jnp.abs(x) + 1) - jnp.sqrt(x * x) + jnp.sign(x) * jnp.floor(x),
            jax.lax.scan(lambda a, y: (a + y, a * y), x[0], x, reverse=True),
            jax.lax.bitcast_convert_type(n.view(jnp.uint32) << 3 >> 1, jnp.int32) ^ (n >> 2),
            jax.lax.platform_dependent(x, cpu=lambda x: x + 1, default=lambda x: x),
        )

    x = np.linspace(-2, 5, 24, dtype=np.float32).reshape(6, 4)
    n = np.arange(24, dtype=np.int32).reshape(6, 4) * 9000  # whose squares wrap
    wanted = jax.vmap(function)(x, n)
    found = Interpreted(jax.vmap(function), x, n)(x, n)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_interpreter_reads_and_writes_as_jax_does():
    """Inside an array, before its first entry and beyond its end, one entry, rows and columns, in every mode."""

    def function(x, y, i):
        modes = {"fill": {"fill_value": -7.0}, "clip": {}, "promise_in_bounds": {}}
        read = [y.at[i].get(mode=mode, **more) for mode, more in modes.items()]
        wild = [
            x[i],
            y[i],
            y[:, i],
            y[i, i],
            jnp.take(x, jnp.stack([i, i + 1])),
            jax.lax.dynamic_slice(y, (i, i), (2, 2)),
        ]
        two = jnp.stack([i, i - 1])
        written = [
            *(getattr(y.at[i], name)(2.5) for name in ("set", "add", "subtract", "multiply", "min", "max")),
            *(y.at[i].add(x[:3], mode=mode) for mode in ("drop", "clip")),
            x.at[two].add(jnp.ones(2)),
            y.at[:, i].set(x[:4]),
            jax.lax.dynamic_update_slice(y, y[:2, :2] + 10, (i, i)),
        ]
        return read, wild, written

    x, y = np.arange(5, dtype=np.float32), np.arange(12, dtype=np.float32).reshape(4, 3)
    places = np.array([-9, -4, -1, 0, 1, 2, 3, 4, 9], np.int32)
    mapped = jax.vmap(function, (None, None, 0))
    many = np.tile(x, (9, 1)), np.tile(y, (9, 1, 1)), places
    for each, given in ((mapped, (x, y, places)), (jax.vmap(function), many), (function, (x, y, places[5]))):
        found, wanted = Interpreted(each, *given)(*given), jax.jit(each)(*given)
        for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("system", "sentence"),
    [
        (
            lambda: eqx.tree_at(lambda x: x.servers, jaxq.MMc(0.5), np.float64(1.5)),
            "^servers = 1.5: must be a whole number",
        ),
        (lambda: jax.tree.map(lambda x: -x, jaxq.MG1(0.5)), "^arrival_rate = -0.5: must be a number > 0"),
        (
            lambda: eqx.tree_at(
                lambda x: x.service_law.scv, jaxq.MG1(0.5, service_law="lognormal:2"), np.float64(-1.0)
            ),
            "^lognormal scv = -1.0: must be a number > 0",
        ),
    ],
    ids=["tree_at", "tree.map", "a law"],
)
def test_fields_that_were_changed_without_construction_are_checked(system, sentence):
    """1.5 servers ran, and were flagged only as there is an oracle."""
    changed = system()
    for use in (
        jaxq.check,
        jaxq.simulate,
        lambda x: jaxq.sweep(x, {"arrival_rate": [0.1]}),
        lambda x: jaxq.paths(x, [1.0]),
    ):
        with pytest.raises(ValueError, match=sentence):
            use(changed)


def test_an_array_that_was_written_into_is_checked():
    pool = jaxq.TokenPool(2, [0.5, 0.5], 0.4, 3)
    pool.arrival_rate[0] = -3.0
    with pytest.raises(ValueError, match=r"^arrival_rate = \[-3.0, 0.5\]: must be a number > 0"):
        jaxq.check(pool)
