"""An index beyond its array: flagged exactly where it matters, whatever a user's class does it in."""

from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxq
from jaxq.engine import carry
from jaxq.engine.carry import watches
from jaxq.engine.fingerprint import of_jaxq
from jaxq.engine.flags import Flag
from jaxq.engine.indices import first_beyond, watched
from tests.agreement import check_agreement
from tests.own_systems import Customers, Station

FIVE, WHOLE, TABLE = jnp.arange(5.0), jnp.arange(5), jnp.arange(20.0).reshape(5, 4)
I = jnp.int32  # noqa: E741
SEVERAL = jnp.array([1, 7])

CASES = {
    # name: (function, arguments, whether it is lost; None: nothing is watched)
    "read": (lambda x, i: x[i], (FIVE, I(4)), False),
    "read beyond": (lambda x, i: x[i], (FIVE, I(5)), True),
    "the first from the end": (lambda x, i: x[i], (FIVE, I(-5)), False),
    "before the first": (lambda x, i: x[i], (FIVE, I(-6)), True),
    "written before the first": (lambda x, i: x.at[i].set(0), (FIVE, I(-6)), True),
    "a fixed place": (lambda x: x[3] + x[jnp.arange(4)].sum() + x.at[2].set(0).sum(), (FIVE,), None),
    "a fixed place beyond": (lambda x: x[jnp.arange(5) + 1], (FIVE,), True),
    "an index of 8 bits": (lambda x, i: x[i], (jnp.zeros(200), jnp.uint8(199)), False),
    "an index of 8 bits beyond": (lambda x, i: x[i], (FIVE, jnp.uint8(5)), True),
    "row": (lambda x, i: x[i].sum(), (TABLE, I(5)), True),
    "second axis": (lambda x, i: x[i, 2 * i], (TABLE, I(2)), True),
    "several": (lambda x, i: x[i], (FIVE, SEVERAL), True),
    "several, chosen": (lambda x, i: jnp.where(i < 5, x[i], 0), (FIVE, SEVERAL), False),
    "by an index read": (lambda x, y, i: jnp.where(i < 5, x[y[i]], 0), (FIVE, WHOLE, SEVERAL), False),
    "mapped": (lambda x, i: jax.vmap(lambda k: x[k])(i), (FIVE, SEVERAL), True),
    "mapped, chosen": (lambda x, i: jax.vmap(lambda k: jnp.where(k < 5, x[k], 0))(i), (FIVE, SEVERAL), False),
    "mapped writes": (lambda x, i: jax.vmap(lambda k: x.at[k].set(1))(i), (FIVE, SEVERAL), True),
    "take": (lambda x, i: jnp.take(x, i), (WHOLE, I(9)), True),
    "take_along_axis": (lambda x, i: jnp.take_along_axis(x, i, 0), (FIVE, SEVERAL), True),
    "slice": (lambda x, i: lax.dynamic_slice(x, (i,), (2,)), (FIVE, I(4)), True),
    "slice written": (lambda x, i: lax.dynamic_update_slice(x, jnp.ones(2), (i,)), (FIVE, I(4)), True),
    "slice written inside": (lambda x, i: lax.dynamic_update_slice(x, jnp.ones(2), (i,)), (FIVE, I(3)), False),
    **{
        f"{name} beyond": (lambda x, i, name=name: getattr(x.at[i], name)(2.0), (FIVE, I(5)), True)
        for name in ("set", "add", "subtract", "multiply", "divide", "power", "min", "max")
    },
    "apply beyond": (lambda x, i: x.at[i].apply(jnp.sin), (FIVE, I(5)), True),
    "row written": (lambda x, i: x.at[i].set(jnp.ones(4)), (TABLE, I(5)), True),
    "written, not chosen": (lambda x, i: jnp.where(i < 5, x.at[i].set(1.0), x), (FIVE, I(5)), False),
    "0 is added": (lambda x, i: x.at[i].add(i < 5), (FIVE, I(5)), False),
    "a row of 0 is added": (lambda x, i: x.at[i].add(jnp.ones(4) * (i < 5)), (TABLE, I(5)), False),
    "times 0": (lambda x, i: x[i] * (i < 5), (FIVE, I(5)), False),
    "times 1": (lambda x, i: x[i] * (i == 5), (FIVE, I(5)), True),
    "and": (lambda x, i: (i < 5) & (x[i] > 0), (FIVE, I(5)), False),
    "or": (lambda x, i: (i >= 5) | (x[i] > 0), (FIVE, I(5)), False),
    "decides": (lambda x, i: jnp.where(x[i] > 0, 1, 2), (FIVE, I(5)), True),
    "not returned": (lambda x, i: (x.at[i].set(1.0), i)[1], (FIVE, I(5)), None),
    "fill": (lambda x, i: x.at[i].get(mode="fill", fill_value=0), (FIVE, I(9)), None),
    "fill with nothing said": (lambda x, i: x.at[i].get(mode="fill"), (WHOLE, I(9)), True),
    "clip several": (lambda x, i: x.at[i].get(mode="clip"), (FIVE, SEVERAL), None),
    "take, clipped": (lambda x, i: jnp.take(x, i, mode="clip"), (FIVE, I(9)), None),
    "take, around": (lambda x, i: jnp.take(x, i, mode="wrap"), (FIVE, I(9)), False),
    "clip a write": (lambda x, i: x.at[i].set(1.0, mode="clip"), (FIVE, I(9)), None),
    "drop": (lambda x, i: x.at[i].set(1.0, mode="drop"), (FIVE, I(9)), True),
    "a promise kept": (lambda x, i: x.at[i].get(mode="promise_in_bounds"), (FIVE, I(4)), False),
    "a promise broken": (lambda x, i: x.at[i].get(mode="promise_in_bounds"), (FIVE, I(5)), True),
    "nonzero": (lambda x: jnp.nonzero(x > 0, size=2)[0], (FIVE,), None),
    "while": (lambda x, n: lax.fori_loop(0, n, lambda i, s: s + x[i], 0.0), (FIVE, I(5)), False),
    "while beyond": (lambda x, n: lax.fori_loop(0, n, lambda i, s: s + x[i], 0.0), (FIVE, I(6)), True),
    "found": (lambda x: lax.while_loop(lambda i: (i < 5) & (x[i] >= 0), lambda i: i + 1, 0), (FIVE,), False),
    "not found": (lambda x: lax.while_loop(lambda i: (i < 9) & (x[i] >= 0), lambda i: i + 1, 0), (FIVE,), True),
    "scan": (lambda x, n: lax.fori_loop(0, 4, lambda i, s: s + x[i + n], 0.0), (FIVE, I(1)), False),
    "scan beyond": (lambda x, n: lax.fori_loop(0, 4, lambda i, s: s + x[i + n], 0.0), (FIVE, I(2)), True),
    "cond": (lambda x, i: lax.cond(i < 5, lambda: x[i], lambda: 0.0), (FIVE, I(5)), False),
    "cond beyond": (lambda x, i: lax.cond(i < 6, lambda: x[i], lambda: 0.0), (FIVE, I(5)), True),
    "sorted": (lambda x: jnp.sort(x)[jnp.argmax(x)] + jnp.median(x) + jnp.interp(9.0, x, x), (FIVE,), False),
}


