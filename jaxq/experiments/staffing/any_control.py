"""Remark 6.7: with one pool that is no leaf, or rates that depend on the class alone, spare capacity is all that is needed.

The diffusion is run under constant controls with all queues in one class and all idle servers in one pool, for every pair of
them, under the balanced one and under one that jumps; the network under several work-conserving policies. Each must have
the weighted idle servers of Remark 6.5, which no process that drifts away has. The control that fails: class 1 sent to the
shared pool first, so that servers of its own pool idle while class 2 waits: not work conserving system-wide.
"""

import math
from typing import Any

from jaxq.engine.result import Results
from jaxq.engine.simulate import compare, simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.staffing.growth import LEVEL, growth
from jaxq.experiments.staffing.theorem import NETWORK, PAPER, WRONG, starved
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.network import Network

BY_CLASS = Network(
    [0.5, 0.56, 0.75],
    [[1.0, 0.0], [0.8, 0.8], [0.0, 1.5]],
    [0.8, 0.9],
    second_order_arrivals=[0.1, 0.1, 0.1],
    staffing=[-0.3, 1.5],
    scale=100,
    name="W, rates by class",
)
"""xi*: .5 and .3 of pool 1, .4 and .5 of pool 2."""
NETWORKS = {"N": NETWORK, "W, rates by class": BY_CLASS}
POLICIES: dict[str, dict[str, Any]] = {
    "balanced saturation": {"policy": "balanced-saturation"},
    "class 1 first": {"policy": "priority-preemptive", "priorities": "1 > 2"},
    "class 2 first": {"policy": "priority-preemptive", "priorities": "2 > 1"},
    "longest queue": {"policy": "lqfs"},
}
QUICK_POLICIES = ("balanced saturation", "longest queue")
SCALE, STEP = 100, 0.1
REPLICAS, TIME, QUICK_TIME, WARMUP = 512, 2000.0, 300.0, 100.0
"""Model time of each replica."""
HORIZON = 60.0
"""Of the policy that fails."""


def jumping(x):
    """All queues in the class with the larger x_i, and all idle servers in the first pool if that is class 1."""
    first = x[0] > x[1]
    return (first, ~first, *[0] * (len(x) - 2)), (first, ~first)


def constants(network: Network) -> dict[str, str]:
    """Constant controls for every class and pool, by name."""

    def unit(k: int, names: tuple[str, ...]) -> str:
        return ",".join(str(int(k == i)) for i in range(len(names)))

    return {
        f"class {c} waits, pool {p} idles": f"constant:{unit(i, network.classes)};{unit(j, network.pools)}"
        for i, c in enumerate(network.classes)
        for j, p in enumerate(network.pools)
    }


def judged(name: str, control: str, result: Any, idle: float, root: float, rows: list, points: list[Point]) -> None:
    """A row, and the weighted idle servers against Remark 6.5."""
    where = {"network": name, "control": control}
    points.append(Point.of(result, where, "weighted_idle", idle))
    queue, spare = result["total_queue"], result["weighted_idle"]
    if queue.mean is not None:
        rows.append(
            {**where, "idle_share": spare.mean / idle, "idle_share_half_width": spare.half_width / idle}
            | {"queue": queue.mean / root, "queue_half_width": queue.half_width / root}
        )


def compute(run: Run) -> Findings:
    """Every control and policy, then the one that fails."""
    rows, points, results = [], [], []
    time = QUICK_TIME if run.quick else TIME
    steps = {"replicas": REPLICAS, "events": math.ceil(time / STEP), "warmup": math.ceil(WARMUP / STEP)}
    for name, network in NETWORKS.items():
        named = constants(network)
        systems = [StaffingDiffusion(network, control=text, step=STEP) for text in named.values()]
        others = {} if run.quick and name != "N" else {"balanced": "balanced", "jumping": jumping}
        found = list(run.results(compare, systems, **steps))
        for control in others.values():
            found += run.results(simulate, StaffingDiffusion(network, control=control, step=STEP), **steps)
        for control, result in zip([*named, *others], found, strict=False):
            idle = systems[0].oracle()["weighted_idle"].value
            judged(f"{name}, diffusion", control, result, idle, 1.0, rows, points)
        results += found
    for policy in QUICK_POLICIES if run.quick else POLICIES:
        system = ParallelServers(NETWORK, scale=SCALE, **POLICIES[policy])
        rate = 2 * float(system.rates().arrival_rates.sum())
        events, warmup = math.ceil(time * rate), math.ceil(WARMUP * rate)
        found = run.results(simulate, system, replicas=REPLICAS // 4, events=events, warmup=warmup)
        for result in found:
            idle = system.oracle()["weighted_idle"].value
            judged(f"N, n = {SCALE}", policy, result, idle, math.sqrt(SCALE), rows, points)
        results += found
    failing = []
    if not run.interrupted:
        with run.work():
            run.show("the policy that fails")
            system = ParallelServers(NETWORK, scale=SCALE, **WRONG)
            slope, predicted = growth(system, HORIZON, REPLICAS // 4, run.seed).total, starved(system)
            row = {"mean": slope.value, "half_width": slope.half_width(LEVEL), "level": LEVEL}
            where = {"network": f"N, n = {SCALE}", "control": "shared pool first"}
            points.append(Point.of_difference(row, where, "growth", predicted))
            failing.append({**where, **row, "predicted": predicted})
    return Findings({"any-control": rows, "any-control-failing": failing}, points, Results(results))


def draw(findings: Findings) -> Any:
    """Weighted idle servers over those of Remark 6.5, and queues, of every control."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["any-control"]
    figure, (left, right) = sized(10.5, 0.3 * len(rows) + 1.8, 1, 2, sharey=True)
    groups = list(dict.fromkeys(row["network"] for row in rows))
    for ax, key in ((left, "idle_share"), (right, "queue")):
        for i, name in enumerate(groups):
            places = [k for k, row in enumerate(rows) if row["network"] == name]
            values, widths = ([rows[k][column] for k in places] for column in (key, f"{key}_half_width"))
            ax.errorbar(
                values, places, xerr=widths, fmt="osD"[i % 3], color=COLOURS[i], markersize=4, capsize=2, label=name
            )
    left.axvline(1.0, color=ORACLE, linewidth=1.1, zorder=1, label="Remark 6.5")
    left.set_yticks(range(len(rows)), [row["control"] for row in rows], fontsize="small")
    left.invert_yaxis()
    left.set_xlabel("weighted idle servers, share of the spare capacity\n(common random numbers within a network)")
    right.set_xlabel("mean total queue / $\\sqrt{n}$ (customers)")
    right.set_xlim(left=0)
    for row in findings.tables["any-control-failing"]:
        grows = f"grows by {row['mean']:.2f} $\\pm$ {row['half_width']:.2f} a unit of time"
        left.set_title(f"{row['control']}, not work conserving: {grows}", loc="left", fontsize="small")
    left.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "staffing/any-control",
    "Spare capacity is enough under every control of some networks, and the policy that fails",
    f"{PAPER}, Remarks 6.5 and 6.7",
    compute,
    draw,
)
