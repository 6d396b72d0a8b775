"""What a system of one's own can get wrong: refused in one sentence before it runs, right, or flagged while it runs."""

import math
import random

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import jaxq
from jaxq.engine.interpret import Interpreted
from jaxq.engine.result import WITHHELD
from tests.agreement import check_agreement

SMALL = {"replicas": 64, "events": 2000}


class Station(jaxq.JumpProcess):
    """M/M/1, from which every mistake below is one method away."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.5)
    limit: int = jaxq.whole("a number that a mistake may need", default=3)

    def init(self, words):
        return 0

    def rates(self, state):
        return self.arrival_rate, 1.0 * (state > 0)

    def jump(self, state, k):
        return [state + 1, state - 1][k]

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def observe(self, state):
        return {"number": state}


class Customers(jaxq.System):
    """Lindley's recursion, from which other mistakes are one method away."""

    words = 2

    def init(self, words):
        return 0.0

    def choose(self, state, words):
        gap = 2.0 * jaxq.engine.program.random.exponential(words[0])
        return (jaxq.engine.program.random.exponential(words[1]), gap), gap

    def apply(self, state, event):
        return jnp.maximum(state + event[0] - event[1], 0.0)

    def tally(self, state, event):
        return {"wait": state}


def but(base=Station, **methods):
    """A class with other methods."""
    return type("Mistake", (base,), methods)


def drawn(self, state, k):
    return [state + random.randrange(10**6), state - 1][k]


def decides(self, state):
    return self.arrival_rate, 1.0 if state > 0 else 0.0


def chosen_in_jump(self, state, k):
    if k == 0:
        return min(state + 1, self.limit)
    return state - 1


def in_place(self, state, k):
    state[0] = state[0] + 1 - 2 * k
    return state