@pytest.mark.parametrize("name", CASES)
def test_an_access(name):
    """What is lost is told, and values are those of the function itself, bit by bit."""
    function, arguments, wanted = CASES[name]
    values, lost = jax.jit(watched(function))(*arguments)
    assert (None if lost is None else bool(lost)) is wanted
    for mine, own in zip(jax.tree.leaves(values), jax.tree.leaves(jax.jit(function)(*arguments)), strict=True):
        np.testing.assert_array_equal(mine, own)
    assert (first_beyond(function, *arguments) is not None) is bool(wanted)


def test_the_access_is_named():
    assert first_beyond(CASES["before the first"][0], FIVE, I(-6)) == "the index -6 lies beyond an array of 5"
    both = first_beyond(lambda x, i: jnp.where(i > 9, x[i], x.at[i - 2].set(0.0)), FIVE, I(8))
    assert both == "the index 6 lies beyond an array of 5"


def test_an_array_that_is_changed_in_place_is_refused():
    class InPlace(Customers):
        def update(self, state, event):
            array = jax.new_ref(FIVE)
            array[jnp.int32(state)] = 1.0
            return super().update(array[0], event)

    with pytest.raises(TypeError, match=r"^InPlace.update changes an array of jax.new_ref, .*: use x.at\[i\].set"):
        jaxq.simulate(InPlace(), **SHORT)


