"""What a server gains that leaves complete resource pooling for the best response of LP (76), simulated."""

from typing import Any

from jaxq.analytic.token_deviation import best_deviation
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


EXPERIMENT = Experiment(
    "token-pool/deviation", "Gain of the best response of LP (76), simulated", f"{PAPER}, Section 6.3", compute
)
