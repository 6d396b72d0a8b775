"""Proposition 7.1 on every path: the coupled modified system never has more jobs, nor more waiting jobs, than a policy.

Controls are couplings with the same law on each side under which the claim is false: their violations must be many.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.experiments.experiment import Experiment, Findings, Point, Run
from jaxq.experiments.load_balancing.paper import PAPER, SPEEDS
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import parse_policy
from jaxq.systems.load_balancing.processes.coupling import Coupled

SERVERS, LEVELS, QUICK_LEVELS = 10, 8, 4
"""Few servers, which are often all busy; levels that are not reached in 10^9 events, in 10^7."""
CLAIMS = (("sa-jsq", 0.7), ("jsq", 0.7), ("jsq-slowest", 0.7), ("sa-pod2", 0.5))
QUICK_CLAIMS = (("sa-jsq", 0.7), ("jsq-slowest", 0.7))
CONTROLS, QUICK_CONTROLS = (("sa-jsq", "reversed"), ("sa-jsq", "independent")), (("sa-jsq", "reversed"),)
LOAD = 0.7
REPLICAS, EVENTS, CONTROL_EVENTS, QUICK_EVENTS = 1024, 250_000, 10_000, 2_000
"""Replicas; events of each, of the claims 4 x 1024 x 250,000 in all."""
LEAST = 1e-3
"""Of the events of a control, at least these violate."""
SHOWN, DRAWN = 200, (("sa-jsq", "proposition"), ("sa-jsq", "reversed"))
"""Events of the paths that are drawn, and of which cases."""
QUANTITIES = ("jobs", "waiting")


def make(policy: str, load: float, coupling: str, levels: int = LEVELS) -> Coupled:
    """The coupled pair of a policy."""
    system = LoadBalancing(SERVERS, SPEEDS, parse_policy(policy), load=load, levels=levels)
    process: Any = system.process()
    return Coupled(process, coupling)


def count(result: Result, system: Coupled, name: str) -> int:
    """Violations in all replicas: their rate times the time of all events."""
    return round(result.estimates[f"{name}_violations"].value * system.step_time() * result.run["events"])


def path(system: Coupled, events: int, seed: int) -> dict[str, np.ndarray]:
    """What one replica observes after each event, from time 0."""

    def step(state, row):
        event, _ = system.next_event(state, tuple(row))
        state = system.update(state, event)
        return state, {**system.observe(state), **system.counters(state)}

    @jax.jit
    def observed(key):
        words = jax.random.bits(key, (events, system.words), jnp.uint32)
        return jax.lax.scan(step, jax.tree.map(jnp.int32, system.init(())), words)[1]

    found = observed(jax.random.key(seed))
    return {name: np.asarray(values) for name, values in found.items()}


def compute(run: Run) -> Findings:
    """Counts of every policy and of every control; a path of each case in `DRAWN`."""
    claims, controls = (QUICK_CLAIMS, QUICK_CONTROLS) if run.quick else (CLAIMS, CONTROLS)
    cases = [(policy, load, "proposition") for policy, load in claims]
    cases += [(policy, LOAD, coupling) for policy, coupling in controls]
    rows, points, results, paths = [], [], Results(), []
    for policy, load, coupling in cases:
        system = make(policy, load, coupling, QUICK_LEVELS if run.quick else LEVELS)
        claim = coupling == "proposition"
        events = QUICK_EVENTS if run.quick else EVENTS if claim else CONTROL_EVENTS
        found = run.results(simulate, system, events=events, warmup=0, replicas=REPLICAS)
        if not found:
            break
        results += found
        total = int(found[0].run["events"])
        where = {"policy": policy, "load": load, "coupling": coupling}
        row: dict[str, Any] = {**where, "events": total}
        for name in QUANTITIES:
            seen = count(found[0], system, name)
            row[f"{name}_violations"] = seen
            claimed, relation = (0.0, "equals") if claim else (LEAST * total, "at least")
            bare = {"mean": float(seen), "half_width": None, "level": found[0].run["level"]}
            points.append(Point.of_difference(bare, where, f"{name}_violations", claimed, relation))
        rows.append(row)
        if (policy, coupling) in DRAWN:
            with run.work():
                traced = path(system, SHOWN, run.seed)
                for k in range(SHOWN):
                    now = {name: int(values[k]) for name, values in traced.items()}
                    paths.append({"coupling": coupling, "event": k + 1, **now})
    return Findings({"coupling": rows, "coupling-paths": paths}, points, results, tested=verdict(rows))


def verdict(rows: list[dict[str, Any]]) -> str:
    """What was counted, in words."""
    claims = [row for row in rows if row["coupling"] == "proposition"]
    seen = sum(row[f"{name}_violations"] for row in claims for name in QUANTITIES)
    words = f"{seen} violations in {sum(row['events'] for row in claims):,} events"
    controls = [row for row in rows if row["coupling"] != "proposition"]
    shown = ", ".join(f"{row['coupling']} {row['jobs_violations']:,} in {row['events']:,}" for row in controls)
    return f"{words}; controls: {shown}" if controls else words


def draw(findings: Findings) -> Any:
    """Jobs of both systems along one path: coupled as in the proposition, and in a control."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.labels import COLOUR, ORACLE

    rows = findings.tables["coupling-paths"]
    couplings = list(dict.fromkeys(row["coupling"] for row in rows)) or ["proposition"]
    figure, every = sized(9, 2.9 * len(couplings) + 0.4, len(couplings), 1, sharex=True, squeeze=False)
    every = every[:, 0]
    for ax, coupling in zip(every, couplings, strict=True):
        mine = [row for row in rows if row["coupling"] == coupling]
        events = [row["event"] for row in mine]
        original, least = ([row[name] for row in mine] for name in ("jobs", "least_jobs"))
        ax.step(events, original, where="post", color=COLOUR, linewidth=1.4, label="sa-jsq")
        ax.step(events, least, where="post", color=ORACLE, linewidth=1.0, linestyle="--", label="modified system")
        broken = [(row["event"], row["least_jobs"]) for row in mine if row["jobs"] < row["least_jobs"]]
        if broken:
            ax.plot(*zip(*broken, strict=True), "x", color="black", markersize=5, label="violated")
        counted = [row for row in findings.tables["coupling"] if row["coupling"] == coupling]
        seen = sum(row["jobs_violations"] for row in counted)
        title = f"{coupling} coupling: {seen:,} violations in {sum(row['events'] for row in counted):,} events"
        ax.set_title(title, loc="left", fontsize="medium")
        ax.set_ylabel("jobs in the system")
        ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    every[-1].set_xlabel("event (arrival or potential departure)")
    return figure


EXPERIMENT = Experiment(
    "load-balancing/coupling",
    "The modified system below every policy, path by path",
    f"{PAPER}, Proposition 7.1 and Section 7.2",
    compute,
    draw,
)
