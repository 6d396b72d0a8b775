"""Large markets: a pool bounded over N and C (Proposition 6.3), and what a server pays between the bounds of Lemmas 6.4
and 6.5."""

from typing import Any

from jaxq.analytic.token_pool.best_response import best_deviation
from jaxq.analytic.token_pool.cap import cap_constants
from jaxq.analytic.token_pool.pool_queue import pool_queue
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate, sweep
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.token_pool.policy import NamedPolicy

ARRIVAL_RATE, PHIS = 0.7, (0.7, 0.5)
MARKETS, CAPS = (2, 5, 10, 30, 100, 300), (2, 5, 20)
QUICK_MARKETS = (2, 20)
DEVIATIONS, QUICK_DEVIATIONS = (4, 8, 14, 20), (6,)
CURVE = (2, 3, 5, 10, 20, 30, 50, 100, 200, 300)
PHASES = 400
"""Of the servers' queues, up to which E[Q_0] is exact beside the simulation."""


def constants(phi: float) -> tuple[float, float]:
    """M_6 and M_7, found: E[Q_0] of N = 1 without a cap, the largest of all, over the least request rate, that of C = 1.

    The paper's proof of Proposition 6.3 gives no numbers. N = 1: phi / (1 - phi) for phi >= lambda, else all jobs,
    lambda / (1 - lambda), but those of the own queue.
    """
    most = pool_queue(1, ARRIVAL_RATE, phi)
    return most, most / token_server(ARRIVAL_RATE, phi, 1)["request_rate"]


def compute(run: Run) -> Findings:
    """Markets of growing size with several caps; then, at phi = lambda, a first server that plays LP (76)."""
    points, results, rows, curves = [], Results(), [], []
    for servers in QUICK_MARKETS if run.quick else MARKETS:
        relaxed = 3 * CAPS[-1] ** 2 * servers  # six times C^2 / (pi^2 R), in events of all servers, for R >= .2
        options: dict[str, Any] = {"events": 40_000 + 100 * servers, "warmup": 10_000 + relaxed, "replicas": REPLICAS}
        options = (
            {"events": 4000 + 50 * servers, "warmup": 1000 + 100 * servers, "replicas": 256} if run.quick else options
        )
        grid: dict[str, Any] = {"phi": PHIS, "token_cap": CAPS[:2] if run.quick else CAPS}
        found = run.results(sweep, TokenPool(servers, ARRIVAL_RATE, PHIS[0], 1), grid, **options)
        found += run.results(sweep, TokenPool(servers, ARRIVAL_RATE, PHIS[0]), {"phi": PHIS}, **options)
        for result in found:
            points += judged(result, servers)
        results += found
    for phi in PHIS:
        most, wait = constants(phi)
        for servers in CURVE:
            curves.append({"phi": phi, "servers": servers, "pool_bound": most, "wait_bound": wait / servers})
            for cap in (*CAPS, None):
                extra = 0.0 if cap is None else cap_constants(ARRIVAL_RATE, phi).own_queue / cap
                bound = extra + ARRIVAL_RATE * wait / servers
                rows.append({"phi": phi, "servers": servers, "token_cap": cap or "none", "cost_bound": bound})
    best = []
    for servers in QUICK_DEVIATIONS if run.quick else DEVIATIONS:
        with run.work():
            run.show(f"best response: {servers} servers")
            best.append({"servers": servers, "v_opt": best_deviation(servers, ARRIVAL_RATE).optimal})
        market = TokenPool(servers, ARRIVAL_RATE, deviator=NamedPolicy("optimal"))
        options = {"events": 10_000, "replicas": 256} if run.quick else {"events": 60_000, "replicas": REPLICAS}
        for result in run.results(simulate, market, **options):
            where = {"servers": servers, "phi": ARRIVAL_RATE, "token_cap": "none"}
            points.append(Point.of(result, where, "deviator_charged_cost", best[-1]["v_opt"]))
            points.append(Point.of(result, where, "deviator_cost", ARRIVAL_RATE, "at least"))
            results.append(result)
    tables = {"large-markets": [p.row() for p in points], "large-markets-curves": curves}
    return Findings({**tables, "large-markets-costs": rows, "large-markets-best": best}, points, Results(results))


