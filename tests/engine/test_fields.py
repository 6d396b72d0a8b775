"""Every kind of bad field is refused with its name, value and rule, before anything is compiled."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxq
from jaxq.engine.fields import rules
from jaxq.engine.program import program
from jaxq.laws.standard import parse_law

NUMBERS = [float("nan"), float("inf"), -float("inf"), True, np.bool_(True), "fast", 1 + 2j, {}, None]
RATES = [-0.5, 0, 0.0, *NUMBERS]
COUNTS = [2.5, 0, -1, *NUMBERS]
LISTS = [[], [0.1, 0.2], (0.1,), np.array([0.1, 0.2]), [[0.1]], ["a"]]

BAD = [
    *[("arrival_rate", lambda x: jaxq.MMc(x), x) for x in RATES + LISTS],
    *[("service_rate", lambda x: jaxq.MMc(0.5, x), x) for x in RATES + LISTS],
    *[("servers", lambda x: jaxq.MMc(0.5, 1.0, x), x) for x in COUNTS + LISTS],
    *[("abandonment_rate", lambda x: jaxq.MMc(0.5, abandonment_rate=x), x) for x in [-0.1, *NUMBERS[:-1], *LISTS]],
    *[("capacity", lambda x: jaxq.MMc(0.5, capacity=x), x) for x in [2.5, 0, -1, *NUMBERS[:-1], *LISTS]],
    *[("arrival_rate", lambda x: jaxq.MG1(x), x) for x in RATES + LISTS],
    *[("service_rate", lambda x: jaxq.GG1(0.5, x), x) for x in RATES + LISTS],
    *[("servers", lambda x: jaxq.TokenPool(x, 0.5, 0.5), x) for x in [*COUNTS, 2**15 + 1, [2], (2,)]],
    *[("arrival_rate", lambda x: jaxq.TokenPool(3, x, 0.5), x) for x in RATES],
    *[("service_rate", lambda x: jaxq.TokenPool(3, 0.5, 0.5, None, x), x) for x in RATES],
    *[("phi", lambda x: jaxq.TokenPool(3, 0.5, x), x) for x in [0, 1, -0.1, 1.5, *NUMBERS[:-1], *LISTS]],
    *[("token_cap", lambda x: jaxq.TokenPool(3, 0.5, 0.5, x), x) for x in [0, -1, 2.5, 2**16, *NUMBERS[:-1], *LISTS]],
    *[("wait", lambda x: jaxq.TokenPool(3, 0.5, 0.5, wait=x), x) for x in [-0.1, *NUMBERS, *LISTS]],
    *[("processing_cost", lambda x: jaxq.TokenPool(3, 0.5, 0.5, processing_cost=x), x) for x in [-1, *NUMBERS]],
    *[("phases", lambda x: jaxq.Erlang(x), x) for x in [0, 2.5, 65, *NUMBERS, (3,)]],
    *[("scv", lambda x: jaxq.Hyperexponential(x), x) for x in [1, 0.5, -1, *NUMBERS, *LISTS]],
    *[("scv", lambda x: jaxq.Lognormal(x), x) for x in [0, -1, *NUMBERS, *LISTS]],
    *[("threshold", lambda x: jaxq.ThresholdPolicy(x), x) for x in [-1, 0.5, *NUMBERS, [], [1, -1], [1, 0.5]]],
    *[("mix", lambda x: jaxq.ThresholdPolicy(1, x), x) for x in [-0.1, 1.1, *NUMBERS, [0.5, 2]]],
    *[("offer", lambda x: jaxq.ThresholdPolicy(1, 0, x), x) for x in [-0.1, 1.1, *NUMBERS, [0.5, 2]]],
]


@pytest.mark.parametrize(("name", "make", "value"), BAD, ids=[f"{n}={v!r}-{i}" for i, (n, _, v) in enumerate(BAD)])
def test_bad_values_are_refused_by_name_value_and_rule(name, make, value):
    misses = program.cache_info().misses
    with pytest.raises(ValueError, match=r"\w+ = .*: must be ") as error:
        make(value)
    text = str(error.value)
    assert name in text.split(" = ")[0]
    assert program.cache_info().misses == misses


SENTENCES = {
    "arrival_rate = -0.5: must be a number > 0": lambda: jaxq.MMc(-0.5),
    "servers = 2.5: must be a whole number >= 1": lambda: jaxq.MMc(0.5, 1, 2.5),
    "servers = True: must be a whole number >= 1": lambda: jaxq.MMc(0.5, 1, True),
    "phi = 1.5: must be a number > 0 and < 1": lambda: jaxq.TokenPool(3, 0.5, 1.5),
    "token_cap = 0: must be a whole number >= 1 and <= 65535, or none": lambda: jaxq.TokenPool(3, 0.5, 0.5, 0),
    "capacity = 2: must be >= servers = 3": lambda: jaxq.MMc(0.5, 1, 3, capacity=2),
    "arrival_rate = [0.1, -0.2, 0.3]: must be a number > 0, or a list": lambda: jaxq.TokenPool(
        3, [0.1, -0.2, 0.3], 0.5
    ),
    "arrival_rate = True: must be a number > 0": lambda: jaxq.TokenPool(3, True, 0.5),
    "law = beta:2: must be exponential, deterministic": lambda: jaxq.MG1(0.5, 1.0, "beta:2"),
    "erlang phases = 2.5: must be a whole number >= 1 and <= 64": lambda: jaxq.MG1(0.5, 1.0, "erlang:2.5"),
    "policy = 1:2: must be threshold[:mix[:offer]]": lambda: jaxq.TokenPool(3, 0.5, 0.5, policy="1:2"),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_messages(text):
    with pytest.raises(ValueError) as error:
        SENTENCES[text]()
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("field", ["arrival_rate", "service_rate"])
@pytest.mark.parametrize("values", [[0.1, 0.2], [0.1] * 4])
def test_one_rate_or_one_a_server(field, values):
    fields = {"servers": 3, "arrival_rate": 0.05, "phi": 0.5, field: values}
    with pytest.raises(ValueError, match=f"{field} = .*each of 3 servers"):
        jaxq.TokenPool(**fields)


@pytest.mark.parametrize("field", ["threshold", "mix", "offer"])
def test_a_policy_has_one_number_or_one_a_server(field):
    policy = jaxq.ThresholdPolicy(**{"threshold": 1, field: [1, 1]})
    with pytest.raises(ValueError, match="policy"):
        jaxq.TokenPool(3, 0.5, 0.5, 4, policy=policy)
    assert jaxq.TokenPool(2, 0.5, 0.5, 4, policy=policy).policy is policy


@pytest.mark.parametrize("value", [3, 0.5, [1, 2], jaxq.Erlang, object()])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("service_law", lambda x: jaxq.MG1(0.5, 1.0, x)),
        ("arrival_law", lambda x: jaxq.GG1(0.5, 1.0, x)),
        ("policy", lambda x: jaxq.TokenPool(3, 0.5, 0.5, policy=x)),
    ],
)
def test_a_field_that_holds_a_module_takes_nothing_else(name, make, value):
    with pytest.raises(ValueError, match=name):
        make(value)


def test_replace_checks_as_construction_does():
    system = jaxq.MMc(0.5)
    assert system.replace(servers=3).servers == 3
    with pytest.raises(ValueError, match="server: mmc has no such field; it has arrival_rate, service_rate, servers"):
        system.replace(server=3)
    with pytest.raises(ValueError, match="arrival_rate = -1.0: must be"):
        system.replace(arrival_rate=-1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: jaxq.MMc(1.2), "arrival_rate = 1.2: must be < servers x service_rate = 1"),
        (lambda: jaxq.MMc(3.0, 1.0, 3), "arrival_rate = 3: must be < servers x service_rate = 3"),
        (lambda: jaxq.MMc(3.0, 1.0, 3, abandonment_rate=0.0), "arrival_rate = 3: must be <"),
        (lambda: jaxq.MG1(1.0), "arrival_rate = 1: must be < service_rate = 1"),
        (lambda: jaxq.GG1(2.0, 1.5), "arrival_rate = 2: must be < service_rate = 1.5"),
        (lambda: jaxq.TokenPool(3, 1.0, 0.5), "arrival_rate = 1: must be < service_rate = 1 at every server"),
        (
            lambda: jaxq.TokenPool(2, [0.5, 1.1], 0.5),
            "arrival_rate = 1.1: must be < service_rate = 1 at every server .*server 2",
        ),
    ],
)
def test_overload_is_refused_before_compiling(make, text):
    misses = program.cache_info().misses
    with pytest.raises(ValueError, match=text):
        jaxq.simulate(make(), events=1000, replicas=32)
    assert program.cache_info().misses == misses


def test_overload_is_fine_with_abandonment_or_a_capacity():
    jaxq.MMc(3.0, 1.0, 2, abandonment_rate=0.1).stationarity().check()
    jaxq.MMc(3.0, 1.0, 2, capacity=5).stationarity().check()


POSITIVE = st.floats(1e-300, 1e300)


@settings(max_examples=100, deadline=None)
@given(POSITIVE, POSITIVE, st.integers(1, 2**62))
def test_numbers_are_kept_exactly_on_the_host(arrival, service, servers):
    system = jaxq.MMc(arrival, service, servers)
    assert type(system.arrival_rate) is np.float64 and system.arrival_rate == arrival
    assert type(system.service_rate) is np.float64 and system.service_rate == service
    assert type(system.servers) is np.int64 and system.servers == servers
    assert system.parameters()["servers"] == servers


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 0.999), min_size=1, max_size=8), st.integers(1, 65535))
def test_lists_become_one_array(rates, cap):
    system = jaxq.TokenPool(len(rates), rates, 0.5, cap)
    assert system.arrival_rate.dtype == np.float64 and system.arrival_rate.tolist() == rates
    assert type(system.token_cap) is np.int64
    assert type(system.servers) is int


@settings(max_examples=50, deadline=None)
@given(st.floats(max_value=0, allow_nan=False) | st.just(math.nan) | st.just(math.inf))
def test_nothing_else_is_a_rate(x):
    with pytest.raises(ValueError, match=r"arrival_rate = .*: must be a number > 0"):
        jaxq.MMc(x)


@pytest.mark.parametrize("number", [3, 3.0, np.int32(3), np.float32(3), np.int64(3), np.uint8(3)])
def test_any_kind_of_number_is_taken(number):
    assert type(jaxq.MMc(0.5, 1, number).servers) is np.int64
    assert type(jaxq.MMc(number, 1, 4).arrival_rate) is np.float64


MAKERS = {
    "mmc": lambda x: jaxq.MMc(x, 1.0, 2, abandonment_rate=x),
    "mg1": lambda x: jaxq.MG1(x),
    "gg1": lambda x: jaxq.GG1(x, service_law=jaxq.Lognormal(x)),
    "token-pool": lambda x: jaxq.TokenPool(3, x, 0.5, 4),
    "token-pool-phi": lambda x: jaxq.TokenPool(3, 0.5, x, 4),
}


@pytest.mark.parametrize("name", MAKERS)
def test_tracers_pass_through(name):
    leaf = jax.jit(lambda x: jnp.sum(jnp.stack([jnp.sum(y) for y in jax.tree.leaves(MAKERS[name](x))])))
    assert np.isfinite(leaf(0.5))
    assert np.isfinite(jax.grad(lambda x: sum(jnp.sum(y * 1.0) for y in jax.tree.leaves(MAKERS[name](x))))(0.5))


def test_jax_arrays_are_checked_and_kept():
    assert isinstance(jaxq.MMc(jnp.float32(0.5)).arrival_rate, jax.Array)
    with pytest.raises(ValueError, match="arrival_rate = -0.5: must be"):
        jaxq.MMc(jnp.float32(-0.5))


def test_integers_beyond_32_bits_are_refused_before_compiling():
    misses = program.cache_info().misses
    with pytest.raises(ValueError, match=r"servers = 2.14748e\+09: must be under 2\*\*31"):
        jaxq.simulate(jaxq.MMc(0.5, 1.0, 2**31), events=100, replicas=32)
    assert program.cache_info().misses == misses


PARSED = [
    (jaxq.MMc, "arrival_rate", "0.8", 0.8),
    (jaxq.MMc, "arrival_rate", "8e-1", 0.8),
    (jaxq.MMc, "abandonment_rate", "None", None),
    (jaxq.MMc, "capacity", "none", None),
    (jaxq.MMc, "capacity", "12", 12),
    (jaxq.TokenPool, "arrival_rate", "0.2,0.5,0.7", [0.2, 0.5, 0.7]),
    (jaxq.TokenPool, "arrival_rate", "0.2*2,0.7", [0.2, 0.2, 0.7]),
    (jaxq.TokenPool, "policy", "none", None),
]


@pytest.mark.parametrize(("system", "name", "text", "value"), PARSED)
def test_text_becomes_a_value(system, name, text, value):
    assert rules(system)[name].parse(name, text) == value


def test_text_becomes_a_module():
    policy = rules(jaxq.TokenPool)["policy"].parse("policy", "2:0.5:0.9")
    assert (policy.threshold, policy.mix, policy.offer) == (2, 0.5, 0.9)
    assert isinstance(rules(jaxq.MG1)["service_law"].parse("service_law", "erlang:3"), jaxq.Erlang)


@pytest.mark.parametrize(
    ("name", "text"), [("arrival_rate", "fast"), ("servers", "1,2"), ("arrival_rate", ""), ("capacity", "nothing")]
)
def test_text_that_means_nothing(name, text):
    with pytest.raises(ValueError, match=f"{name} = {text}: must be "):
        rules(jaxq.MMc)[name].parse(name, text)


@pytest.mark.parametrize("text", ["pareto", "erlang", "exponential:2", "erlang:x", "lognormal:-1", "", "erlang:0"])
def test_laws_that_do_not_exist(text):
    with pytest.raises(ValueError, match=r".* = .*: must be "):
        parse_law(text)


@pytest.mark.parametrize("text", ["exponential", "deterministic", "erlang:3", "hyperexponential:4", "lognormal:2"])
def test_a_law_is_its_own_text(text):
    assert str(parse_law(text)) == text


@pytest.mark.parametrize("value", [10**400, 10**30, 1e39, 2**63])
def test_whole_numbers_that_no_machine_word_holds_are_refused_by_name(value):
    with pytest.raises(ValueError, match=r"^servers = .*: must be a whole number >= 1 and < 2\*\*63 "):
        jaxq.MMc(0.5, 1.0, value)
    with pytest.raises(ValueError, match=r"^policy = .* threshold = .*: must be a whole number >= 0.* < 2\*\*63 "):
        jaxq.TokenPool(deviator=f"{value:.0f}" if isinstance(value, float) else str(value))


def test_a_real_number_beyond_float64_is_refused_by_name():
    with pytest.raises(ValueError, match="^arrival_rate = inf: must be a number > 0"):
        jaxq.MMc(10**400)
