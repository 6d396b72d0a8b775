"""`jaxq theory`: what is known without simulating."""

import json

import pytest

from jaxq.analytic.stations.erlang import erlang_c
from jaxq.systems import SYSTEMS


def test_the_oracle_of_a_system_is_printed(jaxq):
    code, out, err = jaxq("theory", "mmc", "--arrival-rate", "95", "--servers", "100", "--json")
    data = json.loads(out)
    assert code == 0 and err == "" and data["no_stationary_regime"] is None
    assert data["oracle"]["probability_wait"]["value"] == pytest.approx(erlang_c(100, 95.0), rel=1e-12)
    code, out, _ = jaxq("theory", "mmc", "--arrival-rate", "95", "--servers", "100")
    assert code == 0 and "probability_wait" in out and "exact" in out


def test_what_has_no_stationary_regime_says_so(jaxq):
    code, out, _ = jaxq("theory", "mmc", "--arrival-rate", "1.5")
    assert code == 0 and "no stationary regime: arrival_rate = 1.5: must be < servers x service_rate = 1" in out
    code, out, _ = jaxq("theory", "mmc", "--arrival-rate", "1.5", "--json")
    assert json.loads(out)["oracle"] == {} and "arrival_rate = 1.5" in json.loads(out)["no_stationary_regime"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_statement_says_what_it_is_and_where_it_is_from(name, jaxq):
    rate = ("--arrival-rate", "0.5") if "arrival_rate" in SYSTEMS[name].__annotations__ else ()
    code, out, err = jaxq("theory", name, *rate, "--json")
    assert code == 0 and err == ""
    data = json.loads(out)
    assert data["theory"] or data["oracle"]
    assert all(x["meaning"] and x["source"] for x in data["theory"].values())