SHORT = {"replicas": 64, "events": 4000, "warmup": 4000}


def line(places: int, rate: float = 0.95, guarded: bool = False):
    """M/M/1 that keeps its customers in an array, which must have room for ``places``; a class of its own at each call."""

    class Line(Station):
        arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=rate)

        def init(self, words):
            return 0, jnp.zeros(places, jnp.int32)

        def rates(self, state):
            return self.arrival_rate * (not guarded or state[0] < places), 1.0 * (state[0] > 0)

        def jump(self, state, k):
            n, kept = state
            return [(n + 1, kept.at[n].set(1)), (n - 1, kept.at[n - 1].set(0))][k]

        def observe(self, state):
            return {"number": state[0], "kept": state[1].sum()}

    return Line()


def test_a_line_that_outgrows_its_array_is_flagged():
    """P(more than 60) = .95^61 = .044, and no walk of 48 steps comes there."""
    system = line(60)
    jaxq.check(system)
    result = jaxq.simulate(system, **SHORT)
    assert result.flags == ("index_out_of_range",) and Flag.INDEX_OUT_OF_RANGE.withholds
    assert result["number"].mean is None and not result.estimates
    assert "FLAG index_out_of_range: an array was read or written beyond its end" in str(result)


def test_a_line_that_fits_is_not_flagged_and_its_numbers_are_the_same_as_unwatched(monkeypatch):
    """M/M/1/60: the write of an arrival that rate 0 forbids is evaluated at 60 customers, and does not count."""
    result = jaxq.simulate(line(60, guarded=True), **SHORT | {"events": 40_000})
    assert result.flags == () and result["kept"].mean == result["number"].mean
    n = np.arange(61)
    check_agreement(result["number"], float(n @ 0.95**n / (0.95**n).sum()), 0.15)
    monkeypatch.setattr(carry, "of_jaxq", lambda process: True)
    other = line(60, guarded=True)
    assert not watches(other)
    unwatched = jaxq.simulate(other, **SHORT | {"events": 40_000})
    assert all(unwatched[name].mean == result[name].mean for name in ("number", "kept"))


def test_one_event_is_enough():
    """Two customers of 10^5 in a row find the index beyond, far from the end of a block."""

    class Once(Customers):
        def init(self, words):
            return 0.0, 0

        def update(self, state, event):
            table = jnp.ones(5)
            return super().update(state[0], event) * table[jnp.where(state[1] == 1003, 5, 0)], state[1] + 1

        def tally(self, state, event):
            return {"wait": state[0]}

    assert jaxq.simulate(Once(), **SHORT).flags == ("index_out_of_range",)
    assert jaxq.simulate(Once(), replicas=64, events=512, warmup=0).run["events_per_replica"] < 1003
    assert jaxq.simulate(Once(), replicas=64, events=512, warmup=0).flags == ()


def far(count):
    """An index that lies beyond an array of 5 from 60 on."""
    return FIVE[jnp.where(count >= 60, 5, 0)]


class Long(Station):
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.95)


class Rates(Long):
    def rates(self, state):
        return self.arrival_rate + far(state), 1.0 * (state > 0)


class Jump(Long):
    def jump(self, state, k):
        return [state + 1 + far(state).astype(int), state - 1][k]


class Transition(Long):
    def transition(self, state, k):
        return state + (k == 0) - (k == 1) + far(state).astype(int)


class Observe(Long):
    def observe(self, state):
        return {"number": state + far(state)}


class Tally(Long):
    def tally(self, state, event):
        return {"found": state + far(state)}


class Beside(Long):
    """The count, and something beside it."""

    def rates(self, state):
        return super().rates(state[0])

    def jump(self, state, k):
        return super().jump(state[0], k), state[1]

    def observe(self, state):
        return {"number": state[0]}


