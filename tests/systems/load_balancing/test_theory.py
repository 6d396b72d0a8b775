"""What `jaxq theory load-balancing` states: numbers of the page of its mathematics, and a verdict for every policy."""

import pytest

from jaxq.systems.load_balancing.model import LoadBalancing

SPEEDS = "2.5:0.2,0.625:0.8"


def statements(policy, servers=400, speeds=SPEEDS, **fields):
    return LoadBalancing(servers, speeds, policy, **fields).theory()


def test_the_reflected_limit_has_its_parameters_and_its_law():
    found = statements("sa-jsq", beta=2.0)
    assert found["limit"].value.startswith("dX = sqrt(2) dW + (-2 + 2.5 Z - 0.625 X) dt - dU, dZ = -2.5 Z dt + dU")
    assert "3.9-3.10" in found["limit"].source
    # notebooks/mathematics/load_balancing.md, section 3
    for name, value in (
        ("idle", -3.2),
        ("two_jobs", 0.0098237),
        ("idle_variance", 1.5748513),
        ("reflection_rate", 0.0245592),
    ):
        assert found[f"limit_{name}"].value == pytest.approx(value, abs=1e-6)
    # twice as fast servers at twice the load: the same limit in its own unit of time
    faster = statements("sa-jsq", speeds="5:0.2,1.25:0.8", load=0.9)
    assert faster["limit_two_jobs"].value == pytest.approx(found["limit_two_jobs"].value, rel=1e-9)
    assert faster["best_splitting_response_time"].value == pytest.approx(
        found["best_splitting_response_time"].value / 2
    )


def test_best_splitting_by_hand():
    """Two M/M/1, mu 4 and 1, Lambda 3: to each mu_j - c sqrt(mu_j), c = (5 - 3)/(2 + 1): 8/3 and 1/3; T = (2 + 1/2)/3."""
    found = statements("random", 2, "4:0.5,1:0.5", load=0.6)
    assert found["best_splitting"].value == pytest.approx([8 / 9, 1 / 9])
    assert found["best_splitting_response_time"].value == pytest.approx(2.5 / 3)


@pytest.mark.parametrize(
    ("policy", "verdict", "growth"),
    [
        ("sa-jsq", "stable", None),
        ("pod2", "unstable", 30.26),  # 360 C(320, 2)/C(400, 2) - 200
        ("uniform", "unstable", 88.0),  # 360 x .8 - 200
        ("random", "stable", None),
        ("med-fsf", "stable", None),
        ("sa-jiq", "no formula is known", None),
    ],
)
def test_every_policy_has_a_verdict_on_stability(policy, verdict, growth):
    found = statements(policy, beta=2.0)  # a load of .9
    assert found["stability"].value == verdict and all(x.source and x.meaning for x in found.values())
    assert ("growth_rate" in found) == (growth is not None)
    if growth is not None:
        assert (
            found["growth_rate"].value == pytest.approx(growth, abs=0.005) and "types 2" in found["growth_rate"].meaning
        )


def test_above_capacity_and_with_buffers():
    found = statements("jsq", load=1.1)
    assert (found["stability"].value, found["growth_rate"].value) == ("unstable", pytest.approx(40))
    assert "best_splitting" not in found
    assert statements("jsq", load=1.1, buffer=3)["stability"].value == "stable"


def test_mean_field_of_equal_draws_by_capacity():
    """Draws by capacity: rho^(2^k - 1) at every server, mean 2.614057 in units of 1/mu at .9."""
    found = statements("pod2r", load=0.9, routing=[0.5, 0.5])
    assert found["mean_field_levels_1"].value[:3] == pytest.approx([0.9, 0.9**3, 0.9**7])
    assert found["mean_field_response_time"].value == pytest.approx(2.614057, abs=1e-6)
