"""Fluid mean-field equilibria of finite markets, and whether each brings about the wait that it anticipates."""

import itertools
import math
from typing import Any

from jaxq.analytic.token_pool.mean_field_equilibrium import equilibria, induced_wait, minimum_servers
from jaxq.analytic.token_pool.server_chain import best_response, switching_wait
from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.token_pool.policy import ThresholdPolicy

ARRIVAL_RATE, PHIS, MARKETS = 0.8, (0.6, 0.8), (4, 5, 10, 20)
PHASES, QUICK_PHASES = 400, 100
"""Of the servers' queues: thresholds with more are not examined. The time grows with their cube."""
HIGHEST = 3
"""Equilibria up to this threshold are simulated; beyond it waits are long."""


def compute(run: Run) -> Findings:
    """All w in H(w) with few phases, then every server plays the policy that is optimal for w."""
    points, results, rows, pieces = [], Results(), [], []
    for phi in PHIS[1:] if run.quick else PHIS:
        least = minimum_servers(ARRIVAL_RATE, phi)
        for servers in MARKETS[:3] if run.quick else MARKETS:
            with run.work():
                run.show(f"equilibria: phi {phi}, {servers} servers")
                phases = QUICK_PHASES if run.quick else PHASES
                found, complete_to = equilibria(servers, ARRIVAL_RATE, phi, phases)
                pieces += induced(servers, phi, phases)
            market = {"phi": phi, "servers": servers}
            note = {"complete_to_wait": complete_to if complete_to < 1e300 else "all", "least_servers": least}
            if not found:
                rows.append({**market, "wait": "none found", **note})
            for one in found:
                policy = {"threshold": one.threshold, "mix": one.mix, "offer": one.offer, "pool_queue": one.pool_queue}
                rows.append({**market, "wait": one.wait, **policy, **note})
            for one in found:
                if one.threshold > (1 if run.quick else HIGHEST):
                    continue
                policy = ThresholdPolicy(one.threshold, one.mix, one.offer)
                options: dict[str, Any] = {"metric": "pool_wait:0.005", "replicas": REPLICAS}
                options = {"events": 20_000, "replicas": 256} if run.quick else options
                for result in run.results(simulate, TokenPool(servers, ARRIVAL_RATE, phi, policy=policy), **options):
                    points.append(Point.of(result, {**market, "wait": round(one.wait, 6)}, "pool_wait", one.wait))
                    results.append(result)
    tables = {"equilibria": rows, "equilibria-points": [p.row() for p in points], "equilibria-map": pieces}
    return Findings(tables, points, Results(results))


def induced(servers: int, phi: float, phases: int) -> list[dict[str, Any]]:
    """The map H: the intervals of anticipated waits of one policy each, and the wait that it brings about."""
    k, mix, _ = best_response(ARRIVAL_RATE, phi)
    edges = [0.0] if k and mix else []
    z = k
    while math.comb(servers + z, z) <= phases and z <= HIGHEST:
        edges.append(switching_wait(ARRIVAL_RATE, z) if edges or z > k else 0.0)
        z += 1
    edges.append(switching_wait(ARRIVAL_RATE, z))
    return [
        {
            "phi": phi,
            "servers": servers,
            "from": low,
            "to": high,
            "induced_wait": induced_wait(servers, ARRIVAL_RATE, phi, (low + high) / 2)[0],
        }
        for low, high in itertools.pairwise(edges)
        if high > low
    ]


def draw(findings: Findings) -> Any:
    """H(w) and the diagonal, a panel a market: equilibria are where they meet; simulated waits of those found."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    pieces = findings.tables["equilibria-map"]
    markets = list(dict.fromkeys((row["phi"], row["servers"]) for row in pieces))
    columns = min(len(markets), 4)
    lines = -(-len(markets) // columns)
    figure, axes = sized(3.1 * columns + 0.6, 3.0 * lines + 0.5, lines, columns, squeeze=False)
    panels = axes.ravel()
    for ax in panels[len(markets) :]:
        ax.set_visible(False)
    for ax, market in zip(panels, markets, strict=False):
        mine = [row for row in pieces if (row["phi"], row["servers"]) == market]
        for before, after in itertools.pairwise(mine):
            jump = [before["induced_wait"], after["induced_wait"]]
            ax.plot([before["to"]] * 2, jump, color=COLOURS[0], linewidth=1, linestyle=":")
        ax.hlines(
            [row["induced_wait"] for row in mine],
            [row["from"] for row in mine],
            [row["to"] for row in mine],
            color=COLOURS[0],
            label="H(w), exact (dotted: mixtures)",
        )
        ax.plot([0, mine[-1]["to"]], [0, mine[-1]["to"]], color=ORACLE, linewidth=1, label="w")
        shown = [p for p in findings.points if (p.where["phi"], p.where["servers"]) == market]
        mean, width = [p.metric.mean for p in shown], [p.metric.half_width or 0.0 for p in shown]
        style = {"color": COLOURS[2], "markerfacecolor": "white", "markersize": 6, "capsize": 3, "zorder": 4}
        ax.errorbar([p.where["wait"] for p in shown], mean, width, fmt="o", label="equilibrium, simulated", **style)
        ax.set_title(f"$\\phi$ = {market[0]:g}, N = {market[1]}", loc="left", fontsize="medium")
        ax.set_xlabel("anticipated wait w (time)")
    for ax in panels[::columns]:
        ax.set_ylabel("wait in the pool (time)")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "token-pool/equilibria",
    "Equilibria with a finite wait, and the wait that each brings about",
    f"{PAPER}, Sections 3.2 and 4.2",
    compute,
    draw,
)
