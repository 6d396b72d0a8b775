"""What a derivative costs by each method: error, bias, CPU seconds, compiling.

    python benchmarks/gradients.py                 # every case
    python benchmarks/gradients.py --case M/M/1 --method score --method finite-difference
    python benchmarks/gradients.py --scores 100    # z of so many small runs against exact derivatives
    python benchmarks/gradients.py --case "X rates" --control generator --events 10000

The simulated methods run with the same replicas and events in one process on one core; CPU seconds are of a second run,
compiled already. "Work" is (half-width / derivative)^2 x CPU seconds: the ratio of two of them is what one method costs more
than the other for the same interval in a long run. The bias is what a step of 1 %, or half the window of a score, alone
would have added, which is taken off. Of several parameters the first is shown. Prints the rows of the table in
notebooks/gradients.md.
"""

import argparse
import time

import jaxq
from jaxq.engine.parameter import parameter
from jaxq.laws.standard import Exponential

TOLLED = jaxq.TolledQueues(arrival_rates=0.9, rewards=10, waiting_costs=1, tolls=4.3)


class TwoQueues(jaxq.JumpProcess):
    """An arrival goes to a random queue with probability p, else to the shortest (ties: the first)."""

    p: float = jaxq.real("share that is sent at random", low=0.0, high=1.0, default=0.3)
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=1.2)
    first_rate: float = jaxq.positive("service rate, 1/time", default=1.2)

    def init(self, words):
        return 0, 0

    def rates(self, state):
        first, second = state
        to = self.p * 0.5 + (1 - self.p) * (first <= second)
        return self.arrival_rate * to, self.arrival_rate * (1 - to), self.first_rate * (first > 0), 0.8 * (second > 0)

    def jump(self, state, k):
        first, second = state
        return ((first + 1, second), (first, second + 1), (first - 1, second), (first, second - 1))[k]

    def total_rate_bound(self):
        return self.arrival_rate + self.first_rate + 0.8

    def observe(self, state):
        return {"number": state[0] + state[1]}


X_SMALL = jaxq.Network([2.0, 1.5], [[1.0, 0.5], [0.8, 1.2]], [2, 2], [0.8, 0.9], [1.0, 1.9])
X_RATES = (
    "network.arrival_rates[0]",
    "network.arrival_rates[1]",
    "network.service_rates[0,0]",
    "network.service_rates[0,1]",
    "network.service_rates[1,0]",
    "network.service_rates[1,1]",
)
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
    "two queues": (TwoQueues(), "number", "p", 20_000),
    "X rates": (jaxq.ParallelServers(X_SMALL, policy="c-mu-theta"), "number_in_system", X_RATES, 20_000),
    "M/G/1": (jaxq.MG1(0.5), "waiting_time", "arrival_rate", 20_000),
    "token pool": (jaxq.TokenPool(servers=10, arrival_rate=0.8, phi=0.7), "total_jobs", "phi", 20_000),
    "toll": (TOLLED, "revenue", "tolls", 20_000),
    "toll, arrivals": (TOLLED, "revenue", "arrival_rates", 20_000),
    "toll, exponential": (TOLLED.replace(size_law=Exponential()), "throughput", "tolls", 20_000),
}
SCORED = {
    "M/M/1": (jaxq.MMc(0.5), "arrival_rate", 3000, None),
    "M/M/10+M": (jaxq.MMc(12, 1, 10, abandonment_rate=1.0), "service_rate", 3000, None),
    "M/G/1": (jaxq.MG1(0.5), "arrival_rate", 3000, None),
    "two queues": (TwoQueues(), "p", 3000, lambda state: (state[0] < 60) & (state[1] < 60)),
    "token pool, N = 2": (jaxq.TokenPool(2, 0.5, 0.6, 3), "phi", 6000, None),
    "toll": (TOLLED, "tolls", 3000, None),
    "toll, sizes unknown": (
        TOLLED.replace(size_law=Exponential(), information="workload-only"),
        "service_rates",
        3000,
        None,
    ),
    "X 2+2": (
        jaxq.ParallelServers(X_SMALL, policy="c-mu-theta"),
        "network.arrival_rates[0]",
        3000,
        lambda state: sum(state.queues) < 18,
    ),
}
"""Small runs: system, parameter, events a replica, and where the exact chain is cut."""
SCORED_REPLICAS = 64
SIMULATED = "coupling", "pathwise", "score", "finite-difference"
REPLICAS = 1024


