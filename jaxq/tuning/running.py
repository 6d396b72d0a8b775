"""Replicas that keep running while the parameters move under them."""

import math
from typing import Any, NamedTuple

import numpy as np

from jaxq.checks import FieldError
from jaxq.engine import output_analysis
from jaxq.engine.differences import Moved, Together, named
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.flags import Flag
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import first_look
from jaxq.engine.options import Options
from jaxq.engine.score import long_window, too_short
from jaxq.engine.team import team
from jaxq.stats.estimate import Estimate
from jaxq.stats.warmup import least_cut
from jaxq.tuning.response_surface import Place, ResponseSurface

BATCH = 200
"""Events per replica of the first batch."""
LONGEST_WINDOW = 1.5
"""How far a score goes back at most, in windows."""
EVENTS = 8 * BATCH
"""Length of a run that blocks are cut for."""


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

    def __init__(self, surface: ResponseSurface, replicas: int, options: Options, devices: tuple):
        place = surface.start
        self._surface, self._place, self._options = surface, place, options
        # of random words that the check of start and best does not use
        seed = (options.seed + 1) % 2**64
        self.ensemble = Ensemble(
            place.systems,
            replicas,
            seed,
            devices,
            place.processes,
            apart=surface.half is None,
            events=EVENTS,
            batch=options.batch,
        )
        self.events = 0

    def warm_up(self, interrupt: Interrupt) -> int:
        """Run until the start has warmed up; the events per replica that this took. ValueError where it grows."""
        ensemble, blocks, most = (
            self.ensemble,
            first_look(self.ensemble.replicas),
            self._options.max_events / self.ensemble.rows,
        )
        certain, heard = False, False
        while not (heard := team().decide("warm-up", interrupt.heard, any)):
            self._run(blocks - ensemble.blocks)
            view = self._view(controlled=False)  # beside what controls leave, the smallest transient is large
            analysis = output_analysis.analyse(view, 0, self._options)
            if analysis.cut is not None:
                break
            growing = [name for name in analysis.growth if "/" not in name] if analysis.certain else []
            if growing and certain:
                raise BadStart("start", ..., f"{', '.join(growing)} grows without end there; must be stable")
            blocks, certain = 2 * blocks, bool(growing)
            if blocks * ensemble.layout.events_per_block > most:
                raise BadStart("max_events", self._options.max_events, "the start has not warmed up within it")
        discarded = output_analysis.discarded(view, analysis) if not heard else 0
        memory = self._memory(view) if self._surface.scored and not heard else None
        ensemble.forget()
        if memory is not None:
            self._fill_window(memory)
        return discarded

    def _fill_window(self, memory: float) -> None:
        """Go on until a score is of all its window, which is found from a correlation time in events where it is not
        given."""
        surface, window = self._surface, self._surface.window
        if window is None:
            # other machines may round otherwise
            window = team().decide("window", long_window(memory), lambda said: said[0])
            surface.look_back(window)
        self.move(surface.start, LONGEST_WINDOW * window)

    def _memory(self, view: Any) -> float:
        """The correlation time of the metric, in events of a replica."""
        metric, series = self._surface.metric, output_analysis.window_metrics(view, 0, {})
        kept = [{metric: window[metric]} for window in series[least_cut(len(series)) :]]
        return output_analysis.longest_memory(kept) * view.windows.span * view.layout.events_per_block

    def move(self, place: Place, events: float) -> None:
        """Go on as what is at a place, and leave so many events per replica out."""
        self._place = place
        self.ensemble.move(place.systems, place.processes)
        self._run(self._blocks(events))
        self.ensemble.forget()

    def measure(self, events: float) -> Reading:
        """The metric and its derivatives over so many events per replica that follow."""
        self._run(self._blocks(events))
        surface, found = self._surface, output_analysis.estimates(self._view(), 0, 0, 1, 0.0)
        return Reading(found[surface.metric], [found[named(surface.metric, name)] for name in surface.names])

    def window_too_short(self) -> bool:
        """Whether half the window of a score would have moved a derivative for sure, in the last batch."""
        view = self._view()
        return self._surface.scored and too_short(self._place.model.biases(view.sums(0)))

    def wrong(self) -> list[str]:
        """The flag of what has gone wrong for good in a replica."""
        view = self._view()
        flags = ((Flag.INVALID_RATES, view.invalid), (Flag.OVERFLOW, view.overflow))
        return [flag for flag, replicas in flags if replicas.any()]

    def _view(self, controlled: bool = True) -> Any:
        place = self._place
        if place.nodes:
            return Moved(self.ensemble, place.model, place.nodes, controlled)
        return Together(self.ensemble, place.model, controlled)

    def _blocks(self, events: float) -> int:
        return max(1, math.ceil(events / self.ensemble.layout.events_per_block))

    def _run(self, blocks: int) -> None:
        self.ensemble.launch(blocks)
        self.ensemble.settle()
        self.events += blocks * self.ensemble.layout.events_per_block * self.ensemble.rows
