"""How often the gradient of the smooth revenue has the sign of the true one, by temperature."""

from jaxq.engine.result import Metric
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.experiments.validate import LEVEL
from jaxq.systems.tolled_queues.model import TolledQueues
from jaxq.systems.tolled_queues.slopes import slopes

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
    rows, points = [], []
    for name, system in CASES.items():
        with run.work():
            shares = []
            for temperature in TEMPERATURES:
                found = slopes(system, temperature, QUICK_DESIGNS if run.quick else DESIGNS, seed=run.seed % 2**31)
                same, known = found.agreement
                shares.append(same / known)
                rows.append(
                    {"case": name, "temperature": temperature, "known": known, "same": same, "share": same / known}
                )
                run.show(f"{name}, temperature {temperature:g}: {same} of {known} signs agree")
            metric = Metric(max(shares), None, LEVEL, None, LEAST, "bound")
            points.append(Point({"case": name}, "best share of equal signs", metric, (), "at least"))
        if run.interrupted:
            break
    return Findings({"slopes": rows}, points)


EXPERIMENT = Experiment(
    "tolled-queues/slopes",
    "Signs of the gradient of the smooth revenue against finite differences of the true one",
    f"{PAPER}, Section 3 (how to split)",
    compute,
)
