"""Servers that get jobs in turn, against chains solved here and against GI/M/1."""

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from jaxq.analytic.load_balancing.in_turn import periodic_queue, servers_in_turn
from jaxq.analytic.stations.gg1 import gm1


def solved(arrival_rate, service_rate, gaps, most=250):
    """(mean wait, P(a job waits)) from the stationary law of (jobs at the server, jobs of the stream since its own)."""
    phases = sum(gaps)
    own = np.isin(np.arange(phases), np.cumsum(gaps) - 1)
    move = sparse.csr_array(np.roll(np.eye(phases), 1, axis=1))
    joins, passes = move * own[:, None], move * ~own[:, None]
    up, down = np.eye(most + 1, k=1), np.eye(most + 1, k=-1)
    up[-1, -1] = 1.0
    rates = arrival_rate * (sparse.kron(up, joins) + sparse.kron(np.eye(most + 1), passes))
    rates = rates + service_rate * sparse.kron(down, np.eye(phases))
    balance = sparse.lil_array((rates - sparse.diags_array(rates.sum(axis=1))).T)
    balance[0, :] = 1.0
    right = np.zeros((most + 1) * phases)
    right[0] = 1.0
    law = spsolve(balance.tocsc(), right).reshape(most + 1, phases)
    finds = law[:, own].sum(axis=1) / law[:, own].sum()
    return float(np.arange(most + 1) @ finds) / service_rate, float(1 - finds[0])


@pytest.mark.parametrize(
    ("gaps", "rate"), [((3, 1), 1.0), ((1, 2, 4), 0.6), ((1, 1, 1, 5), 0.8), ((2, 7, 2, 3, 1), 0.5)]
)
def test_uneven_turns_have_the_law_of_the_chain(gaps, rate):
    np.testing.assert_allclose(periodic_queue(1.0, rate, gaps), solved(1.0, rate, gaps), rtol=1e-9)


@pytest.mark.parametrize("load", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("k", [1, 2, 9, 400])
def test_even_turns_are_a_queue_with_erlang_gaps(k, load):
    law = gm1(load, 1.0, ("erlang", k))
    found = periodic_queue(load * k, 1.0, (k,))
    np.testing.assert_allclose(found, (law["waiting_time"], law["probability_wait"]), rtol=1e-7)
    np.testing.assert_allclose(periodic_queue(load * k, 1.0, (k,) * 3), found, rtol=1e-7)


def test_servers_of_two_types_are_put_together():
    """Jobs of a cycle a b a c: a gets every second one, b and c every fourth."""
    found = servers_in_turn(2.0, [1.5, 1.0], [{(2,): 1}, {(4,): 2}])
    fast, slow = gm1(1.0, 1.5, ("erlang", 2)), gm1(0.5, 1.0, ("erlang", 4))
    wait = (fast["waiting_time"] + slow["waiting_time"]) / 2
    number = fast["queue_length"] + 2 * slow["queue_length"] + 1 / 1.5 + 1.0
    assert found["waiting_time"] == pytest.approx(wait, rel=1e-12)
    assert found["number_in_system"] == pytest.approx(number, rel=1e-12) == pytest.approx(2 * found["response_time"])
    assert found["idle"] == pytest.approx([1 / 3, 1.0]) and found["idle_servers"] == pytest.approx(4 / 3)
    two = [fast["utilisation"] * fast["probability_wait"], 2 * slow["utilisation"] * slow["probability_wait"]]
    assert found["two_jobs"] == pytest.approx(two, rel=1e-12)


def test_what_has_no_stationary_law_is_refused():
    with pytest.raises(ValueError, match="no stationary regime"):
        periodic_queue(1.0, 0.4, (3, 2))
    with pytest.raises(ValueError, match="must be at least one"):
        periodic_queue(1.0, 0.4, ())
    with pytest.raises(ValueError, match="one cycle, in which every job has a server"):
        servers_in_turn(1.0, [1.0], [{(2,): 3}])
