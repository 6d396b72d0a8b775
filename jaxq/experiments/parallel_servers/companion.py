"""The numbers of the e-companion, Section EC.2: c-mu/theta on an X-model in overload, as printed, as fluid, simulated.

The parameters are reconstructed (`jaxq.systems.parallel_servers.network.library.x_model`): set A is the roundest that
has the printed fluid digits, set B has the printed revenues too, and is set A in another unit of time; ``slow`` and ``B
slow`` have mu_14 = .01, where they differ. Five fluid numbers are printed truncated, the sixth rounded. The printed
simulations have sampling errors of their own.
"""

import math
from typing import Any

from jaxq.analytic.parallel_servers.x_model import x_model
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.parallel_servers.paper import FEW_REPLICAS, PAPER, REPLICAS, X_MODEL, balances, plan_of
from jaxq.stats.estimate import Estimate
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.network.network import Network

SETS = {
    "A": X_MODEL,
    "B": NETWORKS["x-model-b"],
    "slow": NETWORKS["x-model-slow"],
    "B slow": NETWORKS["x-model-b-slow"],
}
SLOW = ("slow", "B slow")
QUANTITIES = ("busy_1_3", "busy_2_3", "busy_1_4", "busy_2_4", "queue_1", "queue_2", "abandonment_1", "reward_rate")
FLUID = {"busy_1_3": 12.86, "busy_2_3": 87.13, "busy_1_4": 37.13, "busy_2_4": 62.86, "queue_1": 161.39}
"""EC.2's digits, truncated; and .6456 of class 1 abandon, rounded."""
ROUNDED = {"abandonment_1": 0.6456}
SIMULATED = {
    "busy_1_3": 13.56,
    "busy_2_3": 86.44,
    "busy_1_4": 37.71,
    "busy_2_4": 62.28,
    "queue_1": 158.91,
    "queue_2": 5.98,
    "abandonment_1": 0.634,
}
SLOW_FLUID, SLOW_SIMULATED = {"abandonment_1": 0.995, "loss": 0.15, "loss_against_shadow": 0.133}, 0.9918
OPTIMUM, PRICES = 1340.0, {"pool_3": 4.0, "pool_4": 4.0, "class_1": 0.0, "class_2": 0.9}
"""Of set A and of slow, by hand: class 2 in full, psi_24 = 100 and psi_23 = 50, class 1 on the 50 servers left of pool 3."""
RATIOS = {
    "busy_1_3": "$\\Psi_{13}$",
    "busy_2_3": "$\\Psi_{23}$",
    "busy_1_4": "$\\Psi_{14}$",
    "busy_2_4": "$\\Psi_{24}$",
    "queue_1": "$Y_1$",
    "abandonment_1": "class 1\nlost",
    "reward_rate": "reward",
}
LABELS = {"slow": "set A", "B slow": "set B"}
AGAINST = {"loss": "against the\noptimum", "loss_against_shadow": "against\nSHADOW-RM"}
"""What the picture has, in words."""
LOSS = 0.21
"""What c-mu/theta loses at mu_14 = .01, at least; the fluid says .148, as it has Y_2 = 0."""
EVENTS, QUICK_EVENTS, WARMUP = 3_000_000, 120_000, 20_000
"""Per replica. 1700 events are one unit of time, in which set A relaxes."""
SLOW_WARMUP = 700_000
"""1350 events are one unit of time; pool 4 relaxes in 1/mu_14 = 100, and is five of these away from its start."""


def fluid(given: Network) -> dict[str, float]:
    """The rest point of the fluid, EC.29-EC.32, under the names of the metrics."""
    rates = (given.arrival_rates, given.service_rates, given.servers, given.abandonment_rates)
    found = x_model(*rates, priority=[1, 0], rewards=given.rewards)
    busy = {
        f"busy_{name}": float(z) for name, z in zip(given.graph.names(), given.graph.by_edge(found.busy), strict=True)
    }
    queues = {f"queue_{name}": float(q) for name, q in zip(given.classes, found.queue, strict=True)}
    return busy | queues | {"abandonment_1": float(found.abandonment[0]), "reward_rate": found.reward_rate}


def known(where: dict[str, Any], name: str, value: float, wanted: float) -> Point:
    """A number without error and what it must be."""
    return Point(where, name, Metric(value, None, 0.95, None, wanted, "exact"))


