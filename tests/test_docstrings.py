"""The examples in public docstrings run."""

import doctest
import inspect

import pytest

import jaxq

FINDER = doctest.DocTestFinder(exclude_empty=True)
NAMED = [getattr(jaxq, name) for name in jaxq.__all__]
PUBLIC = [thing for thing in NAMED if inspect.isclass(thing) or inspect.isfunction(thing)]
EXAMPLES = {
    found.name: found.examples
    for thing in PUBLIC
    if thing.__module__.startswith("jaxq.")
    for found in FINDER.find(thing, thing.__name__)
    if found.examples
}
ELSEWHERE = {"distributed"}
"""Their examples need other machines."""


def test_the_examples_are_found():
    assert {"simulate", "gradient", "paths", "exact", "tune", "search", "load", "plot", *ELSEWHERE} <= set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - ELSEWHERE))
def test_the_example_of_a_docstring_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names = {"jaxq": jaxq}
    if name == "load":
        jaxq.paths(jaxq.MMc(), [0, 1], replicas=32).save("transient.json")
    if name == "ExactResult.expectation":
        names["result"] = jaxq.exact(jaxq.MMc(capacity=5))
    for example in EXAMPLES[name]:
        exec(compile(example.source, name, "exec"), names)
