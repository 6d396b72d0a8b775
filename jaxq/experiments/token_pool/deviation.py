"""What a server gains that leaves complete resource pooling for the best response of LP (76), simulated."""

from typing import Any

from jaxq.analytic.token_pool.best_response import best_deviation
from jaxq.engine.result import Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.token_pool.policy import NAMED, NamedPolicy

ARRIVAL_RATE, MARKETS = 0.8, (4, 10, 20)


def compute(run: Run) -> Findings:
    """The first server plays along, then the optimal policy, on the same random words; the others pool completely."""
    points, results, rows = [], Results(), []
    for servers in MARKETS[:1] if run.quick else MARKETS:
        with run.work():
            found = best_deviation(servers, ARRIVAL_RATE)
        systems = [TokenPool(servers, ARRIVAL_RATE, deviator=NamedPolicy(name)) for name in NAMED]
        options: dict[str, Any] = {"metric": ("deviator_cost:0.002", "deviator_charged_cost:0.002")}
        options = {"events": 20_000} if run.quick else options
        pair = run.results(compare, systems, replicas=256 if run.quick else REPLICAS, **options)
        if not pair:
            break
        where: dict[str, Any] = {"servers": servers}
        along, best = pair
        points += [
            Point.of(along, {**where, "plays": "along"}, "deviator_cost", found.pooling),
            Point.of(along, {**where, "plays": "along"}, "others_cost", found.pooling),
            Point.of(best, {**where, "plays": "optimal"}, "deviator_charged_cost", found.optimal),
        ]
        gain = {d["metric"]: d for d in pair.differences}
        promised = found.pooling - found.optimal
        points.append(
            Point.of_difference(
                gain["deviator_cost"], {**where, "plays": "optimal"}, "gain", promised, "at most", sign=-1
            )
        )
        row: dict[str, Any] = {**where, "v_crp": found.pooling, "v_opt": found.optimal, "v_crp_less_v_opt": promised}
        for name, metric, sign in (
            ("gain", "deviator_cost", -1),
            ("charged_gain", "deviator_charged_cost", -1),
            ("others_loss", "others_cost", 1),
        ):
            row |= {name: sign * gain[metric]["mean"], f"{name}_half_width": gain[metric]["half_width"]}
        drift = best["deviator_token_drift"]
        rows.append({**row, "token_drift": drift.mean, "token_drift_half_width": drift.half_width})
        results += pair
    return Findings(
        {"deviation": rows, "deviation-points": [point.row() for point in points]}, points, Results(results)
    )


def draw(findings: Findings) -> Any:
    """Costs of the first server under both policies, and what the best response gains and the others lose, against N."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE
    from jaxq.plotting.sweep import COLOURS

    figure, (left, right) = sized(9.6, 4.6, 1, 2)
    rows = findings.tables["deviation"]
    markets = list(range(len(rows)))
    for ax in (left, right):
        ax.set_xticks(markets, [str(row["servers"]) for row in rows])
        ax.set_xlim(-0.6, len(rows) - 0.4)
        ax.set_xlabel("servers N")
    series = (
        ("along", "deviator_cost", "playing along", "v_crp", "$V^{CRP}$"),
        ("optimal", "deviator_charged_cost", "best response, as charged in LP (76)", "v_opt", "$V^{OPT}$"),
    )
    for i, (plays, name, label, exact, word) in enumerate(series):
        shown = [p for p in findings.points if (p.where["plays"], p.name) == (plays, name)]
        style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 5, "capsize": 2}
        width = [p.metric.half_width or 0.0 for p in shown]
        left.errorbar(markets, [p.metric.mean for p in shown], width, fmt="os"[i], label=label, **style)
        span = [[m - 0.25 for m in markets], [m + 0.25 for m in markets]]
        line = {"color": ORACLE, "linestyle": ("-", "--")[i], "linewidth": 1.2, "zorder": 1}
        left.hlines([row[exact] for row in rows], *span, label=f"{word}, exact", **line)
    left.set_ylabel("cost of the first server (per time)")
    gains = (
        ("gain", "gain, its jobs' true waits"),
        ("charged_gain", "gain as charged"),
        ("others_loss", "loss of each other"),
    )
    for i, (name, label) in enumerate(gains):
        place = [m + 0.14 * (i - 1) for m in markets]
        style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 5, "capsize": 2}
        mean, width = [row[name] for row in rows], [row[f"{name}_half_width"] for row in rows]
        right.errorbar(place, mean, width, fmt="os^"[i], label=label, **style)
    promised = [row["v_crp_less_v_opt"] for row in rows]
    right.hlines(
        promised, [m - 0.3 for m in markets], [m + 0.3 for m in markets], color=ORACLE, label="$V^{CRP} - V^{OPT}$"
    )
    right.axhline(0.0, color="0.5", linewidth=0.9, zorder=1)
    right.set_ylabel("difference of costs (per time)")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    left.set_title(f"arrival rate = $\\phi$ = {ARRIVAL_RATE:g}, no token cap", loc="left", fontsize="medium")
    return figure


EXPERIMENT = Experiment(
    "token-pool/deviation", "Gain of the best response of LP (76), simulated", f"{PAPER}, Section 6.3", compute, draw
)
