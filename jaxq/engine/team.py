"""The processes of one run: each steps a share of the replicas, process 0 decides, and all know the sums of all.

Replicas do not meet, so a step needs no network. Once a launch, each process says a few numbers to process 0, which answers
what all do next: how long the next launch is, whether the run ends. The sums are put together at looks, the states at
saves. The connections are a star with process 0 in the middle: a process that ends closes its own, which is seen at once.
"""

import contextlib
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxq.checks import FieldError, shown
from jaxq.engine.wire import Channel, Message

REFUSED, FAILED = "refused", "failed"
"""Tags of an answer that is an error: of input, a `FieldError` in all processes; of a process, `ProcessLost`."""


class ProcessLost(RuntimeError):
    """Another process of the run has ended, or its connection was lost, or it does something else."""


class Team:
    """The processes of a run, as one of them sees it: number ``process_id`` of ``processes``.

    ``channels``: of process 0 to each other process, by its number; of another one to process 0. All methods are called
    in every process, in the same order; ``tag`` says what about.
    """

    def __init__(self, process_id: int = 0, processes: int = 1, channels: Mapping[int, Channel] | None = None):
        self.process_id, self.processes = process_id, processes
        self._channels = dict(channels or {})
        self._failure: str | None = None

    def __repr__(self) -> str:
        return f"Team(process_id={self.process_id}, processes={self.processes})"

    @property
    def first(self) -> bool:
        """Whether this is process 0, which prints, writes files and decides."""
        return self.process_id == 0

    def share(self, replicas: int) -> slice:
        """The replicas of this process, of so many: as many as the others have, or one more or less."""
        first, end = (replicas * k // self.processes for k in (self.process_id, self.process_id + 1))
        return slice(first, end)

    def decide(self, tag: str, said: Any, rule: Callable[[list[Any]], Any]) -> Any:
        """What ``rule`` makes, in process 0, of what each process has ``said``; JSON values. A FieldError that it raises is
        raised in all."""
        if not self.first:
            return self._asked(Message(tag, said)).value
        heard = [said, *(message.value for message in self._heard(tag))]
        try:
            found = rule(heard)
        except FieldError as error:
            value = None if error.value is ... else shown(error.value)
            self._say(Message(REFUSED, [error.field, value, error.rule]))
            raise
        self._say(Message(tag, found))
        return found

    def gather(self, tag: str, arrays: Sequence[np.ndarray], everywhere: bool = True) -> list[Sequence[np.ndarray]]:
        """The arrays of each process, in the order of their numbers; ``everywhere``: in all of them, not in process 0 alone
        (the others have [] then). Each gives as many, which may have any shape."""
        if self.processes == 1:
            return [arrays]
        if not self.first:
            return _by_process(self._asked(Message(tag, None, arrays)).arrays, len(arrays))
        found = [arrays, *(message.arrays for message in self._heard(tag))]
        self._say(Message(tag, None, [x for each in found for x in each] if everywhere else []))
        return found

    def tell(self, tag: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of process 0, by name."""
        if not self.first:
            answer = self._asked(Message(tag))
            return dict(zip(answer.value, answer.arrays, strict=True))
        self._heard(tag)
        self._say(Message(tag, list(arrays), list(arrays.values())))
        return dict(arrays)

    def leave(self) -> None:
        """End the connections, if there are any: the other processes end too."""
        if self.processes == 1:
            return
        self._failure = self._failure or "the run of several processes has ended in an error"
        for channel in self._channels.values():
            channel.close()

    def _asked(self, message: Message) -> Message:
        """The answer of process 0."""
        self._check()
        hub = self._channels[0]
        with contextlib.suppress(OSError):  # why process 0 listens no more may lie there to be read
            hub.send(message)
        try:
            answer = hub.receive()
        except OSError:
            self._fail(self._lost(0))
        if answer.tag == REFUSED:
            field, value, rule = answer.value
            raise FieldError(field, ... if value is None else value, rule)
        if answer.tag == FAILED:
            self._fail(answer.value)
        return answer

    def _heard(self, tag: str) -> list[Message]:
        """What the other processes say, by their numbers. One that has ended is seen although others let wait."""
        self._check()
        found: dict[int, Message] = {}
        while len(found) < len(self._channels):
            for channel in select.select(list(self._channels.values()), [], [])[0]:
                number = next(k for k, each in self._channels.items() if each is channel)
                try:
                    if number not in found:
                        found[number] = channel.receive()
                    elif channel.ended():
                        raise ConnectionError
                except OSError:
                    self._fail(self._lost(number))
        for number, message in sorted(found.items()):
            if message.tag != tag:
                where = f"process {number} is at {message.tag!r} where process 0 is at {tag!r}"
                self._fail(f"{where}: all processes must make the same calls in the same order")
        return [found[number] for number in sorted(found)]

    def _say(self, message: Message) -> None:
        for number, channel in self._channels.items():
            try:
                channel.send(message)
            except OSError:
                self._fail(self._lost(number))

    def _lost(self, number: int) -> str:
        return f"process {number} of {self.processes} has ended, or its connection was lost"

    def _check(self) -> None:
        if self._failure is not None:
            raise ProcessLost(f"{self._failure}; start all processes again")

    def _fail(self, why: str) -> Any:
        """End the connections and raise ProcessLost; process 0 tells the others why."""
        if self.first:
            for channel in self._channels.values():
                try:
                    channel.patience(1.0)
                    channel.send(Message(FAILED, why))
                except OSError:
                    continue
        self._failure = why
        self.leave()
        raise ProcessLost(why)


def _by_process(arrays: Sequence[np.ndarray], each: int) -> list[Sequence[np.ndarray]]:
    return [arrays[i : i + each] for i in range(0, len(arrays), each)] if each else []


_team = Team()


def team() -> Team:
    """The processes that this one runs with; one alone unless `jaxq.distributed` was called."""
    return _team


def set_team(joined: Team) -> None:
    """From now on, run with these processes."""
    global _team
    _team = joined
