"""Derivatives without a step of systems whose derivatives are known: each row within three standard errors, and narrow.

    python -m benchmarks.derivatives                                    # every row
    python -m benchmarks.derivatives --case "M/M/1, .5" --out rows.json
    python -m benchmarks.derivatives --costs                            # an event in plain ones, and compiling

Each row is one call of `jaxq.gradient`: automatic warm-up, 1024 replicas, run until every half-width is 0.8 % of the
derivative, or of mean / parameter where that is more. Exact values share no code with what is measured: laws of birth and
death written out here and differentiated by a complex step, differences of `jaxq.exact` and of the exact token chain, or a
number with its source. "Compile" is the CPU time of a first call that is stopped as soon as it is compiled, "CPU" that of
the whole row after it. Prints the rows of the table in README.md; the exit code is 1 where a row is not met.
"""

import argparse
import functools
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import jaxq
from benchmarks.gradients import TwoQueues
from jaxq.engine.parameter import parameter

PRECISION, LARGEST_Z, REPLICAS = 0.008, 3.0, 1024
MOST = 2000
"""Customers at which the laws of birth and death are cut."""
Exact = dict[tuple[str, str], tuple[float, float]]
"""By metric and parameter: value and standard error."""


class Row(NamedTuple):
    """One call. ``exact``: of the system and its parameters."""

    system: jaxq.Model
    parameters: tuple[str, ...]
    exact: Callable[[Any, tuple[str, ...]], Exact]
    options: dict[str, Any] = {}


class Threshold(jaxq.JumpProcess):
    """M/M/1 that admits below 4 customers, and at 4 with probability q: the mixture of the thresholds 4 and 5."""

    q: float = jaxq.real("probability of admission at 4", low=0.0, high=1.0, default=0.5)
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.9)

    def init(self, words):
        return jnp.int32(0), jnp.int32(0)

    def rates(self, state):
        n, _ = state
        admitted = jnp.where(n < 4, 1.0, jnp.where(n == 4, self.q, 0.0))
        return self.arrival_rate * admitted, self.arrival_rate * (1.0 - admitted), 1.0 * (n > 0)

    def jump(self, state, k):
        n, admitted = state
        return ((n + 1, admitted + 1), (n, admitted), (n - 1, admitted))[k]

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def observe(self, state):
        return {"number": state[0]}

    def counters(self, state):
        return {"admitted": state[1]}


def law(births, deaths) -> np.ndarray:
    """The stationary law of birth rates in 0, 1, ... and death rates in 1, 2, ..., which may be complex."""
    weights = np.cumprod(np.concatenate([[1.0], np.asarray(births) / np.asarray(deaths)]))
    return weights / weights.sum()


def station(arrival_rate, service_rate, servers, abandonment_rate=0.0, capacity=None) -> dict[str, Any]:
    """The metrics of M/M/c/K+M."""
    n = np.arange(1 + (MOST if capacity is None else capacity))
    waiting, busy = np.maximum(n - servers, 0), np.minimum(n, servers)
    p = law(arrival_rate + 0 * n[1:], (service_rate * busy + abandonment_rate * waiting)[1:])
    full = 0.0 if capacity is None else p[-1]
    queue, admitted = p @ waiting, arrival_rate * (1 - full)
    return {
        "number_in_system": p @ n,
        "queue_length": queue,
        "waiting_time": queue / admitted,
        "probability_wait": (p[n >= servers].sum() - full) / (1 - full),
        "probability_abandon": abandonment_rate * queue / admitted,
        "utilisation": p @ busy / servers,
        "probability_block": full,
    }


def threshold(q, arrival_rate) -> dict[str, Any]:
    """The metrics of `Threshold`."""
    p = law([arrival_rate] * 4 + [arrival_rate * q], [1.0] * 5)
    return {"number": p @ np.arange(6), "admitted": arrival_rate * (p[:4].sum() + p[4] * q)}


def closed_form(metrics: Callable[..., dict[str, Any]], *names: str) -> Callable[[Any, tuple[str, ...]], Exact]:
    """The derivatives of a formula of these fields, by a complex step: exact to rounding."""

    def exact(system: Any, paths: tuple[str, ...]) -> Exact:
        given = {name: getattr(system, name) for name in names if getattr(system, name) is not None}
        slopes = {path: metrics(**{**given, path: complex(given[path], 1e-30)}) for path in paths}
        return {(name, path): (np.imag(x) / 1e-30, 0.0) for path in paths for name, x in slopes[path].items()}

    return exact


