"""jaxq beside hand-written SIMD C (native.c) on one core: ns of CPU an event, and their ratio.

    python -m benchmarks.native --out benchmarks/native.json      # 2 minutes; needs a C compiler

The two run in turn on each workload, so that their ratio holds on a machine whose speed drifts; the medians count. Of jaxq
launches are timed, with all observables of the system and the sums that its metrics come from; C keeps one sum or two. What
an event is in jaxq it is in C: a uniformised step, a jump (x-model), a customer (mg1, gd1).
"""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import jaxq

jaxq.use_all_cores(1)

import jax  # noqa: E402

from benchmarks.speed import CASES, system_of  # noqa: E402
from jaxq.engine.ensemble import Ensemble  # noqa: E402

WORKLOADS = {
    "mm1": ("mm1", 4.0),
    "mg1": ("mg1", 3.0),
    "gd1": ("gd1", 0.9412359),
    "jsq-50": ("jsq", 52.7455),
    "sa-jsq-3": ("sajsq3", 68.0918),
    "sa-jsq-6": ("sajsq6", 68.0918),
    "x-model": ("xmodel", 125.825),
    "token-pool-100": ("tokenpool", 36.3636),
}
"""The workload in C of each case, and the mean that it must find to one per cent: exact, or jaxq's without a formula."""


def compiled(folder: str) -> Path | None:
    """The C program, built in a folder; None where there is no compiler."""
    compiler = next(filter(None, map(shutil.which, ("gcc", "clang", "cc"))), None)
    if compiler is None:
        return None
    binary, source = Path(folder) / "native", Path(__file__).with_name("native.c")
    subprocess.run([compiler, "-O3", "-march=native", "-o", str(binary), str(source), "-lm"], check=True)
    return binary


def run_native(binary: Path, workload: str, events: float, seed: int = 1) -> dict:
    """Events, CPU seconds and means of a workload in C."""
    done = subprocess.run([binary, workload, f"{events:g}", str(seed)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def native_ns(binary: Path, case: str, events: float) -> float:
    """ns of CPU an event of the workload of a case in C."""
    workload, expected = WORKLOADS[case]
    found = run_native(binary, workload, events)
    assert abs(found["means"][0] / expected - 1) < 0.01, f"{workload} in C: {found['means']} for {expected}"
    return 1e9 * found["seconds"] / found["events"]


def jaxq_ns(stack: Ensemble, blocks: int) -> float:
    """ns of CPU an event of a launch."""
    began = time.process_time()
    stack.launch(blocks)
    stack.settle()
    return 1e9 * (time.process_time() - began) / (blocks * stack.layout.events_per_block * stack.rows)


def measure(case: str, binary: Path | None, seconds: float, rounds: int) -> dict:
    """A case: medians of ns an event, and the median ratio of those that ran one after the other."""
    options = CASES[case][1]
    began = time.process_time()
    stack = Ensemble([system_of(case)], options["replicas"], 0, tuple(jax.devices()))
    row = {"case": case, "compile_seconds": time.process_time() - began}
    one = [jaxq_ns(stack, 1) for _ in range(2)][1]
    a_block = 1e-9 * one * stack.layout.events_per_block * stack.rows
    blocks = max(1, min(stack.layout.blocks, int(seconds / a_block)))
    # long enough to forget how it began
    native = [lambda: native_ns(binary, case, max(1e9 * seconds, 3e8))] if binary and case in WORKLOADS else []
    pairs = [(jaxq_ns(stack, blocks), *[run() for run in native]) for _ in range(rounds)]
    row["ns_per_event"] = statistics.median(pair[0] for pair in pairs)
    if native:
        row["native_ns"] = statistics.median(pair[1] for pair in pairs)
        row["ratio"] = statistics.median(ours / theirs for ours, theirs in pairs)
    return row


def main() -> None:
    """Print a row a case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", action="append", choices=CASES, help="default: those that are written in C")
    parser.add_argument("--seconds", type=float, default=0.5, help="CPU seconds of a run, about")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary, rows = compiled(folder), []
        print(f"{'case':18} {'jaxq':>7} {'C':>7} {'ratio':>6} compile, s" if binary else "no C compiler: jaxq alone")
        for case in arguments.case or WORKLOADS:
            rows.append(row := measure(case, binary, arguments.seconds, arguments.rounds))
            native = f"{row['native_ns']:7.3f} {row['ratio']:6.2f}" if "ratio" in row else " " * 14
            print(f"{case:18} {row['ns_per_event']:7.3f} {native} {row['compile_seconds']:.1f}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"rounds": arguments.rounds, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
