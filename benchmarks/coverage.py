"""Coverage of the intervals through the whole pipeline: warm-up detection and stop rule run inside every repeat.

    python benchmarks/coverage.py --repeats 1000 --seconds 300        # every case, 5 minutes each at most
    python benchmarks/coverage.py --repeats 4000 --case mm1

    python benchmarks/coverage.py --repeats 400 --quantiles           # quantiles of waits

Each repeat is one `jaxq.simulate` with a fresh seed; a metric is covered if the exact value lies within its half-width.
The share covered should be the level, 0.95, to within its own binomial interval (94.3 to 95.7 % at 4000). ``bias`` is the
mean error over the repeats in standard errors of that mean. Repeats whose result is flagged are counted apart: they give no
interval.
"""

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import jaxq
from jaxq.engine.levels import quantile

HIGH = ("number_in_system", "probability_wait")
CASES = {
    "mm1": (jaxq.MMc(0.8), {"replicas": 64, "precision": 0.1}, HIGH),
    "mm1-.95-30": (jaxq.MMc(0.95), {"replicas": 30, "precision": 0.1}, HIGH),
    "mm1-.95-64": (jaxq.MMc(0.95), {"replicas": 64, "precision": 0.1}, HIGH),
    "mm1-.95-1024": (jaxq.MMc(0.95), {"replicas": 1024, "precision": 0.05}, HIGH),
    "mm1-.99-30": (jaxq.MMc(0.99), {"replicas": 30, "precision": 0.2}, HIGH),
    "mm1-.99-64": (jaxq.MMc(0.99), {"replicas": 64, "precision": 0.1}, HIGH),
    "mm1-.99-1024": (jaxq.MMc(0.99), {"replicas": 1024, "precision": 0.05}, HIGH),
    "mm1-.9-1": (jaxq.MMc(0.9), {"replicas": 1, "events": 100_000}, HIGH),
    "mm1-.9-4": (jaxq.MMc(0.9), {"replicas": 4, "events": 20_000}, HIGH),
    "mm1-.9-16": (jaxq.MMc(0.9), {"replicas": 16, "events": 20_000}, HIGH),
    "mmc+m": (
        jaxq.MMc(120, 1, 100, abandonment_rate=0.5),
        {"replicas": 64, "precision": 0.01},
        ("number_in_system", "probability_abandon"),
    ),
    **{
        f"controls-{replicas}": (
            jaxq.MMc(12, 1, 10, abandonment_rate=1.0),
            {"replicas": replicas, "events": 4000, "control": "generator"},
            ("number_in_system", "queue_length", "probability_wait"),
        )
        for replicas in (64, 256, 1024)
    },
    "gim5": (
        jaxq.GGc(servers=5, arrival_rate=4.5, arrival_law="gamma:3"),
        {"replicas": 64, "precision": 0.05},
        ("waiting_time",),
    ),
    "h2-20": (jaxq.MG1(0.8, 1, "hyperexponential:20"), {"replicas": 64, "precision": 0.1}, ("waiting_time",)),
    "sa-jsq-100": (
        jaxq.LoadBalancing(servers=100, speeds="2.5:0.2,0.625:0.8"),
        {"replicas": 64, "precision": 0.01},
        ("busy_capacity",),
    ),
    "x-model": (
        jaxq.ParallelServers(network="x-model"),
        {"replicas": 64, "precision": 0.005},
        ("departures_1", "departures_2"),
    ),
    "tolls": (jaxq.TolledQueues(tolls=4.3), {"replicas": 64, "precision": 0.005}, ("revenue",)),
    "token-pool": (
        jaxq.TokenPool(10, 0.8, 0.8, 5),
        {"replicas": 64, "events": 20_000},
        ("own_queue", "request_rate", "pool_busy_on_offer", "no_tokens"),
    ),
    "token-pool-100": (
        jaxq.TokenPool(100, 0.8, 0.8, 20),
        {"replicas": 64, "precision": 0.05},
        ("own_queue", "request_rate", "pool_busy_on_offer", "no_tokens"),
    ),
}


