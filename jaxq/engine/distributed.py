"""`distributed`: the processes of a run find each other."""

import contextlib
import socket
import time
from typing import Any

from jaxq.checks import FieldError, positive
from jaxq.engine.files import reason
from jaxq.engine.launcher import Place, place
from jaxq.engine.team import ProcessLost, Team, set_team, team
from jaxq.engine.versions import installed
from jaxq.engine.wire import Channel, Message

TIMEOUT = 300.0
JOIN, WELCOME, REFUSED, LOST = "jaxq: join", "jaxq: welcome", "jaxq: refused", "jaxq: lost"
LONGEST = 4096
"""Bytes of a first message; what is longer comes from something else."""
GREETING = 10.0
"""Seconds that whoever connects has to say who it is."""
PAUSE = 0.2
"""Seconds between two attempts to reach process 0."""
LAST_WORDS = 60.0
"""Seconds that a process which cannot take part stays, at most, to tell the others why."""


class NotMet(FieldError):
    """The processes of a run did not find each other, or do not fit together."""


def distributed(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: float = TIMEOUT,
) -> Team:
    """Run with other processes, on this machine or on others: each calls this and then the same `jaxq.simulate`, `sweep`,
    `compare`, `gradient` or `tune`, which have the same result in all.

    Replicas are shared out evenly, over the devices of each process; replica i is the path that it is in one process, so
    the numbers are those of one process. Process 0 shows progress and has the checkpoint. The first Ctrl-C or SIGTERM in any
    process ends the run in all, with what it has.

    Args:
        coordinator: "HOST:PORT": where process 0 listens, and the others reach it. Nothing else is listened to; whoever
            can reach the port can disturb the run, so it belongs into a network that is trusted. None or "auto": on the
            first node of a SLURM step, at a port by the number of the job.
        processes: how many there are; None: as SLURM, Open MPI or MPICH say.
        process_id: which of them this is, from 0 on; None: as these or an indexed Kubernetes job say.
        timeout: seconds within which all must be there.

    Returns:
        `Team`, with ``process_id``, ``processes`` and ``first``, whether this is process 0.

    Raises:
        ValueError: an argument is not allowed, or the others do not come in time or differ in version or number.
        RuntimeError: this process runs with others already, or another one says that it cannot take part.

    Example:
        >>> team = jaxq.distributed("node1:5000", processes=4, process_id=2)
        >>> result = jaxq.simulate(jaxq.MMc(arrival_rate=0.8), replicas=65536)
        >>> if team.first: print(result)
    """
    return join(place(coordinator, processes, process_id), timeout)


def join(at: Place, timeout: float = TIMEOUT) -> Team:
    """Meet the other processes; see `distributed`."""
    positive("timeout", timeout, 1e6)
    if team().processes > 1:
        raise RuntimeError(f"distributed: this is process {team().process_id} of {team().processes} already")
    channels = {} if at.processes == 1 else _listen(at, timeout) if at.process_id == 0 else _reach(at, timeout)
    set_team(Team(at.process_id, at.processes, channels))
    return team()


def refuse(at: Place, why: str, timeout: float = LAST_WORDS) -> None:
    """Meet the other processes only to tell them why this one takes no part: `join` of each of them raises ProcessLost."""
    if at.processes == 1:
        return
    with contextlib.suppress(NotMet, ProcessLost):
        timeout = min(timeout, LAST_WORDS)
        _listen(at, timeout, why) if at.process_id == 0 else _reach(at, timeout, why)


