"""Priorities by lot, tuned: against the exact chain of two classes at one server, and the c-mu rule, which is the best."""

import jaxq

COSTS = 1.0, 4.0
TWO = jaxq.OpenNetwork([0.3, 0.3], [1, 1], [1, 1], holding_costs=COSTS)
SYSTEM = jaxq.QueueingNetwork(TWO, "softmax", weights=[0.2, 0.2], offsets=[0, 0])


def cost(system: jaxq.QueueingNetwork) -> float:
    return jaxq.exact(system, keep=lambda n: (n[0] < 30) & (n[1] < 30))["holding_cost"]


def test_tuned_lots_come_close_to_the_c_mu_rule():
    found = jaxq.tune(
        SYSTEM, "offsets[1]", objective="simulated:holding_cost", verify=False, steps=12, rate=0.5, replicas=256, seed=1
    )
    assert found.run["method"] == "coupling"
    before, after = cost(SYSTEM), cost(found.tuned)
    # the second class alone is M/M/1 of load .3, both together of load .6
    least = 1.5 + (COSTS[1] - 1) * 0.3 / 0.7
    assert least < after < before - 0.9 * (before - least)
    assert abs(found.best.objective - after) < 4.5 * found.best.objective_error < 0.3
