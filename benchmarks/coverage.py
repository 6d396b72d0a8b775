"""Coverage of the intervals through the whole pipeline: warm-up detection and stop rule run inside every repeat.

    python benchmarks/coverage.py                    # 4000 repeats of three systems, about 10 minutes on two cores
    python benchmarks/coverage.py --repeats 400 --case mm1

Each repeat is one `jaxq.simulate` with a fresh seed; a metric is covered if the exact value lies within its half-width.
The share covered should be the level, 0.95, to within its own binomial interval (94.3 to 95.7 % at 4000). Repeats whose
result is flagged are counted apart: they give no interval.
"""

import argparse
import json
import math
import time
from pathlib import Path

import jaxq

CASES = {
    "mm1": (jaxq.MMc(0.8), {"replicas": 64, "precision": 0.1}, ("number_in_system", "probability_wait")),
    "mmc+m": (
        jaxq.MMc(120, 1, 100, abandonment_rate=0.5),
        {"replicas": 64, "precision": 0.01},
        ("number_in_system", "probability_abandon"),
    ),
    "token-pool": (
        jaxq.TokenPool(10, 0.8, 0.8, 5),
        {"replicas": 64, "events": 20_000},
        ("own_queue", "request_rate", "pool_busy_on_offer", "no_tokens"),
    ),
}


def measure(name: str, repeats: int, seed: int) -> dict:
    """Share of repeats covered, by metric, with its 95 % binomial half-width."""
    system, options, metrics = CASES[name]
    exact = {metric: jaxq.Reference(reference.value).value for metric, reference in system.oracle().items()}
    hits, flagged, events, discarded = dict.fromkeys(metrics, 0), 0, 0, 0.0
    began = time.perf_counter()
    for i in range(repeats):
        result = jaxq.simulate(system, seed=seed + i, **options)
        if result.flags:
            flagged += 1
            continue
        events += result.run["events"]
        discarded += result.run["warmup"] / (result.run["warmup"] + result.run["events_per_replica"])
        for metric in metrics:
            hits[metric] += abs(result[metric].mean - exact[metric]) <= result[metric].half_width
    counted = repeats - flagged
    shares = {metric: count / counted for metric, count in hits.items()}
    return {
        "case": name,
        "options": options,
        "repeats": repeats,
        "flagged": flagged,
        "coverage": {m: {"share": p, "half_width": 1.96 * math.sqrt(p * (1 - p) / counted)} for m, p in shares.items()},
        "events_per_repeat": events / counted,
        "discarded_share": discarded / counted,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Measure, print a line a case, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    jaxq.use_all_cores()
    rows = []
    for name in arguments.case or CASES:
        rows.append(measure(name, arguments.repeats, arguments.seed))
        print(json.dumps(rows[-1]), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps({"seed": arguments.seed, "cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
