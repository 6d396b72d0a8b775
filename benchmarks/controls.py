"""What control variates cost and give: ns per event, seconds to compile and variances, plain and controlled.

    python -m benchmarks.controls                       # every case
    python -m benchmarks.controls --case mm1 --repeats 3
    python -m benchmarks.controls --case "two queues" --control generator   # the variances alone

Plain and controlled runs alternate in one process on one core, so that their ratio holds on a machine whose speed drifts; ns
are CPU time of the process over a second run with the same events, compiled already, without warm-up detection. Variance
ratios are those of the result. Prints the rows of the table in README.md.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

import jaxq
from benchmarks.derivatives import X_MODEL
from benchmarks.gradients import TwoQueues

X_SMALL = jaxq.Network([2.0, 1.5], [[1.0, 0.5], [0.8, 1.2]], [1, 1], [0.8, 0.9], [1.0, 1.9])
CASES = {
    "mm1": (jaxq.MMc(0.8), 400_000, ("queue_length", "probability_wait")),
    "mmc+m": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), 200_000, ("queue_length", "probability_wait")),
    "jsq-4": (jaxq.LoadBalancing(servers=4, policy="jsq", load=0.8), 80_000, ("number_in_system", "all_busy")),
    "x-model": (
        jaxq.ParallelServers(X_SMALL, policy="c-mu-theta"),
        60_000,
        ("number_in_system", "queue_1", "reward_rate"),
    ),
    "two queues": (TwoQueues(), 60_000, ("number",)),
    "x-model-2+2": (X_MODEL, 60_000, ("number_in_system", "queue_1", "reward_rate")),
    "x-model-100+100": (
        jaxq.ParallelServers("x-model", policy="priority", priorities="2 > 1", preferences="3 > 4"),
        60_000,
        ("number_in_system", "queue_1", "reward_rate"),
    ),
}
CONTROLS = "none", "linear", "generator"
REPLICAS = 2048


def timed(system: jaxq.Model, events: int, control: str) -> tuple[float, dict]:
    """(CPU ns an event, record of the run)."""
    began = time.process_time()
    run = jaxq.simulate(system, events=events, warmup=events // 4, replicas=REPLICAS, control=control).run
    return (time.process_time() - began) / run["events"] * 1e9, run


def measure(name: str, repeats: int, controls: Sequence[str]) -> list[str]:
    """The rows of one case."""
    system, events, metrics = CASES[name]
    compiling, runs, costs = {}, {}, {control: [] for control in controls}
    for control in controls:
        compiling[control] = timed(system, events, control)[1]["compile_seconds"]
    for _ in range(repeats):
        for control in controls:
            cost, runs[control] = timed(system, events, control)
            costs[control].append(cost)
    rows = []
    for control in controls:
        plain = {"controls": 0, "degree": 0, "variance_ratio": dict.fromkeys(metrics, 1.0)}
        used = runs[control].get("control", plain)
        ratios = ", ".join(f"{metric} {used['variance_ratio'][metric]:.3g}" for metric in metrics)
        cost = f"{statistics.median(costs[control]):.2f} | {compiling[control]:.1f}"
        rows.append(f"| {name} | {control} | {used['controls']}, {used['degree']} | {cost} | {ratios} |")
    return rows


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", choices=list(CASES), action="append", help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--control", choices=CONTROLS, action="append", help="default: all")
    arguments = parser.parse_args()
    jaxq.use_all_cores(1)
    print("| case | control | controls, degree | CPU ns/event | compile, s | variance, times smaller |")
    print("|---|---|---|---|---|---|")
    for name in arguments.case or CASES:
        print(*measure(name, arguments.repeats, arguments.control or CONTROLS), sep="\n", flush=True)


if __name__ == "__main__":
    main()