def differenced(metrics: Callable[[Any], dict[str, float]], side: float = 0.0) -> Callable[..., Exact]:
    """The derivatives of what is known of a system, by differences of order 4, or of order 3 to the ``side``, -1 or 1."""
    if side:
        offsets, weights = side * np.arange(4), side * np.array([-11.0, 18.0, -9.0, 2.0]) / 6
    else:
        offsets, weights = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([1.0, -8.0, 8.0, -1.0]) / 12

    def exact(system: Any, paths: tuple[str, ...]) -> Exact:
        found = {}
        for path in paths:
            of = parameter(system, path)
            h = 1e-3 * of.unit
            values = [metrics(of.at(o * h)) for o in offsets]
            for name in values[0]:
                slope = sum(w * value[name] for w, value in zip(weights, values, strict=True)) / h
                found[name, path] = float(slope), 0.0
        return found

    return exact


def chain(keep: Callable[[Any], Any]) -> Callable[[Any], dict[str, float]]:
    """The metrics of the chain cut there."""
    return lambda system: jaxq.exact(system, keep=keep).metrics


def token_chain(system: jaxq.TokenPool) -> dict[str, float]:
    """Jobs in a token pool, by its one-server chain and its pool's own."""
    return {"total_jobs": float(system.oracle()["total_jobs"].value)}


def typed(metric: str, path: str, value: float, error: float) -> Callable[[Any, tuple[str, ...]], Exact]:
    """A number from elsewhere with its standard error."""
    return lambda system, paths: {(metric, path): (value, error)}


MMC = closed_form(station, "arrival_rate", "service_rate", "servers", "abandonment_rate", "capacity")
MIXED = closed_form(threshold, "q", "arrival_rate")
X_MODEL = jaxq.ParallelServers(
    jaxq.Network([5, 12], [[4, 1], [4, 4]], [2, 2], [1, 1], [1, 1.9], pools=("3", "4")),
    policy="priority",
    priorities="2 > 1",
    preferences="3 > 4",
)
POOL_2, POOL_10 = jaxq.TokenPool(2, 0.5, 0.6, 3), jaxq.TokenPool(10, 0.8, 0.8, 10)
LEFT, RIGHT = {"side": "left"}, {"side": "right"}
ROWS = {
    "M/M/1, .5": Row(jaxq.MMc(0.5), ("arrival_rate", "service_rate"), MMC),
    **{f"M/M/1, {str(load)[1:]}": Row(jaxq.MMc(load), ("arrival_rate",), MMC) for load in (0.3, 0.7, 0.8, 0.9)},
    "M/M/10+M, 12, 1, 1": Row(
        jaxq.MMc(12, 1, 10, abandonment_rate=1.0),
        ("arrival_rate", "service_rate", "abandonment_rate"),
        MMC,
    ),
    "M/M/10, abandonment from 0": Row(
        jaxq.MMc(8, 1, 10, abandonment_rate=0.0), ("abandonment_rate",), MMC, RIGHT | {"metrics": ["queue_length"]}
    ),
    "Erlang B, 10, 8": Row(jaxq.MMc(8, 1, 10, capacity=10), ("arrival_rate", "service_rate"), MMC),
    "two queues": Row(
        TwoQueues(arrival_rate=1.6),
        ("arrival_rate", "p", "first_rate"),
        differenced(chain(lambda x: (x[0] < 110) & (x[1] < 110))),
    ),
    "threshold, q = 0": Row(Threshold(0.0), ("q",), MIXED, RIGHT),
    "threshold, q = .5": Row(Threshold(0.5), ("q",), MIXED),
    "threshold, q = 1": Row(Threshold(1.0), ("q",), MIXED, LEFT),
    "X-model, 2+2": Row(
        X_MODEL,
        ("network.arrival_rates[0]", "network.arrival_rates[1]", "network.service_rates[0,1]"),
        differenced(chain(lambda x: sum(x.queues) < 40)),
        {"metrics": ["number_in_system", "reward_rate", "queue_1"]},
    ),
    "token pool, 2, phi .4": Row(POOL_2.replace(phi=0.4), ("phi",), differenced(token_chain)),
    "token pool, 2, phi .6": Row(POOL_2, ("phi",), differenced(token_chain)),
    "token pool, 2, kink, left": Row(POOL_2.replace(phi=0.5), ("phi",), differenced(token_chain, -1), LEFT),
    "token pool, 2, kink, right": Row(POOL_2.replace(phi=0.5), ("phi",), differenced(token_chain, 1), RIGHT),
    # no exact chain so large: a native program of the same estimator, half-widths .5 and .06
    "token pool, 10, kink, left": Row(POOL_10, ("phi",), typed("total_jobs", "phi", -22.8, 0.255), LEFT),
    "token pool, 10, kink, right": Row(POOL_10, ("phi",), typed("total_jobs", "phi", 17.98, 0.031), RIGHT),
}