def _listen(at: Place, timeout: float, why: str | None = None) -> dict[int, Channel]:
    """The connections of process 0, by the number of the other process. ``why`` it takes no part is told to all that come,
    as is why another one takes none."""
    deadline, found, told = time.monotonic() + timeout, {}, set()
    lost = _gone(at, 0, why)
    try:
        family = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)[0][0]
        server = socket.create_server((at.host, at.port), family=family, backlog=at.processes)
    except OSError as error:
        rule = f"process 0 cannot listen there ({reason(error)}); must be an address of its machine and a free port"
        raise NotMet("coordinator", at.coordinator, rule) from None
    with server:
        while len(found) + len(told) < at.processes - 1:
            try:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                channel = Channel(server.accept()[0])
            except OSError:
                if lost is not None:
                    break
                missing = [str(k) for k in range(1, at.processes) if k not in found]
                some = ", ".join(missing[:10]) + ", ..." * (len(missing) > 10)
                rule = f"within {timeout:g} s there was no process {some} of {at.processes}"
                raise _told(found, NotMet("coordinator", at.coordinator, rule)) from None
            try:
                channel.patience(GREETING)
                tag, who, _ = channel.receive(LONGEST)
                if tag != JOIN:
                    raise ConnectionError(tag)
                number, wrong = who["process_id"], _wrong(at, who, found)
            except (OSError, KeyError, TypeError):
                channel.close()  # not one of ours
                continue
            if wrong is not None:
                raise _told({**found, -1: channel}, wrong)
            found[number] = channel
            if lost is None and (lost := _gone(at, number, who.get("why"))) is not None:
                deadline = min(deadline, time.monotonic() + LAST_WORDS)
            if lost is not None:
                told |= set(found)
                _told(found, lost)
                found.clear()
    if lost is not None:
        raise lost
    for channel in found.values():
        channel.patience(None)
        channel.send(Message(WELCOME))
    return dict(sorted(found.items()))


def _gone(at: Place, number: int, why: str | None) -> ProcessLost | None:
    return None if why is None else ProcessLost(f"process {number} of {at.processes} has ended: {why}")


def _wrong(at: Place, who: dict[str, Any], found: dict[int, Channel]) -> NotMet | None:
    """Why a process that says who it is cannot be one of these."""
    number = who["process_id"]
    if who["version"] != installed("jaxq"):
        rule = f"process {number} has jaxq {who['version']} and process 0 {installed('jaxq')}; must be the same"
        return NotMet("processes", ..., rule)
    if who["processes"] != at.processes:
        rule = f"process {number} was told {who['processes']}; must be the same number in all"
        return NotMet("processes", at.processes, rule)
    if number in found or not 0 < number < at.processes:
        return NotMet("process_id", number, "two processes have it; each must have its own")
    return None


def _told(channels: dict[int, Channel], error: NotMet | ProcessLost) -> NotMet | ProcessLost:
    """The error, once the processes that are there know it."""
    tag = LOST if isinstance(error, ProcessLost) else REFUSED
    for channel in channels.values():
        try:
            channel.send(Message(tag, str(error)))
        except OSError:
            continue
        channel.close()
    return error


def _reach(at: Place, timeout: float, why: str | None = None) -> dict[int, Channel]:
    """The connection of another process to process 0. ``why`` it takes no part is told instead."""
    deadline, failure = time.monotonic() + timeout, "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            connection = socket.create_connection((at.host, at.port), timeout=min(GREETING, left))
        except OSError as error:
            failure = reason(error)
            time.sleep(PAUSE)
            continue
        if connection.getsockname() == connection.getpeername():  # where nobody listens one may meet oneself
            connection.close()
            continue
        channel = Channel(connection)
        channel.patience(max(0.01, deadline + GREETING - time.monotonic()))
        who = {"version": installed("jaxq"), "processes": at.processes, "process_id": at.process_id, "why": why}
        try:
            channel.send(Message(JOIN, who))
            tag, value, _ = channel.receive(LONGEST)
        except OSError as error:
            raise NotMet("coordinator", at.coordinator, f"process 0 does not answer ({reason(error)})") from None
        if tag == LOST:
            raise ProcessLost(value)
        if tag != WELCOME:
            raise NotMet("coordinator", at.coordinator, f"process 0 says: {value}")
        channel.patience(None)
        return {0: channel}
    rule = f"process 0 cannot be reached there within {timeout:g} s ({failure})"
    raise NotMet("coordinator", at.coordinator, rule)
