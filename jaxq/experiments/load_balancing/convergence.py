"""How fast stationary SA-JSQ approaches its Halfin-Whitt limit and the lower bound on all policies.

E Y_{+1} = -beta/mu_2 - (mu_1/mu_2 - 1) E Y_{1,1} + E Y_{+2}: the jobs beyond the limit are those that idle fast servers
leave to slow ones, of order n^-1/2, and the change of the waiting jobs. Three quantities of that order are fitted:

- ``idle_fast`` = -E Y_{1,1} (Eq. 3.11): its noise is of a bounded number of servers, so that it is known to n = 10^5;
- ``over_bound`` = E Y_{+1} less that of the modified system, which is exact up to `BOUNDED` servers. (The pooled queue is
  no such bound: its limit is lower by a constant.);
- ``over_limit`` = E Y_{+1} less its limit, as far as the noise of E Y_{+2}, which does not fall with n, allows.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.analytic.load_balancing.limit import halfin_whitt_limit
from jaxq.analytic.load_balancing.modified import modified_system
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES, REPLICAS, SPEEDS
from jaxq.stats.intervals import family_bound, t_quantile
from jaxq.systems.load_balancing.model import LoadBalancing

RATE = -0.5
"""Of n in all three quantities."""
BETAS, QUICK_BETAS = (1.0, 2.0), (2.0,)
MARKETS = (50, 100, 150, 200, 300, 400, 600, 1000, 2000, 5000, 10_000, 30_000, 100_000)
QUICK_MARKETS = (100, 200, 400, 1000, 4000)
BOUNDED, NEAR = 600, 10_000
"""Servers to which the bound is exact; servers to which the difference to the limit is measured."""
LEVELS = 8
EVENTS, MANY, QUICK_EVENTS = 2_000_000, 6_000_000, 60_000
"""Events per replica; of 1000 < n <= NEAR at beta = 2, where noise is small against the difference."""
WARMUP = 20.0
"""Time left out; the start has the right mean number of busy servers, and beta = 1 relaxes in about 3."""
LEVEL = 0.95
QUANTILE = t_quantile((1 + LEVEL) / 2, REPLICAS - 1)
"""Standard errors in a half-width of a result."""
QUANTITIES = {"idle_fast": (200, 3), "over_bound": (50, 2), "over_limit": (100, 2)}
QUICK_QUANTITIES = {"idle_fast": (100, 2)}
"""Least n, and terms n^(-1/2), n^-1, ... by which log of the quantity may differ from a line in log n.

