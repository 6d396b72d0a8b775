"""``--coordinator``, ``--processes``, ``--process-id`` that cannot be: one sentence and exit code 2, in no time."""

import pytest


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--processes 2", "coordinator: must be given, HOST:PORT or auto, with processes"),
        ("--coordinator nowhere --processes 2", "coordinator = nowhere: must be HOST:PORT"),
        ("--coordinator a:1 --processes 0", "processes = 0: must be a whole number >= 1"),
        ("--coordinator a:1 --processes x", "processes = x: must be a whole number >= 1"),
        ("--coordinator a:1 --processes 2 --process-id 2", "process_id = 2: must be from 0 to 1"),
        ("--coordinator a:1 --processes 2 --process-id 1 --join-timeout 0", "join_timeout = 0: must be a number > 0"),
        (
            "--coordinator 127.0.0.1:9 --processes 2 --process-id 1 --join-timeout 0.1",
            "process 0 cannot be reached there",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["run", "gradient"])
def test_processes_that_cannot_be(jaxq, verb, words, sentence):
    more = ("--parameter", "arrival_rate") if verb == "gradient" else ()
    done = jaxq(verb, "mmc", "--arrival-rate", "0.5", "--events", "1000", *more, *words.split())
    assert (done.code, done.out) == (2, "") and len(done.err.splitlines()) == 1
    assert done.err.startswith("error: ") and sentence in done.err


def test_one_process_is_a_run(jaxq):
    words = ("--events", "1000", "--replicas", "40", "--coordinator", "a:1", "--processes", "1", "--json")
    done = jaxq("run", "mmc", "--arrival-rate", "0.5", *words)
    assert (done.code, done.err) == (0, "") and '"processes"' not in done.out
