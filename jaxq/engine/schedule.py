"""A schedule: numbers of a system that change at given times, once or every day.

The state is what it was; from that time on the system has other numbers. In a Markov chain the time to the next event has no
memory, so that the event which was to come is drawn anew, from the state and with the new rates (`jaxq.engine.real_clock`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError, number, positive
from jaxq.engine.fields import rules
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.parameter import alike_shapes, location
from jaxq.engine.plain import plain, whole_text
from jaxq.engine.process import Process
from jaxq.engine.real_clock import Piece, memoryless
from jaxq.engine.record import title
from jaxq.engine.unknown import suggestion

NAME = "schedule"
FORM = "must give each field its times and values, such as {'servers': {0: 6, 8: 14, 18: 6}}"
MOST_PIECES = 2**20
"""A schedule that repeats more often within the times asked for has been given a wrong unit."""


class Schedule(NamedTuple):
    """A system by time.

    Attributes:
        fields: what was given, as JSON values: by name, pairs of a time and a value.
        period: time after which it begins again; None: the last values stay.
        starts: times within a period at which something changes, increasing; the first is 0.
        systems: the system from each of them on.
    """

    fields: dict[str, list[list[Any]]]
    period: float | None
    starts: tuple[float, ...]
    systems: tuple[Model, ...]

    def pieces(self, end: float) -> Iterator[tuple[float, int]]:
        """The times up to ``end`` at which a piece begins, the first is 0, and which of the ``systems`` it is."""
        if self.period is not None and end / self.period * len(self.starts) > MOST_PIECES:
            raise FieldError("period", self.period, f"more than {MOST_PIECES} changes until {end:g}; must be longer")
        cycle = 0
        while True:
            for i, start in enumerate(self.starts):
                begin = start if self.period is None else cycle * self.period + start
                if begin > end:
                    return
                yield begin, i
            if self.period is None:
                return
            cycle += 1

    def switches(self, end: float) -> list[float]:
        """The times in (0, end] at which something changes."""
        return [begin for begin, _ in self.pieces(end)][1:]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"fields": self.fields, "period": self.period}


def read_schedule(system: Model, given: Any, period: Any = None) -> Schedule:
    """The schedule of a system.

    Args:
        system: any system that is stepped as a Markov chain.
        given: by field, or number inside a field (``network.arrival_rates[1]``), the values from given times on: a dict or
            pairs. Before the first time it is what the system has.
        period: model time after which the schedule begins again; greater than all its times.

    Raises:
        FieldError: no such field; it fixes the program, or is a whole number on which the state depends; times do not
            increase from 0 on; a value is not allowed.
    """
    if not isinstance(given, Mapping) or not given:
        raise FieldError(NAME, given, FORM)
    check_chain(system)
    by_field = {name: _changes(name, values) for name, values in given.items()}
    for name in by_field:
        _check_field(system, name)
    starts = sorted({0.0, *(time for changes in by_field.values() for time in changes)})
    if period is not None:
        period = positive("period", period)
        if starts[-1] >= period:
            raise FieldError("period", period, f"must be greater than the last time of the schedule, {starts[-1]:g}")
    systems = []
    for start in starts:
        new = {name: changes[start] for name, changes in by_field.items() if start in changes}
        system = _changed(system, new)
        systems.append(system)
    shown = {name: [[time, plain(value)] for time, value in changes.items()] for name, changes in by_field.items()}
    return Schedule(shown, period, tuple(starts), tuple(systems))


def check_chain(system: Model) -> None:
    """FieldError unless the system is stepped as a Markov chain, whose next event can be drawn anew."""
    process = system.process()
    if not memoryless(process):
        drifts = isinstance(process, MarkovProcess)
        why = "something in it moves between events" if drifts else "it is stepped by customer or in time"
        raise FieldError(NAME, ..., f"{title(system)} is no Markov chain here, as {why}; must be for one")


def check_processes(schedule: Schedule) -> list[Process]:
    """What the systems are stepped as, one program for all. FieldError where there is none."""
    processes = [system.process() for system in schedule.systems]
    for start, system, process in zip(schedule.starts, schedule.systems, processes, strict=True):
        if not alike_shapes(processes[0], process):
            raise FieldError(
                NAME,
                ...,
                f"{title(system)} has another program (a list of another length or order) from {start:g} on; must be one",
            )
    return processes


def schedule_texts(fields: Mapping[str, list[list[Any]]]) -> list[str]:
    """Each field of `Schedule.fields` as the command line takes it: ``servers:0=6,8=14``."""
    return [
        f"{name}:{','.join(f'{whole_text(time)}={whole_text(x)}' for time, x in pairs)}"
        for name, pairs in fields.items()
    ]


def schedule_lines(found: Mapping[str, Any]) -> list[str]:
    """What `Schedule.to_dict` gives, in lines of a text; none without a schedule."""
    if not found:
        return []
    again = [] if found["period"] is None else [f"again every {found['period']:g}"]
    return ["schedule  " + "  ".join([*schedule_texts(found["fields"]), *again])]


def cut(
    processes: Sequence[Process], grid: Float[np.ndarray, " times"], schedule: Schedule | None
) -> tuple[list[Piece], np.ndarray]:
    """The pieces of a walk over a grid of times, and which of the times that it looks at are those of the grid: the end of
    each piece is looked at too. A time at which something changes is seen after the change."""
    whole = [Piece.of(process, np.diff(grid, prepend=0.0)) for process in processes]
    if schedule is None:
        return whole, np.full(len(grid), True)
    begins = list(schedule.pieces(grid[-1]))
    cuts = np.searchsorted(grid, [begin for begin, _ in begins])
    pieces, asked = [], []
    for k, (begin, i) in enumerate(begins):
        last = k + 1 == len(begins)
        inside = grid[cuts[k] : None if last else cuts[k + 1]]
        times = inside if last else np.append(inside, begins[k + 1][0])
        pieces.append(whole[i]._replace(gaps=np.diff(times, prepend=begin)))
        asked += [True] * len(inside) + [False] * (not last)
    return pieces, np.array(asked)


def _changes(name: Any, values: Any) -> dict[float, Any]:
    """The values of a field by time, in increasing order."""
    pairs = list(values.items()) if isinstance(values, Mapping) else values
    try:
        pairs = [(time, value) for time, value in pairs]
    except (TypeError, ValueError):
        pairs = []
    if not isinstance(name, str) or not pairs:
        raise FieldError(NAME, {name: values}, FORM)
    found: dict[float, Any] = {}
    for i, (time, value) in enumerate(pairs):
        time = number(NAME, time, 0.0)
        if i and time <= next(reversed(found)):
            raise FieldError(NAME, time, f"times of {name} must increase")
        found[time] = value
    return found


def _check_field(system: Model, name: str) -> None:
    """FieldError unless the field, or the number in one, may change while the system runs."""
    field, _, inside = name.partition(".")
    known = system.parameters()
    if field.partition("[")[0] not in known:
        raise FieldError(NAME, name, f"{title(system)} has no such field{suggestion(name, known)}")
    rule = rules(type(system)).get(field.partition("[")[0])
    names = rule.momentary if rule is not None and isinstance(rule.momentary, tuple) else ()
    may = True
    if rule is not None and type(system).__module__.startswith("jaxq."):  # a user's own state is a user's own care
        may = inside.partition("[")[0] in names if inside else bool(rule.momentary)
    if rule is not None and name in known:
        may = may and rule.scalar and not rule.static
    if not may:
        numbers = f"; in {field} there are {', '.join(names)}, such as {field}.{names[0]}[0]" if names else ""
        raise FieldError(NAME, name, f"must be what can change while {title(system)} runs{numbers}")
    if name not in known:
        location(system, name)


def _changed(system: Model, values: Mapping[str, Any]) -> Model:
    """A system in which some fields, and numbers inside fields, are others."""
    fields = {name: value for name, value in values.items() if name in system.parameters()}
    found = system.replace(**fields) if fields else system
    for path in values.keys() - fields.keys():
        there = location(found, path)
        array = there.array.copy()
        array[there.place] = number(NAME, values[path])
        found = there.held(array)
    return found
