"""What a GPU does, in one command and under 8 minutes; the verdict comes last.

    python -m benchmarks.gpu --out benchmarks/gpu.json
    python -m benchmarks.gpu --dry                     # the same on a CPU, small, kernels interpreted: a test of the script

For each case of `benchmarks/speed.py`: in how many replicas the kernel's sums are those of a CPU's scan (floats may differ
in their last digits, as a GPU divides and takes logarithms in its own way, and where that changes an event the replica goes
on by itself); events a second against replicas, beside what `gpu_compile.json` predicts, with quantiles, and on all GPUs;
and what the host adds to a launch, which is the intercept of time against the number of blocks. Then one `jaxq.simulate`
against its formula. The figures are written after each step; what there was no time for is listed.
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
)
SLOW = "network-8"
"""Takes minutes to compile: last, and at one size."""
QUANTILES = "mm1", "sa-jsq-3"
SIZES = [2**k for k in (14, 16, 18, 20, 22)]
BESIDE = 4096
"""Replicas of the comparison with a CPU."""
LAUNCH = 0.3
"""Seconds of a launch that is timed."""
NEAR = 1.5
"""Factor between predicted and measured that counts as agreement."""
ROUNDING, STRAY = 1e-3, 0.01
"""Relative difference of a sum that rounding explains, and the share of replicas that may go another way."""


def begin(case: str, replicas: int, devices: tuple, **layout):
    """The replicas of one case on devices, nothing run yet."""
    from benchmarks.speed import system_of
    from jaxq.engine.ensemble import Ensemble

    return Ensemble([system_of(case)], replicas, 1, devices, **layout)


def compare(case: str, device, cpu, replicas: int) -> dict:
    """Sums of three blocks on both."""
    found = []
    for kind, where in (("scan", cpu), ("kernel", device)):
        os.environ["JAXQ_PROGRAM"] = kind
        ensemble = begin(case, replicas, (where,), blocks=3, observations=64)
        ensemble.launch(3)
        ensemble.settle()
        found.append(ensemble)
    os.environ.pop("JAXQ_PROGRAM")
    one, other = (np.sum(ensemble.windows.data, axis=0) for ensemble in found)
    apart = np.abs(one - other) / np.maximum(np.abs(one), 1e-30)
    for name, off in zip(found[0].quantities, apart.max(axis=1), strict=True):
        if off:
            print(f"  {case} {name.kind} {name.name}: up to {off:.1e} apart")
    return {
        "program": found[1].program.kind,
        "no_kernel": found[1].fallback,
        "replicas": replicas,
        "otherwise": int((apart > ROUNDING).any(axis=0).sum()),
        "largest_relative": float(apart.max()),
    }


def rate(case: str, replicas: int, devices: tuple, launch: float, quantiles: bool = False) -> dict:
    """Events a second of launches of ``launch`` seconds, and what one adds whatever its length."""
    from benchmarks.speed import system_of
    from jaxq.engine.outline import names

    system = system_of(case)
    counted = names(system, system.process())[1][:1] if quantiles else ()
    ensemble = begin(case, replicas, devices, histograms=counted)
    ensemble._windows.span_at = lambda position: (2**20, 2**20)  # as late in a run, when windows are long
    a_block = ensemble.layout.events_per_block * replicas

    def seconds(blocks: int) -> float:
        began = time.perf_counter()
        ensemble.launch(blocks)
        ensemble.settle()
        return time.perf_counter() - began

    seconds(1)
    short = min(seconds(1) for _ in range(3))
    blocks = max(2, round(launch / short))
    long = float(np.median([seconds(blocks) for _ in range(3)]))
    each = (long - short) / (blocks - 1)
    return {
        "replicas": replicas,
        "devices": len(devices),
        "quantiles": list(counted),
        "blocks": blocks,
        "events_per_second": blocks * a_block / long,
        "host_seconds_a_launch": max(0.0, short - each),
        "compile_seconds": ensemble.compile_seconds,
        "program": ensemble.program.kind,
    }


def simulated(events: int) -> dict:
    """A run of M/M/1 as users start it, beside its formula."""
    import jaxq

    result = jaxq.simulate(jaxq.MMc(0.8), events=events)
    return {"z": {name: result[name].z for name in result.metrics}, "flags": list(result.flags), "run": result.run}


def verdict(cases: dict) -> list[str]:
    """A line each."""
    lines = []
    for case, found in cases.items():
        plain = [x for x in found.get("rates", []) if x["devices"] == 1 and not x["quantiles"]]
        fastest = max((x["events_per_second"] for x in plain), default=None)
        same = found.get("same")
        told = "not compared"
        if same is not None:
            share = same["otherwise"] / same["replicas"]
            told = f"{same['otherwise']} of {same['replicas']} replicas other than on a CPU"
            told = f"DIFFERS from a CPU: {told}" if share > STRAY else told
            told += "" if same["no_kernel"] is None else f", NO KERNEL: {same['no_kernel']}"
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
    try:
        devices, cpu = tuple(jax.devices()), jax.devices("cpu")[0]
    except RuntimeError as error:
        sys.exit(f"no GPU: {str(error).splitlines()[0]}")
    if devices[0].platform == "cpu" and not args.dry:
        sys.exit(f"no GPU: JAX sees {len(devices)} x cpu; --dry tries this script on it")
    predicted = {
        row["case"]: row["predicted_events_per_second"]
        for row in json.loads((HERE / "gpu_compile.json").read_text())["cases"]
        if "predicted_events_per_second" in row
    }
    order, sizes, beside, launch = (ORDER[:2], [64], 64, 0.01) if args.dry else (ORDER, SIZES, BESIDE, LAUNCH)
    slow = () if args.dry else (SLOW,)
    cases: dict = {case: {"predicted": None if args.dry else predicted.get(case)} for case in (*order, *slow)}
    report = {
        "device": devices[0].device_kind,
        "devices": len(devices),
        "jax": jax.__version__,
        "jaxq": jaxq.__version__,
        "cases": cases,
        "skipped": [],
        "failed": {},
    }

    def step(name: str, function):
        if time.perf_counter() - began > 60 * args.minutes:
            report["skipped"].append(name)
            return None
        found = None
        try:
            found = function()
        except Exception as error:
            report["failed"][name] = f"{type(error).__name__}: {str(error)[:500]}"
        report["seconds"] = time.perf_counter() - began
        return found

    def written() -> None:
        if args.out:
            args.out.write_text(json.dumps(report, indent=1, default=str) + "\n")

    def compared(case: str) -> None:
        cases[case]["same"] = step(f"{case}, compared", functools.partial(compare, case, devices[0], cpu, beside))
        written()

    def timed(case: str, replicas: int, some: tuple, quantiles: bool = False) -> None:
        name = f"{case} x {replicas}" + (" with quantiles" if quantiles else "") + (" on all" if some[1:] else "")
        found = step(name, functools.partial(rate, case, replicas, some, launch, quantiles))
        if found is not None:
            cases[case].setdefault("rates", []).append(found)
            print(f"{name}: {found['events_per_second']:.3g} events/s, {found['program']}", flush=True)
        written()

    for case in order:
        compared(case)
    first, *others = sorted(sizes, key=lambda n: abs(n - 2**16))  # the size that most runs have comes first
    for case in order:
        timed(case, first, devices[:1])
    report["simulate"] = step("simulate", functools.partial(simulated, 1000 if args.dry else 100_000))
    for case in order:
        if case in QUANTILES or args.dry:
            timed(case, first, devices[:1], quantiles=True)
        if devices[1:]:
            timed(case, first * len(devices), devices)
    for replicas in others:
        for case in order:
            timed(case, replicas, devices[:1])
    for case in slow:
        compared(case)
        timed(case, first, devices[:1])
    written()
    for name, why in report["failed"].items():
        print(f"failed: {name}: {why}")
    print("no time for:", ", ".join(report["skipped"]) or "nothing left out")
    if report["simulate"] is not None:
        print("simulate:", report["simulate"]["run"]["program"], report["simulate"]["z"])
    print("\n".join(verdict(cases)))


if __name__ == "__main__":
    main()
