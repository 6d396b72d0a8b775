"""The host loop between launches: what a run waits for, and where it ends.

Between launches the host shows progress, hears Ctrl-C (`jaxq.engine.interrupt`), saves the checkpoint and asks the stop
rule, at doubling lengths only and never looking at seconds, so that a seed gives the same numbers twice. All points run side
by side for the same number of events, on the same random words. Of several processes all run this loop, and the first
decides (`jaxq.engine.team`).
"""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

from jaxq.engine import output_analysis
from jaxq.engine.checkpoint import Checkpoint
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.flags import Flag
from jaxq.engine.interrupt import Interrupt
from jaxq.engine.layout import FEW, first_look
from jaxq.engine.options import Options
from jaxq.engine.progress import Meter, Progress
from jaxq.engine.team import team
from jaxq.stats.estimate import Estimate

LAUNCH_SECONDS = 0.25
"""What is launched at a time should take so long: Ctrl-C and the time limit are heard in between."""
EXTENSION = 20
"""A run goes on past the length that was asked for until it has warmed up, but no further than so many times that length."""


class Loop:
    """Launches all ensembles in lockstep until the stop rule is met; lengths are events per replica.

    How many blocks are launched at a time is measured, so that the host hears of Ctrl-C and the time limit in time; where
    the run looks at itself and ends does not depend on it.
    """

    def __init__(
        self,
        ensembles: list[Ensemble],
        options: Options,
        meter: Meter,
        checkpoint: Checkpoint,
        began: float,
        expected: int,
        judged: Sequence[tuple[Any, int]] | None = None,
    ):
        """``judged``: what is looked at (default: every point of every ensemble)."""
        self.ensembles, self.options, self.meter, self.checkpoint = ensembles, options, meter, checkpoint
        self.team = team()
        every = [(ensemble, point) for ensemble in ensembles for point in range(len(ensemble.systems))]
        self.points: Sequence[tuple[Any, int]] = every if judged is None else judged
        self.analyses: list[output_analysis.Analysis] = []
        self.missing: list[str | None] = []
        self.stopped: str | None = None
        self.wanted = options.events
        if options.horizon is not None:
            self.wanted = checkpoint.progress.get("wanted", self.wanted)
        self.seconds = 0.0
        self.resumed = self.total_events
        self._began, self._compiled, self._expected = began, time.perf_counter(), expected
        self._block_seconds = [math.inf] * len(ensembles)
        self._timed = [False] * len(ensembles)
        self.lost = checkpoint.progress.get("lost", [False] * len(self.points))
        self._certain = checkpoint.progress.get("certain", [False] * len(self.points))

    @property
    def total_events(self) -> int:
        """Events so far over all points and replicas."""
        return sum(ensemble.events * ensemble.rows for ensemble in self.ensembles)

    def run(self, interrupt: Interrupt) -> None:
        """Run to the end. A run that is resumed first goes on to where it would have looked at itself next."""
        given = 0 if isinstance(self.options.warmup, str) else math.ceil(self.options.warmup)
        look = max(first_look(ensemble.replicas) * ensemble.layout.events_per_block for ensemble in self.ensembles)
        goal: int | None = self.checkpoint.progress.get("goal", (self.wanted or min(look, self._expected)) + given)
        while goal is not None:
            self.checkpoint.progress = {
                "goal": goal,
                "wanted": self.wanted,
                "lost": list(self.lost),
                "certain": list(self._certain),
            }
            self._advance(goal, interrupt)
            if self.stopped:
                self.checkpoint.save(now=True)
            self._look()
            goal = self._agreed(None if self.stopped else self._next_goal())
        if not self.stopped:
            self.checkpoint.save(now=True)
        self.seconds = time.perf_counter() - self._compiled

    def _advance(self, goal: int, interrupt: Interrupt) -> None:
        """Run every ensemble up to ``goal``, or up to where ``max_events`` lets it."""
        most = self.options.max_events // sum(ensemble.rows for ensemble in self.ensembles)
        waiting_for = next((m for m in self.missing if m), "the first look")
        ends = [self._end(i, goal, most) for i in range(len(self.ensembles))]
        while any(ensemble.blocks < end for ensemble, end in zip(self.ensembles, ends, strict=True)):
            lengths = self._next_launch(interrupt, ends)
            if self.stopped and self.total_events:
                return
            for i, blocks in enumerate(lengths):
                if blocks:
                    self._launch(i, blocks)
            self.seconds = time.perf_counter() - self._compiled
            self.meter.update(Progress(self.total_events, self.seconds, waiting_for, self.estimates))
            self.checkpoint.save()
        if self.team.decide("end", interrupt.heard, any):
            self.stopped = Flag.UNFINISHED
        elif any(ensemble.events < goal for i, ensemble in enumerate(self.ensembles) if self._live(i)):
            self.stopped = Flag.TRUNCATED

    def estimates(self) -> list[dict[str, Estimate]]:
        """The metrics of every point over the second half of what has run, for who wants to watch."""
        if self.team.processes > 1:
            raise RuntimeError("estimates: are put together at looks alone where several processes run together")
        return [output_analysis.evaluate(s.systems[k], s.sums(k, s.windows.filled // 2)) for s, k in self.points]

    def _live(self, index: int) -> bool:
        """Whether any point of an ensemble is still worth running."""
        lost = [
            lost
            for (ensemble, _), lost in zip(self.points, self.lost, strict=True)
            if ensemble is self.ensembles[index]
        ]
        return not lost or not all(lost)

    def _end(self, index: int, goal: int, most: int) -> int:
        """Blocks that an ensemble is run up to."""
        a_block = self.ensembles[index].layout.events_per_block
        return min(-(-goal // a_block), max(1, most // a_block)) if self._live(index) else 0

    def _out_of_time(self) -> bool:
        limit = self.options.time_limit
        return limit is not None and time.perf_counter() - self._began > limit

    def _next_launch(self, interrupt: Interrupt, ends: list[int]) -> list[int]:
        """Blocks of each ensemble that are launched next: as many as are left and take `LAUNCH_SECONDS`, one until it is
        known how long that is; and whether the run stops before."""
        every = LAUNCH_SECONDS if self.checkpoint.path is None else self.options.checkpoint_every

        def decided(said: list) -> list:
            stopped = Flag.UNFINISHED if any(heard for heard, _ in said) else None
            if stopped is None and self._out_of_time():
                stopped = Flag.TRUNCATED
            lengths = []
            for ensemble, end, *costs in zip(self.ensembles, ends, *(costs for _, costs in said), strict=True):
                wanted = max(1, int(min(LAUNCH_SECONDS, every) / max(costs)))
                lengths.append(max(0, min(end - ensemble.blocks, wanted)))
            return [stopped, lengths]

        stopped, lengths = self.team.decide("launch", [interrupt.heard, self._block_seconds], decided)
        self.stopped = self.stopped if stopped is None else Flag(stopped)
        return lengths

    def _launch(self, index: int, blocks: int) -> None:
        """Launch so many blocks of an ensemble, and see how long one takes until that is known."""
        ensemble, began = self.ensembles[index], time.perf_counter()
        ensemble.launch(blocks)
        if not self._timed[index]:
            ensemble.settle()
            took = time.perf_counter() - began
            self._block_seconds[index], self._timed[index] = took / blocks, took > LAUNCH_SECONDS / 4

    def _look(self) -> None:
        options = self.options
        self.analyses = [output_analysis.analyse(ensemble, point, options) for ensemble, point in self.points]
        pairs = list(zip(self.points, self.analyses, strict=True))
        self.missing = [output_analysis.missing_precision(*point, analysis, options) for point, analysis in pairs]
        for i, ((ensemble, point), analysis) in enumerate(pairs):
            spoilt = ensemble.lost(point)
            if spoilt:  # nothing more can be learnt, so nothing is waited for
                self.analyses[i] = dataclasses.replace(analysis, cut=analysis.cut or 0, growth={})
                self.missing[i] = None
            self.lost[i] = self.lost[i] or spoilt or (analysis.certain and self._certain[i])
            self._certain[i] = analysis.certain

    def _agreed(self, goal: int | None) -> int | None:
        """What process 0 has concluded from a look; other machines may round otherwise."""
        mine = [goal, self.wanted, [bool(x) for x in self.lost], [bool(x) for x in self._certain]]
        goal, self.wanted, self.lost, self._certain = self.team.decide("look", mine, lambda said: said[0])
        return goal

    def _next_goal(self) -> int | None:
        """Events per replica to go on to; None if the run is over."""
        live = [i for i, lost in enumerate(self.lost) if not lost]
        if not live:
            return None
        length = max(self.points[i][0].events for i in live)
        if self.options.horizon is not None:
            self.wanted = max(self.wanted or 0, self._events_for(self.options.horizon, live))
        if any(self.analyses[i].cut is None for i in live):
            return 2 * length if self.wanted is None or 2 * length <= EXTENSION * self.wanted else None
        if self.options.wants_precision and not any(self.missing[i] for i in live):
            return None
        if self.wanted is None:
            return 2 * length
        left = min(
            self.points[i][0].events - output_analysis.discarded(self.points[i][0], self.analyses[i]) for i in live
        )
        if left >= self.wanted:
            return None
        few = self.ensembles[0].replicas < FEW  # a share of the run is discarded, not a length
        goal = math.ceil(length * self.wanted / left) if few else length + self.wanted - left
        return min(goal, 2 * length) if self.options.wants_precision else goal

    def _events_for(self, horizon: float, live: list[int]) -> int:
        """Events that take every point past a model time, from the mean time of an event so far."""
        return max(
            math.ceil(horizon * sums.events.value / sums.time.value)
            for sums in (self.points[i][0].sums(self.points[i][1], 0) for i in live)
        )

    def flags(self, index: int) -> list[str]:
        """The flags of one point that the loop knows of."""
        found = []
        asked = self.wanted or self.options.horizon or self.options.time_limit
        if self.stopped == Flag.UNFINISHED or (self.stopped == Flag.TRUNCATED and asked):
            found.append(self.stopped)
        if self.options.wants_precision and self.missing[index] and self.analyses[index].cut is not None:
            found.append(Flag.PRECISION_NOT_REACHED)
        return found
