"""Runs that several processes do together, by name; as a script, one of these processes."""

import json
import sys

import jaxq
from tests.compiled import quickly

QUEUE = jaxq.MMc(0.8)
IMPATIENT = jaxq.MMc(arrival_rate=4, service_rate=1, servers=3, abandonment_rate=1)
LENGTH = {"events": 2000, "warmup": 500}
GONE_ON = "counts.npz"


def counted(events: int) -> jaxq.Results:
    """A run with quantiles and a checkpoint, from which a longer one goes on."""
    return jaxq.sweep(
        jaxq.MG1(0.7),
        {"arrival_rate": [0.5, 0.8]},
        events=events,
        warmup=500,
        replicas=67,
        quantiles="waiting_time",
        service_level="waiting_time:2",
        checkpoint=GONE_ON,
    )


RUNS = {
    "uneven": lambda: jaxq.simulate(QUEUE, **LENGTH, replicas=131),
    "batches": lambda: jaxq.simulate(QUEUE, **LENGTH, replicas=70, batch=16),
    "few": lambda: jaxq.simulate(QUEUE, events=4000, replicas=5),
    "two programs": lambda: jaxq.compare([QUEUE, jaxq.MG1(0.7)], **LENGTH, replicas=131),
    "precision": lambda: jaxq.simulate(QUEUE, precision=0.05, replicas=131, seed=3),
    "controls": lambda: jaxq.simulate(IMPATIENT, events=4000, replicas=300, control="generator"),
    "quantiles": lambda: counted(4000),
    "coupled": lambda: jaxq.gradient(IMPATIENT, "queue_length", "service_rate", events=2000, replicas=60).result,
    "tuned": lambda: jaxq.tune(
        IMPATIENT, "service_rate", objective="simulated:queue_length", steps=3, verify=False, replicas=60
    ),
}


def numbers(found):
    """All that does not depend on where and how fast it was run, as JSON."""
    if isinstance(found, jaxq.Tuning):
        return json.dumps([found.best.values, [step.objective for step in found.trace], list(found.flags)])
    results = found if isinstance(found, jaxq.Results) else [found]
    kept = ("events", "events_per_replica", "time", "warmup", "correlation", "replicas")
    told = [[r.to_dict()["metrics"], list(r.flags), [r.run[name] for name in kept]] for r in results]
    told.append([[r.quantiles, r.service_levels, r.histograms] for r in results])
    residuals = [[x.residuals.tolist() for x in r.estimates.values()] for r in results]
    return json.dumps([told, residuals, getattr(found, "differences", None)])


def told(name: str) -> str:
    """The numbers of one run, or why it was refused."""
    try:
        return numbers(RUNS[name]())
    except ValueError as error:
        return str(error)


def main(port: str, processes: str, process_id: str, out: str, *names: str):
    jaxq.use_all_cores(1)
    team = jaxq.distributed(f"127.0.0.1:{port}", int(processes), int(process_id), timeout=120)
    with quickly():
        found = {name: told(name) for name in names}
    with open(out, "w") as file:
        json.dump([found, [team.process_id, team.processes, team.first]], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
