"""Theorem 2.1 on every path: the device's integers against plain fractions, and counterexamples that are what they say."""

import dataclasses
import functools
from fractions import Fraction

import jax
import numpy as np
import pytest

from jaxq.experiments.tolled_queues.counterexample import Customer, Instance, shortest_path
from jaxq.experiments.tolled_queues.dominance import (
    CLAIMS,
    STREAMS,
    _draw,
    _first_violation,
    _instance,
    check_dominance,
)

ONE = Fraction(1)


COUNT, CUSTOMERS = 120, 60


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None))
def draw(number, changes):
    instance = _draw(jax.random.fold_in(jax.random.key(7), number), changes, CUSTOMERS)
    return instance, _first_violation(instance, changes)


@functools.cache
def drawn(claim):
    """(instances, first violations on the device) of a claim."""
    found, first = jax.tree.map(np.asarray, draw(np.arange(COUNT), CLAIMS[claim].changes))
    return [jax.tree.map(lambda x, i=i: x[i], found) for i in range(COUNT)], first


@pytest.mark.parametrize("claim", ["theorem", "random-sizes", "lengths"])
def test_fractions_customer_by_customer_agree_with_the_device(claim):
    """Over all prefixes, in other code: the same first violation, or none."""
    instances, first = drawn(claim)
    for instance, k in zip(instances, first, strict=True):
        violation = _instance(instance, CLAIMS[claim], CUSTOMERS).violation()
        assert (CUSTOMERS if violation is None else violation - 1) == k
    assert (first < CUSTOMERS).any() == (claim == "random-sizes")


def test_instances_are_of_every_kind_and_full_of_exact_ties():
    instances, _ = drawn("theorem")
    servers = {int((i.rates > 0).sum()) for i in instances}
    classes = {len(set(i.kinds.tolist())) for i in instances}
    assert servers == {2, 3, 4, 5, 6} and classes == {1, 2, 3, 4} and len(STREAMS) == 6
    assert {bool(i.strict) for i in instances} == {False, True}
    indifferent = sum(
        any(utility == 0 for _, utility in _instance(i, CLAIMS["theorem"], CUSTOMERS).decisions()) for i in instances
    )
    assert indifferent > 20


def test_a_weak_split_beats_a_strict_pool_and_the_example_is_the_shortest():
    found = check_dominance("strict-pool", instances=4096, customers=CUSTOMERS, seed=3)
    assert found.violations > 0 and found.counterexample is not None
    example = found.counterexample
    assert example.violation() == len(example.customers) and not example.strict and example.strict_pool
    assert dataclasses.replace(example, strict_pool=False).violation() is None  # with the hypothesis back, none
    for k in range(len(example.customers)):
        fewer = example.customers[:k] + example.customers[k + 1 :]
        assert dataclasses.replace(example, customers=fewer).violation() is None
    assert len(str(found).splitlines()) <= 8


def test_an_instance_decides_as_worked_out_by_hand():
    """Rates 1 and 1 against 2, R = 3, c = 1, toll 1: a delay of 2 is just good enough."""
    customers = tuple(Customer(Fraction(t), 0, ONE, (0, -1)) for t in (0, 0, 0, 1, Fraction(3, 2), 6))
    instance = Instance((ONE, ONE), (ONE, ONE), ((Fraction(3), ONE),), customers)
    split = instance.decisions()
    assert split == [(0, 1), (1, 1), (0, 0), (1, 1), (0, Fraction(1, 2)), (0, 1)]
    assert instance.decisions(pooled=True)[:4] == [(0, Fraction(3, 2)), (0, 1), (0, Fraction(1, 2)), (0, 1)]
    strict = dataclasses.replace(instance, strict=True)
    assert strict.decisions()[2] == (None, 0)
    assert instance.violation() is None
    with pytest.raises(RuntimeError, match="no prefix with more joiners"):
        shortest_path(instance)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"claim": "nothing"}, "claim = nothing: must be one of theorem, strict-pool"),
        ({"instances": 0}, "instances = 0: must be a whole number >= 1"),
        ({"customers": 1.5}, "customers = 1.5: must be a whole number >= 1"),
        ({"seed": -1}, "seed = -1: must be a whole number >= 0"),
    ],
)
def test_what_is_not_allowed_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        check_dominance(**fields)
