"""What the host does for a launch: CPU time of its thread, which the devices' work is no part of.

    python benchmarks/host.py --out benchmarks/host.json

For each case of `benchmarks/speed.py` and number of replicas: milliseconds of a launch that completes no window, and what a
window adds that it files. A run of n blocks files 32 to 64 windows, or one a `Layout.stretch` where that is more. Blocks
are short, since how long they are does not matter here; medians over launches, which are queued and taken over as in a run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

OBSERVATIONS = 16
"""Of a block."""


def measure(case: str, replicas: int, launches: int) -> dict:
    """One case in this process."""
    import jaxq
    from benchmarks.speed import system_of

    jaxq.use_all_cores()
    import jax

    from jaxq.engine.ensemble import Ensemble

    system = system_of(case)
    ensemble = Ensemble([system], replicas, 1, tuple(jax.devices()), observations=OBSERVATIONS, blocks=1)

    def host(blocks: int) -> list[float]:
        found = []
        for _ in range(launches):
            began = time.thread_time()
            ensemble.launch(blocks)
            ensemble.settle()
            found.append(1e3 * (time.thread_time() - began))
        return found

    host(1)
    filing = statistics.median(host(1))
    ensemble.blocks = 0
    ensemble._windows.span_at = lambda position: (2**20, 2**20)  # so that no window ends
    nothing = statistics.median(host(1))
    return {
        "case": case,
        "replicas": replicas,
        "groups": ensemble.groups,
        "sums": len(ensemble.quantities),
        "program": ensemble.program.kind,
        "launch_ms": nothing,
        "window_ms": filing - nothing,
    }


def main() -> None:
    """Measure every case, print a row each, and write the figures."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.speed import CASES

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--replicas", type=int, nargs="+", default=[2**16, 2**20])
    parser.add_argument("--launches", type=int, default=15)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.case[0], args.replicas[0], args.launches)))
        return
    rows = []
    print("| case | replicas | groups | sums | a launch, ms | a window, ms |\n|---|---|---|---|---|---|")
    for case in args.case or CASES:
        for replicas in args.replicas:
            child = [sys.executable, __file__, "--child", "--case", case, "--replicas", str(replicas)]
            child += ["--launches", str(args.launches)]
            done = subprocess.run(child, capture_output=True, text=True, check=True)
            rows.append(row := json.loads(done.stdout.splitlines()[-1]))
            shown = [row[name] for name in ("case", "replicas", "groups", "sums")]
            shown += [f"{row[name]:.2f}" for name in ("launch_ms", "window_ms")]
            print(f"| {' | '.join(map(str, shown))} |", flush=True)
    if args.out:
        args.out.write_text(json.dumps({"launches": args.launches, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