def judged(result: Any, servers: int) -> list[Point]:
    """Proposition 6.3 and Lemma 6.4 of one market, with c = 1; equality with the exact pool where it is known."""
    phi, cap = result.point["phi"], result.point.get("token_cap")
    where = {"servers": servers, "phi": phi, "token_cap": "none" if cap is None else int(cap)}
    most, wait = constants(phi)
    free = token_server(ARRIVAL_RATE, phi, None)["own_queue"]
    cost = ARRIVAL_RATE + free + ARRIVAL_RATE * wait / servers
    cost += 0.0 if cap is None else cap_constants(ARRIVAL_RATE, phi).own_queue / cap
    found = [
        Point.of(result, where, "pool_queue", most, "at most"),
        Point.of(result, where, "pool_wait", wait / servers, "at most"),
        Point.of(result, where, "cost", cost, "at most"),
    ]
    if cap is None and (phi >= ARRIVAL_RATE or servers + 1 <= PHASES):
        found.append(Point.of(result, where, "pool_queue", pool_queue(servers, ARRIVAL_RATE, phi)))
    return found


def draw(findings: Findings) -> Any:
    """E[Q_0], the wait and the cost less that of the fluid problem, against N."""
    from matplotlib.lines import Line2D

    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    names = {"pool_queue": "pool, $E[Q_0]$ (jobs)", "pool_wait": "wait in the pool $w$ (time)", "cost": ""}
    names["cost"] = "cost \N{MINUS SIGN} $(c\\lambda + E[Q^F])$ (per server)"
    caps = list(dict.fromkeys(p.where["token_cap"] for p in findings.points if p.name == "cost"))
    figure, axes = sized(11.5, 6.6, 2, 3, sharex=True)
    for line, phi in zip(axes, PHIS, strict=True):
        free = ARRIVAL_RATE + token_server(ARRIVAL_RATE, phi, None)["own_queue"]
        curve = [row for row in findings.tables["large-markets-curves"] if row["phi"] == phi]
        n = [row["servers"] for row in curve]
        for ax, (name, label) in zip(line, names.items(), strict=True):
            for i, cap in enumerate(caps):
                shown = [
                    p
                    for p in findings.points
                    if p.name == name
                    and p.relation == "at most"
                    and p.where["phi"] == phi
                    and p.where["token_cap"] == cap
                ]
                mean = [(p.metric.mean or float("nan")) - (free if name == "cost" else 0.0) for p in shown]
                width = [p.metric.half_width or 0.0 for p in shown]
                style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 5, "capsize": 2, "linewidth": 1}
                ax.errorbar([p.where["servers"] for p in shown], mean, width, fmt="os^D"[i] + "-", **style)
                if name == "cost":
                    rows = [
                        row
                        for row in findings.tables["large-markets-costs"]
                        if row["phi"] == phi and row["token_cap"] == cap
                    ]
                    ax.plot(n, [row["cost_bound"] for row in rows], "--", color=COLOURS[i], linewidth=1)
            if name != "cost":
                bound = [row["pool_bound" if name == "pool_queue" else "wait_bound"] for row in curve]
                ax.plot(n, bound, "--", color="0.3", linewidth=1.2)
            elif phi == ARRIVAL_RATE:
                best = findings.tables["large-markets-best"]
                where = [row["servers"] for row in best]
                ax.plot(where, [row["v_opt"] - free for row in best], ":", color="0.1", marker="x", markersize=5)
                played = [p for p in findings.points if p.name == "deviator_cost"]
                mean = [(p.metric.mean or float("nan")) - free for p in played]
                width = [p.metric.half_width or 0.0 for p in played]
                ax.errorbar(
                    [p.where["servers"] for p in played], mean, width, fmt="+", color="0.1", capsize=2, zorder=5
                )
            ax.set_xscale("log")
            if name != "pool_queue":
                ax.set_yscale("log")
            else:
                ax.set_ylim(bottom=0)
            ax.set_ylabel(label)
        line[0].set_title(f"$\\phi$ = {phi:g}, arrival rate {ARRIVAL_RATE:g}", loc="left", fontsize="medium")
    for ax in axes[1]:
        ax.set_xlabel("servers N")
    key = [
        Line2D(
            [],
            [],
            color=COLOURS[i],
            marker="os^D"[i],
            markerfacecolor="white",
            label=f"simulated, {'no cap' if cap == 'none' else f'C = {cap}'}",
        )
        for i, cap in enumerate(caps)
    ]
    key.append(Line2D([], [], color="0.3", linestyle="--", label="bound of the same colour; grey: for every C"))
    key.append(Line2D([], [], color="0.1", linestyle=":", marker="x", label="best response, LP (76), no cap"))
    key.append(Line2D([], [], color="0.1", linestyle="", marker="+", label="best response, simulated, true waits"))
    figure.legend(handles=key, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "token-pool/large-markets",
    "The pool is bounded over N and C; costs between the bounds for a server that plays along and one that does not",
    f"{PAPER}, Proposition 6.3, Lemmas 6.4 and 6.5",
    compute,
    draw,
)
