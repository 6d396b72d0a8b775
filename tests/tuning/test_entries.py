"""Single numbers of fields that are tuned: where they go, what they may be, and where a descent of one ends at a bound."""

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine.planned import plan_of
from jaxq.tuning.entries import as_fields, placed, rule_of, value_of

X = jaxq.ParallelServers(network="x-model", policy="random", routing=[[0.7, 0.3], [0.3, 0.7]])
SOFT = jaxq.ParallelServers("qgym-n", policy="softmax-preemptive", weights=[1, 1], offsets=[0, 0])
SIMULATED = {"objective": "simulated:holding_cost", "method": "finite-difference", "replicas": 64}


def test_a_number_is_put_where_it_stands_and_shares_give_way():
    there = {"routing[0,0]": 0.4, "network.arrival_rates[1]": 90.0}
    found = placed(X, there)
    np.testing.assert_allclose(found.routing, [[0.4, 0.6], [0.3, 0.7]], rtol=1e-15)
    assert found.network.arrival_rates.tolist() == [X.network.arrival_rates[0], 90.0]
    assert {name: value_of(found, name) for name in there} == pytest.approx(there)
    with jax.enable_x64(True):
        fields = as_fields(X, {"routing[0,0]": 0.4, "routing[1,1]": 0.1})
    np.testing.assert_allclose(fields["routing"], [[0.4, 0.6], [0.9, 0.1]], rtol=1e-15)


def test_what_a_number_may_be():
    assert rule_of(X, "routing[0,0]").allowed() == "a number >= 0 and <= 1"
    assert rule_of(X, "network.arrival_rates[1]").allowed() == "a number > 0"
    assert rule_of(X, "eta", (0.1, 0.2)).allowed() == "a number >= 0.1 and <= 0.2"


@pytest.mark.parametrize(
    ("system", "names", "options", "match"),
    [
        (SOFT, ["offsets", "offsets[1]"], SIMULATED, "offsets\\[1\\]: moves with offsets; tune offsets itself"),
        (SOFT, ["offsets[3]"], SIMULATED, r"must be from offsets\[0\] to offsets\[1\]"),
        (SOFT, ["offsets[1]"], {"bounds": (1, 2), **SIMULATED}, r"offsets\[1\] = 0.0: must be a number >= 1 and <= 2"),
        (SOFT, ["weights[1]"], {"bounds": (-1, 2), **SIMULATED}, "bounds = -1,2: must be in order and within"),
        (SOFT, ["weights[1]"], {"bounds": 3, **SIMULATED}, "bounds = 3: must be two numbers"),
        (SOFT, ["weights[1]"], {"bounds": {"offsets": (0, 1)}, **SIMULATED}, "bounds = offsets: must be one of"),
        (SOFT, ["network.arrival_rates[1]"], SIMULATED, "no derivative there: .*must be < 1"),
        (X, ["routing[0,0]", "routing[0,1]"], {}, r"moves with routing\[0,0\]"),
        (X, ["network.arrival_rates[0]"], {}, "is a formula of whole fields; give simulated:METRIC"),
    ],
)
def test_what_is_refused(system, names, options, match):
    with pytest.raises(ValueError, match=match):
        plan_of(jaxq.tune)(system, names, **options)


def test_two_numbers_of_a_matrix_find_its_optimum():
    found = jaxq.tune(X, ["routing[0,0]", "routing[1,1]"], verify=False)
    assert found.best.objective == pytest.approx(1340, rel=1e-6) and list(found.best.values) == list(found.start.values)
    np.testing.assert_allclose(found.tuned.routing[1], [1 / 3, 2 / 3], atol=1e-4)


def test_an_optimum_at_a_bound_says_so(tmp_path):
    pool = jaxq.TokenPool(servers=10, arrival_rate=0.8)
    found = jaxq.tune(pool, "phi", start=0.3, bounds=(0.1, 0.7), verify=False)
    assert found.best.values["phi"] == pytest.approx(0.7, abs=1e-3)
    assert found.flags == () and found.bounds == {"phi": 0.7} and "at the bound: phi = 0.7" in str(found)
    found.save(tmp_path / "tuned.json")
    assert jaxq.load(tmp_path / "tuned.json").bounds == {"phi": 0.7}
    # without the bound it is a kink inside
    assert jaxq.tune(pool, "phi", start=0.3, verify=False).bounds == {}
