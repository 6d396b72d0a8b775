"""A keyword that does not exist is one sentence: the nearest name, and all that there are."""

import pytest

import jaxq

MMC = jaxq.MMc(arrival_rate=0.5)
CALLS = {
    "simulate": lambda: jaxq.simulate(MMC, presicion=0.1),
    "sweep": lambda: jaxq.sweep(MMC, {"arrival_rate": [0.5]}, presicion=0.1),
    "compare": lambda: jaxq.compare([MMC, MMC], presicion=0.1),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_option_that_does_not_exist(call):
    with pytest.raises(TypeError, match=r"presicion: a run has no such option; did you mean precision\? there is repl"):
        CALLS[call]()


ARGUMENTS = {
    "paths": (lambda: jaxq.paths(MMC, [1.0], replicsa=8), "replicsa", "replicas", "system, times, replicas"),
    "exact": (lambda: jaxq.exact(MMC, max_state=8), "max_state", "max_states", "system, keep, max_states"),
    "check": (lambda: jaxq.check(sytem=MMC), "sytem", "system", "system"),
    "tune": (lambda: jaxq.tune(MMC, stepz=8), "stepz", "steps", "system, parameters, start, objective"),
    "search": (lambda: jaxq.search(MMC, presicion=8), "presicion", "precision", "system, objective, starts"),
}


@pytest.mark.parametrize("function", ARGUMENTS)
def test_an_argument_that_does_not_exist(function):
    call, name, nearest, names = ARGUMENTS[function]
    sentence = f"^{name}: {function} has no such argument; did you mean {nearest}\\? there is {names}"
    with pytest.raises(TypeError, match=sentence):
        call()


def test_a_field_that_does_not_exist():
    with pytest.raises(
        TypeError, match=r"arival_rate: MMc has no such field; did you mean arrival_rate\? there is arr"
    ):
        jaxq.MMc(arival_rate=0.5)
    with pytest.raises(
        TypeError, match=r"lam: MMc has no such field; there is arrival_rate, service_rate, servers, ab"
    ):
        jaxq.MMc(lam=0.5)


@pytest.mark.parametrize("option", ["horizon", "events", "max_events", "warmup"])
def test_a_number_that_makes_no_sense_is_refused_by_name(option):
    for value in (1e308, 10**400):
        with pytest.raises(ValueError, match=f"^{option} = 1.*: must be"):
            jaxq.Options(**{option: value})


def test_a_grid_is_lists_of_values():
    with pytest.raises(ValueError, match=r"grid = \{\}: a sweep needs values"):
        jaxq.sweep(MMC, {})
    for values in (0.5, (x for x in [0.5])):
        with pytest.raises(TypeError, match="arrival_rate = .*: must be a list of values"):
            jaxq.sweep(MMC, {"arrival_rate": values})
