"""Options are checked before anything is compiled."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxq
from jaxq.engine.options import Target
from jaxq.engine.program import program

NOT_NUMBERS = [float("nan"), float("inf"), "many", True, [], {}]
BAD = [
    *[
        (name, x)
        for name in ("replicas", "events", "max_events", "devices", "batch")
        for x in [0, -1, 2.5, *NOT_NUMBERS]
    ],
    *[(name, x) for name in ("horizon", "precision", "time_limit") for x in [0, -1, *NOT_NUMBERS]],
    *[("level", x) for x in [0, 1, -0.5, 95, None, *NOT_NUMBERS]],
    *[("warmup", x) for x in [-1, None, "never", "-5", "nan", "inf", float("nan"), float("inf"), True, [], {}]],
    *[("seed", x) for x in [-1, 2**64, 1.5, None, "0", True, float("nan")]],
    *[
        ("metric", x)
        for x in ["queue:", "queue:0", "queue:-1", "queue:x", "queue:0.1rel", "queue:nan", "queue:inf"][1:]
    ],
    *[("metric", x) for x in [3, (3,), (None,), 0.5]],
    *[("quantiles", x) for x in ["queue:0", "queue:1", "queue:x", "queue:0.5,", "queue:0.5,1.2", "queue:nan"]],
    *[("quantiles", x) for x in [0.5, (0.5,), 3]],
    *[("service_level", x) for x in ["queue", "queue:", "queue:x", "queue:1,", "queue:inf", "queue:nan", 20, (20,)]],
    *[("checkpoint", x) for x in ["run.json", "/nowhere/at/all/run.npz"]],
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{n}={v!r}" for n, v in BAD])
def test_bad_options_are_refused_by_name(name, value):
    misses = program.cache_info().misses
    with pytest.raises(ValueError, match=rf"^{name} = .*: must be "):
        jaxq.simulate(jaxq.MMc(0.5), **{name: value})
    assert program.cache_info().misses == misses


def test_an_unknown_option_is_an_error():
    with pytest.raises(TypeError, match="replica"):
        jaxq.simulate(jaxq.MMc(0.5), replica=3)


@pytest.mark.parametrize(
    "options", [{}, {"precision": 0.1}, {"metric": "number_in_system:0.1"}, {"metric": "queue_length"}]
)
def test_a_precision_stop_needs_thirty_replicas(options):
    with pytest.raises(ValueError, match="replicas = 29: a precision stop needs at least 30"):
        jaxq.Options(replicas=29, **options)
    assert jaxq.Options(replicas=30, **options).replicas == 30
    assert jaxq.Options(replicas=1, events=100).replicas == 1


def test_precision_is_the_default_only_if_nothing_else_ends_the_run():
    assert jaxq.Options().precision == 0.01
    for other in ({"events": 10}, {"horizon": 1.0}, {"metric": "queue_length:0.1"}):
        assert jaxq.Options(**other).precision is None
    assert not jaxq.Options(events=10).wants_precision
    assert jaxq.Options(events=10, metric="queue_length:0.1").wants_precision


def test_whole_numbers_in_any_form():
    options = jaxq.Options(replicas=np.int32(64), events=1e6, max_events=np.float64(1e9), seed=np.int64(3))
    assert (options.replicas, options.events, options.max_events) == (64, 10**6, 10**9)
    assert type(options.events) is int


@pytest.mark.parametrize(
    ("given_as", "kept"), [("auto", "auto"), ("mser5", "mser5"), ("1e3", 1000.0), ("0", 0.0), (5, 5)]
)
def test_warmup(given_as, kept):
    assert jaxq.Options(warmup=given_as).warmup == kept


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("queue", Target("queue")),
        ("queue:0.01", Target("queue", 0.01)),
        ("queue:1e-3abs", Target("queue", 0.001, True)),
        ("queue:2", Target("queue", 2.0)),
    ],
)
def test_metric_syntax(text, target):
    assert Target.parse(text) == target


@settings(max_examples=100, deadline=None)
@given(st.text("abcxyz019_", max_size=20), st.floats(1e-12, 1e12), st.booleans())
def test_metric_syntax_round_trip(rest, size, absolute):
    name = f"q{rest}"
    assert Target.parse(f"{name}:{size!r}{'abs' if absolute else ''}") == Target(name, size, absolute)


def test_targets_override_the_primary_metrics():
    options = jaxq.Options(precision=0.05, metric=("b:0.1", "c:0.2abs", "d"))
    targets = options.targets(("a", "b"))
    assert targets == [Target("a", 0.05), Target("b", 0.1), Target("c", 0.2, True), Target("d", 0.05)]


def test_quantile_syntax():
    options = jaxq.Options(quantiles=("queue", "wait:0.25,0.75"))
    assert options.quantile_probabilities() == {"queue": (0.5, 0.9, 0.95, 0.99), "wait": (0.25, 0.75)}
    assert jaxq.Options(quantiles="wait:0.5").quantiles == ("wait:0.5",)


def test_service_level_syntax():
    options = jaxq.Options(quantiles="wait", service_level=("queue:-1,0", "wait:20", "queue:0,5"))
    assert options.thresholds() == {"queue": (-1, 0, 5), "wait": (20,)} and options.counted() == ("wait", "queue")
    assert jaxq.Options(service_level="wait:20").service_level == ("wait:20",)


def test_names_are_checked_before_compiling():
    misses = program.cache_info().misses
    with pytest.raises(ValueError, match="metric = queue: mmc has number_in_system, queue_length, waiting_time"):
        jaxq.simulate(jaxq.MMc(0.5), metric="queue:0.1")
    with pytest.raises(ValueError, match="quantiles = waiting_time: mmc has .*number_in_system"):
        jaxq.simulate(jaxq.MMc(0.5), quantiles="waiting_time")
    with pytest.raises(ValueError, match="service_level = waiting_time: mmc has .*number_in_system"):
        jaxq.simulate(jaxq.MMc(0.5), service_level="waiting_time:20")
    with pytest.raises(ValueError, match="devices = 99: must be between 1 and"):
        jaxq.simulate(jaxq.MMc(0.5), devices=99)
    assert program.cache_info().misses == misses


def test_grids_are_checked_before_compiling():
    misses = program.cache_info().misses
    for grid, text in (
        ({"server": [1]}, "server: only scalar fields can be swept; mmc has arrival_rate, service_rate, servers"),
        ({"servers": []}, r"servers = \[\]: a sweep needs at least one value"),
        ({"arrival_rate": [0.5, -1]}, "arrival_rate = -1.0: must be"),
        ({"arrival_rate": [1.5, 1.6]}, "arrival_rate = 1.5: must be < servers x service_rate"),
    ):
        with pytest.raises(ValueError, match=text):
            jaxq.sweep(jaxq.MMc(0.5), grid, events=100)
    with pytest.raises(ValueError, match="service_law: only scalar fields"):
        jaxq.sweep(jaxq.MG1(0.5), {"service_law": ["erlang:2"]}, events=100)
    with pytest.raises(ValueError, match="systems: 1 given; a comparison needs at least two"):
        jaxq.compare([jaxq.MMc(0.5)], events=100)
    with pytest.raises(TypeError, match="is not a jaxq system"):
        jaxq.simulate(3, events=100)
    assert program.cache_info().misses == misses


def test_options_that_are_none_are_refused():
    """``max_events=None`` was a traceback of a division."""
    for name in ("max_events", "checkpoint_every"):
        with pytest.raises(ValueError, match=f"^{name} = None: must be a number > 0$"):
            jaxq.Options(**{name: None})


def test_a_metric_has_one_target():
    """Of two the last counted."""
    with pytest.raises(ValueError, match="^metric = queue:0.01, queue:0.5: must name each metric once, and queue is"):
        jaxq.Options(metric=("queue:0.01", "queue:0.5"))


def test_all_quantiles_of_a_quantity_are_kept():
    """Of two texts the last counted."""
    asked = jaxq.Options(quantiles=("queue:0.5,0.9", "wait", "queue:0.99,0.5")).quantile_probabilities()
    assert asked == {"queue": (0.5, 0.9, 0.99), "wait": (0.5, 0.9, 0.95, 0.99)}
    with pytest.raises(ValueError, match="with probabilities > 0 and < 1"):
        jaxq.Options(quantiles="queue:0.99999999999999")  # which is 1 where it is printed


@pytest.mark.parametrize("number", [np.array(100), jnp.int32(100), np.float32(100)])
def test_a_warmup_is_a_number_in_any_form(number):
    assert jaxq.Options(warmup=number).warmup == 100
