"""Fluid mean-field equilibria of finite markets, and whether each brings about the wait that it anticipates."""

from typing import Any

from jaxq.analytic.token_equilibrium import equilibria, minimum_servers
from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.token_pool.policy import ThresholdPolicy

ARRIVAL_RATE, PHIS, MARKETS = 0.8, (0.6, 0.8), (4, 5, 10, 20)
PHASES, QUICK_PHASES = 400, 100
"""Of the servers' queues: thresholds with more are not examined. The time grows with their cube."""
HIGHEST = 3
"""Equilibria up to this threshold are simulated; beyond it waits are long."""


def compute(run: Run) -> Findings:
    """All w in H(w) with few phases, then every server plays the policy that is optimal for w."""
    points, results, rows = [], Results(), []
    for phi in PHIS[1:] if run.quick else PHIS:
        least = minimum_servers(ARRIVAL_RATE, phi)
        for servers in MARKETS[:3] if run.quick else MARKETS:
            with run.work():
                run.show(f"equilibria: phi {phi}, {servers} servers")
                found, complete_to = equilibria(servers, ARRIVAL_RATE, phi, QUICK_PHASES if run.quick else PHASES)
            market = {"phi": phi, "servers": servers}
            note = {"complete_to_wait": complete_to if complete_to < 1e300 else "all", "least_servers": least}
            if not found:
                rows.append({**market, "wait": "none found", **note})
            for one in found:
                policy = {"threshold": one.threshold, "mix": one.mix, "offer": one.offer, "pool_queue": one.pool_queue}
                rows.append({**market, "wait": one.wait, **policy, **note})
            for one in found:
                if one.threshold > (1 if run.quick else HIGHEST):
                    continue
                policy = ThresholdPolicy(one.threshold, one.mix, one.offer)
                options: dict[str, Any] = {"metric": "pool_wait:0.005", "replicas": REPLICAS}
                options = {"events": 20_000, "replicas": 256} if run.quick else options
                for result in run.results(simulate, TokenPool(servers, ARRIVAL_RATE, phi, policy=policy), **options):
                    points.append(Point.of(result, {**market, "wait": round(one.wait, 6)}, "pool_wait", one.wait))
                    results.append(result)
    return Findings({"equilibria": rows, "equilibria-points": [p.row() for p in points]}, points, Results(results))


EXPERIMENT = Experiment(
    "token-pool/equilibria",
    "Equilibria with a finite wait, and the wait that each brings about",
    f"{PAPER}, Sections 3.2 and 4.2",
    compute,
)
