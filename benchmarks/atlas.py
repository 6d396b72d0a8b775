"""Atlas of coverage: every system with an oracle, random parameters, and how often the interval holds the exact value.

    python -m benchmarks.atlas --repeats 400 --out atlas.jsonl           # goes on where the file ends
    python -m benchmarks.atlas --out atlas.jsonl --plot atlas.svg        # the table and the figure alone

A repeat is a case of `jaxq validate` with its arrival rate (or load) lowered by a random factor, a random number of
replicas, a fresh seed, and warm-up and its end found by the run itself. Kinds: ``means`` (time averages, probabilities,
ratios of sums), ``controls`` (the same, regressed on the generator's controls), ``differences`` (the paired difference
to the same system with 5 % fewer arrivals, in one run), ``quantiles`` (of the wait, where its law is known). Each
line of the file has the scores of its metrics, the error in half-widths (of a quantile, in that part of its interval
that lies on the side of the exact value), so that a metric is covered where the score is at most 1. Identities, of
which the controls leave nothing but rounding, are not counted. Metrics of one repeat are dependent: the share that is
covered is averaged over the metrics of a repeat first, and its interval is over repeats. Flagged repeats give no
interval and are counted apart.
"""

import argparse
import dataclasses
import itertools
import json
import math
import subprocess
import time
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

import jaxq
from jaxq.engine.levels import quantile
from jaxq.engine.plan import plan
from jaxq.engine.versions import versions
from jaxq.experiments.validate import CASES

KINDS = "means", "controls", "differences", "quantiles"
REPLICAS = 30, 64, 256
PROBABILITIES = (0.5, 0.9, 0.99)
TURN = 40
"""Repeats of a case in a row: its programs are compiled once for them."""
IDENTITY = 1e-5
"""An interval that is this share of its value is what rounding is given."""
LEAST, FEWER = 0.7, 0.95
"""The least factor of arrivals, and the factor between two systems that are compared."""


def fewer(system: Any, factor: float) -> Any:
    """The system with fewer arrivals; as it is where they are no field of its own."""
    for field in dataclasses.fields(system):
        value = getattr(system, field.name)
        if field.name in ("arrival_rate", "arrival_rates", "load") and value is not None:
            return dataclasses.replace(system, **{field.name: (factor * np.asarray(value)).tolist()})
    return system


def exact_values(system: Any) -> dict[str, float]:
    """What the oracle knows exactly, without what is 0."""
    known = {name: jaxq.Reference(x.value, x.kind, x.error) for name, x in system.oracle().items()}
    return {name: x.value for name, x in known.items() if x.kind == "exact" and x.value}


def exact_quantiles(system: Any) -> dict[str, float]:
    """Quantiles of the wait by probability, where its law is known and has no atom there."""
    tail = system.tails().get("waiting_time")
    found = {} if tail is None else {p: quantile(tail, p) for p in PROBABILITIES}
    return {f"{p:g}": x for p, x in found.items() if math.isclose(tail(x), tail(x * (1 - 1e-9) - 1e-9), rel_tol=1e-6)}


def quantile_scores(system: Any, options: dict[str, Any]) -> tuple[Any, dict[str, float]]:
    """A run and the scores of its quantiles."""
    exact = exact_quantiles(system)
    result = jaxq.simulate(system, quantiles="waiting_time:" + ",".join(exact), **options)
    scores = {}
    for p, row in result.quantiles["waiting_time"].items():
        off = row["value"] - exact[p]
        side = row["value"] - row["low"] if off > 0 else row["high"] - row["value"]
        scores[f"waiting_time:{p}"] = off / side
    return result, scores


def repeat(case: Any, kind: str, seed: int, events: int) -> dict:
    """The scores of one run, by metric; {} and its flags where it is flagged."""
    rng = np.random.default_rng(seed)
    factor, replicas = rng.uniform(LEAST, 1.0), int(rng.choice(REPLICAS))
    system = fewer(case.system, factor)
    options: dict[str, Any] = {"replicas": replicas, "events": events, "seed": seed, "meter": lambda progress: None}
    row = {"case": case.name, "kind": kind, "seed": seed, "factor": factor, "replicas": replicas}
    if kind == "quantiles":
        result, scores = quantile_scores(system, options)
        return {**row, "flags": list(result.flags), "scores": {} if result.flags else scores}
    if kind == "differences":
        other = fewer(system, FEWER)
        results = jaxq.compare([system, other], **options)
        before, after = exact_values(system), exact_values(other)
        found = [(d["metric"], d["mean"], d["half_width"]) for d in results.differences]
        exact = {name: after[name] - before[name] for name in before if name in after and after[name] != before[name]}
    else:
        results = jaxq.simulate(system, control="generator" if kind == "controls" else "none", **options)
        found, exact = [(name, m.mean, m.half_width) for name, m in results.metrics.items()], exact_values(system)
    if results.flags:
        return {**row, "flags": list(results.flags), "scores": {}}
    scores = {
        name: (mean - exact[name]) / half
        for name, mean, half in found
        if name in exact and half and half > IDENTITY * abs(mean)
    }
    return {**row, "flags": [], "scores": scores}


