"""Where the paper's conjecture ends: a split with equal tolls that beats every single toll, and where none is known.

Conjecture: no split with equal tolls earns more than the best single toll of the pooled server. It falls where sizes
are not identical and a customer knows something of its own:

- ``classes``: exponential sizes of means 1 and 20. Customers know the work before them and their own class: the halves,
  joined by the short jobs and only when empty, are Erlang's loss system, and earn 8 x 2 (1 - B(2, 4)), whichever
  way the queue is seen. The best single toll of that model (`exponential_best_toll`, .6185 at about 8.8) is what is
  simulated; that of customers who see the class of everybody before them (`visible_best_toll`, 1.192389 at 8) is higher
  and beaten too.
- ``sizes``: one class, sizes Exp(1) known to the customer. No formula: tolls are chosen on one set of paths, their gain
  is measured on another.

It is not known to fail for exponential sizes of one mean of which a customer does not know its own: neither with the
numbers at the servers visible (exact chains) nor with the work before them (paired simulations).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxq.analytic.tolled_queues.best_toll import visible_best_toll
from jaxq.analytic.tolled_queues.chain import visible
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import compare
from jaxq.experiments.experiment import ROUNDING, Experiment, Findings, Point, Run
from jaxq.experiments.tolled_queues.paper import PAPER
from jaxq.experiments.validate import LEVEL
from jaxq.laws.standard import Exponential
from jaxq.systems.tolled_queues.model import TolledQueues

CLASSES = TolledQueues(
    arrival_rates=[2, 0.5],
    mean_sizes=[1, 20],
    rewards=[10, 32],
    waiting_costs=[1, 1],
    service_rates=[0.5, 0.5],
    tolls=[8, 8],
    size_law=Exponential(),
    information="workload-only",
)
SIZES = TolledQueues(
    arrival_rates=3, rewards=500, waiting_costs=1, service_rates=[0.5, 0.5], tolls=[470, 470], size_law=Exponential()
)
SPLIT_TOLLS, SINGLE_TOLLS = np.linspace(480, 498, 10), np.linspace(470, 499, 30)
EVENTS, QUICK_EVENTS = 20_000, 4_000
SCANNED = 64
"""Replicas with which tolls are chosen."""
CHAINS, QUICK_CHAINS = 400, 40
PAIRS, QUICK_PAIRS = 20, 3


def pooled(system: TolledQueues, toll: float) -> TolledQueues:
    """One server of all service rates together."""
    return system.replace(service_rates=[float(np.sum(system.service_rates))], tolls=[toll])


def gain(results: Results) -> dict[str, Any]:
    """The paired difference in revenue of the second system to the first."""
    return next(row for row in results.differences if row["metric"] == "revenue")


def row(case: str, single: float, split: float, results: Results, here: dict[str, Any]) -> dict[str, Any]:
    """The tolls and revenues of a pooled server and a split one, and what splitting gains."""
    pool, halves = (result["revenue"].mean for result in results)
    tolls = {"case": case, "single_toll": single, "split_toll": split}
    return {**tolls, "single": pool, "split": halves, "gain": here["mean"], "half_width": here["half_width"]}


def by_class(run: Run, events: int) -> tuple[list[dict[str, Any]], list[Point], Results]:
    """Class-dependent means, both sides against their exact revenues."""
    who = CLASSES.arrival_rates, CLASSES.rewards, CLASSES.waiting_costs
    sizes = CLASSES.mean_sizes
    toll, single = CLASSES.single_toll() or (0.0, 0.0)
    split = visible(*who, CLASSES.service_rates, CLASSES.tolls, sizes)["revenue"]
    seen = visible_best_toll(*who, 1.0, sizes)
    results = run.results(compare, [pooled(CLASSES, toll), CLASSES], events=events, level=LEVEL)
    if len(results) < 2:
        return [], [], results
    here = gain(results)
    exact = Metric(split - seen[1], None, LEVEL, None, 0.0, "bound")
    points = [
        Point.of(results[0], {"case": "classes", "of": "best single toll"}, "revenue", single),
        Point.of(results[1], {"case": "classes", "of": "split"}, "revenue", split),
        Point.of_difference(here, {"case": "classes", "of": "split"}, "gain", 0.0, "at least"),
        Point({"case": "classes visible", "of": "split"}, "gain", exact, (), "at least"),
    ]
    exactly = {"case": "classes visible", "single_toll": seen[0], "split_toll": 8.0, "single": seen[1], "split": split}
    return [row("classes", toll, 8.0, results, here), {**exactly, "gain": split - seen[1]}], points, results


def best(run: Run, systems: Sequence[TolledQueues], events: int) -> TolledQueues | None:
    """The system of most revenue on common random numbers."""
    found: list[Result] = run.results(compare, systems, events=events, replicas=SCANNED)
    earned = [result["revenue"].mean or 0.0 for result in found]
    return systems[int(np.argmax(earned))] if len(earned) == len(systems) else None


def by_size(run: Run, events: int) -> tuple[list[dict[str, Any]], list[Point], Results]:
    """Sizes known to the customer: the best tolls of either side, on fresh paths."""
    every = 2 if run.quick else 1
    single = best(run, [pooled(SIZES, toll) for toll in SINGLE_TOLLS[::every]], events)
    split = best(run, [SIZES.replace(tolls=[toll, toll]) for toll in SPLIT_TOLLS[::every]], events)
    if single is None or split is None:
        return [], [], Results()
    fresh = dataclasses.replace(run, seed=run.seed + 1)
    results = fresh.results(compare, [single, split], events=events, level=LEVEL)
    run.interrupted |= fresh.interrupted
    if len(results) < 2:
        return [], [], results
    here, tolls = gain(results), [float(np.ravel(s.tolls)[0]) for s in (single, split)]
    return (
        [row("sizes", tolls[0], tolls[1], results, here)],
        [Point.of_difference(here, {"case": "sizes", "of": "split"}, "gain", 0.0, "at least")],
        results,
    )


def market(rng: np.random.Generator, information: str) -> TolledQueues:
    """A random market of two classes, a server of rate 1 split at random, and a toll about the best single one."""
    costs, share = rng.uniform(0.3, 3, 2), rng.uniform(0.2, 0.8)
    asked = TolledQueues(
        arrival_rates=rng.uniform(0.1, 2, 2),
        rewards=costs * rng.uniform(1, 9, 2),
        waiting_costs=costs,
        service_rates=[share, 1 - share],
        tolls=[0, 0],
        size_law=Exponential(),
        information=information,
    )
    toll, _ = asked.single_toll() or (0.0, 0.0)
    return asked.replace(tolls=[toll * rng.uniform(0.5, 1.1)] * 2)


Rows = list[dict[str, Any]]


def by_length(run: Run, instances: int) -> tuple[Rows, Rows, list[Point]]:
    """Lengths visible: exact chains of random markets. The count, each market and what is judged."""
    rng, gains = np.random.default_rng(run.seed), []
    for _ in range(instances):
        asked = market(rng, "lengths")
        who = asked.arrival_rates, asked.rewards, asked.waiting_costs
        _, single = asked.single_toll() or (0.0, 0.0)
        gains.append(visible(*who, asked.service_rates, asked.tolls)["revenue"] / single - 1)
    violations, worst = sum(g > ROUNDING for g in gains), max(gains)
    metric = Metric(float(violations), None, LEVEL, None, 0.0, "bound")
    known = {"information": "lengths", "instances": instances, "violations": violations, "largest_relative_gain": worst}
    each = [{"information": "lengths", "market": i, "relative_gain": g} for i, g in enumerate(gains, 1)]
    point = Point({"case": "lengths", "of": f"{instances} markets"}, "violations", metric, (), "at most")
    return [known], each, [point]


def by_workload(run: Run, instances: int, events: int) -> tuple[Rows, Rows, list[Point], Results]:
    """As `by_length` with work visible and own size unknown: simulated together with the best single toll."""
    rng, points, done, gains = np.random.default_rng(run.seed), [], Results(), []
    for number in range(instances):
        asked = market(rng, "workload-only")
        toll, single = asked.single_toll() or (0.0, 0.0)
        results = run.results(compare, [pooled(asked, toll), asked], events=events, level=LEVEL)
        if len(results) < 2:
            break
        here = gain(results)
        gains.append((here["mean"] / single, here["half_width"] / single))
        where = {"case": "workload", "of": f"market {number + 1}"}
        points.append(Point.of_difference(here, where, "gain", 0.0, "at most"))
        done += results
    violations = sum(mean > half for mean, half in gains)
    worst = max((mean for mean, _ in gains), default=None)
    known = {"information": "workload", "instances": len(gains), "violations": violations}
    each = [
        {"information": "workload", "market": i, "relative_gain": mean, "half_width": half}
        for i, (mean, half) in enumerate(gains, 1)
    ]
    return [{**known, "largest_relative_gain": worst}], each, points, done


def compute(run: Run) -> Findings:
    """The two counterexamples, then the two models without one."""
    events, chains, pairs = (QUICK_EVENTS, QUICK_CHAINS, QUICK_PAIRS) if run.quick else (EVENTS, CHAINS, PAIRS)
    rows, points, results = [], [], Results()
    known: Rows = []
    markets: Rows = []
    for counterexample in (by_class, by_size):
        if not run.interrupted:
            more, judged, runs = counterexample(run, events)
            rows, points, results = rows + more, points + judged, Results([*results, *runs])
            for line in more:
                run.show(f"{line['case']}: split {line['split']:.6g}, best single toll {line['single']:.6g}")
    with run.work():
        if not run.interrupted:
            known, markets, judged = by_length(run, chains)
            points = points + judged
    if not run.interrupted:
        more, each, judged, runs = by_workload(run, pairs, events)
        known, markets = known + more, markets + each
        points, results = points + judged, Results([*results, *runs])
    for line in known:
        run.show(f"{line['information']} visible: {line['violations']} violations in {line['instances']} markets")
    tables = {"conjecture": rows, "conjecture-holds": known, "conjecture-markets": markets}
    return Findings(tables, points, results, tested=tested(rows, known))


def tested(rows: Rows, known: Rows) -> str:
    """What each counterexample gains, and how many random markets were looked at without one."""
    gains = ", ".join(f"{100 * row['gain'] / row['single']:.3g} % ({row['case']})" for row in rows)
    counts = ", ".join(f"{row['violations']} of {row['instances']} markets ({row['information']})" for row in known)
    return f"gain of the counterexamples: {gains or 'not asked'}; violations elsewhere: {counts or 'not asked'}"


def draw(findings: Findings) -> Any:
    """What the counterexamples gain, and that no random market of the two other models gains anything."""
    from jaxq.plotting.figure import sized
    from jaxq.plotting.sweep import COLOURS

    figure, (falls, stands) = sized(9.6, 4.2, 1, 2)
    names = {
        "classes": "two classes,\nwork visible",
        "classes visible": "two classes,\nclasses ahead visible",
        "sizes": "one class,\nown size known",
    }
    rows = findings.tables["conjecture"]
    for i, row in enumerate(rows):
        simulated = "half_width" in row
        gain, half = (100 * x / row["single"] for x in (row["gain"], row.get("half_width", 0.0)))
        colour = COLOURS[0] if simulated else COLOURS[1]
        falls.errorbar(i, gain, half or None, fmt="o" if simulated else "D", color=colour, markersize=6, capsize=3)
        falls.annotate(
            f"{gain:.3g} %" if simulated else f"{gain:.3g} % (exact)",
            (i, gain),
            (8, 0),
            textcoords="offset points",
            va="center",
        )
    falls.set_yscale("log")
    falls.set_xticks(range(len(rows)), [names[row["case"]] for row in rows], fontsize="small")
    falls.set_xlim(-0.4, max(len(rows) - 0.3, 0.4))
    falls.set_ylabel("gain of the split in revenue (%)")
    falls.set_title("where the conjecture falls: against the best single toll", loc="left", fontsize="medium")
    titles = {"lengths": "lengths visible, exact chains", "workload": "work visible, simulated with intervals"}
    for colour, marker, (information, title) in zip(COLOURS, "os", titles.items(), strict=False):
        mine = [row for row in findings.tables["conjecture-markets"] if row["information"] == information]
        mine.sort(key=lambda row: row["relative_gain"])
        # by rank: few markets beside many
        where = [100 * (i + 0.5) / len(mine) for i in range(len(mine))]
        stands.errorbar(
            where,
            [100 * row["relative_gain"] for row in mine],
            [100 * row.get("half_width", 0.0) for row in mine] if information == "workload" else None,
            fmt=marker,
            color=colour,
            markersize=3 if information == "lengths" else 5,
            capsize=2,
            label=f"{title}: {len(mine)} markets",
        )
    stands.axhline(0, color="0.5", linewidth=1.2, label="best single toll")
    stands.set_xlabel("random markets, in order of gain (% of them)")
    stands.set_ylabel("gain of the split in revenue (%)")
    stands.set_title("where no counterexample is known", loc="left", fontsize="medium")
    stands.legend(frameon=False, fontsize="small")
    return figure


EXPERIMENT = Experiment(
    "tolled-queues/conjecture",
    "Equal tolls: two splits that beat every single toll, and two models where none is found",
    f"{PAPER}, the conjecture on equal tolls",
    compute,
    draw,
)
