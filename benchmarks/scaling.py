"""Scaling laws on one core: CPU time of an event, and of compiling, by replicas, servers, classes and pools, and levels; and
what a run holds beside what it says that it will hold.

    python -m benchmarks.scaling --out benchmarks/scaling.json --plot benchmarks/scaling.png    # goes on where it ended

Each point is a process of its own that measures as `benchmarks.native` does, or as `benchmarks.peak`. Exponents b of a power
law, y = a x^b, are those of a line through the logarithms, with the 95 % interval of the slope: where points do not lie on a
line the interval is wide. Cores are compared by ``python -m benchmarks.speed --turns``.
"""

import argparse
import datetime
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.speed import ALL_TO_ALL, CASES, SPEEDS

X_MODEL, REPLICAS = CASES["x-model"][0], [2**k for k in range(8, 19, 2)]
JSQ, NETWORK = "LoadBalancing({n}, policy='jsq', load=0.9, levels=6)", f"ParallelServers({ALL_TO_ALL})"
LAWS = {
    "replicas, M/M/1": ("replicas", {r: (CASES["mm1"][0], r) for r in REPLICAS}),
    "replicas, X-model": ("replicas", {r: (X_MODEL, r) for r in REPLICAS}),
    "servers, M/M/c": ("servers", {n: (f"MMc({0.95 * n}, 1, {n})", 8192) for n in (1, 100, 10**4, 10**6)}),
    "servers, JSQ by levels": ("servers", {n: (JSQ.format(n=n), 8192) for n in (10, 100, 10**4, 10**6)}),
    "servers, token pool": ("servers", {n: (f"TokenPool({n}, 0.8, 0.8, 50)", 1024) for n in (10, 100, 1000, 10**4)}),
    "levels, SA-JSQ": (
        "levels",
        {k: (f"LoadBalancing(500, {SPEEDS!r}, beta=2, levels={k})", 8192) for k in (2, 3, 4, 6, 8)},
    ),
    "classes and pools": ("classes x pools", {k * k: (NETWORK.format(size=k), 4096) for k in (1, 2, 3, 4, 6, 8)}),
    "memory, M/M/1": ("replicas", {r: (CASES["mm1"][0], r) for r in (2**12, 2**14, 2**16, 2**18, 2**20)}),
    "memory, X-model": ("replicas", {r: (X_MODEL, r) for r in (2**12, 2**14, 2**16, 2**18, 2**20)}),
}
"""By name: what x is, and by x a system and its replicas."""
VALUES = {
    "ns_per_event": "CPU time of an event, ns",
    "compile_seconds": "CPU time of compiling, s",
    "bytes": "memory held, bytes",
}


def measure(system: str, replicas: int) -> dict:
    """Speed and compile time of a point, in this process."""
    from benchmarks.native import measure

    CASES["point"] = system, {"replicas": replicas}
    row = measure("point", None, seconds=0.3, rounds=5)
    return {name: row[name] for name in ("ns_per_event", "compile_seconds")}


def peak(system: str, replicas: int) -> dict:
    """Bytes that a short run of a point held, and those that were said."""
    options = {"replicas": replicas, "events": 2**26 // replicas}
    command = [sys.executable, "-m", "benchmarks.peak", system, repr(options)]
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(zip(("bytes", "said"), map(int, done.stdout.split()), strict=True))


def fitted(points: dict[float, float]) -> tuple[float, float]:
    """The exponent of a power law, and the half-width of its 95 % interval."""
    from jaxq.stats.intervals import t_quantile

    x, y = np.log(list(points)), np.log(list(points.values()))
    (slope, _), freedom = np.polyfit(x, y, 1), len(x) - 2
    residuals = y - np.polyval(np.polyfit(x, y, 1), x)
    error = math.sqrt((residuals @ residuals) / freedom / np.square(x - x.mean()).sum())
    return float(slope), float(error * t_quantile(0.975, freedom))


def tabulate(rows: list[dict]) -> list[dict]:
    """Print a row a law and value: its first and last point, and the exponent."""
    found = []
    print("| law | value | x | first | last | exponent |\n|" + 6 * "---|")
    for law, (axis, _) in LAWS.items():
        for value in VALUES:
            points = {
                row["x"]: row[value] for row in sorted(rows, key=lambda r: r["x"]) if row["law"] == law and value in row
            }
            if len(points) < 3:
                continue
            exponent, half = fitted(points)
            found.append({"law": law, "value": value, "exponent": exponent, "half_width": half})
            (low, first), *_, (high, last) = points.items()
            ends = f"{low:g} to {high:g} | {first:.3g} | {last:.3g}"
            print(f"| {law} ({axis}) | {VALUES[value]} | {ends} | {exponent:.2f} +- {half:.2f} |")
    return found


def draw(rows: list[dict], path: Path) -> None:
    """The laws on logarithmic axes: CPU time, compile time, and memory beside what was said."""
    import matplotlib.pyplot as plt

    from jaxq.plotting.labels import plain_decades
    from jaxq.plotting.style import house

    with house():
        figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
        for axis, (value, label) in zip(axes, VALUES.items(), strict=True):
            for marker, law in zip("osD^vP*os", LAWS, strict=True):
                chosen = sorted((row for row in rows if row["law"] == law and value in row), key=lambda row: row["x"])
                if not chosen:
                    continue
                x, unit = [row["x"] for row in chosen], 1e6 if value == "bytes" else 1
                (line,) = axis.plot(
                    x, [row[value] / unit for row in chosen], marker=marker, label=law.removeprefix("memory, ")
                )
                if value == "bytes":
                    axis.plot(x, [row["said"] / unit for row in chosen], "--", color=line.get_color())
            axis.set(xscale="log", yscale="log", ylabel=label.replace("bytes", "MB"))
            axis.set_xlabel("replicas" if value == "bytes" else "replicas, servers, levels, or classes x pools")
            plain_decades(axis.yaxis)
        axes[2].plot([], [], "--", color="0.4", label="said before the run")
        axes[2].legend(loc="upper left")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
        figure.savefig(path)


def main() -> None:
    """Measure what the file has not, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=LAWS, help="default: all laws")
    parser.add_argument("--out", type=Path, help="JSON, to which what it has not is added")
    parser.add_argument("--plot", type=Path, help="a figure")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child[0], int(arguments.child[1]))))
        return
    from jaxq.engine.versions import versions

    known = json.loads(arguments.out.read_text())["rows"] if arguments.out and arguments.out.exists() else []
    done = {(row["law"], row["x"]) for row in known}
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    for law in arguments.only or LAWS:
        for x, (system, replicas) in LAWS[law][1].items():
            if (law, x) in done:
                continue
            if law.startswith("memory"):
                found = peak(system, replicas)
            else:
                child = [sys.executable, "-m", "benchmarks.scaling", "--child", system, str(replicas)]
                output = subprocess.run(child, capture_output=True, text=True, check=True).stdout
                found = json.loads(output.splitlines()[-1])
            known.append({"law": law, "x": x, **found, "commit": git})
            print(json.dumps(known[-1]), flush=True)
            if arguments.out:
                machine = {"machine": platform.machine(), "cores": os.cpu_count(), "day": f"{datetime.date.today()}"}
                arguments.out.write_text(
                    json.dumps({"versions": versions(), **machine, "rows": known}, indent=1) + "\n"
                )
    laws = tabulate(known)
    if arguments.out:
        arguments.out.write_text(json.dumps(json.loads(arguments.out.read_text()) | {"laws": laws}, indent=1) + "\n")
    if arguments.plot:
        draw(known, arguments.plot)


if __name__ == "__main__":
    main()
