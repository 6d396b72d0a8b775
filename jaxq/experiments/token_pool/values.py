"""The mechanism against exact values of finite markets: pool, own queues, rates and tokens, started cold."""

from typing import Any

from jaxq.analytic.token_pool.pool_queue import capped_pool_queue, pool_queue
from jaxq.analytic.token_pool.server_chain import token_server
from jaxq.engine.result import Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.token_pool.paper import PAPER, REPLICAS
from jaxq.systems.token_pool.model import TokenPool

UNCONSTRAINED = (
    (0.8, 0.6, 10),
    (0.8, 0.6, 2),
    (0.8, 0.4, 10),
    (0.8, 0.7, 100),
    (0.8, 0.8, 10),
    (0.8, 0.8, 100),
    (0.8, 0.9, 10),
)
"""(arrival rate, phi, servers) with unconstrained tokens."""
CAPPED = ((0.5, 0.4, 2, 3), (0.5, 0.6, 2, 3), (0.5, 0.5, 3, 1))
"""(arrival rate, phi, servers, token cap), small enough for the exact chain of all servers."""
ONE_SERVER = ((0.8, 0.4, 4, 50), (0.8, 0.8, 4, 50), (0.8, 0.9, 4, 10))
"""The same, where each server's own chain is exact and the pool is known by its identity only."""
TOKENS = ("no_tokens", "full_tokens")


def values(arrival_rate: float, phi: float, servers: int, token_cap: int | None, pool: bool) -> dict[str, float]:
    """Exact means of one market."""
    one = token_server(arrival_rate, phi, token_cap)
    found = {name: one[name] for name in ("own_queue", "request_rate", "offer_rate", *TOKENS) if name in one}
    found["pool_busy_on_offer"] = phi
    if pool:
        jobs = (
            pool_queue(servers, arrival_rate, phi)
            if token_cap is None
            else capped_pool_queue(servers, arrival_rate, phi, token_cap)
        )
        found |= {"pool_queue": jobs, "pool_wait": jobs / (servers * one["request_rate"])}
    return found


def compute(run: Run) -> Findings:
    """Every market until each of its metrics is known to 0.3 %."""
    markets = [(*market, None, True) for market in UNCONSTRAINED]
    markets += [(*market, True) for market in CAPPED] + [(*market, False) for market in ONE_SERVER]
    points, results = [], Results()
    for arrival_rate, phi, servers, token_cap, pool in markets[:: 4 if run.quick else 1]:
        exact = {name: value for name, value in values(arrival_rate, phi, servers, token_cap, pool).items() if value}
        options: dict[str, Any] = {"metric": tuple(f"{name}:0.003" for name in exact), "replicas": REPLICAS}
        if run.quick:
            options = {"events": 20_000, "replicas": 256}
        found = run.results(simulate, TokenPool(servers, arrival_rate, phi, token_cap), **options)
        shown = "none" if token_cap is None else token_cap
        where = {"servers": servers, "arrival_rate": arrival_rate, "phi": phi, "token_cap": shown}
        points += [Point.of(result, where, name, value) for result in found for name, value in exact.items()]
        results += found
    return Findings({"exact-values": [point.row() for point in points]}, points, Results(results))


def draw(findings: Findings) -> Any:
    """Each metric of each market, simulated less exact in percent, with its interval."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    markets = list(dict.fromkeys(tuple(point.where.values()) for point in findings.points))
    names = list(dict.fromkeys(point.name for point in findings.points))
    figure, ax = sized(8.6, 1.6 + 0.62 * len(markets))
    for i, name in enumerate(names):
        shown = [p for p in findings.points if p.name == name and p.metric.mean is not None]
        place = [markets.index(tuple(p.where.values())) + 0.09 * (i - (len(names) - 1) / 2) for p in shown]
        off = [100 * ((p.metric.mean or 0.0) / (p.metric.oracle or 1.0) - 1) for p in shown]
        width = [100 * (p.metric.half_width or 0.0) / abs(p.metric.oracle or 1.0) for p in shown]
        style = {"color": COLOURS[i % len(COLOURS)], "markerfacecolor": "white", "markersize": 5, "capsize": 2}
        ax.errorbar(off, place, xerr=width, fmt="os^DvP>"[i % 7], label=name.replace("_", " "), **style)
    ax.axvline(0.0, color="0.5", linewidth=0.9, zorder=1)
    captions = [
        f"N = {n}, $\\lambda$ = {rate:g}, $\\phi$ = {phi:g}, {'no cap' if cap == 'none' else f'C = {cap}'}"
        for n, rate, phi, cap in markets
    ]
    ax.set_yticks(range(len(markets)), captions)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set_xlabel("simulated \N{MINUS SIGN} exact (%), with intervals")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "token-pool/exact-values", "Finite markets against their exact means", f"{PAPER}, Sections 4 and 6.1", compute, draw
)
