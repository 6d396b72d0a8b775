"""A simulated mean as a function of coordinates: what is run at a point of it."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError
from jaxq.engine.alternatives import Alternatives
from jaxq.engine.control_choice import with_controls
from jaxq.engine.controls import WithControls
from jaxq.engine.differences import Differences, Node, moved_nodes, named
from jaxq.engine.differentiated import Differentiated
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.parameter import Parameter, alike, alike_shapes, tangents
from jaxq.engine.pathwise import Pathwise
from jaxq.engine.process import Process
from jaxq.engine.rarity import rare_first
from jaxq.engine.record import title
from jaxq.engine.score import Scored, with_window
from jaxq.engine.stencil import STENCILS
from jaxq.engine.stepless import stepless
from jaxq.tuning.descent import shown
from jaxq.tuning.entries import placed, value_of
from jaxq.tuning.parametrise import Coordinates

STEP, STENCIL = 0.05, STENCILS[None]
"""Step of a difference, in the coordinates, and what it is extrapolated from."""


class Place(NamedTuple):
    """What is run at one point: the systems, the processes that are stepped, and the model that judges them."""

    systems: list[Model]
    processes: list[Process]
    model: Differences
    nodes: list[Node]


class ResponseSurface:
    """A simulated mean as a function of coordinates: which systems are run there, and how its derivatives are taken.

    ``half``: what is stepped for derivatives without a step, at the start; None: by differences, and ``reason`` says why.
    ``control``: what the metric and its derivatives are regressed on, over so many ``replicas``. ``window``: events of a
    score; None: to be found (`look_back`). FieldError where the system has no such ``method`` or control.
    """

    def __init__(
        self,
        system: Model,
        coordinates: Coordinates,
        metric: str,
        replicas: int,
        method: str = "auto",
        control: str = "none",
        window: int | None = None,
    ):
        self.system, self.coordinates, self.metric = system, coordinates, metric
        self.free: list[int] = np.flatnonzero(coordinates.free).tolist()
        self.names = [coordinates.names[i] for i in self.free]
        self.half: Alternatives | Pathwise | Scored | None = None
        self.reason = ""
        start = self.vector(system)
        if method != "finite-difference":
            self._choose_half(start, method)
        ordered = rare_first(system.process())
        self._order = None if self.half is not None else getattr(ordered, "_order", None)
        self._controls: tuple | None = None
        if isinstance(self.half, Differentiated):
            self.half = self.half.with_controls(control, replicas, title(system))
        elif control != "none" and self.half is not None:
            rule = f"must be none for {self.method} derivatives of {title(system)}, which have no controls"
            raise FieldError("control", control, rule)
        elif self.half is None:
            found = with_controls(ordered, control, replicas // (1 + len(self.free)), title(system))
            if isinstance(found, WithControls):
                self._controls = found.places, found.observed, found.functions
        self.window = window
        if isinstance(self.half, Scored):
            self.half = with_window(self.half, window or 0)
        self._first: Process | None = None
        try:
            self.start = self.place(start)
        except ValueError as error:
            raise FieldError("start", shown(self.values()), f"no derivative there: {error}") from None

    def _choose_half(self, start: np.ndarray, method: str) -> None:
        """``half``, or the ``reason`` why there is none. FieldError where a ``method`` is asked for that there is not."""
        parameters = self._parameters(start)
        slopes = [tangents(of) for of in parameters]
        try:
            self.half = stepless(self.system, parameters, slopes, method, metrics=[self.metric])
        except FieldError as error:
            if method != "auto":
                raise
            self.reason = error.rule

    def look_back(self, window: int) -> None:
        """Let a score be of the last ``window`` events."""
        assert isinstance(self.half, Scored)
        self.window, self.half, self._first = window, with_window(self.half, window), None
        self.start = self.place(self.vector(self.system))

    @property
    def scored(self) -> bool:
        """Whether derivatives are by score."""
        return isinstance(self.half, Scored)

    @property
    def method(self) -> str:
        """As `jaxq.gradient` calls it."""
        return "finite-difference" if self.half is None else self.half.kind

    @property
    def controls(self) -> int:
        """Functions of the state that the metric and each derivative are regressed on."""
        chosen = getattr(self.half, "functions", None) if self.half is not None else self._controls
        return 0 if chosen is None else len(chosen[-1])

    def vector(self, system: Model) -> Float[np.ndarray, " values"]:
        """The coordinates of a system's values."""
        return self.coordinates.vector({name: value_of(system, name) for name in self.coordinates.start})

    def values(self) -> dict[str, Any]:
        """The start as it was given, not after there and back."""
        return {name: value_of(self.system, name) for name in self.coordinates.start}

    def at(self, vector: Float[np.ndarray, " values"]) -> Model:
        """The system there; ValueError where there is none, or it has no stationary regime."""
        system = placed(self.system, self.coordinates.fields(vector))
        system.stationarity().check()
        return system

    def place(self, vector: Float[np.ndarray, " values"]) -> Place:
        """What is run there. ValueError where there is no system, or its program is another one."""
        system, wanted = self.at(vector), [named(self.metric, name) for name in self.names]
        if self.half is not None:
            parameters = self._parameters(vector)
            model, nodes = moved_nodes(system, parameters, None, wanted, self.half.without, left_out=self.scored)
            model = dataclasses.replace(model, only=self.metric)
            half = self.half.at(system.process(), [tangents(of) for of in parameters])
            return self._checked(Place([system], [half], model, nodes))
        systems, pairs = [system], {}
        for name, i in zip(self.names, self.free, strict=True):
            weights = enumerate(STENCIL.slope, len(systems))
            pairs[name] = [(number, weight / STEP) for number, weight in weights], []
            systems += [self.at(vector + offset * STEP * _unit(vector, i)) for offset in STENCIL.offsets]
        scales = dict.fromkeys(self.names, 1.0)
        model = Differences(tuple(systems), pairs, scales, tuple(wanted), only=self.metric)
        return self._checked(Place(systems, [self._stepped(each.process()) for each in systems], model, []))

    def _stepped(self, process: Process) -> Process:
        if isinstance(process, MarkovProcess) and self._order:
            process = process.in_order(self._order)
        return process if self._controls is None else WithControls(process, *self._controls)

    def _checked(self, place: Place) -> Place:
        """ValueError where the program is not that of the start, or a whole number of it, which differences look across."""
        if self._first is None:
            self._first = place.processes[0]
        same = alike if self.half is not None else alike_shapes
        if not all(same(self._first, process) for process in place.processes):
            raise ValueError("the program, or a whole number of it, changes with the parameters")
        return place

    def _parameters(self, vector: np.ndarray) -> list[Parameter]:
        """The free coordinates as directions in systems."""

        def along(i: int) -> Any:
            return lambda offset: placed(self.system, self.coordinates.fields(vector + offset * _unit(vector, i)))

        values = np.concatenate([np.ravel(x) for x in self.coordinates.fields(vector).values()])
        return [Parameter(n, float(values[i]), along(i), 1.0) for n, i in zip(self.names, self.free, strict=True)]


def _unit(vector: np.ndarray, i: int) -> np.ndarray:
    return (np.arange(vector.size) == i).astype(np.float64)
