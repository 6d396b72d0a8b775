"""jaxq beside other simulators on the same systems: customers a CPU second, and CPU seconds to a half-width of .1 %.

    python -m benchmarks.peers --out benchmarks/peers.json      # 5 minutes; needs the extra: pip install '.[bench]'
    python -m benchmarks.peers --plot notebooks/peers.png
    python -m benchmarks.peers --cimba FOLDER       # and github.com/ambonvik/cimba, built in FOLDER/build

Three stations that all of them can express, and that are written in SIMD C (native.c) where a compiler is present. Each
simulator runs each of them for some ``--seconds`` of CPU time, in turn, and that three times over; the table has the
medians. Everything is on one core and counted in CPU time, without start and compilation (that of jaxq and numba is in the
file). Each must also find the exact mean number of customers, to within 6 standard errors from 20 equal parts of its run,
what comes before them left out.

What a simulator needs to a half-width of .1 % is, of jaxq's run, its customers times (its relative half-width/.001)^2, at
the simulator's own pace: the variance of a time average is that of the system, whoever simulates it. (jaxq's is a little
smaller, as it averages over mean holding times.)
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import ciw
import numba
import numpy as np
import simpy

import jaxq
from benchmarks.native import compiled, run_native
from jaxq.analytic.stations.mmc import mmc

PARTS = 20


class Station(NamedTuple):
    """M/M/c+M with service rate 1."""

    arrival_rate: float
    servers: int
    abandonment_rate: float

    def exact(self) -> float:
        """Mean number of customers."""
        patience = {"abandonment_rate": self.abandonment_rate} if self.abandonment_rate else {}
        return mmc(self.arrival_rate, 1.0, self.servers, **patience)["number_in_system"]


STATIONS = {
    "M/M/1 at .8": Station(0.8, 1, 0.0),
    "M/M/10 at .9": Station(9.0, 10, 0.0),
    "M/M/10+M at 1.2": Station(12.0, 10, 1.0),
}


class Ran(NamedTuple):
    """Mean number of customers with its standard error, customers who came, CPU seconds, of these compiling."""

    mean: float
    error: float
    customers: float
    seconds: float
    compiling: float = 0.0


def over_parts(areas: np.ndarray, length: float) -> tuple[float, float]:
    """Mean and standard error from areas under the number of customers over equal parts of a run."""
    means = np.diff(areas) / (length / (PARTS + 1))
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(PARTS))


def with_simpy(station: Station, length: float) -> Ran:
    """One process a customer, as SimPy's tutorials do it."""
    rng = np.random.default_rng(1)
    env = simpy.Environment()
    desk = simpy.Resource(env, station.servers)
    present, since, area, came = 0, 0.0, 0.0, 0

    def moved(by: int) -> None:
        nonlocal present, since, area
        area += present * (env.now - since)
        present, since = present + by, env.now

    def customer():
        moved(1)
        with desk.request() as turn:
            if station.abandonment_rate:
                yield turn | env.timeout(rng.exponential(1 / station.abandonment_rate))
            else:
                yield turn
            if turn.triggered:
                yield env.timeout(rng.exponential())
        moved(-1)

    def source():
        nonlocal came
        while True:
            yield env.timeout(rng.exponential(1 / station.arrival_rate))
            came += 1
            env.process(customer())

    areas = []
    began = time.process_time()
    env.process(source())
    for part in range(1, PARTS + 2):
        env.run(until=length * part / (PARTS + 1))
        moved(0)
        areas.append(area)
    seconds = time.process_time() - began
    return Ran(*over_parts(np.array(areas), length), came, seconds)


def with_ciw(station: Station, length: float) -> Ran:
    """Ciw's own network; the mean by Little's law, from its records of those who came in each part."""
    patience = station.abandonment_rate
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(station.arrival_rate)],
        service_distributions=[ciw.dists.Exponential(1.0)],
        number_of_servers=[station.servers],
        reneging_time_distributions=[ciw.dists.Exponential(patience)] if patience else None,
    )
    ciw.seed(1)
    began = time.process_time()
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(length)
    records = simulation.get_all_records()
    seconds = time.process_time() - began
    came, left = np.array([r.arrival_date for r in records]), np.array([r.exit_date for r in records])
    known = length * (PARTS + 1) / (PARTS + 2)  # who is still there at the end has no record
    edges = known * np.arange(1, PARTS + 2) / (PARTS + 1)
    areas = np.array([np.sum(np.minimum(left, edge) - np.minimum(came, edge)) for edge in edges])
    return Ran(*over_parts(areas, known), len(records), seconds)


