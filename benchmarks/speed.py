"""Speed of the public `jaxq.simulate` with default metrics, and of a bare scan; beside C it is `benchmarks.native`.

    python -m benchmarks.speed --turns --out benchmarks/speed_cores.json
    python -m benchmarks.speed --case bare --case mm1          # medians, and seconds to compile

Every figure is a median over repeats of ``run["ns_per_event"]`` (wall time of the run without compilation, host loop
included), each case in a process of its own with the given number of cores.
With ``--turns`` one core and two run by turns: of each the best wall time, as others use the machine too, and the median CPU
time, of which the host's thread takes a part. On two cores that are free a run cannot be faster than half its CPU time.
``bare`` is the M/M/1 step written out by hand in one tiled `lax.scan`, without engine: the limit of what XLA does with it.
"""

import argparse
import json
import statistics
import subprocess
import sys
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
    "criss-cross": ("QueueingNetwork('criss-cross', 'max-pressure')", {"replicas": 8192, "events": 60_000}),
    "reentrant-2": ("QueueingNetwork('reentrant-2', 'last-buffer')", {"replicas": 8192, "events": 60_000}),
    "gd1": ("TolledQueues(0.8, 5, 1, 1, 1)", {"replicas": 8192, "events": 60_000}),
    "tolls-2": ("TolledQueues([0.5, 1], [15, 4], [3, 0.1], [0.7, 0.3], [8, 3])", {"replicas": 8192, "events": 30_000}),
}


def system_of(case: str):
    """The system of a case."""
    import jaxq

    return eval(CASES[case][0], {name: getattr(jaxq, name) for name in jaxq.__all__})


def measure_case(name: str, cores: int, repeats: int) -> dict:
    """One case in this process: median ns per event, and how long the first compilation took."""
    began = time.perf_counter()
    import jax

    import jaxq

    jaxq.use_all_cores(cores)
    system, options = system_of(name), CASES[name][1]
    first = jaxq.simulate(system, warmup=0, **options)
    cold = time.perf_counter() - began
    runs = [jaxq.simulate(system, warmup=0, seed=i + 1, **options).run for i in range(repeats)]
    figures = [run["ns_per_event"] for run in runs]
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


def take_turns(name: str, cores: int, longer: int) -> None:
    """One case in this process: a run for each line that comes in, and its nanoseconds an event: wall, CPU, host thread."""
    import jaxq

    jaxq.use_all_cores(cores)
    system, options = system_of(name), CASES[name][1]
    options = {**options, "events": longer * options["events"]}
    jaxq.simulate(system, warmup=0, **options)
    print("ready", flush=True)
    for seed in sys.stdin:
        cpu, host = time.process_time(), time.thread_time()
        run = jaxq.simulate(system, warmup=0, seed=int(seed), **options).run
        spent = time.process_time() - cpu, time.thread_time() - host
        figures = [run["ns_per_event"], *(1e9 * x / run["events"] for x in spent)]
        print(json.dumps(figures), flush=True)


def compare_cores(name: str, repeats: int, longer: int) -> dict:
    """One case on one core and on two, by turns."""
    children = {}
    for cores in (1, 2):
        command = [sys.executable, __file__, "--child", name, "--turns", "--cores", str(cores), "--longer", str(longer)]
        children[cores] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert children[cores].stdout.readline() == "ready\n"
    figures = {1: [], 2: []}
    for seed in range(repeats):
        for cores, child in children.items():
            child.stdin.write(f"{seed}\n")
            child.stdin.flush()
            figures[cores].append(json.loads(child.stdout.readline()))
    for child in children.values():
        child.communicate()
    row = {"case": name, "longer": longer}
    for cores, runs in figures.items():
        wall, cpu, host = zip(*runs, strict=True)
        row[f"best_{cores}"], row[f"cpu_{cores}"] = min(wall), statistics.median(cpu)
        row[f"host_{cores}"] = statistics.median(host)
    row["speed_up"], row["speed_up_cpu"] = row["best_1"] / row["best_2"], 2 * row["cpu_1"] / row["cpu_2"]
    return row


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


def main() -> None:
    """Run every case, print a line each, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--case", action="append", help="default: all")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--turns", action="store_true", help="one core and two by turns")
    parser.add_argument("--longer", type=int, default=1, help="with --turns: so many times as many events")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, cores = arguments.child, arguments.cores[0]
        if arguments.turns:
            take_turns(name, cores, arguments.longer)
            return
        row = (measure_bare if name == "bare" else lambda *a: measure_case(name, *a))(cores, arguments.repeats)
        print(json.dumps(row))
        return
    if arguments.turns:
        rows = []
        for name in arguments.case or CASES:
            rows.append(compare_cores(name, arguments.repeats, arguments.longer))
            print(json.dumps(rows[-1]), flush=True)
            if arguments.out:
                arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "rows": rows}, indent=1) + "\n")
        return
    rows = []
    for name in arguments.case or ["bare", *CASES]:
        for cores in arguments.cores if name != "bare" else [1]:
            child = [sys.executable, __file__, "--child", name, "--cores", str(cores)]
            child += ["--repeats", str(arguments.repeats)]
            done = subprocess.run(child, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"repeats": arguments.repeats, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
