"""Speed of the public `jaxq.simulate` with default metrics, beside a hand-written C reference and a bare scan.

    python benchmarks/speed.py --reference path/to/native.c --out benchmarks/speed.json

Every figure is a median over repeats of ``run["ns_per_event"]`` (wall time of the run without compilation, host loop
included), each case in a process of its own with the given number of cores. The reference is compiled here
(``gcc -O3 -march=native``) and run between the cases on one core, so that ratios hold on a machine whose speed drifts.
``bare`` is the M/M/1 step written out by hand in one tiled `lax.scan`, without engine: the limit of what XLA does with it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPEEDS = "2.5:0.2,0.625:0.8"
X_MODEL = "priorities='2 > 1', preferences='1: 1 > 2; 2: 2 > 1'"
ALL_TO_ALL = (
    "Network([100.0] * {size}, [[1 + (3 * i + j) % 7 / 7 for j in range({size})] for i in range({size})], "
    "[80] * {size}, [1.0] * {size})"
)
CASES = {
    "mm1": ("MMc(0.8)", {"replicas": 8192, "events": 300_000}),
    "mmc-100": ("MMc(95, 1, 100)", {"replicas": 8192, "events": 200_000}),
    "mmc+m": ("MMc(120, 1, 100, abandonment_rate=0.5)", {"replicas": 8192, "events": 200_000}),
    "mg1": ("MG1(0.8, 1.0, 'erlang:2')", {"replicas": 8192, "events": 60_000}),
    "token-pool-100": ("TokenPool(100, 0.8, 0.8, 50)", {"replicas": 8192, "events": 20_000}),
    "token-pool-10000": ("TokenPool(10000, 0.8, 0.8, 50)", {"replicas": 1024, "events": 160_000}),
    "jsq-50": ("LoadBalancing(50, policy='jsq', load=0.9, levels=6)", {"replicas": 8192, "events": 60_000}),
    "sa-jsq-3": (f"LoadBalancing(500, {SPEEDS!r}, beta=2, levels=3)", {"replicas": 8192, "events": 60_000}),
    "sa-jsq-6": (f"LoadBalancing(500, {SPEEDS!r}, beta=2, levels=6)", {"replicas": 8192, "events": 60_000}),
    "sa-jsq-million": (f"LoadBalancing(10**6, {SPEEDS!r}, beta=2, levels=3)", {"replicas": 8192, "events": 60_000}),
    "pod2-400": ("LoadBalancing(400, policy='pod2', load=0.9)", {"replicas": 8192, "events": 20_000}),
    "x-model": (f"ParallelServers('x', 'priority', {X_MODEL})", {"replicas": 8192, "events": 60_000}),
    "network-4": (f"ParallelServers({ALL_TO_ALL.format(size=4)})", {"replicas": 4096, "events": 20_000}),
    "network-8": (f"ParallelServers({ALL_TO_ALL.format(size=8)})", {"replicas": 4096, "events": 10_000}),
    "gd1": ("TolledQueues(0.8, 5, 1, 1, 1)", {"replicas": 8192, "events": 60_000}),
    "tolls-2": ("TolledQueues([0.5, 1], [15, 4], [3, 0.1], [0.7, 0.3], [8, 3])", {"replicas": 8192, "events": 30_000}),
}
COUNTED = {"gd1": 1.94124}
"""Events of the reference in one of ours, where they differ: arrivals and completions, of a customer."""
WORKLOADS = {"jsq-50": "jsq", "sa-jsq-3": "sajsq", "sa-jsq-6": "sajsq", "gd1": "gd1", "tolls-2": "gd1"}
WORKLOADS |= dict.fromkeys(("x-model", "network-4", "network-8"), "xmodel")
"""The workload of the reference that a case is; M/M/1 otherwise."""


def measure_case(name: str, cores: int, repeats: int) -> dict:
    """One case in this process: median ns per event, and how long the first compilation took."""
    began = time.perf_counter()
    import jax

    import jaxq

    jaxq.use_all_cores(cores)
    expression, options = CASES[name]
    system = eval(expression, {x: getattr(jaxq, x) for x in jaxq.__all__})
    first = jaxq.simulate(system, warmup=0, **options)
    cold = time.perf_counter() - began
    runs = [jaxq.simulate(system, warmup=0, seed=i + 1, **options).run for i in range(repeats)]
    figures = [run["ns_per_event"] / COUNTED.get(name, 1) for run in runs]
    return {
        "case": name,
        "cores": cores,
        "ns_per_event": statistics.median(figures),
        "spread": [min(figures), max(figures)],
        "events_per_second": 1e9 / statistics.median(figures),
        "compile_seconds": first.run["compile_seconds"],
        "cold_seconds": cold,
        "metrics": len(first.metrics),
        "events": runs[0]["events"],
        "device": jax.devices()[0].device_kind,
    }


def measure_bare(cores: int, repeats: int) -> dict:
    """The M/M/1 step by hand: xoshiro128++, uniformised, three sums, observed every third event, tiles of 128."""
    import jaxq

    jaxq.use_all_cores(cores)
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax import lax

    from jaxq import random

    tile, stride, observations, replicas = 128, 3, 32 * 1024, 8192

    def step(carry, rates):
        n, event, stream = carry
        n = jnp.where(event == 0, n + 1, jnp.where(event == 1, n - 1, n))
        word, stream = random.next_word(stream)
        position = random.scaled(word, rates[0] + rates[1])
        total = rates[0] + jnp.where(n > 0, rates[1], 0.0)
        return n, (position >= rates[0]).astype(jnp.int32) + (position >= total).astype(jnp.int32), stream

    def launch(rates, carry):
        def observe(c, _):
            carry, sums = c
            n = carry[0]
            seen = n, jnp.maximum(n - 1, 0), (n >= 1).astype(jnp.int32)
            sums = tuple(a + b for a, b in zip(sums, seen, strict=True))
            for _ in range(stride):
                carry = step(carry, rates)
            return (carry, sums), None

        def one_tile(carry):
            zero = jnp.zeros(tile, jnp.int32)
            return lax.scan(observe, (carry, (zero, zero, zero)), None, length=observations)[0]

        return lax.map(one_tile, jax.tree.map(lambda x: x.reshape(-1, tile), carry))

    streams = random.stream(0, 0, np.arange(replicas))
    carry = (jnp.zeros(replicas, jnp.int32), jnp.full(replicas, 2, jnp.int32), streams)
    compiled = jax.jit(launch).lower(np.float32([0.8, 1.0]), carry).compile()
    figures = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(compiled(np.float32([0.8, 1.0]), carry))
        figures.append((time.perf_counter() - began) / (replicas * stride * observations) * 1e9)
    return {
        "case": "bare",
        "cores": cores,
        "ns_per_event": statistics.median(figures),
        "spread": [min(figures), max(figures)],
    }


def reference_ns(binary: Path, workload: str) -> float:
    """ns per event and CPU-second of a workload of the C reference, one core, AVX-512 where there is one."""
    for kind in ("simd", "scalar"):
        command = [str(binary), workload, kind, "1", "2000000000", "1"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return 1e9 / json.loads(done.stdout)["events_per_cpu_second"]
    raise RuntimeError("the reference did not run")


def main() -> None:
    """Run every case, print a line each with its ratio to the reference, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reference", type=Path, help="native.c, compiled and run beside")
    parser.add_argument("--case", action="append", help="default: all")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, cores = arguments.child, arguments.cores[0]
        row = (measure_bare if name == "bare" else lambda *a: measure_case(name, *a))(cores, arguments.repeats)
        print(json.dumps(row))
        return
    with tempfile.TemporaryDirectory() as folder:
        binary = None
        if arguments.reference:
            binary = Path(folder) / "native"
            flags = ["-O3", "-march=native", "-w", "-lm", "-lpthread"]
            subprocess.run(["gcc", str(arguments.reference), *flags[:3], "-o", str(binary), *flags[3:]], check=True)
        rows = []
        for name in arguments.case or ["bare", *CASES]:
            for cores in arguments.cores if name != "bare" else [1]:
                child = [
                    sys.executable,
                    __file__,
                    "--child",
                    name,
                    "--cores",
                    str(cores),
                    "--repeats",
                    str(arguments.repeats),
                ]
                done = subprocess.run(child, capture_output=True, text=True, check=True)
                row = json.loads(done.stdout.splitlines()[-1])
                if binary:
                    row["workload"] = WORKLOADS.get(name, "mm1")
                    row["reference_ns"] = reference_ns(binary, row["workload"])
                    row["ratio_to_reference"] = row["ns_per_event"] / row["reference_ns"]
                rows.append(row)
                print(json.dumps(row), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
