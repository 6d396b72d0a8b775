"""What a derivative costs by each method: error, CPU seconds, compiling, and what an error costs.

    python benchmarks/gradients.py                 # every case
    python benchmarks/gradients.py --case mm1

Both simulated methods run with the same replicas and events, in one process on one core; CPU time of the process is of a
second run, compiled already. "Work" is (half-width / derivative)^2 x CPU seconds, the seconds that a half-width of 100 % takes:
ratios of it are what one method costs more than the other for the same interval. Prints rows of the table in
notebooks/gradients.md.
"""

import argparse
import time

import jaxq

X_MODEL = jaxq.ParallelServers(network="x-model", policy="random", routing=[[0.5, 0.5], [0.5, 0.5]])
CASES = {
    "mm1": (jaxq.MMc(0.8), "number_in_system", "arrival_rate", 40_000),
    "mmc+m": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), "queue_length", "arrival_rate", 20_000),
    "mmc+m, service rate": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), "queue_length", "service_rate", 20_000),
    "jsq": (jaxq.LoadBalancing(servers=4, policy="jsq", load=0.8, levels=32), "number_in_system", "load", 20_000),
    "x-model": (X_MODEL, "reward_rate", "routing[0,0]", 20_000),
    "token pool": (jaxq.TokenPool(servers=10, arrival_rate=0.8, phi=0.7), "total_jobs", "phi", 20_000),
    "toll": (jaxq.TolledQueues(arrival_rates=0.9, rewards=10, waiting_costs=1, tolls=4.3), "revenue", "tolls", 20_000),
}
METHODS = "coupling", "finite-difference", "fluid"
REPLICAS = 1024


def row(name: str, method: str) -> str:
    """One case by one method."""
    system, metric, parameter, events = CASES[name]
    options = {} if method == "fluid" else {"events": events, "warmup": events // 4, "replicas": REPLICAS}
    try:
        first = jaxq.gradient(system, metric, parameter, method=method, **options)
    except ValueError as error:
        return f"| {name} | {method} | {str(error).splitlines()[0]} |"
    began = time.process_time()
    found = jaxq.gradient(system, metric, parameter, method=method, **options)
    seconds = time.process_time() - began
    slope = found[metric, parameter] if method != "fluid" else list(found.derivatives.values())[0]
    cells = [name, method, f"{slope.mean:.5g}", f"{slope.half_width or 0:.2g}", f"{slope.oracle or float('nan'):.5g}"]
    cells += [f"{slope.z or 0:.2f}", str(found.bias.get(f"{metric}/{parameter}", ""))]
    cells += [f"{seconds:.1f}", f"{first.run.get('compile_seconds', 0):.1f}"]
    if slope.half_width:
        cells.append(f"{(slope.half_width / slope.mean) ** 2 * seconds:.2g}")
    return f"| {' | '.join(cells)} | {','.join(found.flags)}"


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append")
    jaxq.use_all_cores(1)
    for name in parser.parse_args().case or CASES:
        for method in METHODS:
            print(row(name, method), flush=True)


if __name__ == "__main__":
    main()
