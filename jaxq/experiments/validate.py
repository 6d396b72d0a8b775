"""Every system against its oracle: what ``jaxq validate`` runs, in under a minute.

Agreement is judged family-wise over all metrics of all cases that have an exact oracle or identity: a correct build
fails one run in a hundred. Each case must also have power: its primary interval is narrower than a stated share of the
oracle, so that an error of that share would show.
"""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any

from jaxq.checks import FieldError
from jaxq.engine.model import Model
from jaxq.engine.progress import Meter, Progress
from jaxq.engine.quantity import primary
from jaxq.engine.record import title
from jaxq.engine.result import Result, Results
from jaxq.engine.simulate import simulate
from jaxq.laws.batch import GeometricBatch
from jaxq.laws.gamma import Gamma
from jaxq.laws.phase_type import PhaseType
from jaxq.laws.standard import Deterministic, Erlang, Exponential, Hyperexponential, Lognormal, Pareto, Weibull
from jaxq.stats.intervals import family_bound
from jaxq.systems.load_balancing.model import LoadBalancing
from jaxq.systems.load_balancing.policy import Policy
from jaxq.systems.load_balancing.speeds import Speeds
from jaxq.systems.parallel_servers.model import ParallelServers
from jaxq.systems.parallel_servers.network.library import NETWORKS
from jaxq.systems.parallel_servers.network.network import Network
from jaxq.systems.queueing_networks.model import QueueingNetwork
from jaxq.systems.stations.model import GG1, MG1, GGc, MGcc, MGinf, MMc
from jaxq.systems.token_pool.model import TokenPool
from jaxq.systems.tolled_queues.model import TolledQueues

LEVEL = 0.99


@dataclasses.dataclass(frozen=True)
class Case:
    """A system, options of its run, and the share of each primary oracle that the half-width must stay below."""

    name: str
    system: Model
    share: float
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


COXIAN = PhaseType([1, 0], [[-2, 1], [0, -0.5]])
TWO_SPEEDS = Speeds([2.0, 1.0], [0.4, 0.6])
UNLIKE = TokenPool(4, [0.5, 0.6, 0.7, 1.2], 0.8, 10, [1.0, 1.0, 1.0, 2.0])
SKILLS = Network([2.0, 1.5], [[1.0, 0.5], [0.8, 1.2]], [2, 1], [0.5, 0.5], [1.0, 1.9])
TOLLED = TolledQueues(
    [0.4, 0.6], [12.0, 5.0], [2.0, 0.4], [0.6, 0.4], [4.0, 2.5], size_law=Exponential(), information="lengths"
)

CASES: list[Case] = [
    Case("M/M/1", MMc(arrival_rate=0.8), 0.01, {"precision": 0.004}),
    Case("M/M/100", MMc(arrival_rate=95.0, servers=100), 0.005, {"metric": ("queue_length:0.02",)}),
    Case("Erlang A", MMc(arrival_rate=120.0, servers=100, abandonment_rate=0.5), 0.002, {"precision": 0.0005}),
    Case("Erlang B", MMc(arrival_rate=100.0, servers=100, capacity=100), 0.002, {"precision": 0.0005}),
    Case("M/D/1", MG1(arrival_rate=0.7, service_law=Deterministic()), 0.01, {"precision": 0.004}),
    Case("M/lognormal/1", MG1(arrival_rate=0.5, service_law=Lognormal(2.0)), 0.015, {"precision": 0.006}),
    Case("M/E3/1", MG1(arrival_rate=0.7, service_law=Erlang(3)), 0.01, {"precision": 0.004}),
    Case("D/M/1", GG1(arrival_rate=0.7, arrival_law=Deterministic()), 0.01, {"precision": 0.004}),
    Case("H2/M/1", GG1(arrival_rate=0.6, arrival_law=Hyperexponential(4.0)), 0.015, {"precision": 0.006}),
    Case("M/Weibull/1", MG1(arrival_rate=0.6, service_law=Weibull(0.7)), 0.015, {"precision": 0.006}),
    Case("Pareto/M/1", GG1(arrival_rate=0.6, arrival_law=Pareto(2.5)), 0.01, {"precision": 0.004}),
    Case("gamma/M/5", GGc(arrival_rate=4.0, servers=5, arrival_law=Gamma(0.5)), 0.015, {"precision": 0.006}),
    Case("M/D/10", GGc(arrival_rate=9.0, servers=10, service_law=Deterministic()), 0.015, {"precision": 0.006}),
    Case(
        "M/M/10+lognormal",
        GGc(arrival_rate=12.0, servers=10, abandonment_rate=1.0, patience_law=Lognormal(2.0)),
        0.01,
        {"precision": 0.004},
    ),
    Case("M^X/M/3", GGc(arrival_rate=2.1, servers=3, batch_law=GeometricBatch(3.0)), 0.015, {"precision": 0.006}),
    Case(
        "M/lognormal/10/10", MGcc(arrival_rate=8.0, servers=10, service_law=Lognormal(2.0)), 0.01, {"precision": 0.004}
    ),
    Case("M/Coxian/infinity", MGinf(arrival_rate=8.0, service_law=COXIAN), 0.005, {"precision": 0.002}),
    Case("token pool", TokenPool(10, 0.8, 0.8, 5), 0.01, {"precision": 0.006}),
    Case("token pool, phi < rho", TokenPool(2, 0.5, 0.4, 3), 0.01, {"precision": 0.006}),
    Case("token pool, no cap", TokenPool(10, 0.8, 0.9), 0.01, {"metric": "pool_queue:0.008"}),
    Case("token pool, unlike servers", UNLIKE, 0.015, {"precision": 0.01}),
    Case("JSQ at two servers", LoadBalancing(2, load=0.7, policy=Policy("jsq"), buffer=40), 0.01, {"precision": 0.005}),
    Case("SA-JSQ at five servers", LoadBalancing(5, TWO_SPEEDS, load=0.8, buffer=3), 0.005, {"precision": 0.002}),
    Case(
        "random routing",
        LoadBalancing(10, TWO_SPEEDS, Policy("random", 1), load=0.6, routing=[0.7, 0.3]),
        0.01,
        {"metric": "response_time:0.005"},
    ),
    Case("two classes, two pools", ParallelServers(SKILLS), 0.01, {"precision": 0.004}),
    Case("N-model, MaxWeight", ParallelServers(NETWORKS["qgym-n"], "max-weight-preemptive"), 0.03, {"precision": 0.02}),
    Case("criss-cross", QueueingNetwork(policy="c-mu", load=0.8), 0.01, {"precision": 0.006}),
    Case("M/D/1 with a toll", TolledQueues(tolls=4.3), 0.003, {"precision": 0.002}),
    Case("two exponential servers with tolls", TOLLED, 0.005, {"precision": 0.003}),
]


