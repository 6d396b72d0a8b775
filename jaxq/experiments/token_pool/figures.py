"""Figures of Chen, Chen and Qian, "Incentivizing Resource Pooling".

Simulated points are of the mechanism itself, started cold (own queues empty, half the tokens); the curves are those of the
fluid mean-field problem where tokens are unconstrained, and of one server's token chain where they are capped. Time unit
1 / mu, rates per server.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.analytic.token_pool.best_response import best_deviation
from jaxq.analytic.token_pool.mean_field_equilibrium import fluid_queue, fluid_rates
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.engine.result import Results
from jaxq.engine.simulate import sweep
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool

SERVERS, ARRIVAL_RATE = 10, 0.8
UNCAPPED = (0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
CAPPED = {5: (0.2, 0.35, 0.5, 0.65, 0.8, 0.9), 20: (0.2, 0.35, 0.5, 0.65, 0.8, 0.9), 100: (0.65, 0.8, 0.9)}
"""Simulated phi by token cap; tokens under a large cap relax slowly where phi is small."""
QUICK = {None: (0.4, 0.8, 0.9), 5: (0.4, 0.8)}
KINKS = tuple(ARRIVAL_RATE**j for j in range(2, 16))
CURVE = tuple(sorted({*np.round(np.linspace(0.01, 0.99, 99), 2).tolist(), *KINKS}))

ARRIVAL_RATES, MARKETS = (0.7, 0.8, 0.9), tuple(range(4, 21, 2))
QUICK_ARRIVAL_RATES, QUICK_MARKETS = (0.7, 0.8), (8, 10, 16, 18)
PUBLISHED = {(0.7, 8): 4.43, (0.7, 16): 0.87, (0.8, 10): 4.27, (0.8, 18): 0.89, (0.9, 18): 4.01}
"""Gaps in percent that Section 6.3 prints."""


def curve(token_cap: int | None, phi: float) -> dict[str, float]:
    """Own queue, request and offer rate of a server: Eq. (11) and Figure 1's caption, or Appendix C with a cap."""
    if token_cap is not None:
        return token_server(ARRIVAL_RATE, phi, token_cap)
    requests, offers = fluid_rates(ARRIVAL_RATE, phi)
    return {"own_queue": fluid_queue(ARRIVAL_RATE, phi), "request_rate": requests, "offer_rate": offers}


def warmup(token_cap: int | None, phis: Sequence[float]) -> int:
    """Events per replica after which nothing of a cold start is left: six relaxation times of the slowest token count.

    The tokens of a server do a random walk between 0 and C, which relaxes in C^2 / (pi^2 x token rate). 20,000 events are
    six times what the own queues and, at phi = 0.95, the pool take. Found from the data instead, the warm-up of tens of
    points is that of the least lucky one.
    """
    slowest = 0.0
    if token_cap is not None:
        slowest = max(token_cap**2 / (math.pi**2 * curve(token_cap, phi)["request_rate"]) for phi in phis)
    return 20_000 + math.ceil(6 * slowest * SERVERS * (1 + ARRIVAL_RATE))


def against_phi(run: Run, stem: str, names: Sequence[str], targets: dict[int | None, tuple[str, ...]]) -> Findings:
    """Metrics along phi for every cap: simulated to the targets, and their curves."""
    points, results, curves = [], Results(), []
    for token_cap, phis in (QUICK if run.quick else {None: UNCAPPED, **CAPPED}).items():
        shown = "none" if token_cap is None else token_cap
        options: dict[str, Any] = {"metric": targets[token_cap], "replicas": REPLICAS}
        if run.quick:
            options = {"events": 8000, "replicas": 256}
        system = TokenPool(SERVERS, ARRIVAL_RATE, ARRIVAL_RATE, token_cap)
        found = run.results(sweep, system, {"phi": phis}, warmup=warmup(token_cap, phis), **options)
        for result in found:
            phi = result.point["phi"]
            values = curve(token_cap, phi)
            where = {"token_cap": shown, "phi": phi}
            points += [Point.of(result, where, name, values[name]) for name in names]
        results += found
        for phi in CURVE if found else ():
            values = curve(token_cap, phi)
            curves.append({"token_cap": shown, "phi": phi, **{name: values[name] for name in names}})
    return Findings({stem: [point.row() for point in points], f"{stem}-curves": curves}, points, Results(results))


def rates(run: Run) -> Findings:
    """Figure 1a."""
    both = ("request_rate:0.005", "offer_rate:0.005")
    return against_phi(run, "figure-1a", ("request_rate", "offer_rate"), dict.fromkeys((None, *CAPPED), both))


def queues(run: Run) -> Findings:
    """Figure 1b."""
    targets = {None: ("own_queue:0.004",), 5: ("own_queue:0.01abs",), 20: ("own_queue:0.01abs",)}
    return against_phi(run, "figure-1b", ("own_queue",), {**targets, 100: ("own_queue:0.005abs",)})


def gaps(run: Run) -> Findings:
    """Figure 2."""
    rows: list[dict[str, Any]] = []
    with run.work():
        for rate in QUICK_ARRIVAL_RATES if run.quick else ARRIVAL_RATES:
            for servers in QUICK_MARKETS if run.quick else MARKETS:
                run.show(f"best deviation: arrival rate {rate}, {servers} servers")
                found = best_deviation(servers, rate)
                values = {"v_crp": found.pooling, "v_opt": found.optimal, "gap": found.gap}
                rows.append({"arrival_rate": rate, "servers": servers, **values})
    published = [
        {"arrival_rate": rate, "servers": servers, "gap_percent_paper": paper, "gap_percent_here": 100 * row["gap"]}
        for (rate, servers), paper in PUBLISHED.items()
        for row in rows
        if (row["arrival_rate"], row["servers"]) == (rate, servers)
    ]
    return Findings({"figure-2": rows}, published=published)


