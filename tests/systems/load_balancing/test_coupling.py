"""The coupling of Proposition 7.1: each side has its own law, together they are ordered, and the controls are not."""

import pytest

import jaxq
from jaxq.analytic.load_balancing import exact, modified
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.processes.coupling import Coupled
from tests.agreement import check_agreement
from tests.analytic.load_balancing import ranks

RATES, SERVERS = (2.0, 1.0), (1, 9)
RUN = {"replicas": 64, "events": 20_000, "warmup": 2000}


def coupled(coupling):
    process = LoadBalancing(10, "2:0.1,1:0.9", "jsq", load=0.5, levels=4).process()
    return Coupled(process, coupling)


@pytest.mark.parametrize("coupling", ["proposition", "independent", "reversed"])
def test_each_side_has_its_own_law_and_the_proposition_orders_them(coupling):
    result = jaxq.simulate(coupled(coupling), **RUN)
    law = exact.small_system(5.5, RATES, SERVERS, 3, ranks.JSQ)  # a fourth job has probability .5**30
    least = modified.modified_system(5.5, RATES, SERVERS)
    check_agreement(result["jobs"], law["number_in_system"], 0.02)
    check_agreement(result["least_jobs"], least["number_in_system"], 0.02)
    check_agreement(result["least_waiting"], least["waiting"], 0.5)
    violations = result["jobs_violations"].mean, result["waiting_violations"].mean
    assert not result.flags or result.flags == ("not_seen",)
    assert violations == (0, 0) if coupling == "proposition" else min(violations) > 0


def test_a_coupling_by_another_name_is_refused():
    with pytest.raises(ValueError, match="coupling = none: must be one of proposition, independent, reversed"):
        coupled("none")
