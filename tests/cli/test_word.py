"""`jaxq list WORD`: what is found, by name and by description."""

import json

import pytest

from jaxq.cli.word import entries, matching


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("priority", ("policy", "priority", "parallel-servers")),
        ("shortest-queue", ("policy", "jsq", "load-balancing")),
        ("join the shortest", ("policy", "sa-jsq", "load-balancing")),
        ("waiting time", ("metric", "waiting_time", "mmc")),
        ("loss", ("system", "mgcc", "")),
        ("Erlang", ("law", "erlang:PHASES", "")),
        ("toll", ("system", "tolled-queues", "")),
        ("policy", ("policy", "med-fsf", "load-balancing")),
        ("abandonment", ("field", "abandonment_rate", "mmc")),
    ],
)
def test_found(word, expected):
    assert expected in [entry[:3] for entry in matching(word, entries())]


def test_names_come_first():
    found = [entry.name for entry in matching("random", entries())]
    assert found[0] == "random" and len(found) > 3


def test_every_name_that_a_policy_takes_says_what_it_is():
    told = [entry for entry in entries() if entry.kind == "policy"]
    assert len(told) > 20 and all(entry.meaning for entry in told)


def test_on_the_command_line(jaxq):
    code, out, err = jaxq("list", "priority")
    assert code == 0 and err == "" and "a freed server takes the first class of its list" in out
    code, out, _ = jaxq("list", "priority", "--json")
    assert code == 0 and {row["name"] for row in json.loads(out)["found"]} >= {"priority", "priority-preemptive"}
    code, out, err = jaxq("list", "xyzzy")
    assert code == 2 and out == "" and err.startswith("error: word = xyzzy: no system, field, policy, metric or law")
    assert jaxq("list", "mmc")[1].startswith("mmc")