def digits() -> list[Point]:
    """The fluid's digits as printed, psi_13 as the root of a quadratic, the optimum of the planning problem, its prices."""
    found, where = fluid(X_MODEL), {"set": "A", "of": "fluid"}
    points = [known(where, name, math.floor(100 * found[name]) / 100, printed) for name, printed in FLUID.items()]
    points += [known(where, name, round(found[name], 4), printed) for name, printed in ROUNDED.items()]
    root = (-350 + math.sqrt(350**2 + 4 * 3 * 5000)) / 6  # 3 x^2 + 350 x = 5000
    points.append(known(where, "busy_1_3", found["busy_1_3"], root))
    system, where = ParallelServers(), {"set": "A", "of": "planning"}
    plan, network = plan_of(system), system.network
    prices = {f"pool_{name}": p for name, p in zip(network.pools, plan.pool_prices, strict=True)}
    prices |= {f"class_{name}": p for name, p in zip(network.classes, plan.class_prices, strict=True)}
    points.append(known(where, "reward_rate", plan.reward, OPTIMUM))
    return points + [known(where, name, float(prices[name]), price) for name, price in PRICES.items()]


def measure(run: Run, network: Network, policy: str = "c-mu-theta") -> Result | None:
    """One run; None after Ctrl-C."""
    events, warmup = (
        QUICK_EVENTS if run.quick else EVENTS,
        SLOW_WARMUP if network in (SETS[name] for name in SLOW) else WARMUP,
    )
    replicas = FEW_REPLICAS if run.quick else REPLICAS
    system = ParallelServers(network, policy=policy)
    return run.result(simulate, system, events=events, warmup=warmup, replicas=replicas)


def unserved(result: Result, given: Network) -> Estimate:
    """Share of class 1 that is not served, 1 - sum_j mu_1j Psi_1j/lambda_1: less noise than theta_1 Y_1/lambda_1."""
    rates = zip(given.pools, given.service_rates[0].tolist(), strict=True)
    served: Any = sum(rate * result.estimates[f"busy_1_{pool}"] for pool, rate in rates)
    return 1 - served / float(given.arrival_rates[0])


def slow_losses(name: str, found: Result, shadow: Result | None) -> list[dict[str, Any]]:
    """What c-mu/theta loses at mu_14 = .01, against the optimum and against SHADOW-RM: in the fluid and simulated."""
    level, rest = found.run["level"], fluid(SETS[name])["reward_rate"]
    rows, reward = [], found.estimates["reward_rate"]
    optimum = plan_of(ParallelServers(SETS[name])).reward
    against = {"loss": (reward / optimum, optimum)}
    if shadow is not None:
        best = shadow.estimates["reward_rate"]
        against["loss_against_shadow"] = (reward / best, best.value)
    for quantity, (share, best) in against.items():
        row = {"set": name, "quantity": quantity, "paper_fluid": SLOW_FLUID[quantity], "fluid": 1 - rest / best}
        rows.append({**row, "paper_simulated": None, "here": 1 - share.value, "half_width": share.half_width(level)})
    return rows


def compute(run: Run) -> Findings:
    """The fluid digits and prices; c-mu/theta on the three networks, and SHADOW-RM on the slow one."""
    points, results, rows = [], Results(), []
    with run.work():
        points += digits()
    for name, network in SETS.items():
        result = measure(run, network)
        if result is None:
            break
        where = {"set": name, "of": "c-mu-theta"}
        results.append(result)
        points += balances(result, where)
        rest, slow = fluid(network), name in SLOW
        for quantity in QUANTITIES:
            printed = ({"abandonment_1": SLOW_SIMULATED} if slow else SIMULATED).get(quantity)
            of_fluid = (SLOW_FLUID if slow else FLUID | ROUNDED).get(quantity)
            row = {"set": name, "quantity": quantity, "paper_fluid": of_fluid, "fluid": rest[quantity]}
            found = unserved(result, network) if quantity == "abandonment_1" else result.estimates[quantity]
            here = {"here": found.value, "half_width": found.half_width(result.run["level"])}
            rows.append({**row, "paper_simulated": printed, **here})
        optimum = plan_of(ParallelServers(network)).reward
        points.append(Point.of(result, where, "reward_rate", optimum, "at most"))
        if slow:
            points.append(Point.of(result, where, "reward_rate", (1 - LOSS) * optimum, "at most"))
            shadow = measure(run, network, "shadow-rm")
            rows += slow_losses(name, result, shadow)
            if shadow is not None:
                results.append(shadow)
                points += balances(shadow, {"set": name, "of": "shadow-rm"})
    return Findings({"companion": rows, "companion-points": [p.row() for p in points]}, points, results, rows)