class Counters(Beside):
    def init(self, words):
        return 0, 0

    def jump(self, state, k):
        return [(state[0] + 1, state[1] + 1), (state[0] - 1, state[1])][k]

    def counters(self, state):
        return {"arrivals": state[1] + far(state[0]).astype(int)}


class Overflow(Long):
    def overflow(self, state):
        return far(state) > 1e9


class Drift(Beside):
    def init(self, words):
        return 0, 1.0

    def drift(self, state, elapsed):
        return state[0], jnp.where(elapsed >= state[1], 1.0, state[1] - elapsed) + far(state[0])

    def next_switch(self, state):
        return state[1]


class NextSwitch(Drift):
    def drift(self, state, elapsed):
        return state[0], jnp.where(elapsed >= state[1], 1.0, state[1] - elapsed)

    def next_switch(self, state):
        return state[1] + far(state[0])


class Waits(Customers):
    """Each customer's wait, and something beside it that lies beyond from a wait of 60 / ``often`` on."""

    often: ClassVar[int] = 3

    def beside(self, state):
        return far((self.often * state).astype(int))


class NextEvent(Waits):
    def next_event(self, state, words):
        (service, gap), weight = super().next_event(state, words)
        return (service + self.beside(state), gap), weight


class Weight(Waits):
    def next_event(self, state, words):
        event, weight = super().next_event(state, words)
        return event, weight + self.beside(state)


class Update(Waits):
    def update(self, state, event):
        return super().update(state + self.beside(state), event)


class CustomersTally(Waits):
    def tally(self, state, event):
        return {"wait": state + self.beside(state)}


class CustomersObserve(Waits):
    def observe(self, state):
        return {"work": state + self.beside(state)}


STEPS = {
    NextEvent: "next_event",
    Weight: "next_event",
    Update: "update",
    CustomersTally: "tally",
    CustomersObserve: "observe",
}
ENTRANCES = [Rates, Jump, Transition, Observe, Tally, Counters, Overflow, Drift, NextSwitch, *STEPS]


@pytest.mark.parametrize("kind", ENTRANCES)
def test_every_method_is_watched(kind):
    jaxq.check(kind())
    result = jaxq.simulate(kind(), **SHORT)
    assert "index_out_of_range" in result.flags and not result.estimates


@pytest.mark.parametrize("kind", STEPS)
def test_the_walk_of_what_steps_itself_says_where(kind):
    """A wait of 3 is among the first hundreds."""
    often = type("Often", (kind,), {"often": 20, "__module__": __name__})
    where = (
        rf"^Often.{STEPS[kind]}: the index 5 lies beyond an array of 5 in state 3\.\d+: make the array longer, or keep "
    )
    with pytest.raises(ValueError, match=where):
        jaxq.check(often())


def test_the_walk_looks_at_what_it_starts_from():
    class Init(Customers):
        def init(self, words):
            return FIVE[(words[0] >> 24).astype(int)]

    with pytest.raises(
        ValueError, match=r"^Init.init: the index \d+ lies beyond an array of 5 at the start: make the array"
    ):
        jaxq.check(Init())


@pytest.mark.parametrize("kind", [Rates, Drift, NextEvent])
def test_paths_are_withheld_from_there_on(kind):
    path = jaxq.paths(kind(), [0.01, 5000.0], replicas=64)
    assert "index_out_of_range" in path.flags
    assert all(np.isfinite(mean[0]) and np.isnan(mean[1]) for mean in path.mean.values())


def test_what_is_seen_where_a_state_has_drifted_to():
    class Clock(Drift):
        """Its observation reads beyond only between the jumps, where ``simulate`` does not look."""

        def init(self, words):
            return 0, 1.0, 0.0

        def drift(self, state, elapsed):
            over = elapsed >= state[1]
            return state[0], jnp.where(over, 1.0, state[1] - elapsed), jnp.where(over, 0.0, state[2] + elapsed)

        def jump(self, state, k):
            return Station.jump(self, state[0], k), state[1], 0.0

        def observe(self, state):
            return {"number": state[0] + FIVE[jnp.where((state[2] > 0.9) & (state[2] < 0.95), 5, 0)]}

    path = jaxq.paths(Clock(), np.arange(1, 40) * 0.7, replicas=64)
    assert path.flags == ("index_out_of_range",)


