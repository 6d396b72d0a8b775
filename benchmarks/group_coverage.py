"""Coverage of regressed means, and of derivatives with and without controls, over groups of the replicas of one run.

    python -m benchmarks.group_coverage                                   # 4096 groups of 64 and of 1024
    python -m benchmarks.group_coverage --case "two queues" --size 64 --groups 1000
    python -m benchmarks.group_coverage --kind derivatives --method score   # of a window of 256 events

65,536 replicas warm up (given), run a batch that is measured, then one that is left out, and so on. Each group of 64 or 1024
of them is what a run with so many replicas is: controls are chosen for so many, and means and intervals are made of the
sums of the group as a run makes them. Exact values are those of `benchmarks.derivatives`. ``covered`` is the share of groups
whose 95 % interval holds the exact value; ``variance``: of plain over regressed estimates, over the groups. Prints the rows
of the table in README.md.
"""

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxq
from benchmarks.derivatives import MMC, Exact, chain, differenced, station
from benchmarks.gradients import X_SMALL, TwoQueues
from jaxq.engine.control_choice import with_controls
from jaxq.engine.controls import SAMPLED, WithControls, rounding_floor
from jaxq.engine.devices import choose_devices
from jaxq.engine.differences import Moved, moved_nodes, named
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.output_analysis import controls_of, evaluate, regressed
from jaxq.engine.parameter import parameter, tangents
from jaxq.engine.rarity import prepared
from jaxq.engine.score import with_window
from jaxq.engine.stepless import stepless
from jaxq.engine.sums import Sums
from jaxq.stats.estimate import Estimate
from jaxq.stats.regression import Regression

REPLICAS, SIZES, GROUPS = 2**16, (64, 1024), 4096
WARMUP, APART = 2000, 200
"""Events per replica that are left out at first, and between two batches."""
WINDOW = 256
"""Events of a score."""
EVENTS = {64: 1600, 1024: 400}
"""Of a batch: where there are many replicas, each may be short."""


class Case(NamedTuple):
    """``exact``: means by metric, and derivatives."""

    system: jaxq.Model
    path: str
    metrics: tuple[str, ...]
    exact: Callable[[Any, str], tuple[dict[str, float], Exact]]


def by_formula(system: Any, path: str) -> tuple[dict[str, float], Exact]:
    """Of M/M/c+M."""
    means = station(system.arrival_rate, system.service_rate, system.servers, system.abandonment_rate)
    return means, MMC(system, (path,))


def by_chain(keep: Callable[[Any], Any]) -> Callable[[Any, str], tuple[dict[str, float], Exact]]:
    """Of what has an exact chain, cut there."""
    known = chain(keep)
    return lambda system, path: (known(system), differenced(known)(system, (path,)))


CASES = {
    "M/M/10+M": Case(
        jaxq.MMc(12, 1, 10, abandonment_rate=1.0),
        "arrival_rate",
        ("queue_length", "probability_wait", "utilisation"),
        by_formula,
    ),
    "two queues": Case(TwoQueues(), "p", ("number",), by_chain(lambda x: (x[0] < 60) & (x[1] < 60))),
    "X 2+2": Case(
        jaxq.ParallelServers(X_SMALL, policy="c-mu-theta"),
        "network.arrival_rates[0]",
        ("number_in_system", "queue_1", "reward_rate"),
        by_chain(lambda x: sum(x.queues) < 26),
    ),
}


def of_group(sums: Sums, rows: slice) -> Sums:
    """The sums of some of the replicas."""

    def own(x: Any) -> Any:
        if not isinstance(x, Estimate):
            return x
        mine = Estimate.of(x.value + x.residuals[rows])
        return dataclasses.replace(mine, rounding=x.rounding, grain=x.grain, episode=x.episode)

    kinds = [{name: own(sums[name]) for name in kind} for kind in (sums.observed, sums.tallied, sums.counted)]
    return Sums(own(sums.time), own(sums.events), *kinds)