COSTS = {
    "M/M/1": (jaxq.MMc(0.8), "arrival_rate", 200_000),
    "X-model, 2+2": (X_MODEL, "network.arrival_rates[0]", 40_000),
    "token pool, 10": (jaxq.TokenPool(10, 0.8, 0.7), "phi", 60_000),
    "token pool, 10, 10 tokens": (jaxq.TokenPool(10, 0.8, 0.7, 10), "phi", 60_000),
}
"""System, one parameter, events a replica."""


def asked(row: Row, exact: Exact) -> list[str]:
    """The metrics that are known and move."""
    own = row.options.get("metrics")
    return own or sorted({name for (name, _), (value, _) in exact.items() if value})


def measure(label: str, row: Row) -> list[dict[str, Any]]:
    """One line a derivative."""
    exact = row.exact(row.system, row.parameters)
    options: dict[str, Any] = {"method": "coupling", "replicas": REPLICAS, "precision": PRECISION}
    options |= {name: x for name, x in row.options.items() if name != "metrics"}
    known = {name for (name, _), (value, _) in exact.items() if value}
    call = functools.partial(jaxq.gradient, row.system, asked(row, exact), row.parameters, **options)
    began = time.process_time()
    short = call(time_limit=1e-3)
    compiled = time.process_time()
    found = call()
    costs = {"cpu": time.process_time() - compiled, "compile": compiled - began, "events": found.run["events"]}
    costs["compiled"] = bool(short.run["compile_seconds"])
    lines = []
    for metric, slopes in found.derivatives.items():
        for path, slope in slopes.items():
            if metric not in known or metric not in asked(row, exact):
                continue
            value, error = exact[metric, path]
            size = max(abs(slope.mean), abs(found[metric].mean) / parameter(row.system, path).unit)
            z = (slope.mean - value) / math.hypot(slope.standard_error, error)
            lines.append(
                {
                    "row": label,
                    "derivative": f"{metric} by {path}",
                    "estimate": slope.mean,
                    "half_width": slope.half_width,
                    "width_of_value": slope.half_width / abs(value) if value else None,
                    "exact": value,
                    "z": z,
                    "flags": list(found.flags),
                    "met": not found.flags and abs(z) <= LARGEST_Z and slope.half_width <= 0.01 * size,
                    **costs,
                }
            )
    return lines


def cost(label: str, repeats: int = 3) -> str:
    """CPU time of an event and of compiling, plain and beside four alternatives, by turns; without warm-up detection."""
    system, path, events = COSTS[label]
    options: dict[str, Any] = {"events": events, "warmup": events // 4, "replicas": REPLICAS}
    calls = {
        "plain": lambda: jaxq.simulate(system, **options),
        "coupled": lambda: jaxq.gradient(system, None, path, method="coupling", **options),
    }
    first, spent = {}, {kind: [] for kind in calls}
    for turn in range(1 + repeats):
        for kind, call in calls.items():
            began = time.process_time()
            run = call().run
            seconds = time.process_time() - began
            if turn:
                spent[kind].append(seconds / run["events"] * 1e9)
            else:
                first[kind] = seconds, run["events"]
    least = {kind: min(times) for kind, times in spent.items()}
    compiling = {kind: seconds - least[kind] * count / 1e9 for kind, (seconds, count) in first.items()}
    times = f"{least['plain']:.2f} | {least['coupled']:.1f} | {least['coupled'] / least['plain']:.1f}"
    return f"| {label} | {times} | {compiling['plain']:.1f} | {compiling['coupled']:.1f} |"


def told(line: dict[str, Any]) -> str:
    """A line of the table."""
    value = f"{line['estimate']:.5g} +- {line['half_width']:.2g}"
    compiling = f"{line['compile']:.1f}" if line["compiled"] else "-"
    flags = "" if line["met"] else " NOT MET " + " ".join(line["flags"])
    told = f"{line['exact']:.5g} | {line['z']:.1f} | {line['cpu']:.1f} | {compiling}{flags}"
    return f"| {line['row']} | {line['derivative']} | {value} | {told} |"


def main() -> int:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=ROWS, action="append")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--costs", action="store_true", help="CPU ns an event and seconds to compile instead")
    arguments = parser.parse_args()
    jaxq.use_all_cores(1)
    if arguments.costs:
        print(
            "| system | plain, ns | coupled, ns | ratio | compile, CPU s, plain | coupled |\n|---|---|---|---|---|---|"
        )
        for label in COSTS:
            print(cost(label), flush=True)
        return 0
    print("| row | derivative | estimate | exact | z | CPU s | compile, CPU s |\n|---|---|---|---|---|---|---|")
    lines = []
    for label in arguments.case or ROWS:
        found = measure(label, ROWS[label])
        print(*map(told, found), sep="\n", flush=True)
        lines += found
        if arguments.out:
            arguments.out.write_text(json.dumps(lines, indent=1) + "\n")
    print(f"\n{len(lines)} derivatives, largest |z| {max(abs(line['z']) for line in lines):.2f}")
    return 0 if all(line["met"] for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
