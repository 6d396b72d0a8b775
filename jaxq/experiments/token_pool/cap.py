"""Lemmas 6.1 and 6.2: what a token cap C changes at a server falls like 1/C; simulated, exact, and bounded."""

from typing import Any

from jaxq.analytic.token_pool.cap import cap_constants, cap_differences
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import sweep
from jaxq.experiments.experiment import ROUNDING, Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool

SERVERS, ARRIVAL_RATE, PHIS = 4, 0.8, (0.8, 0.7, 0.64)
CAPS, QUICK_CAPS = (1, 2, 5, 10, 20, 50), (1, 3, 8)
CURVE = (1, 2, 3, 5, 8, 13, 20, 35, 50, 70, 100)
EVENTS = {"events": 60_000, "warmup": 40_000, "replicas": REPLICAS}
"""Six relaxation times, C^2 / (pi^2 x request rate), of the slowest tokens (C = 50, phi = .64) and as long again."""
QUICK = {"events": 10_000, "warmup": 3000, "replicas": 256}
SIGNS = {"own_queue": 1, "request_rate": -1, "offer_rate": -1}


def compute(run: Run) -> Findings:
    """A sweep over C for each phi; the own chain of a server does not depend on the number of servers."""
    points, results, curves = [], Results(), []
    for phi in PHIS[::2] if run.quick else PHIS:
        free, constants = token_server(ARRIVAL_RATE, phi, None), cap_constants(ARRIVAL_RATE, phi)
        for cap in CURVE:
            exact = cap_differences(ARRIVAL_RATE, phi, cap)
            bounds = {f"{name}_bound": value / cap for name, value in constants._asdict().items()}
            curves.append({"phi": phi, "token_cap": cap, **exact._asdict(), **bounds})
        caps: Any = QUICK_CAPS if run.quick else CAPS
        market = TokenPool(SERVERS, ARRIVAL_RATE, phi, 1)
        found = run.results(sweep, market, {"token_cap": caps}, **(QUICK if run.quick else EVENTS))
        for result in found:
            cap = int(result.point["token_cap"])
            where = {"phi": phi, "token_cap": cap}
            one = token_server(ARRIVAL_RATE, phi, cap)
            points += [Point.of(result, where, name, one[name]) for name in (*SIGNS, "no_tokens", "full_tokens")]
            for name, sign in SIGNS.items():  # Lemma 6.2, both sides
                edge = free[name] + sign * getattr(constants, name) / cap
                bounds = zip((free[name], edge), ("at least", "at most")[::sign], strict=True)
                # of a rate or a queue "at least 0", or less, is no claim
                points += [
                    Point.of(result, where, name, x, end) for x, end in bounds if end == "at most" or x > ROUNDING
                ]
            points.append(at_a_limit(result, where, constants.limits / cap))
        results += found
    return Findings({"token-cap": [p.row() for p in points], "token-cap-curves": curves}, points, results)


def at_a_limit(result: Result, where: dict[str, Any], bound: float) -> Point:
    """P[S = 0] + P[S = C] against M_2 / C; the errors add up, as they do at most, whatever the correlation."""
    row: dict[str, Any] = {"level": result["no_tokens"].level}
    for name in ("mean", "half_width"):
        ends = [getattr(result[part], name) for part in ("no_tokens", "full_tokens")]
        row[name] = None if None in ends else sum(ends)
    return Point.of_difference(row, where, "limits", bound, "at most")


def draw(findings: Findings) -> Any:
    """Differences to the server without a cap, against C, on logarithmic axes."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, axes = sized(10, 7.2, 2, 2)
    panels = {
        "limits": ("P[S = 0] + P[S = C]", "Lemma 6.1 (the exact curves almost coincide)"),
        "own_queue": ("own queue, capped \N{MINUS SIGN} no cap (jobs)", "Lemma 6.2(1)"),
        "request_rate": ("requests, no cap \N{MINUS SIGN} capped (1/time)", "Lemma 6.2(2)"),
        "offer_rate": ("offers, no cap \N{MINUS SIGN} capped (1/time)", "Lemma 6.2(3)"),
    }
    curves = findings.tables["token-cap-curves"]
    for ax, (name, (label, title)) in zip(axes.flat, panels.items(), strict=True):
        for i, phi in enumerate(dict.fromkeys(row["phi"] for row in curves)):
            rows = [row for row in curves if row["phi"] == phi]
            caps = [row["token_cap"] for row in rows]
            exact = {"color": COLOURS[i], "linewidth": (4.5, 2.6, 1.1)[i], "alpha": (0.45, 0.7, 1)[i]}
            ax.plot(caps, [row[name] for row in rows], label=f"$\\phi$ = {phi:g}: exact", **exact)
            bound = [row[f"{name}_bound"] for row in rows]
            ax.plot(caps, bound, "--", color=COLOURS[i], linewidth=1, label="$M/C$ of the proof")
            free = token_server(ARRIVAL_RATE, phi, None).get(name, 0.0)
            side = "at most" if name == "limits" else "equals"
            shown = [p for p in findings.points if (p.name, p.relation, p.where["phi"]) == (name, side, phi)]
            mean = [SIGNS.get(name, 1) * ((p.metric.mean or float("nan")) - free) for p in shown]
            width = [p.metric.half_width or 0.0 for p in shown]
            style = {"color": COLOURS[i], "markerfacecolor": "white", "markersize": 5, "capsize": 2}
            ax.errorbar([p.where["token_cap"] for p in shown], mean, width, fmt="osD"[i], **style)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlabel("token cap C (tokens)")
        ax.set_ylabel(label)
        ax.set_title(title, loc="left", fontsize="medium")
    figure.axes[0].legend(frameon=False, fontsize="small")
    figure.supxlabel(
        f"arrival rate {ARRIVAL_RATE:g}; markers: simulated, {SERVERS} servers, with intervals", fontsize="small"
    )
    return figure


EXPERIMENT = Experiment(
    "token-pool/token-cap",
    "What a token cap changes at a server falls like 1/C",
    f"{PAPER}, Lemmas 6.1 and 6.2",
    compute,
    draw,
)