class Batches:
    """A long run whose batches are judged by groups of replicas. ``method``: of derivatives, coupling or score; None: for
    means alone."""

    def __init__(self, case: Case, size: int, method: str | None):
        system, title = case.system, "the system"
        self.events, self.model, self._nodes = EVENTS[size], system, []
        self.names = list(case.metrics)
        if method is not None:
            of, self.names = parameter(system, case.path), [named(metric, case.path) for metric in case.metrics]
            half: Any = stepless(system, [of], [tangents(of)], method)
            half = with_window(half, WINDOW) if method == "score" else half
            stepped = half.with_controls("generator", size, title)
            self.model, self._nodes = moved_nodes(system, [of], None, self.names)
            controlled = stepped.controlled
        else:
            stepped = controlled = with_controls(prepared(system), "generator", size, title)
        self._ensemble = Ensemble([system], REPLICAS, 0, choose_devices(None), [stepped], events=self.events, group=1)
        self._run(WARMUP)
        self._floor = lambda slopes: 0.0
        if isinstance(controlled, WithControls):
            states = self._ensemble.states(0, SAMPLED)
            floor, own = rounding_floor(controlled, states if method is None else states[0]), len(controlled.functions)
            self._floor = lambda slopes: floor(slopes[:own])

    def _run(self, events: int) -> None:
        self._ensemble.launch(-(-events // self._ensemble.layout.events_per_block))

    def following(self) -> Sums:
        """The sums of the next batch."""
        self._ensemble.forget()
        self._run(self.events)
        sums = self._ensemble.sums(0)
        self._run(APART)
        return sums

    def estimates(self, sums: Sums, rows: slice) -> tuple[dict[str, Estimate], dict[str, Estimate], int]:
        """(plain, regressed, controls that are not collinear) of a group, as a run makes them."""
        mine = of_group(sums, rows)
        if self._nodes:
            mine = Moved(self._ensemble, self.model, self._nodes)._together([mine])  # pyright: ignore
        plain, controls = evaluate(self.model, mine), controls_of(mine)
        if controls is None:
            return plain, plain, 0
        regression = Regression(controls, self._floor)
        return plain, regressed(self.model, mine, regression, lambda name, slopes: True, ()), regression.rank


def measure(name: str, size: int, method: str | None, groups: int) -> list[dict[str, Any]]:
    """One line a metric."""
    case, began = CASES[name], time.process_time()
    means, slopes = case.exact(case.system, case.path)
    batches, controls, done = Batches(case, size, method), 0, 0
    found: dict[str, list] = {metric: [] for metric in batches.names}
    while done < groups:
        sums = batches.following()
        for first in range(0, min(REPLICAS, (groups - done) * size), size):
            plain, regressed, controls = batches.estimates(sums, slice(first, first + size))
            for metric, kept in found.items():
                kept.append([x for e in (plain, regressed) for x in (e[metric].value, e[metric].half_width())])
            done += 1
    lines = []
    for metric, kept in found.items():
        exact = slopes[metric.partition("/")[0], case.path][0] if method else means[metric]
        values, widths = np.array(kept)[:, ::2] - exact, np.array(kept)[:, 1::2]
        shares = np.mean(abs(values) <= widths, axis=0)
        line = {"case": name, "replicas": size, "metric": metric, "method": method}
        line |= {"controls": controls, "groups": done}
        line |= {"plain": shares[0], "regressed": shares[1]}
        line |= {"variance": float(np.var(values[:, 0]) / np.var(values[:, 1]))}
        line |= {"bias": (values.mean(axis=0) / values.std(axis=0) * math.sqrt(done)).tolist()}
        lines.append(line | {"cpu": time.process_time() - began})
    return lines


def told(line: dict[str, Any]) -> str:
    """A line of the table."""
    shares = [f"{100 * line[kind]:.1f}" for kind in ("plain", "regressed")]
    width = 196 * math.sqrt(0.95 * 0.05 / line["groups"])
    biases = ", ".join(f"{x:.1f}" for x in line["bias"])
    start = f"| {line['case']} | {line['replicas']} | {line['metric']} | {line['controls']} | {line['groups']} |"
    return f"{start} {' | '.join(shares)} +- {width:.1f} % | {line['variance']:.3g} | {biases} | {line['cpu']:.0f} |"


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--size", type=int, choices=SIZES, action="append")
    parser.add_argument("--kind", choices=("means", "derivatives"), action="append")
    parser.add_argument("--method", choices=("coupling", "score"), default="coupling")
    parser.add_argument("--groups", type=int, default=GROUPS)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    jaxq.use_all_cores(1)
    print(
        "| case | replicas | metric | controls | groups | plain | regressed | variance | biases, standard errors | CPU s |"
    )
    print("|" + "---|" * 10)
    lines = []
    for name in arguments.case or CASES:
        for size in arguments.size or SIZES:
            for kind in arguments.kind or ("means", "derivatives"):
                found = measure(name, size, arguments.method if kind == "derivatives" else None, arguments.groups)
                print(*map(told, found), sep="\n", flush=True)
                lines += found
                if arguments.out:
                    arguments.out.write_text(json.dumps(lines, indent=1) + "\n")


if __name__ == "__main__":
    main()
