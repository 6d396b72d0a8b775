"""An experiment done: the verdict on its simulated points, and its files."""

import dataclasses
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxq.engine.files import write_csv
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.validate import LEVEL
from jaxq.stats.intervals import family_bound

IMAGES = (".png", ".svg")


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What an experiment found, judged family-wise over all its points: a correct build fails one in a hundred."""

    experiment: Experiment
    findings: Findings
    seconds: float
    quick: bool = False
    interrupted: bool = False
    level: float = LEVEL

    @property
    def compared(self) -> list[Point]:
        """The points that have a z."""
        return [point for point in self.findings.points if point.metric.z is not None]

    @property
    def bound(self) -> float:
        """What max |z| may be."""
        return family_bound(len(self.compared), self.level)

    @property
    def worst(self) -> Point | None:
        """The point furthest against its claim."""
        return max(self.compared, key=lambda point: point.excess or 0.0, default=None)

    @property
    def widest(self) -> float:
        """The largest half-width as a share of the analytic value, over the points where that is not zero."""
        metrics = [point.metric for point in self.findings.points if point.metric.half_width and point.metric.oracle]
        return max((abs((m.half_width or 0.0) / (m.oracle or 1.0)) for m in metrics), default=0.0)

    @property
    def tested(self) -> str:
        """What the verdict is about: the z of simulated means, and what else was counted or computed."""
        words, without = [], len(self.findings.points) - len(self.compared)
        if self.compared:
            worst = max(self.worst.excess or 0.0, 0.0) if self.worst else 0.0
            words.append(
                f"max |z| = {worst:.2f} of {len(self.compared)}, bound {self.bound:.2f} (family-wise {self.level:g})"
            )
        if self.widest:
            words.append(f"half-widths up to {100 * self.widest:.2g} %")
        if self.findings.tested:
            words.append(self.findings.tested)
        elif without:
            off = sum(point.differs for point in self.findings.points)
            words.append(
                f"{off} of {without} {'other ' if self.compared else ''}claims about values without error broken"
            )
        return "; ".join(words)

    @property
    def failures(self) -> list[str]:
        """The points that disagree, in words."""
        found = []
        for point in self.findings.points:
            where = ", ".join(f"{name} {value}" for name, value in point.where.items())
            claim = "" if point.relation == "equals" else f"{point.relation} "
            if point.excess is not None and not point.excess <= self.bound:
                found.append(
                    f"{where}: {point.name} is {point.metric.z:+.2f} standard errors off {claim}"
                    f"{point.metric.oracle:g}, bound {self.bound:.2f}"
                )
            elif point.differs:
                found.append(f"{where}: {point.name} is {point.metric.mean:g}, not {claim}{point.metric.oracle:g}")
        return found

    @property
    def passed(self) -> bool:
        """Whether every point agrees."""
        return not self.failures

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that any result carries, and ``unfinished`` if anything was interrupted."""
        return tuple(dict.fromkeys([*self.findings.results.flags, *["unfinished"] * self.interrupted]))

    def save(self, folder: str | Path) -> list[Path]:
        """Write the figure as PNG and SVG and the tables as CSV into ``folder``; returns the paths."""
        files = self.files(folder)
        for write in files.values():
            write()
        return list(files)

    def files(self, folder: str | Path) -> dict[Path, Callable[[], None]]:
        """What `save` writes: by path, a function that writes that file."""
        folder, figure = Path(folder), functools.cache(self._draw)
        images = [] if self.experiment.draw is None else [folder / f"{self.experiment.stem}{x}" for x in IMAGES]
        tables = {folder / f"{stem}.csv": rows for stem, rows in self.findings.tables.items()}
        return {
            **{path: functools.partial(self._write_figure, figure, path) for path in images},
            **{path: functools.partial(write_csv, path, rows) for path, rows in tables.items()},
        }

    def _draw(self) -> Any:
        assert self.experiment.draw is not None
        figure = self.experiment.draw(self.findings)
        if self.flags:
            figure.suptitle(f"flags: {', '.join(self.flags)}", color="firebrick", fontsize="medium")
        return figure

    def _write_figure(self, figure: Callable[[], Any], path: Path) -> None:
        from matplotlib import rc_context

        from jaxq.plotting.figure import write

        # the same numbers give the same text: no random identifiers, no date
        with rc_context({"svg.hashsalt": self.experiment.name}):
            write(figure(), path, metadata={"Date": None} if path.suffix == ".svg" else None)

    def to_dict(self) -> dict[str, Any]:
        """The verdict and everything found as JSON values."""
        worst = self.worst
        return {
            "title": self.experiment.title,
            "source": self.experiment.source,
            "quick": self.quick,
            "passed": self.passed,
            "level": self.level,
            "bound": self.bound,
            "comparisons": len(self.compared),
            "tested": self.tested,
            "worst": None if worst is None else worst.row(),
            "widest_half_width": self.widest,
            "failures": self.failures,
            "flags": list(self.flags),
            "seconds": self.seconds,
            "points": [point.row() for point in self.findings.points],
            "published": self.findings.published,
            "tables": self.findings.tables,
            "results": [result.to_dict() for result in self.findings.results],
        }


def reproduce(experiment: Experiment, run: Run | None = None) -> Reproduction:
    """Do an experiment and judge it.

    Args:
        experiment: one of `jaxq.experiments.catalogue.EXPERIMENTS`.
        run: seed, size and meter (default: in full, seed 0).

    Raises:
        KeyboardInterrupt: Ctrl-C before there was anything to report.
    """
    run = run or Run()
    began = time.perf_counter()
    findings = experiment.compute(run)
    if run.interrupted and not findings.results and not any(findings.tables.values()):
        raise KeyboardInterrupt
    return Reproduction(experiment, findings, time.perf_counter() - began, run.quick, run.interrupted)