def draw_rates(findings: Findings) -> Any:
    """Request and offer rate; the request rate under caps."""
    left = [("none", "request_rate", "requests $R(\\phi)$"), ("none", "offer_rate", "offers $P(\\phi)$")]
    return _draw(findings, "figure-1a", "rate per server (1/time)", left, "request_rate", "request rate under a cap C")


def draw_queues(findings: Findings) -> Any:
    """The own queue; that under caps."""
    left = [("none", "own_queue", "own queue $q(\\phi)$, Eq. (11)")]
    return _draw(findings, "figure-1b", "own queue (jobs per server)", left, "own_queue", "own queue under a cap C")


def _draw(findings: Findings, stem: str, unit: str, left: list[tuple[Any, str, str]], capped: str, caption: str) -> Any:
    from jaxq.plotting.figure import sized

    figure, axes = sized(11, 5.6, 2, 2, sharex=True, height_ratios=(3, 1.1))
    caps = dict.fromkeys(row["token_cap"] for row in findings.tables[f"{stem}-curves"])
    right = [(cap, capped, "no cap" if cap == "none" else f"C = {cap}") for cap in caps]
    captions = (f"tokens unconstrained, arrival rate $\\lambda$ = {ARRIVAL_RATE:g}", caption)
    for column, series, title in zip(axes.T, (left, right), captions, strict=True):
        _panel(findings, stem, column[0], column[1], series)
        column[0].set_title(title, loc="left", fontsize="medium")
        column[0].set_ylabel(unit)
        column[1].set_ylabel("simulated \N{MINUS SIGN} curve")
        column[1].set_xlabel("token-earning probability $\\phi$")
        column[1].set_xlim(0, 1)
    level = f"{100 * findings.points[0].metric.level:g} %" if findings.points else ""
    figure.supxlabel(
        f"lines: analytic; markers: simulated, {SERVERS} servers; the {level} intervals are seen in the lower panels",
        fontsize="small",
    )
    return figure


def _panel(findings: Findings, stem: str, top: Any, bottom: Any, series: list[tuple[Any, str, str]]) -> None:
    from matplotlib.ticker import MaxNLocator

    from jaxq.plotting.curves import plot_curve, plot_deviations, plot_points
    from jaxq.plotting.sweep import COLOURS

    caps = {cap for cap, _, _ in series}
    for i, (cap, name, label) in enumerate(series):
        style = {"colour": COLOURS[i], "marker": "osD^"[i]}
        lines = [row for row in findings.tables[f"{stem}-curves"] if row["token_cap"] == cap]
        plot_curve([row["phi"] for row in lines], [row[name] for row in lines], top, label=label, colour=COLOURS[i])
        points = [point for point in findings.points if (point.where["token_cap"], point.name) == (cap, name)]
        phis, metrics = [point.where["phi"] for point in points], [point.metric for point in points]
        plot_points(phis, metrics, top, **style)
        if cap != "none" or len(caps) == 1:  # of several caps, none has a panel of its own
            plot_deviations(phis, metrics, bottom, shift=0.008 * (i - (len(series) - 1) / 2), **style)
    for axes in (top, bottom):
        axes.axvline(ARRIVAL_RATE, color="0.6", linewidth=0.9, linestyle=":", zorder=1)
    top.annotate("$\\phi = \\lambda$ ", (ARRIVAL_RATE, 1), xycoords=("data", "axes fraction"), ha="right", va="top")
    top.set_ylim(bottom=-0.02 * top.get_ylim()[1])
    top.legend(frameon=False, fontsize="small", loc="upper left" if "rate" in series[0][1] else "lower left")
    largest = max(map(abs, bottom.get_ylim()))
    bottom.set_ylim(-largest, largest)
    bottom.yaxis.set_major_locator(MaxNLocator(4))


def draw_gaps(findings: Findings) -> Any:
    """The gap against the number of servers, a line an arrival rate."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.4, 4.6)
    rows = findings.tables["figure-2"]
    for i, rate in enumerate(dict.fromkeys(row["arrival_rate"] for row in rows)):
        members = [row for row in rows if row["arrival_rate"] == rate]
        style = {"marker": "osD"[i], "markersize": 4, "color": COLOURS[i], "linewidth": 1.3}
        gap = [100 * row["gap"] for row in members]
        ax.plot([row["servers"] for row in members], gap, label=f"$\\lambda$ = {rate:g}", **style)
    printed = [(row["servers"], row["gap_percent_paper"]) for row in findings.published]
    if printed:
        circle = {"s": 110, "facecolors": "none", "edgecolors": "0.25", "linewidths": 1.1, "zorder": 3}
        ax.scatter(*zip(*printed, strict=True), label="printed in the paper", **circle)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20, 40]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_xticks(MARKETS)
    ax.set_xlabel("servers N")
    ax.set_ylabel("$(V^{CRP} - V^{OPT}) / V^{OPT}$  (%)")
    ax.set_title("complete resource pooling against the best response", loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENTS = (
    Experiment(
        "token-pool/figure-1a", "Rates of requesting and offering help", f"{PAPER}, Figure 1a", rates, draw_rates
    ),
    Experiment("token-pool/figure-1b", "Expected own queue of a server", f"{PAPER}, Figure 1b", queues, draw_queues),
    Experiment(
        "token-pool/figure-2",
        "Gap between complete resource pooling and the best response",
        f"{PAPER}, Figure 2 and Section 6.3",
        gaps,
        draw_gaps,
    ),
)
