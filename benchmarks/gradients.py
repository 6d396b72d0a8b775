"""What a derivative costs by each method: error, bias, CPU seconds, compiling.

    python benchmarks/gradients.py                 # every case
    python benchmarks/gradients.py --case mm1

The two simulated methods run with the same replicas and events in one process on one core; CPU seconds are of a second run,
compiled already. "Work" is (half-width / derivative)^2 x CPU seconds: the ratio of two of them is what one method costs more
than the other for the same interval in a long run. The bias is what a step of 1 % alone would have added, which is taken
off. Prints the rows of the table in notebooks/gradients.md.
"""

import argparse
import time

import jaxq

CASES = {
    "M/M/1": (jaxq.MMc(0.8), "number_in_system", "arrival_rate", 40_000),
    "M/M/10+M": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), "queue_length", "arrival_rate", 20_000),
    "M/M/10+M, service": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), "queue_length", "service_rate", 20_000),
    "JSQ": (jaxq.LoadBalancing(servers=4, policy="jsq", load=0.8, levels=32), "number_in_system", "load", 20_000),
    "X-model": (
        jaxq.ParallelServers(network="x-model", policy="random", routing=[[0.7, 0.3], [0.3, 0.7]]),
        "reward_rate",
        "routing[1,0]",
        200_000,
    ),
    "token pool": (jaxq.TokenPool(servers=10, arrival_rate=0.8, phi=0.7), "total_jobs", "phi", 20_000),
    "toll": (jaxq.TolledQueues(arrival_rates=0.9, rewards=10, waiting_costs=1, tolls=4.3), "revenue", "tolls", 20_000),
}
SIMULATED = "coupling", "finite-difference"
REPLICAS = 1024


def simulated(name: str, method: str) -> str:
    """One case by a simulated method."""
    system, metric, parameter, events = CASES[name]
    options = {"method": method, "events": events, "warmup": events // 4, "replicas": REPLICAS}
    try:
        compiling = jaxq.gradient(system, metric, parameter, **options).run["compile_seconds"]
    except ValueError as error:
        return f"| {name} | {method} | {error} |"
    began = time.process_time()
    found = jaxq.gradient(system, metric, parameter, **options)
    seconds = time.process_time() - began
    slope = found[metric, parameter]
    exact = "" if slope.oracle is None else f"{slope.oracle:.5g}"
    bias = found.bias.get(f"{metric}/{parameter}")
    share = "0" if bias is None else f"{100 * bias[0] / slope.mean:.2f} +- {abs(100 * bias[1] / slope.mean):.2f} %"
    work = f"{(slope.half_width / slope.mean) ** 2 * seconds:.2g}"
    costs = f"{seconds:.1f} | {compiling:.1f} | {work}"
    value = f"{slope.mean:.5g} +- {slope.half_width:.2g}"
    return f"| {name} | {method} | {value} | {exact} | {share} | {costs} | {', '.join(found.flags)}"


def fluid(name: str) -> list[str]:
    """One case by each fluid objective that it has."""
    system, _, parameter, _ = CASES[name]
    began = time.process_time()
    try:
        found = jaxq.gradient(system, with_respect_to=parameter, method="fluid")
    except ValueError:
        return [f"| {name} | fluid | none |"]
    seconds = time.process_time() - began
    slopes = {objective: slopes[parameter].mean for objective, slopes in found.derivatives.items()}
    return [f"| {name} | fluid, {objective} | {slope:.5g} | {seconds:.1f} |" for objective, slope in slopes.items()]


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append")
    jaxq.use_all_cores(1)
    for name in parser.parse_args().case or CASES:
        for method in SIMULATED:
            print(simulated(name, method), flush=True)
        print(*fluid(name), sep="\n", flush=True)


if __name__ == "__main__":
    main()