@numba.njit
def _loop(arrival_rate, servers, abandonment_rate, length, parts, seed):
    np.random.seed(seed)
    areas, x, now, area, came, part = np.zeros(parts), 0, 0.0, 0.0, 0, 0
    while part < parts:
        busy = min(x, servers)
        total = arrival_rate + busy + abandonment_rate * (x - busy)
        hold = np.random.exponential(1 / total)
        while part < parts and now + hold >= length * (part + 1) / parts:
            areas[part] = area + x * (length * (part + 1) / parts - now)
            part += 1
        now, area = now + hold, area + x * hold
        if np.random.random() * total < arrival_rate:
            x, came = x + 1, came + 1
        else:
            x -= 1
    return areas, came


def with_numba(station: Station, length: float) -> Ran:
    """A hand-written loop over events, one state, compiled."""
    began = time.process_time()
    _loop(*station, 1.0, PARTS + 1, 1)
    compiling = time.process_time() - began
    began = time.process_time()
    areas, came = _loop(*station, length, PARTS + 1, 1)
    return Ran(*over_parts(areas, length), came, time.process_time() - began, compiling)


def with_jaxq(station: Station, length: float) -> Ran:
    """1024 replicas, all metrics of the system, warm-up found and discarded, intervals."""
    queue = jaxq.MMc(station.arrival_rate, 1.0, station.servers, abandonment_rate=station.abandonment_rate or None)
    seconds = []
    for _ in range(2):  # the first one compiles
        began = time.process_time()
        result = jaxq.simulate(queue, events=round(length), devices=1)
        seconds.append(time.process_time() - began)
    assert result.flags == (), result.flags
    customers, metric = result.run["time"] * result.run["replicas"] * station.arrival_rate, result["number_in_system"]
    return Ran(metric.mean, metric.standard_error, customers, seconds[1], seconds[0] - seconds[1])


NATIVE = {STATIONS["M/M/1 at .8"]: "mm1", STATIONS["M/M/10 at .9"]: "mm10", STATIONS["M/M/10+M at 1.2"]: "mm10m"}
"""The workload of native.c that a station is."""


def with_c(binary: Path) -> Callable[[Station, float], Ran]:
    """Hand-written C, 32 paths in two vectors and one sum; each part is a run of its own, from empty."""

    def run(station: Station, length: float) -> Ran:
        parts = [run_native(binary, NATIVE[station], length / PARTS, seed) for seed in range(1, PARTS + 1)]
        means = np.array([part["means"][0] for part in parts])
        events, seconds = (sum(part[key] for part in parts) for key in ("events", "seconds"))
        # of the uniformised steps, or of the jumps of M/M/10+M, of which every second one is an arrival
        arrivals = 0.5 if station.abandonment_rate else station.arrival_rate / (station.arrival_rate + station.servers)
        return Ran(float(means.mean()), float(means.std(ddof=1) / math.sqrt(PARTS)), events * arrivals, seconds)

    return run


def compiled_cimba(cimba: Path, folder: str) -> Path:
    """cimba.c, linked in a folder with the library in ``cimba/build``, by the flags of its own release build."""
    binary, library = Path(folder) / "cimba", (cimba / "build" / "src").resolve()
    flags = "-O3 -flto -std=c2x -D_POSIX_C_SOURCE=200809L -DNDEBUG -DNLOGINFO -ftls-model=initial-exec"
    headers = ["-include", "assert.h", "-include", "stdbool.h", f"-I{cimba / 'include'}", f"-I{cimba / 'src'}"]
    linked = [f"-L{library}", "-lcimba", "-lm", f"-Wl,-rpath,{library}"]
    source = Path(__file__).with_name("cimba.c")
    subprocess.run(["cc", *flags.split(), *headers, "-o", str(binary), str(source), *linked], check=True)
    return binary


def with_cimba(binary: Path) -> Callable[[Station, float], Ran]:
    """A process that makes customers and one a server; each part is a run of its own, from empty."""

    def run(station: Station, length: float) -> Ran:
        parts = []
        for seed in range(1, PARTS + 1):
            numbers = station.arrival_rate, station.servers, round(length / PARTS * station.arrival_rate), seed
            done = subprocess.run([binary, *map(str, numbers)], check=True, capture_output=True, text=True)
            parts.append(json.loads(done.stdout))
        means = station.arrival_rate * np.array([part["sojourn"] for part in parts])
        customers, seconds = (sum(part[key] for part in parts) for key in ("customers", "seconds"))
        return Ran(float(means.mean()), float(means.std(ddof=1) / math.sqrt(PARTS)), customers, seconds)

    return run


