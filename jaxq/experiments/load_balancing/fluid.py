"""Figure 6.1: paths of the drift-based fluid limit, the curve Gamma^(beta/mu_1), the time tau to reach the axis.

The closed forms are compared with a numerical solution of the differential equation, reflected at the axis.
"""

import math
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from jaxq.analytic.load_balancing.fluid import entry_curve, fluid_path, hitting_time
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, RATES

BETA = 2.0
"""Of Figures 3.1 and 3.2, as none are printed with Figure 6.1. Positions are the paper's x times sqrt n."""
STARTS = (
    (-1.0, 2.4),
    (-2.0, 5.5),
    (-3.0, 8.6),
    (-4.0, 11.8),
    (-0.4, 9.0),
    (-1.0, 1.2),
    (-2.5, 3.5),
    (-3.5, 6.0),
    (0.0, 6.5),
)
"""x(0), above the curve and below it, and on the axis."""
TIMES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""When positions are compared."""
KAPPA = BETA / RATES[0]
CURVE = (-0.5, -1.0, -2.0, -3.0, -4.0)
"""x_1 where the height of the curve is compared."""


def solved(x1: float, x2: float, times: np.ndarray) -> tuple[np.ndarray, float]:
    """Positions, shape (times, 2), and tau, by Runge-Kutta in three phases: off the axis, on it, off it for good.

    dv_1 = (-beta - mu_M v_1 + mu_1 v_2) dt - du, dv_2 = -mu_1 v_2 dt + du, u grows where v_1 = 0 and mu_1 v_2 > beta.
    """
    found, now, tau = np.full((times.size, 2), np.nan), 0.0, math.inf
    position, on_axis = np.array([x1, x2]), x1 == 0 and RATES[0] * x2 > BETA
    tau = 0.0 if on_axis else tau
    while now < times[-1]:
        slope = _on_axis if on_axis else _off_axis
        event: Any = _leaves if on_axis else _reaches
        solution: Any = solve_ivp(
            slope,
            (now, float(times[-1])),
            position,
            method="DOP853",
            events=event,
            dense_output=True,
            rtol=1e-12,
            atol=1e-13,
        )
        end = float(solution.t[-1])
        here = (times >= now) & (times <= end)
        if here.any():
            found[here] = solution.sol(times[here]).T
        if solution.status != 1:
            break
        now, position = end, solution.y[:, -1]
        position[0] = 0.0
        on_axis = not on_axis
        tau = min(tau, now) if on_axis else tau
    return found, tau


def _off_axis(_, v):
    fast, slow = RATES
    return (-BETA - slow * v[0] + fast * v[1], -fast * v[1])


def _on_axis(_, v):
    return (0.0, -BETA)


def _reaches(_, v):
    return v[0]


def _leaves(_, v):
    return v[1] - BETA / RATES[0]


def _turns(_, v):
    return _off_axis(0.0, v)[0]


for crossing, direction in ((_reaches, 1), (_leaves, -1), (_turns, -1)):
    crossing.terminal, crossing.direction = True, direction  # pyright: ignore[reportFunctionMemberAccess]


def least_height(x1: float) -> float:
    """Least x_2 from which the numerical path reaches the axis: the largest v_1 on it, not reflected, is 0."""

    def largest(x2: float) -> float:
        path: Any = solve_ivp(_off_axis, (0.0, 20.0), (x1, x2), method="DOP853", events=_turns, rtol=1e-12, atol=1e-13)
        return float(path.y_events[0][0][0])

    found: Any = brentq(largest, KAPPA, 60.0, xtol=1e-13)
    return float(found)


def compute(run: Run) -> Findings:
    """Closed forms on a fine grid; positions, tau and heights of the curve against the numerical solution."""
    points, rows, curve = [], [], []
    grid = np.concatenate((np.linspace(0.0, 1.0, 101), np.linspace(1.05, 8.0, 140)))
    with run.work():
        for x1 in np.linspace(0.0, -5.0, 101).tolist():
            height, tau = entry_curve(x1, KAPPA, BETA, *RATES)
            curve.append({"x1": x1, "gamma": height, "tau": tau})
        for number, (x1, x2) in enumerate(() if run.interrupted else STARTS, 1):
            where = {"path": number, "x1": x1, "x2": x2}
            tau = hitting_time(x1, x2, BETA, *RATES)
            known = tau if math.isfinite(tau) else None
            for t in grid.tolist():
                v1, v2 = fluid_path(x1, x2, t, BETA, *RATES)
                rows.append({**where, "time": t, "v1": v1, "v2": v2, "tau": known})
            positions, reached = solved(x1, x2, np.array(TIMES))
            for t, position in zip(TIMES, positions, strict=True):
                for name, mine, closed in zip(("v1", "v2"), position, fluid_path(x1, x2, t, BETA, *RATES), strict=True):
                    points.append(_compared(float(mine), {**where, "time": t}, name, closed))
            if math.isfinite(tau) or math.isfinite(reached):
                points.append(_compared(reached, {**where, "time": "-"}, "tau", tau))
        for x1 in () if run.interrupted else CURVE[:2] if run.quick else CURVE:
            where = {"path": "curve", "x1": x1, "x2": "-", "time": "-"}
            points.append(_compared(least_height(x1), where, "gamma", entry_curve(x1, KAPPA, BETA, *RATES)[0]))
    worst = max((abs((p.metric.mean or 0.0) - (p.metric.oracle or 0.0)) for p in points), default=0.0)
    tested = f"{len(points)} numbers of the closed forms against a Runge-Kutta solution, largest difference {worst:.1e}"
    tables = {"figure-6-1": rows, "figure-6-1-curve": curve, "figure-6-1-points": [p.row() for p in points]}
    return Findings(tables, points, tested=tested)


def _compared(mean: float, where: dict[str, Any], name: str, value: float) -> Point:
    return Point.of_difference({"mean": mean, "half_width": None, "level": 0.95}, where, name, value)


def draw(findings: Findings) -> Any:
    """Paths in the plane with the curve, the axis and the point (0, beta/mu_1); below, v_1 and v_2 against time."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import COLOUR, ORACLE

    rows, curve = findings.tables["figure-6-1"], findings.tables["figure-6-1-curve"]
    figure, ax = sized(7.5, 5.6)
    ax.plot(
        [r["x1"] for r in curve],
        [r["gamma"] for r in curve],
        "--",
        color="black",
        linewidth=1.4,
        label="$\\Gamma^{\\beta/\\mu_1}$",
    )
    names = {True: "reaches the axis", False: "never reaches the axis"}
    for number in dict.fromkeys(row["path"] for row in rows):
        mine = [row for row in rows if row["path"] == number]
        reaches = mine[0]["tau"] is not None
        v1, v2 = ([row[name] for row in mine] for name in ("v1", "v2"))
        colour = COLOUR if reaches else ORACLE
        ax.plot(v1, v2, color=colour, linewidth=1.2, label=names.pop(reaches, None))
        ax.plot(v1[0], v2[0], "o", color=colour, markersize=4)
        middle = min(mine[0]["tau"] or 0.5, 0.5) / 2
        k = next(k for k, row in enumerate(mine) if row["time"] > middle)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.8}
        ax.annotate("", (v1[k], v2[k]), (v1[k - 1], v2[k - 1]), arrowprops=arrow)
        if mine[0]["tau"]:
            ax.annotate(
                f"$\\tau$ = {mine[0]['tau']:.3f}",
                (v1[0], v2[0]),
                (-6, 6),
                textcoords="offset points",
                ha="right",
                fontsize="small",
            )
    ax.plot(0.0, KAPPA, "s", color="black", markersize=6, clip_on=False, label="$(0, \\beta/\\mu_1)$")
    ax.set_xlim(-5.0, 0.15)
    ax.set_ylim(0.0, 14.0)
    ax.set_xlabel("$\\sqrt{n}\\,x_1$: minus the idle servers / $\\sqrt{n}$")
    ax.set_ylabel("$\\sqrt{n}\\,x_2$: servers with two jobs / $\\sqrt{n}$")
    parameters = f"$\\beta$ = {BETA:g}, $\\mu_1$ = {RATES[0]:g}, $\\mu_M$ = {RATES[1]:g}"
    ax.set_title(f"fluid paths, {parameters}; they share the axis and the way out", loc="left", fontsize="medium")
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    return figure


EXPERIMENT = Experiment(
    "load-balancing/figure-6-1",
    "Fluid paths, the curve that they reach the axis above, and tau",
    f"{PAPER}, Figure 6.1, Lemmas 6.4 and 6.5",
    compute,
    draw,
)