PROBABILITIES = (0.1, 0.5, 0.9, 0.99)
"""The first is inside the atom at 0."""
QUANTILES = {
    f"{name}-{replicas}": (system, {"replicas": replicas, "events": events // replicas})
    for name, system in (("mm1", jaxq.MG1(0.8)), ("mh21-scv20", jaxq.MG1(0.8, 1.0, "hyperexponential:20")))
    for replicas, events in ((64, 2**19), (1024, 2**21))
}


def numbered(repeats: int, seconds: float) -> Iterator[int]:
    """0, 1, ... until there are so many, or so many seconds are over."""
    began = time.perf_counter()
    yield from itertools.takewhile(lambda _: time.perf_counter() - began < seconds, range(repeats))


def measure_quantiles(name: str, repeats: Iterator[int], seed: int) -> dict:
    """Share of repeats whose interval holds the exact quantile of the wait, by probability."""
    system, options = QUANTILES[name]
    tail = system.tails()["waiting_time"]
    asked = "waiting_time:" + ",".join(map(str, PROBABILITIES))
    exact = {f"{p:g}": quantile(tail, p) for p in PROBABILITIES}
    hits, errors, flagged = dict.fromkeys(exact, 0), {p: [] for p in exact}, 0
    done = 0
    began = time.perf_counter()
    for i in repeats:
        done += 1
        result = jaxq.simulate(system, seed=seed + i, quantiles=asked, **options)
        if result.flags:
            flagged += 1
            continue
        for p, row in result.quantiles["waiting_time"].items():
            hits[p] += row["low"] <= exact[p] <= row["high"]
            errors[p].append(row["value"] - exact[p])
    counted = done - flagged
    shares = {p: count / counted for p, count in hits.items()}
    bias = {p: np.mean(x) / (np.std(x, ddof=1) or np.inf) * math.sqrt(counted) for p, x in errors.items()}
    return {
        "case": name,
        "options": options,
        "repeats": done,
        "flagged": flagged,
        "exact": exact,
        "coverage": {p: {"share": s, "half_width": 1.96 * math.sqrt(s * (1 - s) / counted)} for p, s in shares.items()},
        "bias_in_standard_errors": bias,
        "seconds": time.perf_counter() - began,
    }


def measure(name: str, repeats: Iterator[int], seed: int) -> dict:
    """Share of repeats covered, by metric, with its 95 % binomial half-width."""
    system, options, metrics = CASES[name]
    exact = {metric: jaxq.Reference(reference.value).value for metric, reference in system.oracle().items()}
    hits, scores, flagged, events, discarded = dict.fromkeys(metrics, 0), {m: [] for m in metrics}, 0, 0, 0.0
    done = 0
    began = time.perf_counter()
    for i in repeats:
        done += 1
        result = jaxq.simulate(system, seed=seed + i, **options)
        if result.flags:
            flagged += 1
            continue
        events += result.run["events"]
        discarded += result.run["warmup"] / (result.run["warmup"] + result.run["events_per_replica"])
        for metric in metrics:
            hits[metric] += abs(result[metric].mean - exact[metric]) <= result[metric].half_width
            scores[metric].append(result[metric].mean - exact[metric])
    counted = done - flagged
    shares = {metric: count / counted for metric, count in hits.items()}
    return {
        "case": name,
        "options": options,
        "repeats": done,
        "flagged": flagged,
        "coverage": {m: {"share": p, "half_width": 1.96 * math.sqrt(p * (1 - p) / counted)} for m, p in shares.items()},
        "bias": {m: float(np.mean(x) / np.std(x, ddof=1) * math.sqrt(counted)) for m, x in scores.items()},
        "events_per_repeat": events / counted,
        "discarded_share": discarded / counted,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Measure, print a line a case, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", choices=[*CASES, *QUANTILES], action="append", help="default: all")
    parser.add_argument("--quantiles", action="store_true", help="the cases of quantiles only")
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seconds", type=float, default=math.inf, help="fewer repeats of a case that takes longer")
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    jaxq.use_all_cores()
    rows = []
    for name in arguments.case or (QUANTILES if arguments.quantiles else CASES):
        found = measure_quantiles if name in QUANTILES else measure
        rows.append(found(name, numbered(arguments.repeats, arguments.seconds), arguments.seed))
        print(json.dumps(rows[-1]), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps({"seed": arguments.seed, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