def test_a_point_beyond_does_not_spoil_a_sweep():
    good, bad = jaxq.sweep(line(60), {"arrival_rate": [0.5, 0.95]}, **SHORT)
    assert good.flags == () and bad.flags == ("index_out_of_range",)
    check_agreement(good["number"], 1.0, 0.1)


def test_controls_batches_and_a_checkpoint(tmp_path):
    found = jaxq.simulate(line(60), control="generator", batch=16, **SHORT)
    assert found.flags == ("index_out_of_range",)
    file = str(tmp_path / "run.npz")
    jaxq.simulate(line(60), checkpoint=file, **SHORT)
    longer = jaxq.simulate(line(60), checkpoint=file, **SHORT | {"events": 8000})
    assert longer.flags == ("index_out_of_range",), "what happened before the checkpoint is kept"


@pytest.mark.parametrize("method", ["coupling", "score", "finite-difference"])
def test_a_gradient_by(method):
    asked = {"method": method, "replicas": 64, "events": 1000, "warmup": 2000}
    asked |= {"window": 64} if method == "score" else {}
    assert "index_out_of_range" in jaxq.gradient(line(60), "number", "arrival_rate", **asked).flags
    right = jaxq.gradient(line(60, 0.5), "number", "arrival_rate", **asked)
    assert "index_out_of_range" not in right.flags


def test_a_gradient_along_the_path():
    class Shift(Customers):
        scale: float = jaxq.positive("mean service time, time", default=1.0)

        def init(self, words):
            return 0.0, 0

        def next_event(self, state, words):
            (service, gap), weight = super().next_event(state, words)
            return (self.scale * service, gap), weight

        def update(self, state, event):
            return super().update(state[0] + far(state[1] - 1000), event), state[1] + 1

        def tally(self, state, event):
            return {"wait": state[0]}

    found = jaxq.gradient(Shift(), "wait", "scale", method="pathwise", **SHORT)
    assert "index_out_of_range" in found.flags


def test_the_walk_and_exact_say_where():
    where = r"Line.jump\(state, 0\): the index 12 lies beyond an array of 12 in state \(12, \[1(, 1){11}\]\): make "
    with pytest.raises(ValueError, match="^" + where + "the array longer, or keep the index in it$"):
        jaxq.check(line(12))
    with pytest.raises(ValueError, match="^" + where):
        jaxq.exact(line(12), keep=lambda state: state[0] <= 13)
    cut = jaxq.exact(line(12), keep=lambda state: state[0] <= 12)
    inside = jaxq.exact(line(12, guarded=True))
    n = np.arange(13)
    wanted = float(n @ 0.95**n / (0.95**n).sum())
    assert cut.metrics["kept"] == pytest.approx(wanted) and inside.metrics["kept"] == pytest.approx(wanted)

    class Reads(Long):
        def observe(self, state):
            return {"number": FIVE[state]}

    for ask in (jaxq.check, lambda system: jaxq.exact(system, keep=lambda state: state < 9)):
        with pytest.raises(ValueError, match=r"^Reads.observe: the index . lies beyond an array of 5 in state [56]: "):
            ask(Reads())


def test_what_ships_is_not_watched():
    assert not any(watches(kind().process()) for kind in jaxq.SYSTEMS.values())
    assert not watches(Station()), "what indexes nothing is compiled as it was"

    class Mine(jaxq.MMc):
        def process(self):
            return line(60)

    assert watches(Mine(0.5).process())


def test_a_class_that_is_made_without_a_module_is_a_user_s_own():
    names: dict = {}
    exec("class Executed(Station): pass", {"Station": jaxq.MMc}, names)
    made = type("Made", (jaxq.MMc,), {"overflow": lambda self, state: state > 9})
    assert not any(map(of_jaxq, (names["Executed"], names["Executed"](0.5), made, made(0.5))))
    assert all(map(of_jaxq, (jaxq.MMc, jaxq.MMc(0.5), None, 1, "text", np.float64(1), [jaxq.GG1(0.5)])))
