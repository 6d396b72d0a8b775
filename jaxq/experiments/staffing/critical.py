"""theta = 0: no stationary law under any control. Queues grow like the square root of time.

With v_i the gains of the classes, v.x has noise of variance 2 sum_i v_i^2 lambda_i a unit of time and, as theta = 0, is
pushed up only where servers are idle: it grows as a reflected Brownian motion, and with all queues in class i

    E Q(t)/sqrt(n t) -> sqrt(4 sum_k v_k^2 lambda_k/pi)/v_i.
"""

import math
from typing import Any

import numpy as np

from jaxq.analytic.staffing.gains import gains
from jaxq.engine.orders import parse_preferences
from jaxq.engine.paths import paths
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.staffing.fits import exponent, jackknife, root_coefficient
from jaxq.experiments.staffing.growth import MOST_EVENTS
from jaxq.experiments.staffing.theorem import PAPER
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS

NETWORK = NETWORKS["n"].replace(
    second_order_arrivals=None, second_order_services=None, staffing=None, name="n without second-order terms"
)
"""w.N = v.lambda exactly where .6 n is whole: 1.5 x .6 + 1 = 1.3 + .48/.8."""
QUEUED = {"network": 0, "diffusion": 1}
"""The class that waits, from 0: the lower of two priorities in the shared pool, and Eq. 56."""
ORDER = parse_preferences("priorities", "2 > 1")
SCALE, STEP = 100, 0.05
FIRST, LAST, QUICK_LAST, COUNT = 400.0, 12800.0, 3200.0, 12
"""Times: the first, when the start is forgotten, the last, and how many, evenly on a log scale."""
REPLICAS, QUICK_REPLICAS = 1024, 256
SLACK, SHARE = 0.05, 0.06
"""How far the exponent may be from 1/2, and the coefficient from its limit, as a share, at these times."""


def coefficient(queued: int) -> float:
    """The limit of E Q(t)/sqrt(n t) with all queues in one class."""
    v = gains(NETWORK.service_rates).classes[0]
    return math.sqrt(4 * float(v**2 @ NETWORK.arrival_rates) / math.pi) / float(v[queued])


def systems() -> dict[str, ParallelServers | StaffingDiffusion]:
    """The network at n = 100 with class 1 last in the shared pool, and the diffusion under Eq. 56."""
    network = ParallelServers(NETWORK, policy="priority-preemptive", priorities=ORDER, scale=SCALE)
    return {"network": network, "diffusion": StaffingDiffusion(NETWORK, step=STEP)}


def compute(run: Run) -> Findings:
    """Mean queues over time, their exponents and coefficients."""
    rows, fits, points = [], [], []
    times = np.geomspace(FIRST, QUICK_LAST if run.quick else LAST, COUNT)
    replicas = QUICK_REPLICAS if run.quick else REPLICAS
    for name, system in systems().items():
        if run.interrupted:
            break
        with run.work():
            run.show(f"paths: {name}")
            found = paths(system, times, replicas=replicas, seed=run.seed, keep_paths=replicas, max_events=MOST_EVENTS)
            queues = np.asarray([found.paths[f"queue_{c}"] for c in NETWORK.classes], np.float64)
            samples = np.asarray(queues.sum(axis=0))
            samples /= math.sqrt(SCALE) if name == "network" else 1.0
            widths = 1.96 * samples.std(axis=0, ddof=1) / math.sqrt(replicas)
            for t, mean, width in zip(times, samples.mean(axis=0), widths, strict=True):
                rows.append({"system": name, "time": float(t), "queue": float(mean), "half_width": float(width)})
            limit = coefficient(QUEUED[name])
            for quantity, statistic, least, most in (
                ("exponent", exponent(times), 0.5 - SLACK, 0.5 + SLACK),
                ("coefficient", root_coefficient(times), (1 - SHARE) * limit, (1 + SHARE) * limit),
            ):
                fit, where = jackknife(samples, statistic), {"system": name}
                fits.append({**where, "quantity": quantity, **fit, "limit": 0.5 if quantity == "exponent" else limit})
                for bound, relation in ((least, "at least"), (most, "at most")):
                    point = Point.of_difference(fit, where, quantity, bound, relation)
                    points.append(Point(where, quantity, point.metric, found.flags, relation))
    return Findings({"critical": rows, "critical-fits": fits}, points)


def draw(findings: Findings) -> Any:
    """Queues over sqrt(n) against time on two log scales, with the limit."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import ORACLE, plain_decades
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.6, 4.4)
    fits = {(row["system"], row["quantity"]): row for row in findings.tables["critical-fits"]}
    drawn: list[Any] = []
    for i, (name, label) in enumerate((("network", f"N network, n = {SCALE}"), ("diffusion", "diffusion"))):
        mine = [row for row in findings.tables["critical"] if row["system"] == name]
        if not mine:
            continue
        times, fit = np.array([row["time"] for row in mine]), fits[name, "exponent"]
        text = f"{label}: exponent {fit['mean']:.3f} $\\pm$ {fit['half_width']:.3f}"
        style = {"color": COLOURS[i], "markersize": 4.5, "capsize": 2, "linewidth": 1.0}
        means, widths = [row["queue"] for row in mine], [row["half_width"] for row in mine]
        drawn.append(ax.errorbar(times, means, widths, fmt="os"[i], label=text, **style))
        limit = coefficient(QUEUED[name]) * np.sqrt(times)
        drawn += ax.plot(
            times,
            limit,
            "-" if i == 0 else "--",
            color=ORACLE,
            linewidth=1.1,
            zorder=1,
            label=f"its limit, $t^{{1/2}}$, class {QUEUED[name] + 1} waits",
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    plain_decades(ax.xaxis, ax.yaxis)
    ax.set_xlabel("time (1/service rate)")
    ax.set_ylabel("mean total queue / $\\sqrt{n}$ (customers)")
    ax.set_title("$\\theta = 0$", loc="left", fontsize="medium")
    if fits:
        ax.legend(handles=drawn, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "staffing/critical",
    "theta = 0: no stationary law, and queues that grow like the square root of time",
    f"{PAPER}, Theorems 5.3 and 5.6",
    compute,
    draw,
)
