"""What the host does for a launch: CPU time of its thread, which the devices' work is no part of.

    python benchmarks/host.py --out benchmarks/host.json

For each case of `benchmarks/speed.py` and number of replicas: milliseconds of a launch that completes no window, and what a
window adds that it files. A run of n blocks files 32 to 64 windows, or one a `Layout.stretch` where that is more. Blocks
are as short as they can be, since how long they are does not matter here; the best of some launches on one device, which are
queued and taken over as in a run, as others use the machine too. What waiting takes is not in it: JAX looks for Ctrl-C five
times a second, some .2 ms in all, and a launch of a CPU lasts seconds where that of an accelerator lasts a quarter of one.

With quantiles of the first quantity that can have them: what it adds to count the samples of a block as an accelerator
makes them, beside the time that a block takes an H200 (predicted: `gpu_compile.json`). The host counts while the next launch
runs, so that a run is slower only where it takes longer than the devices.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

WARM = 32
"""Blocks, of one observation, before anything is measured."""
STATE_BYTES = 8e9
"""What does not fit on a machine like this one is left out."""


def measure(case: str, replicas: int, launches: int) -> dict | None:
    """One case in this process; None if its states are too large."""
    import jaxq
    from benchmarks.speed import system_of

    jaxq.use_all_cores(1)
    import jax

    from jaxq.engine.ensemble import Ensemble
    from jaxq.engine.outline import lanes_bytes
    from jaxq.engine.rarity import prepared

    system = system_of(case)
    if lanes_bytes(prepared(system)) * replicas > STATE_BYTES:
        return None

    def run(**layout):
        ensemble = Ensemble([system], replicas, 1, tuple(jax.devices()), observations=1, blocks=1, **layout)
        ensemble.launch(WARM)
        ensemble.settle()
        return ensemble

    def host(ensemble: Ensemble, blocks: int = 1) -> float:
        found = []
        for _ in range(launches):
            began = time.thread_time()
            ensemble.launch(blocks)
            spent = time.thread_time() - began
            while not all(first.is_ready() for (first, *_), _ in ensemble._queued.filed):
                time.sleep(0.002)
            began = time.thread_time()
            ensemble.settle()
            found.append(1e3 * (spent + time.thread_time() - began))
        return min(found)

    ensemble = run()
    filing = host(ensemble, ensemble.windows.span)
    ensemble.blocks = 0
    ensemble._windows.span_at = lambda position: (2**20, 2**20)  # so that no window ends
    nothing = host(ensemble)
    row = {
        "case": case,
        "replicas": replicas,
        "groups": ensemble.groups,
        "sums": len(ensemble.quantities),
        "launch_ms": nothing,
        "window_ms": filing - nothing,
    }
    return row | counting(ensemble, case, run, host)


def counting(ensemble, case: str, run, host) -> dict:
    """What it adds to count samples, and how long a block of an accelerator lasts, in milliseconds."""
    from jaxq.engine.layout import SAMPLED_OBSERVATIONS
    from jaxq.engine.outline import names

    process = ensemble.processes[0]
    quantity = names(ensemble.systems[0], process)[1][0]
    sampled = run(histograms=(quantity,), sampling=2)
    counted = host(sampled)
    sampled._count = lambda *_: None
    counted -= host(sampled)
    compiled = json.loads((Path(__file__).parent / "gpu_compile.json").read_text())["cases"]
    speed = next(
        (x["predicted_events_per_second"] for x in compiled if (x["case"], x["device"]) == (case, "h200")), None
    )
    found = {"quantity": quantity, "count_ms": counted}
    if speed is None:
        return found
    block = 1e3 * ensemble.replicas * SAMPLED_OBSERVATIONS * process.scan.stride / speed
    return found | {"block_ms": block, "quantiles": max(1.0, counted / block)}


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
    columns = {"groups": "", "sums": "", "launch_ms": ".2f", "window_ms": ".2f"}
    columns |= {"count_ms": ".2f", "block_ms": ".2f", "quantiles": ".2f"}
    print("| case | replicas | groups | sums | a launch, ms | a window, ms ", end="")
    print("| samples of a block counted, ms | a block, predicted, ms | with a quantile, times |\n|" + 9 * "---|")
    for case in args.case or CASES:
        for replicas in args.replicas:
            child = [sys.executable, __file__, "--child", "--case", case, "--replicas", str(replicas)]
            child += ["--launches", str(args.launches)]
            done = subprocess.run(child, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            if row is None:
                print(f"| {case} | {replicas} | states too large |", flush=True)
                continue
            rows.append(row)
            shown = [format(row[name], form) if name in row else "" for name, form in columns.items()]
            print(f"| {case} | {replicas} | {' | '.join(shown)} |", flush=True)
            if args.out:
                args.out.write_text(json.dumps({"launches": args.launches, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
