"""Text to values, and the options declared once."""

import dataclasses

import pytest

from jaxq.cli.field_values import Several, compared, one, points, swept
from jaxq.cli.given_options import build_options, number
from jaxq.cli.options import SHARED, SIMULATION
from jaxq.engine.fields import Rule, rules
from jaxq.engine.options import Options
from jaxq.engine.unknown import suggestion
from jaxq.laws.standard import parse_law
from jaxq.systems import SYSTEMS

RATE = Rule("a rate", low=0.0, open_low=True)
SERVERS = Rule("servers", low=1, whole=True)
NAMES = Rule("a policy", choices=("jsq", "jiq"), static=True)
LAW = Rule("a law", parse_compound=parse_law)
RATES = Rule("rates", low=0.0, open_low=True, listed=True)


def test_every_option_of_a_run_is_an_option_of_the_command_line():
    assert {field.name for field in dataclasses.fields(Options)} <= set(SIMULATION) <= set(SHARED)


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_field_hides_an_option(system):
    assert not set(rules(SYSTEMS[system])) & set(SHARED)


def test_points_include_both_ends_and_are_round():
    assert points("rate", RATE, "0.1:0.95:18") == [round(0.1 + 0.05 * i, 2) for i in range(18)]
    assert points("rate", RATE, "0.3:0.3:1") == [0.3]
    assert swept("servers", SERVERS, "90:110:21") == list(range(90, 111))


def test_a_single_value_is_not_swept():
    assert swept("rate", RATE, "0.5") is None
    assert swept("rates", RATES, "0.5,0.6") is None
    assert swept("law", LAW, "erlang:2") is None
    assert compared("rates", RATES, "0.5,0.6") is None


def test_what_varies():
    assert swept("rate", RATE, "0.2,0.4") == [0.2, 0.4]
    assert swept("rates", RATES, "0.2:0.4:2") == [0.2, 0.4]
    assert swept("rates", RATES, Several([0.2, 0.4])) == [0.2, 0.4]
    assert compared("policy", NAMES, "jsq,jiq") == ["jsq", "jiq"]
    assert [str(law) for law in compared("law", LAW, "erlang:2,exponential") or []] == ["erlang:2", "exponential"]


def test_names_are_not_swept():
    with pytest.raises(ValueError, match="policy = jsq,jiq: only scalar fields"):
        swept("policy", NAMES, "jsq,jiq")


def test_a_law_in_a_file_must_be_text():
    with pytest.raises(ValueError, match="law = 3: must be text"):
        one("law", LAW, 3)


def test_numbers():
    assert number("1e6") == 1_000_000 and isinstance(number("1e6"), int)
    assert number("0.5") == 0.5 and number("auto") == "auto" and number(str(2**63 + 1)) == 2**63 + 1
    assert build_options({"replicas": "1e3", "events": 10, "warmup": "2e2"}).replicas == 1000


def test_suggestions():
    assert suggestion("servrs", ["servers", "seed"]) == "; did you mean servers?"
    assert suggestion("zzz", ["servers", "seed"]) == "; there is servers, seed"