def applies(case: Any, kind: str) -> bool:
    """Whether a case can be run in this way."""
    if kind == "controls":
        try:
            plan([case.system], jaxq.Options(control="generator", replicas=max(REPLICAS)))
        except ValueError:
            return False
    if kind == "quantiles":
        return bool(exact_quantiles(case.system))
    return kind != "differences" or fewer(case.system, 0.5) is not case.system


def rows_of(path: Path) -> list[dict]:
    """The repeats of a file, after its first line."""
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()[1:]] if path.exists() else []


def stamp() -> dict:
    """Commit and versions."""
    asked = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {"commit": asked.stdout.strip(), "versions": versions()}


def extend(path: Path, repeats: int, events: int, seconds: float, kinds: Collection[str] = KINDS) -> None:
    """Run what is missing of ``repeats`` of each case and kind, in turn, a line each."""
    done, began = {(row["case"], row["kind"], row["seed"]) for row in rows_of(path)}, time.perf_counter()
    if not done:
        path.write_text(json.dumps(stamp()) + "\n", encoding="utf8")
    pairs = [(case, kind) for case in CASES for kind in KINDS if applies(case, kind)]
    for turn in range(0, repeats, TURN):
        for (i, (case, kind)), k in itertools.product(enumerate(pairs), range(turn, min(turn + TURN, repeats))):
            seed = 1_000_000 * (i + 1) + k
            if (case.name, kind, seed) in done or kind not in kinds:
                continue
            if time.perf_counter() - began > seconds:
                return
            row = json.dumps(repeat(case, kind, seed, events))
            with path.open("a", encoding="utf8") as file:
                file.write(row + "\n")


def covered(rows: list[dict]) -> tuple[float, float]:
    """Share covered and its 95 % half-width, over repeats."""
    shares = np.array([np.mean([abs(x) <= 1 for x in row["scores"].values()]) for row in rows if row["scores"]])
    return float(shares.mean()), 1.96 * float(shares.std(ddof=1)) / math.sqrt(len(shares))


def summary(rows: list[dict]) -> None:
    """Print coverage by case and kind, and overall."""
    by: dict[tuple[str, str], list[dict]] = defaultdict(list)
    for row in rows:
        by[row["case"], row["kind"]].append(row)
    print(f"{'case':34} {'kind':12} repeats flagged  covered, %")
    for (case, kind), several in by.items():
        used = [row for row in several if row["scores"]]
        share = "{:.1f} +- {:.1f}".format(*(100 * x for x in covered(used))) if len(used) > 1 else ""
        print(f"{case:34} {kind:12} {len(several):7} {sum(bool(r['flags']) for r in several):7}  {share}")
    for kind in KINDS:
        used = [row for row in rows if row["scores"] and row["kind"] == kind]
        if len(used) > 1:
            print("all {}: {:.2f} +- {:.2f} % of {} repeats".format(kind, *(100 * x for x in covered(used)), len(used)))
    used = [row for row in rows if row["scores"]]
    print("all: {:.2f} +- {:.2f} % of {} repeats".format(*(100 * x for x in covered(used)), len(used)))


def draw(rows: list[dict], path: Path) -> None:
    """The share of scores up to x by kind, less what it is where intervals are right."""
    import matplotlib.pyplot as plt
    from scipy.stats import norm

    from jaxq.plotting.style import house

    with house():
        figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
        for kind in KINDS:
            scores = np.sort([abs(x) for row in rows if row["kind"] == kind for x in row["scores"].values()])
            if scores.size:
                share = np.arange(1, scores.size + 1) / scores.size
                axes.plot(scores, 100 * (share - (2 * norm.cdf(1.96 * scores) - 1)), label=f"{kind}, {scores.size:,}")
        axes.axhline(0, color="0.5", linewidth=0.8)
        axes.set(xlim=(0, 2), xlabel="|error|, in half-widths", ylabel="share up to it, less that\nof a normal law, %")
        axes.legend(frameon=False)
        figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=0, help="of each case and kind, those in the file included")
    parser.add_argument("--kind", choices=KINDS, action="append", help="of these alone; repeatable")
    parser.add_argument("--events", type=int, default=10_000, help="of a replica, at least")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so many")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; a file that exists is gone on with")
    parser.add_argument("--plot", type=Path, help="a figure")
    arguments = parser.parse_args()
    jaxq.use_all_cores()
    extend(arguments.out, arguments.repeats, arguments.events, arguments.seconds, arguments.kind or KINDS)
    rows = rows_of(arguments.out)
    if rows:
        summary(rows)
    if rows and arguments.plot:
        draw(rows, arguments.plot)


if __name__ == "__main__":
    main()