The rate is that of n -> infinity: without such terms the slopes of beta = 2 are -.53 to -.55. The numbers of terms and the
least n are those at which what is left out is below the noise; for idle_fast that was seen on the bound
`figures.most_idle`, which is without noise, fitted with the same errors.
"""
FAR, POWERS = 200, 3
"""Least n, and powers n^(-1/2), ..., of the extrapolation to n = infinity."""


def measure(run: Run, servers: int, beta: float) -> Result | None:
    """One system; None after Ctrl-C."""
    system = LoadBalancing(servers, SPEEDS, beta=beta, levels=LEVELS)
    rate = system.arrival_rate + system.capacity
    many = beta > 1.5 and 1000 < servers <= NEAR
    events = QUICK_EVENTS if run.quick else MANY if many else EVENTS
    warmup = math.ceil(WARMUP * rate)
    return run.result(simulate, system, events=events, warmup=warmup, replicas=128 if run.quick else REPLICAS)


@functools.lru_cache
def lower_bound(servers: int, beta: float) -> float:
    """E Y_{+1} of the modified system."""
    root = math.sqrt(servers)
    jobs = modified_system(servers - beta * root, RATES, SPEEDS.servers(servers).tolist())["number_in_system"]
    return (jobs - servers) / root


def fit(servers: Sequence[int], values: Sequence[float], errors: Sequence[float], terms: int) -> dict[str, float]:
    """Exponent of n in values = c n^s exp(a n^-1/2 + b n^-1 + ...), with ``terms`` of a, b, ..., by weighted least squares.

    Returns the slope, its standard error, and the chi-square of what is left over with its degrees of freedom. The
    errors are those of the values: they are not inflated.
    """
    n = np.asarray(servers, float)
    weights = np.asarray(values) / np.asarray(errors)
    columns = np.stack([np.ones(n.size), np.log(n), *[n ** (-k / 2) for k in range(1, terms + 1)]], axis=1)
    covariance = np.linalg.inv((columns * weights[:, None] ** 2).T @ columns)
    found = covariance @ (columns.T @ (weights**2 * np.log(values)))
    left = float(np.sum((weights * (np.log(values) - columns @ found)) ** 2))
    return {
        "slope": float(found[1]),
        "standard_error": math.sqrt(covariance[1, 1]),
        "constant": math.exp(float(found[0])),
        "chi_square": left,
        "degrees": n.size - columns.shape[1],
    }


def extrapolate(servers: Sequence[int], values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """The value at n = infinity of a polynomial in n^-1/2 of degree POWERS, and its standard error."""
    n, weights = np.asarray(servers, float), 1 / np.asarray(errors)
    columns = np.stack([n ** (-k / 2) for k in range(POWERS + 1)], axis=1)
    covariance = np.linalg.inv((columns * weights[:, None] ** 2).T @ columns)
    return float((covariance @ (columns.T @ (weights**2 * np.asarray(values))))[0]), math.sqrt(covariance[0, 0])


def judged(mean: float, error: float, where: dict[str, Any], name: str, value: float) -> Point:
    """A fitted number against ``value``."""
    width = error * family_bound(1, LEVEL)
    return Point.of_difference({"mean": mean, "half_width": width, "level": LEVEL}, where, name, value)


def compute(run: Run) -> Findings:
    """Every n and beta; then the exponents, and the values at n = infinity."""
    rows, fits, points, results = [], [], [], Results()
    for beta in QUICK_BETAS if run.quick else BETAS:
        with run.work():
            limit = halfin_whitt_limit(beta, *RATES)
        for servers in QUICK_MARKETS if run.quick else MARKETS:
            result = measure(run, servers, beta)
            if result is None:
                break
            results.append(result)
            row: dict[str, Any] = {"beta": beta, "servers": servers}
            for name in ("y_plus_1", "y_plus_2", "y_1_1", "y_1_2"):
                metric = result[name]
                row |= {name: metric.mean, f"{name}_half_width": metric.half_width}
            row |= {"y_plus_1_limit": limit["total"], "y_1_2_limit": limit["two_jobs"]}
            bound = lower_bound(servers, beta) if servers <= BOUNDED else None
            rows.append({**row, "y_plus_1_bound": bound})
            if bound is not None:
                where = {"beta": beta, "servers": servers}
                points.append(Point.of(result, where, "y_plus_1", bound, "at least"))
        if run.interrupted:
            break
        mine = [row for row in rows if row["beta"] == beta]
        for quantity, (least, terms) in (QUICK_QUANTITIES if run.quick else QUANTITIES).items():
            series = differences([row for row in mine if row["servers"] >= least], quantity)
            if len(series) > terms + 2:
                n, values, errors = zip(*series, strict=True)
                found = fit(n, values, errors, terms)
                about = {"beta": beta, "quantity": quantity, "least_servers": least, "terms": terms}
                fits.append({**about, "points": len(series), **found})
                where = {"beta": beta, "quantity": quantity}
                points.append(judged(found["slope"], found["standard_error"], where, "slope", RATE))
        mine = [row for row in mine if row["servers"] >= FAR]
        for name in ("y_plus_1", "y_1_2") if len(mine) > POWERS + 1 else ():
            n, values = [row["servers"] for row in mine], [row[name] for row in mine]
            value, error = extrapolate(n, values, [row[f"{name}_half_width"] / QUANTILE for row in mine])
            points.append(judged(value, error, {"beta": beta, "servers": "infinite"}, name, row[f"{name}_limit"]))
    tables = {"convergence": rows, "convergence-fits": fits, "convergence-points": [p.row() for p in points]}
    return Findings(tables, points, results)


def differences(rows: list[dict[str, Any]], quantity: str) -> list[tuple[int, float, float]]:
    """(servers, value, standard error) of a quantity that vanishes, where it is known and significant."""
    found = []
    for row in rows:
        if quantity == "idle_fast":
            value, width = -row["y_1_1"], row["y_1_1_half_width"]
        elif quantity == "over_bound":
            less = row["y_plus_1_bound"]
            value, width = None if less is None else row["y_plus_1"] - less, row["y_plus_1_half_width"]
        else:
            near = row["servers"] <= NEAR
            value = row["y_plus_1"] - row["y_plus_1_limit"] if near else None
            width = row["y_plus_1_half_width"]
        if value is not None:
            found.append((row["servers"], value, width / QUANTILE))
    return found


def draw(findings: Findings) -> Any:
    """E Y_{+1} and E Y_{1,2} against n with their limits; what vanishes, with lines of slope -1/2."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import plain_decades
    from jaxq.plotting.sweep import COLOURS

    rows = findings.tables["convergence"]
    figure, every = sized(14, 4.6, 1, 3)
    for ax in every:
        ax.set_xscale("log")
        ax.set_xlabel("servers n")
        if rows:
            ax.set_xlim(0.7 * min(row["servers"] for row in rows), 1.4 * max(row["servers"] for row in rows))
    for i, beta in enumerate(dict.fromkeys(row["beta"] for row in rows)):
        mine, colour = [row for row in rows if row["beta"] == beta], COLOURS[i]
        servers = [row["servers"] for row in mine]
        for ax, name in zip(every, ("y_plus_1", "y_1_2"), strict=False):
            means, widths = [row[name] for row in mine], [row[f"{name}_half_width"] for row in mine]
            style = {"color": colour, "markerfacecolor": "white", "markersize": 4.5, "linewidth": 1.1, "capsize": 2}
            ax.errorbar(servers, means, widths, fmt="o", label=f"$\\beta$ = {beta:g}", **style)
            ax.axhline(mine[0][f"{name}_limit"], color=colour, linewidth=1.2)
        known = [row for row in mine if row["y_plus_1_bound"] is not None]
        bounds = [row["y_plus_1_bound"] for row in known]
        every[0].plot([row["servers"] for row in known], bounds, color=colour, linewidth=1.2, linestyle=":")
        for marker, size, quantity in zip("osD", (4.5, 9.0, 4.5), QUANTITIES, strict=True):
            series = differences(mine, quantity)
            shown = [(n, value, QUANTILE * error) for n, value, error in series if value > 3 * error]
            style = {"color": colour, "markerfacecolor": "none", "markersize": size, "linewidth": 1.1, "capsize": 2}
            fits = [f for f in findings.tables["convergence-fits"] if (f["beta"], f["quantity"]) == (beta, quantity)]
            label = f"{quantity.replace('_', ' ')}, $\\beta$ = {beta:g}"
            label += "".join(
                f": {f['slope']:.3f} $\\pm$ {family_bound(1, LEVEL) * f['standard_error']:.2g}" for f in fits
            )
            if shown:
                every[2].errorbar(*zip(*shown, strict=True), fmt=marker, label=label, **style)
                ends = [shown[0][0], shown[-1][0]]
                n, value, _ = next(point for point in reversed(shown) if point[1] > 10 * point[2] or point is shown[0])
                every[2].plot(ends, [value * (x / n) ** RATE for x in ends], color="0.6", linewidth=0.9, linestyle="--")
    every[0].set_ylabel("$E\\,Y_{+1}$ (jobs / $\\sqrt{n}$)")
    every[1].set_ylabel("$E\\,Y_{1,2}$ (servers / $\\sqrt{n}$)")
    every[2].set_ylabel("difference (jobs or servers / $\\sqrt{n}$)")
    every[0].set_title("$E\\,Y_{+1}$; line: limit, dotted: lower bound", loc="left", fontsize="medium")
    every[1].set_title("$E\\,Y_{1,2}$; line: limit", loc="left", fontsize="medium")
    every[2].set_title("what vanishes; dashed: slope $-1/2$", loc="left", fontsize="medium")
    every[2].set_yscale("log")
    plain_decades(*(ax.xaxis for ax in every), every[2].yaxis)
    every[0].legend(frameon=False, fontsize="small")
    every[2].legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


EXPERIMENT = Experiment(
    "load-balancing/convergence",
    "Stationary SA-JSQ against n: limit, lower bound and rate of convergence",
    f"{PAPER}, Corollary 3.5, Theorems 3.3 and 3.6",
    compute,
    draw,
)
