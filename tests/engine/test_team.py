"""Processes that say something to each other: what is decided and put together, who is lost, who does not come."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxq.checks import FieldError
from jaxq.engine import distributed, plan
from jaxq.engine.distributed import TIMEOUT, join
from jaxq.engine.launcher import Place, first_node, place
from jaxq.engine.options import Options
from jaxq.engine.team import ProcessLost, Team
from jaxq.engine.wire import SIZES, Channel


@pytest.fixture
def connected():
    """A function that makes a team of so many threads."""
    channels = []

    def made(count):
        hub, others = {}, []
        with socket.create_server(("127.0.0.1", 0)) as server:
            for number in range(1, count):
                channels.append(Channel(socket.create_connection(server.getsockname())))
                others.append(Team(number, count, {0: channels[-1]}))
                channels.append(Channel(server.accept()[0]))
                hub[number] = channels[-1]
        return [Team(0, count, hub), *others]

    yield made
    for channel in channels:
        channel.close()


def in_each(teams, function):
    """What a function of a team returns, or the exception that it raises, in each of them at once."""

    def tried(team):
        try:
            return function(team)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(teams)) as pool:
        return list(pool.map(tried, teams))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_know_what_is_decided_and_what_each_has(connected, count):
    teams = connected(count)
    assert in_each(teams, lambda t: t.decide("sum", t.process_id, sum)) == [sum(range(count))] * count
    arrays = [[np.arange(3.0) / (k + 1), np.full((2, k), k > 1), np.array(k, np.int32)] for k in range(count)]
    for found in in_each(teams, lambda t: t.gather("arrays", arrays[t.process_id])):
        for mine, theirs in zip(found, arrays, strict=True):
            assert all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(mine, theirs, strict=True))
    assert [len(x) for x in in_each(teams, lambda t: t.gather("arrays", [np.ones(2)], False))] == [count] + [0] * (
        count - 1
    )
    for found in in_each(teams, lambda t: t.tell("file", {"x": np.ones(3, np.uint32)} if t.first else {})):
        assert list(found) == ["x"] and found["x"].dtype == np.uint32


@pytest.mark.parametrize(("replicas", "count"), [(4, 4), (131, 4), (7, 3), (1024, 1)])
def test_shares_are_all_replicas_in_order(replicas, count):
    shares = [Team(k, count).share(replicas) for k in range(count)]
    assert [i for share in shares for i in range(share.start, share.stop)] == list(range(replicas))
    sizes = {share.stop - share.start for share in shares}
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1


def test_bad_input_that_process_0_finds_is_everybodys(connected):
    def rule(said):
        raise FieldError("checkpoint", "run.npz", "is damaged")

    found = in_each(connected(3), lambda t: t.decide("open", None, rule))
    assert [type(error) for error in found] == [FieldError] * 3
    assert {(str(e), e.field) for e in found} == {("checkpoint = run.npz: is damaged", "checkpoint")}


def test_who_ends_is_named_to_all_though_others_let_wait(connected):
    teams = connected(4)
    teams[2].leave()
    patient = [teams[0], teams[1]]  # process 3 says nothing yet
    found = in_each(patient, lambda t: t.decide("launch", 0, sum))
    assert [str(error) for error in found] == ["process 2 of 4 has ended, or its connection was lost"] * 2
    (late,) = in_each(teams[3:], lambda t: t.decide("launch", 0, sum))
    assert isinstance(late, ProcessLost) and str(late) == str(found[0])
    for error in in_each(teams[:2], lambda t: t.decide("launch", 0, sum)):
        assert isinstance(error, ProcessLost) and "start all processes again" in str(error)


def test_one_process_goes_on_after_an_error():
    alone = Team()
    alone.leave()
    assert alone.decide("launch", 3, sum) == 3


def test_process_0_ends(connected):
    teams = connected(3)
    teams[0].leave()
    found = in_each(teams[1:], lambda t: t.decide("launch", 0, sum))
    assert [str(error) for error in found] == ["process 0 of 3 has ended, or its connection was lost"] * 2


def test_processes_that_do_different_things_end(connected):
    found = in_each(connected(2), lambda t: t.decide("look" if t.first else "launch", 0, sum))
    sentence = "process 1 is at 'launch' where process 0 is at 'look': all processes must make the same calls"
    assert [(type(error), str(error)) for error in found] == [(ProcessLost, f"{sentence} in the same order")] * 2


@pytest.mark.parametrize("kind", ["|O", "<U4", "<M8", "nothing", "V8"])
def test_nothing_but_numbers_is_read(connected, kind):
    (first, second) = (next(iter(team._channels.values())) for team in connected(2))
    head = f'["x", null, [["{kind}", [1]]]]'.encode()
    first._connection.sendall(SIZES.pack(len(head), 16) + head + bytes(16))
    with pytest.raises(ConnectionError, match="no message of jaxq"):
        second.receive()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("here", 2, 0), "coordinator = here: must be HOST:PORT"),
        ((":80", 2, 0), "coordinator = :80: must be HOST:PORT"),
        (("here:0", 2, 0), "coordinator = here:0: must be HOST:PORT"),
        (("here:70000", 2, 0), "coordinator = here:70000: must be HOST:PORT"),
        ((7, 2, 0), "coordinator = 7: must be HOST:PORT"),
        (("here:80", 0, 0), "processes = 0: must be a whole number >= 1"),
        (("here:80", 2.5, 0), "processes = 2.5: must be a whole number >= 1"),
        (("here:80", 2, 2), "process_id = 2: must be from 0 to 1, as there are 2 processes"),
        (("here:80", 2, -1), "process_id = -1: must be a whole number >= 0"),
        (
            ("here:80", None, 1),
            "processes: must be given beside the coordinator: the environment has none of SLURM_NTASKS",
        ),
        (
            ("here:80", 2, None),
            "process_id: must be given beside the coordinator: the environment has none of SLURM_PROCID",
        ),
        ((None, 2, 0), "coordinator = auto: SLURM's SLURM_STEP_NODELIST and SLURM_JOB_ID are not there"),
    ],
)
def test_where_processes_meet_is_said_clearly(given, sentence):
    with pytest.raises(FieldError) as error:
        place(*given, environ={})
    assert str(error.value).startswith(sentence)


def test_places_that_launchers_say():
    slurm = {"SLURM_NTASKS": "8", "SLURM_PROCID": "3", "SLURM_STEP_NODELIST": "n[07-10],m2", "SLURM_JOB_ID": "4097"}
    assert place(environ=slurm) == Place("n07", 61441, 8, 3) == place("auto", environ=slurm)
    assert place("there:5000", environ=slurm) == Place("there", 5000, 8, 3)
    mpi = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"}
    assert place("[::1]:5000", environ=mpi) == Place("::1", 5000, 4, 1)
    assert place("[::1]:5000", environ=mpi).coordinator == "[::1]:5000"
    assert place("job-0.svc:5000", 4, environ={"JOB_COMPLETION_INDEX": "2"}) == Place("job-0.svc", 5000, 4, 2)
    assert place("a:1", 1, environ={}) == Place("a", 1, 1, 0)
    with pytest.raises(FieldError, match="SLURM_PROCID = x: is not a number of process_id"):
        place("a:1", 2, environ={"SLURM_PROCID": "x"})


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("n1,n2", "n1"), ("n[001-015],m", "n001"), ("n[1,7-9]", "n1"), ("a-b[4-5]-x,c", "a-b4-x")],
)
def test_the_first_node(nodes, first):
    assert first_node(nodes) == first


def test_who_cannot_meet_says_so(monkeypatch):
    monkeypatch.setattr(distributed, "set_team", lambda joined: None)
    port = _free()
    with pytest.raises(
        FieldError, match=rf"coordinator = 127.0.0.1:{port}: process 0 cannot be reached .* within 0.3 s"
    ):
        join(Place("127.0.0.1", port, 2, 1), 0.3)
    with pytest.raises(FieldError, match=r"within 0.3 s there was no process 1, 2 of 3"):
        join(Place("127.0.0.1", port, 3, 0), 0.3)
    with pytest.raises(FieldError, match=r"192.0.2.1:5000: process 0 cannot listen there"):
        join(Place("192.0.2.1", 5000, 2, 0), 0.3)
    with pytest.raises(FieldError, match="timeout = 0: must be a number > 0"):
        join(Place("127.0.0.1", port, 2, 0), 0)
    assert TIMEOUT == 300


def _free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _meet(places):
    def tried(at):
        try:
            return distributed._listen(at, 10) if at.process_id == 0 else distributed._reach(at, 10)
        except FieldError as error:
            return str(error)

    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(tried, places))


def test_strangers_are_passed_over_and_misfits_refused():
    port = _free()
    at = [Place("127.0.0.1", port, 2, number) for number in range(2)]
    with ThreadPoolExecutor(1) as pool:
        hub = pool.submit(distributed._listen, at[0], 10)
        for words in (b"GET / HTTP/1.0\r\n\r\n" + bytes(64), b""):
            with _connected(port) as stranger:
                stranger.sendall(words)
        other = distributed._reach(at[1], 10)
        assert list(other) == [0] and list(hub.result()) == [1]
        for channel in (other[0], hub.result()[1]):
            channel.close()
    hub, other = _meet([at[0], at[1]._replace(processes=3)])
    assert "processes = 2: process 1 was told 3; must be the same number in all" in hub and hub in other
    port = _free()
    three = [Place("127.0.0.1", port, 3, number) for number in (0, 1, 1)]
    found = _meet(three)
    assert all("process_id = 1: two processes have it; each must have its own" in x for x in found)


def test_why_a_process_takes_no_part_is_told_to_all_though_they_come_late():
    def tried(at, late, why):
        time.sleep(late)
        try:
            return distributed.refuse(at, why, 10) if why else join(at, 10)
        except ProcessLost as error:
            return str(error)

    for wrong in ({0: "rate = -1"}, {2: "rate = -1"}, dict.fromkeys(range(4), "rate = -1")):
        port = _free()
        places = [Place("127.0.0.1", port, 4, number) for number in range(4)]
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(tried, places, [0, 0.5, 0, 1], [wrong.get(number) for number in range(4)]))
        assert time.monotonic() - began < 5
        who = min(wrong)
        assert found == [None if k in wrong else f"process {who} of 4 has ended: rate = -1" for k in range(4)]


def _connected(port):
    for _ in range(100):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=0.1)
        except OSError:
            time.sleep(0.05)
    raise AssertionError


def test_what_several_processes_cannot_do(monkeypatch):
    monkeypatch.setattr(plan, "team", lambda: Team(0, 4))
    with pytest.raises(FieldError, match="replicas = 3: must be at least 4, one for each process"):
        plan.check_team({"replicas": 3}, Options(events=1))
