"""How to split a server: a split with unequal tolls that beats the best single toll, and a market where none is found."""

from typing import Any

import numpy as np

from jaxq.engine.metric import Metric
from jaxq.engine.result import Results
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.systems.tolled_queues.model import TolledQueues
from jaxq.tuning.search import search

MARKETS = {
    "a class in haste": (
        TolledQueues(
            arrival_rates=[0.3, 2], rewards=[20, 3], waiting_costs=[5, 0.02], service_rates=[0.5, 0.5], tolls=[4, 4]
        ),
        True,
    ),
    "one class": (TolledQueues(service_rates=[0.5, 0.5], tolls=[4, 4]), False),
}
"""By name: the market, split into two, and whether a gain is claimed."""
STARTS, QUICK_STARTS = 20, 6


def compute(run: Run) -> Findings:
    """Search both markets; the one of a gain first."""
    rows: list[dict[str, Any]] = []
    points, results, said = [], Results(), []
    for market, (system, claimed) in MARKETS.items():
        with run.work():
            starts = QUICK_STARTS if run.quick else STARTS
            found = search(system, starts=starts, seed=run.seed, meter=run.meter)
            run.show(f"{market}: {found.verdict()}")
            said.append(f"{market}: {found.verdict()}")
            single = found.against["revenue"].mean
            rows += [
                {"market": market, **row, "best": i == found.best, "single": single}
                for i, row in enumerate(found.rows())
            ]
            results.append(found.against)
            value, relation = (1.0, "at least") if claimed else (0.0, "at most")
            metric = Metric(float(found.found), None, found.level, None, value, "bound")
            points.append(Point({"market": market}, "gain found", metric, found.flags, relation))
        if run.interrupted:
            break
    return Findings({"split": rows}, points, results, tested="; ".join(said))


def draw(findings: Findings) -> Any:
    """The gain from each start, and the rate and toll of both servers where a start of the first market ended."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, (gains, ends) = sized(9.6, 4.6, 1, 2)
    rows = [row for row in findings.tables["split"] if row["gain"] is not None]
    for i, (colour, market, marker) in enumerate(zip(COLOURS, MARKETS, "os", strict=False)):
        mine = sorted((r for r in rows if r["market"] == market), key=lambda r: r["gain"])
        gains.errorbar(
            np.arange(1, len(mine) + 1) + 0.2 * (i - 0.5),  # side by side, so that equal gains can be told apart
            [100 * r["gain"] / r["single"] for r in mine],
            [100 * r["half_width"] / r["single"] for r in mine],
            fmt=marker,
            color=colour,
            markersize=4,
            capsize=2,
            label=market,
        )
    gains.axhline(0, color="0.5", linewidth=1.2, label="best single toll")
    gains.set_xlabel("random start, in order of gain")
    gains.set_ylabel("gain in revenue (%)")
    gains.set_title("a split against the best single toll", loc="left", fontsize="medium")
    gains.xaxis.get_major_locator().set_params(integer=True)
    first = next(iter(MARKETS))
    for sure, colour, name in ((True, COLOURS[0], "gains for sure"), (False, "0.6", "does not")):
        mine = [r for r in rows if r["market"] == first and (r["gain"] > r["half_width"]) == sure]
        for j, marker in ((1, "^"), (2, "v")):
            ends.plot(
                [r[f"service_rates_{j}"] for r in mine],
                [r[f"tolls_{j}"] for r in mine],
                marker,
                color=colour,
                markersize=6,
                markerfacecolor="none",
                label=f"server {j}, {name}" if mine else None,
            )
    ends.set_xlabel("service rate (work/time)")
    ends.set_ylabel("toll (money)")
    ends.set_title(f"{first}: where the starts end", loc="left", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "tolled-queues/split",
    "Splits of a server, rates and tolls tuned from random starts, against the best single toll",
    f"{PAPER}, Section 3 (how to split)",
    compute,
    draw,
)
