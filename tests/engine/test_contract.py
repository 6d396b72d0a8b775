"""Every system keeps the contract; three of the tests' own, in a few lines each, agree with what is known of them."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine import carry, outline
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.quantity import primary
from jaxq.systems.load_balancing.processes.coupling import Coupled
from jaxq.systems.token_pool.processes.alternatives import MechanismBesideAlternatives
from jaxq.systems.token_pool.processes.chain import TokenChain
from jaxq.systems.tolled_queues.processes.pairs import WorkloadsBesidePairs
from tests.agreement import check_agreement
from tests.analytic.tolled_queues.balking import balking
from tests.engine.contract_systems import BalancedSaturation, ShadowRouting, TolledQueue
from tests.systems_under_test import UNDER_TEST, last_classes, modules


def test_tolled_queue_joins_as_the_closed_form_says():
    result = jaxq.simulate(TolledQueue(0.8, 3.0), events=40_000, replicas=256)
    check_agreement(result["probability_join"], balking(0.8, 1.0, 3.0)["join"], 0.001)
    assert result["revenue"].mean == pytest.approx(0.8 * result["probability_join"].mean, rel=2e-3)


def test_balanced_saturation_meets_the_exact_chain():
    # the network n at n = 100; 10.7533 from jaxq.analytic.staffing.chain (tests/analytic/staffing/test_chain.py)
    system = BalancedSaturation(131.0, 49.0, 55, 118, 52)
    result = jaxq.simulate(system, events=100_000, replicas=512)
    check_agreement(result["total_queue"], 10.7533, 0.05)


def test_shadow_routing_runs_on_the_real_clock():
    """Against the figure that the system that ships is held to, in tests/systems/parallel_servers/test_shadow.py."""
    result = jaxq.simulate(ShadowRouting(), events=60_000, replicas=64)
    # notebooks/mathematics/parallel_servers.md, section 5
    check_agreement(result["reward_rate"], 1315.9, 0.005, error=0.35)


def shapes_of(prepared, function):
    """What ``function(system, carry)`` returns for one replica at the start: shapes and dtypes, without running it."""
    leaves, structure = jax.tree.flatten(prepared)

    def one(leaves):
        system = jax.tree.unflatten(structure, leaves)
        return function(system, carry.start(system, jnp.asarray(carry.seeded(system, 0, 0))))

    return jax.eval_shape(one, [compute_leaf(leaf) for leaf in leaves])


def forms(tree):
    """Structure and shapes of a state."""
    return jax.tree.structure(tree), [np.shape(x) for x in jax.tree.leaves(tree)]


@pytest.mark.parametrize("name", UNDER_TEST)
def test_the_contract(name):
    system = UNDER_TEST[name]
    prepared = system.process()
    state, following = shapes_of(prepared, lambda s, c: (c.state, s.update(c.state, c.event)))
    assert forms(state) == forms(following)
    kinds = shapes_of(
        prepared,
        lambda s, c: [
            jax.tree.map(jnp.asarray, part)
            for part in (s.observe(c.state), s.tally(c.state, c.event), s.counters(c.state))
        ],
    )
    names = [quantity for part in kinds for quantity in part]
    assert names and len(names) == len(set(names))
    assert all(x.shape == () and x.dtype.kind in "biuf" for part in kinds for x in part.values())
    assert all(x.dtype == np.int32 for x in kinds[2].values())
    metrics, _ = outline.names(system, prepared)
    assert {*system.oracle()} <= set(metrics)
    assert primary(system.metric_table, metrics) or not any(row.primary for row in system.metric_table)
    assert type(system)(**system.parameters()).parameters().keys() == system.parameters().keys()


@pytest.mark.parametrize("name", [n for n, s in UNDER_TEST.items() if isinstance(s.process(), jaxq.MarkovProcess)])
def test_a_jump_for_every_rate(name):
    prepared = UNDER_TEST[name].process()
    state, rates = shapes_of(prepared, lambda s, c: (c.state, tuple(map(jnp.asarray, s.rates(c.state)))))
    assert isinstance(rates, tuple) and all(rate.shape == () for rate in rates)
    whichever = shapes_of(prepared, lambda s, c: s.transition(c.state, c.stream.a.astype(jnp.int32)))
    own = type(prepared).jump is not jaxq.MarkovProcess.jump
    jumps = shapes_of(prepared, lambda s, c: [s.jump(c.state, k) for k in range(len(rates) if own else 0)])
    assert all(forms(after) == forms(state) for after in [whichever, *jumps])


ELSEWHERE = {
    TokenChain: "systems/token_pool/test_chain.py",
    Coupled: "systems/load_balancing/test_coupling.py",
    WorkloadsBesidePairs: "systems/tolled_queues/test_pairs.py",
    MechanismBesideAlternatives: "systems/token_pool/test_alternatives.py",
}
"""Processes that no system has: for `jaxq.exact` alone, for one experiment, and for derivatives."""


def test_the_list_has_every_system_policy_router_and_law():
    listed = list(UNDER_TEST.values())
    assert set(jaxq.systems.SYSTEMS.values()) <= {type(system) for system in listed}
    found = modules(listed) | modules([system.process() for system in listed])
    parts = {c for c in last_classes(eqx.Module) if c.__module__.startswith(("jaxq.systems.", "jaxq.laws."))}
    assert len(parts) > 40 and parts - ELSEWHERE.keys() <= found
    for part, file in ELSEWHERE.items():
        assert part in parts and (Path(__file__).parents[1] / file).exists()