def simulated(name: str, method: str, control: str, events: int | None) -> str:
    """One case by a simulated method."""
    system, metric, parameters, usual = CASES[name]
    events, path = events or usual, parameters if isinstance(parameters, str) else parameters[0]
    options = {"method": method, "events": events, "warmup": events // 4, "replicas": REPLICAS, "control": control}
    try:
        compiling = jaxq.gradient(system, metric, parameters, **options).run["compile_seconds"]
    except ValueError as error:
        return f"| {name} | {method} | {error} |"
    began = time.process_time()
    found = jaxq.gradient(system, metric, parameters, **options)
    seconds = time.process_time() - began
    slope = found[metric, path]
    exact = "not known" if slope.oracle is None else f"{slope.oracle:.5g}"
    bias = found.bias.get(f"{metric}/{path}")
    share = "0" if bias is None else f"{100 * bias[0] / slope.mean:.2f} +- {abs(100 * bias[1] / slope.mean):.2f} %"
    work = f"{(slope.half_width / slope.mean) ** 2 * seconds:.2g}"
    costs = f"{seconds:.1f} | {compiling:.1f} | {work}"
    value = f"{slope.mean:.5g} +- {slope.half_width:.2g}"
    return f"| {name} | {method} | {value} | {exact} | {share} | {costs} | {', '.join(found.flags) or 'no flags'} |"


def fluid(name: str) -> list[str]:
    """One case by each fluid objective that it has."""
    system, _, parameters, _ = CASES[name]
    began = time.process_time()
    try:
        found = jaxq.gradient(system, with_respect_to=parameters, method="fluid")
    except ValueError:
        return [f"| {name} | fluid | none |"]
    seconds = time.process_time() - began
    slopes = {objective: next(iter(slopes.values())).mean for objective, slopes in found.derivatives.items()}
    return [f"| {name} | fluid, {objective} | {slope:.5g} | {seconds:.1f} |" for objective, slope in slopes.items()]


def scores(name: str, runs: int, method: str | None, control: str) -> list[str]:
    """The mean and variance of z over small runs: groups of the replicas of one, which are independent."""
    system, path, events, keep = SCORED[name]
    method = method or ("pathwise" if isinstance(system, jaxq.MG1) else "coupling")
    options: dict = {"method": method, "events": events, "warmup": events // 3, "control": control}
    options |= {"replicas": runs * SCORED_REPLICAS}
    found = jaxq.gradient(system, None, path, **options)
    exact = {metric: slopes[path].oracle for metric, slopes in found.derivatives.items() if path in slopes}
    if keep is not None:
        at = parameter(system, path).at
        ends = [jaxq.exact(at(h), keep=keep).metrics for h in (0.002, -0.002)]
        exact = {metric: (ends[0][metric] - ends[1][metric]) / 0.004 for metric in exact}
    rows = []
    for metric, value in exact.items():
        slope = found.result.estimates[f"{metric}/{path}"]
        sums = (slope.value + slope.residuals).reshape(runs, SCORED_REPLICAS)
        if value is not None and sums.std() > 1e-5 * abs(value):
            z = (sums.mean(axis=1) - value) / (sums.std(axis=1, ddof=1) / SCORED_REPLICAS**0.5)
            rows.append(f"| {name} | {metric} by {path} | {z.mean():.2f} | {z.var(ddof=1):.2f} | {abs(z).max():.1f} |")
    return rows


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES | SCORED, action="append")
    parser.add_argument("--method", choices=(*SIMULATED, "fluid"), action="append")
    parser.add_argument("--control", choices=("none", "linear", "generator"), default="none")
    parser.add_argument("--events", type=int, help="of a replica (default: by case)")
    parser.add_argument("--scores", type=int, metavar="RUNS")
    arguments = parser.parse_args()
    jaxq.use_all_cores(1)
    if arguments.scores:
        print("| system | derivative | mean z | variance of z | largest |\n|---|---|---|---|---|")
        for name in arguments.case or SCORED:
            for method in arguments.method or [None]:
                print(*scores(name, arguments.scores, method, arguments.control), sep="\n", flush=True)
        return
    for name in arguments.case or CASES:
        for method in arguments.method or (*SIMULATED, "fluid"):
            rows = fluid(name) if method == "fluid" else [simulated(name, method, arguments.control, arguments.events)]
            print(*rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