@dataclasses.dataclass(frozen=True)
class Validation:
    """What the cases gave: ``worst`` is (case, metric, z) of the largest |z|, ``failures`` what is wrong, in words."""

    results: dict[str, Result]
    level: float
    bound: float
    comparisons: int
    worst: tuple[str, str, float] | None
    failures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag that any result carries."""
        return Results(self.results.values()).flags

    def to_dict(self) -> dict[str, Any]:
        """The verdict and every result as JSON values."""
        worst = None if self.worst is None else dict(zip(("case", "metric", "z"), self.worst, strict=True))
        return {
            "schema": 1,
            "passed": self.passed,
            "level": self.level,
            "bound": self.bound,
            "comparisons": self.comparisons,
            "worst": worst,
            "failures": list(self.failures),
            "seconds": self.seconds,
            "cases": {name: result.to_dict() for name, result in self.results.items()},
        }


def select(names: Iterable[str] | None, cases: Sequence[Case] | None = None) -> list[Case]:
    """The cases of some systems (``mmc``) or with some names (``M/M/1``); all for None. ValueError for another name."""
    cases = CASES if cases is None else cases
    names = list(names or ())
    known = [*dict.fromkeys(title(case.system) for case in cases), *(case.name for case in cases)]
    for name in names:
        if name not in known:
            raise FieldError("systems", name, f"must be among {', '.join(known)}")
    return [case for case in cases if not names or case.name in names or title(case.system) in names]


def validate(
    names: Iterable[str] | None = None,
    meter: Meter | None = None,
    *,
    seed: int = 0,
    cases: Sequence[Case] | None = None,
) -> Validation:
    """Run the cases and judge them together.

    Args:
        names: systems or cases (default: all); see `select`.
        meter: shows progress.
        seed: of every run.
        cases: other cases than `CASES`.

    Returns:
        A `Validation`; an interrupted run ends the list early, flagged ``unfinished``.
    """
    began = time.perf_counter()
    chosen, results = select(names, cases), {}
    for number, case in enumerate(chosen, 1):
        named = None if meter is None else _Named(meter, f"{case.name} ({number} of {len(chosen)})")
        results[case.name] = simulate(case.system, meter=named, seed=seed, **case.options)
        if "unfinished" in results[case.name].flags:
            break
    return judge([case for case in chosen if case.name in results], results, time.perf_counter() - began)


def judge(cases: Sequence[Case], results: dict[str, Result], seconds: float) -> Validation:
    """The verdict on results: flags, power of each case, and max |z| against the family-wise bound."""
    z = {(name, key): m.z for name, r in results.items() for key, m in r.metrics.items() if m.z is not None}
    bound = family_bound(len(z), LEVEL)
    failures = []
    for case in cases:
        result = results[case.name]
        failures += [f"{case.name}: flag {flag}" for flag in result.flags]
        failures += [] if result.flags else weak(case, result)
    failures += [
        f"{name}: {key} is {value:+.2f} standard errors from its oracle, bound {bound:.2f}"
        for (name, key), value in z.items()
        if not abs(value) <= bound
    ]
    worst = max(z, key=lambda key: abs(z[key]), default=None)
    return Validation(
        results, LEVEL, bound, len(z), None if worst is None else (*worst, z[worst]), tuple(failures), seconds
    )


def weak(case: Case, result: Result) -> list[str]:
    """The primary metrics that were compared with nothing, or whose interval is too wide to show an error."""
    first = primary(case.system.metric_table, result.metrics) or tuple(result.metrics)
    known = {name: result[name] for name in first if result[name].oracle and result[name].half_width is not None}
    found = [] if known else [f"{case.name}: no oracle to compare {', '.join(first)} with"]
    for name, metric in known.items():
        share = (metric.half_width or 0.0) / abs(metric.oracle or 1.0)
        if share > case.share:
            found.append(f"{case.name}: {name} is known to {share:.2g} of its oracle, wanted {case.share:g}")
    return found


class _Named:
    """A meter that says which case runs."""

    def __init__(self, meter: Meter, name: str):
        self._meter, self._name = meter, name

    def start(self, description: str) -> None:
        self._meter.start(f"{self._name}: {description}")

    def update(self, progress: Progress) -> None:
        self._meter.update(progress)

    def close(self) -> None:
        self._meter.close()