MISTAKES = {
    # shapes, types and names
    "float into an int": (
        but(jump=lambda self, n, k: [n + 0.5, n - 0.5][k]),
        TypeError,
        r"^Mistake.jump\(state, 0\) makes the state a real number, but init returns 0 \(a whole number\): start it as 0.0$",
    ),
    "float into one of two": (
        but(
            init=lambda self, words: (0, 7),
            rates=lambda self, x: (self.arrival_rate, 1.0 * (x[0] > 0)),
            jump=lambda self, x, k: [(x[0] + 1, x[1]), (x[0] - 1, 1.1 * x[1])][k],
            observe=lambda self, x: {"number": x[0]},
        ),
        TypeError,
        r"^Mistake.jump\(state, 1\) makes component 1 of the state a real number, but init returns 7 .*: start it as 7.0$",
    ),
    "whole number into a flag": (
        but(init=lambda self, words: True),
        TypeError,
        r"jump\(state, 0\) makes the state a whole number, but init returns True \(true or false\): must be the same$",
    ),
    "float into an int by apply": (
        but(Customers, init=lambda self, words: 0),
        TypeError,
        r"^Mistake.apply makes the state a real number, but init returns 0 \(a whole number\): start it as 0.0$",
    ),
    "another shape": (
        but(jump=lambda self, n, k: jnp.stack([n, n])),
        TypeError,
        r"^Mistake.jump\(state, 0\) gives the state the shape \(2,\): must be \(\), as in init$",
    ),
    "another structure": (
        but(jump=lambda self, n, k: [n + 1, (n - 1, 0)][k]),
        TypeError,
        r"^Mistake.jump\(state, 1\) returns \(\*, \*\), init returns \*: the state must keep its structure$",
    ),
    "complex state": (but(init=lambda self, words: 1j), TypeError, "init returns the state as a complex number"),
    "no return from jump": (
        but(jump=lambda self, n, k: None),
        TypeError,
        r"^Mistake.jump\(state, 0\) returns None: is a return missing\?$",
    ),
    "no return from init": (but(init=lambda self, words: None), TypeError, "^Mistake.init returns None: is a return"),
    "no return from rates": (but(rates=lambda self, n: None), TypeError, "^Mistake.rates returns None: is a return"),
    "no return from observe": (
        but(observe=lambda self, n: None),
        TypeError,
        "^Mistake.observe returns None: is a return",
    ),
    "no return from choose": (
        but(Customers, choose=lambda self, x, w: None),
        TypeError,
        "choose returns None: is a return",
    ),
    "no return from apply": (
        but(Customers, apply=lambda self, x, e: None),
        TypeError,
        "apply returns None: is a return",
    ),
    "a text in the state": (
        but(init=lambda self, words: (0, "up")),
        TypeError,
        r"init returns 'up' as 1: must be numbers",
    ),
    "init without words": (
        but(init=lambda self: 0),
        TypeError,
        r"^Mistake.init: must be defined as init\(self, words\)$",
    ),
    "no init": (but(jaxq.System), TypeError, r"^Mistake must define init\(words\)$"),
    "fewer jumps than rates": (
        but(rates=lambda self, n: (self.arrival_rate, 0.5 * (n > 0), 0.5 * (n > 0))),
        TypeError,
        r"^Mistake.jump\(state, 2\) raises IndexError .*: rates\(state\) gives 3 rates, .* the transitions 0 to 2$",
    ),
    "more jumps than rates": (
        but(rates=lambda self, n: (self.arrival_rate,)),
        TypeError,
        r"^Mistake.jump lists 2 states, but rates\(state\) gives 1 rates: one a transition$",
    ),
    "one rate, no tuple": (
        but(rates=lambda self, n: self.arrival_rate),
        TypeError,
        "^Mistake.rates must return a tuple of rates, one a transition, not one number$",
    ),
    "no rates": (but(rates=lambda self, n: ()), TypeError, "rates must return a tuple of rates, .* not an empty one$"),
    "a rate that is a list": (
        but(rates=lambda self, n: (self.arrival_rate, jnp.ones(2))),
        TypeError,
        r"^Mistake.rates: the rate of transition 1 has the shape \(2,\): must be one number",
    ),
    "complex rate": (but(rates=lambda self, n: (1j, 1.0)), TypeError, "the rate of transition 0 is of type complex64"),
    "observed vector": (
        but(observe=lambda self, n: {"q": jnp.stack([n, n])}),
        TypeError,
        r"^Mistake.observe: q has the shape \(2,\): must be one number; give each entry a name of its own, or their sum$",
    ),
    "tallied vector": (
        but(Customers, tally=lambda self, x, e: {"wait": jnp.stack([x, x])}),
        TypeError,
        r"^Mistake.tally: wait has the shape \(2,\)",
    ),
    "observed tuple": (but(observe=lambda self, n: {"q": (n, n)}), TypeError, r"observe: q is \(\*, \*\): must be one"),
    "complex observation": (
        but(observe=lambda self, n: {"number": n * 1j}),
        TypeError,
        "^Mistake.observe: number is of type complex64: must be a real number$",
    ),
    "observed list": (
        but(observe=lambda self, n: [n]),
        TypeError,
        r"^Mistake.observe must return a dict of names and numbers, such as {\"queue\": state}, not a list$",
    ),
    "counter that is real": (
        but(counters=lambda self, n: {"moves": 1.0 * n}),
        TypeError,
        "^Mistake.counters: moves is a real number: must be a whole number$",
    ),
    "one name twice": (
        but(tally=lambda self, n, e: {"number": 7.0}),
        ValueError,
        "^Mistake: observe and tally both give number: one name, once$",
    ),
    "nothing observed": (
        but(observe=lambda self, n: {}),
        ValueError,
        "^Mistake defines neither observe nor tally nor counters, so there is nothing to report: return a dict from observe",
    ),
    "no weight": (
        but(Customers, choose=lambda self, x, words: ((1.0, 1.0), None)),
        TypeError,
        r"^Mistake.choose gives no weight, so that step_time\(\) must say how long an event takes$",
    ),
    "one thing chosen": (
        but(Customers, choose=lambda self, x, words: 1.0),
        TypeError,
        "^Mistake.choose must return two things, the event and its weight",
    ),
    "step time 0": (
        but(Customers, choose=lambda self, x, words: ((1.0, 1.0), None), step_time=lambda self: 0.0),
        ValueError,
        r"^Mistake.step_time = 0.0: must be a finite number > 0, or None$",
    ),
    # what cannot be traced
    "if": (
        but(rates=decides),
        TypeError,
        r"^Mistake.rates \(return self.arrival_rate, 1.0 if state > 0 else 0.0\): decides in Python \(if, .* "
        r"use jnp.where\(condition, a, b\), .* rate \* \(n > 0\)",
    ),
    "min": (but(jump=chosen_in_jump), TypeError, r"^Mistake.jump\(state, 0\) \(return min\(.*\): decides in Python"),
    "numpy": (
        but(rates=lambda self, n: (self.arrival_rate, 1.0 * np.minimum(n, 1))),
        TypeError,
        "calls a function of NumPy on a value that is known at run time only: use that of jax.numpy",
    ),
    "float of a field": (
        but(rates=lambda self, n: (float(self.arrival_rate), 1.0 * (n > 0))),
        TypeError,
        r"makes a Python number \(float, .*\) of a value that is known at run time only: leave it as it is",
    ),
    "math": (but(observe=lambda self, n: {"root": math.sqrt(n)}), TypeError, "makes a Python number"),
    "range": (but(observe=lambda self, n: {"sum": sum(range(n))}), TypeError, "makes a Python number"),
    "array in place": (
        but(
            init=lambda self, words: jnp.zeros(1, jnp.int32),
            rates=lambda self, x: (0.5, 1.0 * (x[0] > 0)),
            jump=in_place,
        ),
        TypeError,
        r"changes an array in place: use x.at\[i\].set\(value\)",
    ),
    "random numbers of Python": (
        but(jump=drawn),
        TypeError,
        r"jump\(state, 0\) gives something else each time it is traced",
    ),
    "random numbers of NumPy": (
        but(Customers, apply=lambda self, x, e: x + np.random.default_rng().random()),
        TypeError,
        "apply gives something else each time it is traced, such as a random number of NumPy or Python",
    ),
    # rates, bounds and counts in the states that can be reached
    "bound too low": (
        but(total_rate_bound=lambda self: 1.2),
        ValueError,
        r"^Mistake.total_rate_bound = 1.2: the total rate is 1.5 in state 1; must be >= the total rate of every state",
    ),
    "bound too low far away": (
        but(rates=lambda self, n: (0.5, 0.25 * n), total_rate_bound=lambda self: 5.0),
        ValueError,
        r"total_rate_bound = 5: the total rate is 5.25 in state 19;",
    ),
    "bound far too large": (
        but(total_rate_bound=lambda self: 1e9),
        ValueError,
        r"^Mistake.total_rate_bound = 1e\+09: is more than 1e\+06 times the total rate of every state met \(1.5 at most\)",
    ),
    "bound negative": (
        but(total_rate_bound=lambda self: -1.0),
        ValueError,
        r"total_rate_bound = -1.0: must be a finite",
    ),
    "bound nan": (but(total_rate_bound=lambda self: math.nan), ValueError, r"total_rate_bound = nan: must be a finite"),
    "bound infinite": (
        but(total_rate_bound=lambda self: math.inf),
        ValueError,
        r"total_rate_bound = inf: must be a finite",
    ),
    "negative rate": (
        but(rates=lambda self, n: (self.arrival_rate, (1.0 - 0.25 * n) * (n > 0))),
        ValueError,
        r"^Mistake.rates: transition 1 has rate -0.25 in state 5: must be finite and >= 0$",
    ),
    "nan rate": (
        but(rates=lambda self, n: (self.arrival_rate, 0.0 * n / n)),
        ValueError,
        r"^Mistake.rates: transition 1 has rate nan in state 0: must be finite and >= 0$",
    ),
    "whole rate that wraps": (
        but(init=lambda self, words: 50_000, rates=lambda self, n: (n * n * 1e-6, 1e-3 * (50_000 - n))),
        ValueError,
        r"^Mistake.rates: transition 0 has rate -1794.97 in state 50000: must be finite and >= 0$",
    ),
    "a count below 0": (
        but(rates=lambda self, n: (self.arrival_rate, 1.0)),
        ValueError,
        r"^Mistake: transition 1 \(rate 1\) takes the state below 0, from state 0 to -1: its rate must be 0 there, such as "
        r"rate \* \(n > 0\); .* signed = True$",
    ),
    "one of two counts below 0": (
        but(
            init=lambda self, words: {"queue": 0, "lost": 0},
            rates=lambda self, x: (self.arrival_rate, 1.0),
            jump=lambda self, x, k: {**x, "queue": x["queue"] + 1 - 2 * k},
            observe=lambda self, x: x,
        ),
        ValueError,
        r"^Mistake: transition 1 \(rate 1\) takes component queue of the state below 0, from state {'lost': 0, 'queue': 0}",
    ),
}
USES = {
    "check": jaxq.check,
    "simulate": lambda system: jaxq.simulate(system, **SMALL),
    "sweep": lambda system: jaxq.sweep(system, {"arrival_rate": [0.5, 0.4]}, **SMALL),
    "compare": lambda system: jaxq.compare([system, system], **SMALL),
    "paths": lambda system: jaxq.paths(system, [1.0], replicas=8),
    "exact": jaxq.exact,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(mistake):
    kind, error, sentence = MISTAKES[mistake]
    with pytest.raises(error, match=sentence) as caught:
        jaxq.check(kind())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("mistake", ["float into an int", "if", "a count below 0", "bound too low"])
def test_everything_that_runs_a_system_checks_it_first(use, mistake):
    kind, error, sentence = MISTAKES[mistake]
    with pytest.raises(error, match=sentence):
        USES[use](kind())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Station, r"^system = Station: is a class; give a system, Station\(...\)$"),
        (3, "^3 is not a jaxq system$"),
        (
            jaxq.TokenPool(2, 0.5, 0.4, 3).prepare(),
            r"^system = Mechanism: is what TokenPool.prepare\(\) makes .* TokenPool itself",
        ),
    ],
)
@pytest.mark.parametrize("use", USES)
def test_what_is_no_system_is_refused(use, given, sentence):
    with pytest.raises(TypeError, match=sentence):
        USES[use](given)


