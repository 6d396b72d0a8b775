"""How to split a server: a split with unequal tolls that beats the best single toll, and a market where none is found."""

from typing import Any

from jaxq.engine.result import Metric, Results
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
STARTS, QUICK_STARTS = 20, 4


def compute(run: Run) -> Findings:
    """Search both markets; the one of a gain first."""
    rows: list[dict[str, Any]] = []
    points, results = [], Results()
    for market, (system, claimed) in MARKETS.items():
        with run.work():
            starts = QUICK_STARTS if run.quick else STARTS
            found = search(system, starts=starts, seed=run.seed, meter=run.meter)
            run.show(f"{market}: {found.verdict()}")
            rows += [{"market": market, **row, "best": i == found.best} for i, row in enumerate(found.rows())]
            results.append(found.against)
            value, relation = (1.0, "at least") if claimed else (0.0, "at most")
            metric = Metric(float(found.found), None, found.level, None, value, "bound")
            points.append(Point({"market": market}, "gain found", metric, found.flags, relation))
        if run.interrupted:
            break
    return Findings({"split": rows}, points, results)


EXPERIMENT = Experiment(
    "tolled-queues/split",
    "Splits of a server, rates and tolls tuned from random starts, against the best single toll",
    f"{PAPER}, Section 3 (how to split)",
    compute,
)
