"""Replicas that keep running while the parameters move under them."""

import math
from typing import Any, NamedTuple

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine import judge
from jaxq.engine.differences import Moved, Together, named
from jaxq.engine.flags import Flag
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import first_look
from jaxq.engine.options import Options
from jaxq.engine.stack import Stack
from jaxq.engine.team import team
from jaxq.stats.estimate import Estimate
from jaxq.tuning.landscape import Landscape, Place

BATCH = 200
"""Events per replica of the first batch."""


class BadStart(FieldError):
    """What only a simulation of the start can tell."""


class Reading(NamedTuple):
    """The metric and its derivatives by the free coordinates, of one batch."""

    value: Estimate
    slopes: list[Estimate]

    def norm(self) -> tuple[float, float]:
        """The norm of the gradient, and its standard error."""
        slopes = np.array([slope.value for slope in self.slopes])
        errors = np.array([slope.standard_error for slope in self.slopes])
        norm = float(np.linalg.norm(slopes))
        return norm, float(np.linalg.norm(slopes * errors)) / norm if norm else float(np.linalg.norm(errors))


class Running:
    """Replicas that keep running while what they are moves."""

    def __init__(self, landscape: Landscape, replicas: int, options: Options, devices: tuple):
        place = landscape.start
        self._landscape, self._place, self._options = landscape, place, options
        # of random words that the check of start and best does not use
        seed = (options.seed + 1) % 2**64
        self.stack = Stack(
            place.systems, replicas, seed, devices, place.processes, events=8 * BATCH, batch=options.batch
        )
        self.events = 0

    def warm_up(self, interrupt: Interrupt) -> int:
        """Run until the start has warmed up; the events per replica that this took. ValueError where it grows."""
        stack, blocks, most = self.stack, first_look(self.stack.replicas), self._options.max_events / self.stack.rows
        certain, heard = False, False
        while not (heard := team().decide("warm-up", interrupt.heard, any)):
            self._run(blocks - stack.blocks)
            view = self._view()
            verdict = judge.look(view, 0, self._options)
            if verdict.cut is not None:
                break
            growing = [name for name in verdict.growth if "/" not in name] if verdict.certain else []
            if growing and certain:
                raise BadStart("start", ..., f"{', '.join(growing)} grows without end there; must be stable")
            blocks, certain = 2 * blocks, bool(growing)
            if blocks * stack.layout.events_per_block > most:
                raise BadStart("max_events", self._options.max_events, "the start has not warmed up within it")
        discarded = judge.discarded(self._view(), verdict) if not heard else 0
        stack.forget()
        return discarded

    def move(self, place: Place, events: float) -> None:
        """Go on as what is at a place, and leave so many events per replica out."""
        self._place = place
        self.stack.move(place.systems, place.processes)
        self._run(self._blocks(events))
        self.stack.forget()

    def measure(self, events: float) -> Reading:
        """The metric and its derivatives over so many events per replica that follow."""
        self._run(self._blocks(events))
        landscape, found = self._landscape, self._place.model.metrics(self._view().sums(0, 0))
        return Reading(found[landscape.metric], [found[named(landscape.metric, name)] for name in landscape.names])

    def wrong(self) -> list[str]:
        """The flag of what has gone wrong for good in a replica."""
        view = self._view()
        flags = ((Flag.INVALID_RATES, view.invalid), (Flag.OVERFLOW, view.overflow))
        return [flag for flag, replicas in flags if replicas.any()]

    def _view(self) -> Any:
        place = self._place
        return Moved(self.stack, place.model, place.nodes) if place.nodes else Together(self.stack, place.model)

    def _blocks(self, events: float) -> int:
        return max(1, math.ceil(events / self.stack.layout.events_per_block))

    def _run(self, blocks: int) -> None:
        self.stack.launch(blocks)
        self.stack.settle()
        self.events += blocks * self.stack.layout.events_per_block * self.stack.rows