SIMULATORS: dict[str, tuple[Callable[[Station, float], Ran], float]] = {
    "Ciw": (with_ciw, 2e3),
    "SimPy": (with_simpy, 1e4),
    "numba loop": (with_numba, 3e6),
    "jaxq": (with_jaxq, 1e6),
}
"""Each with a length (model time; for jaxq events a replica) that takes it a fraction of a second."""


def measure(simulators: dict, seconds: float, rounds: int) -> dict:
    """By station and simulator: customers a CPU second, CPU seconds to a half-width of .1 %, compile seconds, ratios."""
    found = {}
    for name, station in STATIONS.items():
        able = {x: run for x, run in simulators.items() if x != "cimba" or not station.abandonment_rate}
        runs: dict[str, list[Ran]] = {simulator: [] for simulator in able}
        lengths, compiling = {}, {}
        for simulator, (run, length) in able.items():
            tried = run(station, length)
            lengths[simulator], compiling[simulator] = length * seconds / max(tried.seconds, 1e-3), tried.compiling
        for _ in range(rounds):
            for simulator, (run, _) in able.items():
                runs[simulator].append(run(station, lengths[simulator]))
        for simulator, several in runs.items():
            for ran in several:
                z = (ran.mean - station.exact()) / ran.error
                assert abs(z) < 6, f"{simulator} finds {ran.mean} for {station.exact()} in {name}: z = {z:.1f}"
        ours = runs["jaxq"][0]
        needed = ours.customers * (1.96 * ours.error / station.exact() / 0.001) ** 2
        pace = {simulator: statistics.median(r.customers / r.seconds for r in x) for simulator, x in runs.items()}
        found[name] = {
            simulator: {
                "customers_per_second": pace[simulator],
                "jaxq_is_faster": pace["jaxq"] / pace[simulator],
                "seconds_to_0.1_percent": needed / pace[simulator],
                "compile_seconds": compiling[simulator],
            }
            for simulator in able
        }
    return found


def draw(found: dict, path: Path) -> None:
    """Customers a CPU second by simulator, the slowest first, the stations below each other, on a logarithmic axis."""
    import matplotlib.pyplot as plt

    from jaxq.plotting.style import house

    with house():
        figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
        first = next(iter(found.values()))
        names = sorted(first, key=lambda name: first[name]["customers_per_second"])
        for marker, shift, (station, by) in zip("osD", (-0.22, 0, 0.22), found.items(), strict=True):
            shown = [(by[name]["customers_per_second"], row + shift) for row, name in enumerate(names) if name in by]
            axes.plot(*zip(*shown, strict=True), marker, label=station)
        axes.set(xscale="log", xlabel="customers simulated per CPU second, one core")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU seconds of a run, about")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--out", type=Path, help="JSON")
    parser.add_argument("--plot", type=Path, help="a figure of customers a CPU second")
    parser.add_argument("--cimba", type=Path, help="the folder of cimba, built in its folder build")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = compiled(folder)
        native = {"C, by hand": (with_c(binary), 1e8)} if binary else {}
        if arguments.cimba:
            native["cimba"] = with_cimba(compiled_cimba(arguments.cimba, folder)), 1e6
        found = measure(SIMULATORS | native, arguments.seconds, arguments.rounds)
    for name, by in found.items():
        print(f"\n{name:18} customers/s   jaxq is faster   s to .1 %")
        for simulator, x in by.items():
            times, needed = x["jaxq_is_faster"], x["seconds_to_0.1_percent"]
            print(f"{simulator:18} {x['customers_per_second']:11.3g} {times:16,.1f} {needed:11.3g}")
    if arguments.out:
        versions = {
            "ciw": ciw.__version__,
            "simpy": simpy.__version__,
            "numba": numba.__version__,
            "jaxq": jaxq.__version__,
        }
        arguments.out.write_text(json.dumps({"versions": versions, "stations": found}, indent=1) + "\n")
    if arguments.plot:
        draw(found, arguments.plot)


if __name__ == "__main__":
    main()
