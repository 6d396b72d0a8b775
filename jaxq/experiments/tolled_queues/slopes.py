"""How often the gradient of the smooth revenue has the sign of the true one, by temperature."""

from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.gradient_check import slopes
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.experiments.validate import LEVEL
from jaxq.systems.tolled_queues.model import TolledQueues

TWO = TolledQueues(
    arrival_rates=[0.4, 0.6], rewards=[12, 5], waiting_costs=[2, 0.4], service_rates=[0.5, 0.5], tolls=[4, 4]
)
CASES = {
    "unit sizes": TWO,
    "exponential sizes": TWO.replace(size_law="exponential"),
    "a class in haste": TWO.replace(arrival_rates=[0.3, 2], rewards=[20, 3], waiting_costs=[5, 0.02]),
}
TEMPERATURES = 2.0, 0.5, 0.1, 0.02
DESIGNS, QUICK_DESIGNS = 40, 4
LEAST = 0.6
"""Share of the signs, at the best temperature, below which a gradient would be of little use."""


def compute(run: Run) -> Findings:
    """Every case at every temperature."""
    rows, points, said = [], [], []
    for name, system in CASES.items():
        with run.work():
            agreements = []
            designs = QUICK_DESIGNS if run.quick else DESIGNS
            each = slopes(system, TEMPERATURES, designs, seed=run.seed % 2**31)
            for temperature, found in zip(TEMPERATURES, each, strict=True):
                same, known = found.agreement
                agreements.append((same / known, same, known))
                rows.append(
                    {"case": name, "temperature": temperature, "known": known, "same": same, "share": same / known}
                )
                run.show(f"{name}, temperature {temperature:g}: {same} of {known} signs agree")
            share, same, known = max(agreements)
            said.append(f"{same} of {known} ({name})")
            metric = Metric(share, None, LEVEL, None, LEAST, "bound")
            points.append(Point({"case": name}, "best share of equal signs", metric, (), "at least"))
        if run.interrupted:
            break
    tested = f"signs that agree at the best temperature, at least {100 * LEAST:.0f} % wanted: {', '.join(said)}"
    return Findings({"slopes": rows}, points, tested=tested)


def draw(findings: Findings) -> Any:
    """The share of equal signs against the temperature, with a binomial standard error."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, ax = sized(6.4, 4.8)
    for i, (colour, case, marker) in enumerate(zip(COLOURS, CASES, "osD", strict=False)):
        mine = [r for r in findings.tables["slopes"] if r["case"] == case]
        # side by side, so that equal shares can be told apart
        where = [r["temperature"] * 1.04 ** (i - 1) for r in mine]
        errors = [100 * np.sqrt(r["share"] * (1 - r["share"]) / r["known"]) for r in mine]
        shares = [100 * r["share"] for r in mine]
        ax.errorbar(
            where, shares, errors, fmt=f"{marker}-", color=colour, markersize=5, capsize=2, linewidth=1.2, label=case
        )
    ax.axhline(50, color="0.5", linestyle=":", linewidth=1.2, label="a coin")
    ax.axhline(100 * LEAST, color="0.5", linestyle="--", linewidth=1.2, label="least wanted at the best temperature")
    ax.set_xscale("log")
    ax.set_ylim(top=102)
    ax.set_xlabel("temperature of the choice (money)")
    ax.set_ylabel("derivatives with the sign of the true one (%)")
    ax.set_title("standard errors are binomial", loc="left", fontsize="small")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "tolled-queues/slopes",
    "Signs of the gradient of the smooth revenue against finite differences of the true one",
    f"{PAPER}, Section 3 (how to split)",
    compute,
    draw,
)