@pytest.mark.parametrize("system", [*(kind() for kind in jaxq.SYSTEMS.values())], ids=list(jaxq.SYSTEMS))
def test_every_system_that_ships_passes(system):
    jaxq.check(system)
    prepared = system.prepare()
    if type(prepared) is not type(system):
        assert prepared.made_by == type(system).__name__


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
    assert result.flags == ("invalid_rates",) and "invalid_rates" in WITHHELD
    assert result["number"].mean is None and not result.estimates
    assert "FLAG invalid_rates: a rate was negative or not finite" in str(result)
    assert result.run["events"] < 10**7, "the run ends at the next look"
    path = jaxq.paths(system, [10.0, 10_000.0], replicas=64)
    assert "invalid_rates" in path.flags
    assert np.isfinite(path.mean["number"][0]) and np.isnan(path.mean["number"][1])


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
        def apply(self, state, event):
            following = super().apply(state, event)
            return jnp.where(following > 10.0, jnp.nan, following)

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
            n * n,
            ~(x > 0) | (n == 3),
            (n.astype(jnp.float32) / x)[None, :],
            -jnp.concatenate([x, x[1:3]]),
            jnp.exp(x),
        )

    x = np.linspace(-2, 5, 24, dtype=np.float32).reshape(6, 4)
    n = np.arange(24, dtype=np.int32).reshape(6, 4) * 9000  # whose squares wrap
    wanted = jax.vmap(function)(x, n)
    for ours, theirs in zip(Interpreted(jax.vmap(function), x, n)(x, n), wanted, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
