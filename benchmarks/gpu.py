"""What a GPU does, in one command and under 8 minutes; the verdict comes last.

    python -m benchmarks.gpu --out benchmarks/gpu.json
    python -m benchmarks.gpu --dry                     # the same on a CPU, small, kernels interpreted: a test of the script

For each case of `benchmarks/speed.py`: whether the kernel's sums are those of a CPU's scan (whole numbers must be equal;
floats may differ in their last digits, as a GPU divides and takes logarithms in its own way); events a second against
replicas, beside what `gpu_compile.json` predicts; and what the host adds to a launch, which is the intercept of time against
the number of blocks. What there was no time for is listed.
"""

import argparse
import functools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ORDER = (
    "mm1",
    "token-pool-100",
    "sa-jsq-3",
    "x-model",
    "mmc+m",
    "mg1",
    "jsq-50",
    "gd1",
    "tolls-2",
    "network-4",
    "network-8",
)
SIZES = [2**k for k in (14, 16, 18, 20, 22)]
BESIDE = 4096
"""Replicas of the comparison with a CPU."""
LAUNCH = 0.3
"""Seconds of a launch that is timed."""
NEAR = 1.5
"""Factor between predicted and measured that counts as agreement."""


def begin(case: str, replicas: int, device, **layout):
    """The replicas of one case on a device, nothing run yet."""
    from benchmarks.speed import system_of
    from jaxq.engine.ensemble import Ensemble

    return Ensemble([system_of(case)], replicas, 1, (device,), **layout)


def compare(case: str, device, cpu, replicas: int) -> dict:
    """Sums of three blocks on both."""
    found = []
    for kind, where in (("scan", cpu), ("kernel", device)):
        os.environ["JAXQ_PROGRAM"] = kind
        ensemble = begin(case, replicas, where, blocks=3, observations=64)
        ensemble.launch(3)
        ensemble.settle()
        found.append(ensemble)
    one, other = found
    whole, off = True, 0.0
    for name, x, y in zip(one.quantities, one.windows.data[0], other.windows.data[0], strict=True):
        apart = float(np.max(np.abs(x - y) / np.maximum(np.abs(x), 1e-30)))
        whole &= apart == 0 or not np.array_equal(x, np.round(x))
        off = max(off, apart)
        if apart:
            print(f"  {case} {name}: up to {apart:.1e} apart")
    return {
        "program": other.program.kind,
        "no_kernel": other.fallback,
        "whole_numbers_equal": whole,
        "largest_relative": off,
    }


def rate(case: str, replicas: int, device, launch: float) -> dict:
    """Events a second of launches of ``launch`` seconds, and what one adds whatever its length."""
    ensemble = begin(case, replicas, device)
    a_block = ensemble.layout.events_per_block * replicas

    def seconds(blocks: int) -> float:
        began = time.perf_counter()
        ensemble.launch(blocks)
        ensemble.settle()
        return time.perf_counter() - began

    seconds(1)
    short = min(seconds(1) for _ in range(3))
    most = ensemble.layout.blocks
    blocks = int(np.clip(launch / short, 2, most)) if most > 1 else 1
    long = float(np.median([seconds(blocks) for _ in range(3)]))
    each = (long - short) / (blocks - 1) if blocks > 1 else long
    return {
        "replicas": replicas,
        "events_per_second": blocks * a_block / long,
        "host_seconds_a_launch": max(0.0, short - each) if blocks > 1 else None,
        "compile_seconds": ensemble.compile_seconds,
        "program": ensemble.program.kind,
    }


def verdict(cases: dict) -> list[str]:
    """A line each."""
    lines = []
    for case, found in cases.items():
        fastest = max((x["events_per_second"] for x in found.get("rates", [])), default=None)
        same = found.get("same")
        told = (
            "not compared" if same is None else "as on a CPU" if same["whole_numbers_equal"] else "DIFFERS from a CPU"
        )
        speed = "not timed"
        if fastest is not None:
            speed = f"{fastest:.2g} events/s"
            if found["predicted"]:
                share = fastest / found["predicted"]
                agrees = "as predicted" if 1 / NEAR <= share <= NEAR else "NOT as predicted"
                speed += f", {share:.2f} of {found['predicted']:.2g}: {agrees}"
        lines.append(f"{case}: {told}; {speed}")
    return lines


def main() -> None:
    """Run, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu" if args.dry else "cuda,cpu"
    import jax

    import jaxq

    began = time.perf_counter()
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    if device.platform == "cpu" and not args.dry:
        sys.exit(f"no GPU: JAX sees {jax.devices()}")
    predicted = {
        row["case"]: row["predicted_events_per_second"]
        for row in json.loads((HERE / "gpu_compile.json").read_text())["cases"]
        if "predicted_events_per_second" in row
    }
    order, sizes, beside, launch = (ORDER[:2], [64], 64, 0.01) if args.dry else (ORDER, SIZES, BESIDE, LAUNCH)
    cases: dict = {case: {"predicted": None if args.dry else predicted.get(case)} for case in order}
    skipped, failed = [], {}

    def step(name: str, function):
        if time.perf_counter() - began > 60 * args.minutes:
            skipped.append(name)
            return None
        try:
            return function()
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return None

    for case in order:
        cases[case]["same"] = step(f"{case}, compared", functools.partial(compare, case, device, cpu, beside))
    os.environ.pop("JAXQ_PROGRAM", None)
    for replicas in sorted(sizes, key=lambda n: abs(n - 2**16)):  # the size that most runs have comes first
        for case in order:
            found = step(f"{case} x {replicas}", functools.partial(rate, case, replicas, device, launch))
            if found is not None:
                cases[case].setdefault("rates", []).append(found)
                print(f"{case} x {replicas}: {found['events_per_second']:.3g} events/s, {found['program']}", flush=True)
    report = {
        "device": device.device_kind,
        "jax": jax.__version__,
        "jaxq": jaxq.__version__,
        "cases": cases,
        "skipped": skipped,
        "failed": failed,
        "seconds": time.perf_counter() - began,
    }
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    for name, why in failed.items():
        print(f"failed: {name}: {why}")
    print("no time for:", ", ".join(skipped) or "nothing left out")
    print("\n".join(verdict(cases)))


if __name__ == "__main__":
    main()