def draw(findings: Findings) -> Any:
    """Simulations as a share of the fluid; class 1 lost and reward lost at mu_14 = .01."""
    from matplotlib.ticker import PercentFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    rows = {(row["set"], row["quantity"]): row for row in findings.tables["companion"]}
    figure, (left, middle, right) = sized(12, 4.2, 1, 3, width_ratios=(1.7, 1, 1.1))
    here = {"fmt": "o", "color": COLOURS[0], "markersize": 4.5, "capsize": 3, "linewidth": 1.1}
    printed = {"marker": "x", "color": COLOURS[1], "s": 34, "linewidths": 1.4}
    line = {"color": COLOURS[1], "linewidth": 1.1}

    mine = [rows["A", quantity] for quantity in RATIOS if ("A", quantity) in rows]
    places = range(len(mine))
    values, widths = ([row[name] / row["fluid"] - 1 for row in mine] for name in ("here", "half_width"))
    widths = [width + 1 for width in widths]
    left.axhline(0.0, color=ORACLE, linewidth=1.2, zorder=1, label="fluid, EC.29-EC.32")
    left.errorbar([x - 0.12 for x in places], values, widths, label="simulated here, 95 %", **here)
    known = [
        (x + 0.12, row["paper_simulated"] / row["fluid"] - 1)
        for x, row in zip(places, mine, strict=True)
        if row["paper_simulated"] is not None
    ]
    if known:
        left.scatter(*zip(*known, strict=True), label="simulated, printed", **printed)
    left.set_xticks(list(places), [RATIOS[row["quantity"]] for row in mine])
    left.set_ylabel("difference from the fluid")
    left.set_title("c-mu/theta, set A", loc="left", fontsize="medium")

    for x, name in enumerate(SLOW):
        row = rows.get((name, "abandonment_1"))
        if row is None:
            continue
        middle.errorbar(
            [x], [row["here"]], [row["half_width"]], label="simulated here, 95 %" if x == 0 else None, **here
        )
        middle.hlines(row["fluid"], x - 0.3, x + 0.3, color=ORACLE, linewidth=1.4, label="fluid" if x == 0 else None)
    middle.axhline(SLOW_SIMULATED, linestyle="--", label="simulated, printed", **line)
    middle.set_ylim(0.99, 0.9975)
    middle.set_xticks(range(len(SLOW)), [LABELS[name] for name in SLOW])
    middle.set_xlim(-0.6, len(SLOW) - 0.4)
    middle.set_ylabel("share of class 1 that abandons")
    middle.set_title("$\\mu_{14}$ = .01", loc="left", fontsize="medium")

    shifted = {"slow": (-0.15, "o"), "B slow": (0.15, "s")}
    for x, quantity in enumerate(AGAINST):
        right.hlines(
            SLOW_FLUID[quantity], x - 0.35, x + 0.35, linestyle="--", label="fluid, printed" if x == 0 else None, **line
        )
        for name, (shift, marker) in shifted.items():
            row = rows.get((name, quantity))
            if row is None:
                continue
            first, at = x == 0, x + shift
            label = f"simulated here, {LABELS[name]}"
            right.errorbar(
                [at], [row["here"]], [row["half_width"]], label=label if first else None, **here | {"fmt": marker}
            )
            fluid_label = "fluid" if first and name == "slow" else None
            right.hlines(row["fluid"], at - 0.12, at + 0.12, color=ORACLE, linewidth=1.4, label=fluid_label)
    right.set_xticks(range(len(AGAINST)), AGAINST.values())
    right.set_xlim(-0.6, len(AGAINST) - 0.4)
    right.set_ylim(0.12, 0.25)
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    left.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    right.set_ylabel("reward that c-mu/theta loses")
    right.set_title("$\\mu_{14}$ = .01", loc="left", fontsize="medium")
    for ax in (left, middle, right):
        ax.legend(frameon=False, fontsize="small", loc="upper right")
    return figure


EXPERIMENT = Experiment(
    "parallel-servers/companion",
    "The e-companion's numbers: printed, fluid and simulated",
    f"{PAPER}, EC.2",
    compute,
    draw,
)
