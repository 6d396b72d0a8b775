"""`search`: many starts, each climbed by a cooled gradient, finished without one, and checked on fresh randomness."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxq.checks import FieldError, integer, positive
from jaxq.engine.metric import Metric
from jaxq.engine.model import Model
from jaxq.engine.objective import SampleAverage, Search, of_kind
from jaxq.engine.options import OPTIONS, Options
from jaxq.engine.plain import describe
from jaxq.engine.plan import check_model
from jaxq.engine.planned import run_by
from jaxq.engine.progress import Watch
from jaxq.engine.record import title
from jaxq.engine.simulate import compare
from jaxq.engine.unknown import known_keywords
from jaxq.tuning.outcome import Climb, Outcome
from jaxq.tuning.polish import by_simplex
from jaxq.tuning.printed import printable
from jaxq.tuning.problem import check_replicas

STARTS, STEPS, RATE, LEVEL, EVENTS = 20, 300, 0.05, 0.99, 20_000
_DECAYS = 0.7, 0.9
"""Of Adam's two means."""
DIGITS = 5
"""Significant digits of the fields that are reported."""


@dataclasses.dataclass(frozen=True)
class Question:
    """A search that has been checked, ready to run."""

    system: Model
    name: str
    search: Search
    starts: int
    steps: int
    rate: float
    level: float
    options: Options


def solve(asked: Question, meter: Watch = None) -> Outcome:
    """Climb, finish and simulate."""
    rng = np.random.default_rng(asked.options.seed)
    with jax.enable_x64(True):
        sample_average = asked.search.sample_average(asked.options.seed)
        starts = np.stack([sample_average.start(rng) for _ in range(asked.starts)])
        climbed = climb(sample_average, starts, asked.steps, asked.rate)
        ends = [finish(sample_average, z, asked.system) for z in climbed]
        decode, smooth = jax.jit(sample_average.decode), jax.jit(sample_average.smooth)
        begun = [_host(decode(z)) for z in starts]
        low = [float(smooth(z, sample_average.temperatures[1])) for z in climbed]
    baseline = asked.search.baseline()
    systems = [asked.system.replace(**end) for end, _ in ends]
    results = compare([baseline, *systems], meter=meter, **asked.options.to_dict())
    metric = asked.search.metric
    rows = [row for row in results.differences if row["metric"] == metric]
    climbs = tuple(
        Climb(start, end, at, value, Metric(row["mean"], row["half_width"], row["level"]), result)
        for start, at, (end, value), row, result in zip(begun, low, ends, rows, results[1:], strict=True)
    )
    best = max(range(asked.starts), key=lambda i: climbs[i].searched)
    return Outcome(
        title(asked.system),
        {n: x for n, x in describe(asked.system).items() if n not in asked.search.parameters},
        asked.name,
        metric,
        describe(baseline),
        results[0],
        climbs,
        best,
        asked.level,
        results.flags,
        systems[best],
    )


@known_keywords(OPTIONS)
@run_by(solve)
def search(
    system: Model,
    objective: str | None = None,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    rate: float = RATE,
    level: float = LEVEL,
    meter: Watch = None,
    **options,
) -> Question:
    """Look for values of a system's fields that beat its baseline, from many random starts.

    From each start the smooth metric is climbed by gradient (Adam) while its temperature falls geometrically; Nelder and
    Mead's simplex then climbs the true metric on fixed paths. The end is rounded to the digits that are printed, a digit
    away from any edge that it stands on, and simulated as it is printed on fresh random numbers, paired with the
    baseline. The intervals of the gains hold together for all starts (Bonferroni).

    Args:
        system: the system; fields that are not looked for are kept.
        objective: one of the searches of ``system.objectives()`` (default: the first).
        starts: how many random starts; ``seed`` gives them.
        steps: gradient steps from each.
        rate: their length, in coordinates.
        level: of all intervals together.
        meter, options: of the simulation, as `simulate` (default: 20,000 events per replica).

    Returns:
        An `Outcome`; a gain is claimed (``outcome.found``) only if the whole interval of the best end is above 0.

    Raises:
        ValueError: the objective or an option is not allowed.

    Example:
        >>> jaxq.search(jaxq.TolledQueues(service_rates=[0.5, 0.5], tolls=[4, 4]), starts=1).found
    """
    known = of_kind(Search, system.objectives())
    if not known:
        raise FieldError("objective", ..., f"{title(system)} has nothing to search for with these fields")
    name = next(iter(known)) if objective is None else objective
    if name not in known:
        raise FieldError("objective", name, f"{title(system)} has {', '.join(known)}")
    integer("starts", starts)
    integer("steps", steps)
    positive("rate", rate)
    if not any(options.get(name) for name in ("events", "horizon", "precision", "metric")):
        options["events"] = EVENTS
    run = Options(level=level, **options)
    run = dataclasses.replace(run, level=1 - (1 - level) / starts)
    check_model(system, run)
    check_replicas(run)
    return Question(system, name, known[name], int(starts), int(steps), float(rate), float(level), run)


def climb(
    sample_average: SampleAverage, starts: Float[np.ndarray, "points values"], steps: int, rate: float
) -> Float[np.ndarray, "points values"]:
    """Where the cooled gradient leads from each start; both of shape (starts, n). Steps that are not finite are left out."""
    import optax

    adam = optax.adam(rate, b1=_DECAYS[0], b2=_DECAYS[1])
    slopes = jax.vmap(jax.grad(sample_average.smooth), (0, None))

    @jax.jit
    def run(at):
        def step(carry, temperature):
            at, memory = carry
            change, memory = adam.update(jnp.nan_to_num(-slopes(at, temperature)), memory, at)
            return (optax.apply_updates(at, change), memory), None

        return jax.lax.scan(step, (at, adam.init(at)), jnp.geomspace(*sample_average.temperatures, steps))[0][0]

    return np.asarray(run(jnp.asarray(starts)))


def finish(
    sample_average: SampleAverage, start: Float[np.ndarray, " values"], system: Model
) -> tuple[dict[str, Any], float]:
    """The end of a climb without gradients, as it is printed, and the metric there on the same paths."""
    decode, hard = jax.jit(sample_average.decode), jax.jit(sample_average.hard)
    end, _ = by_simplex(lambda z: float(hard(decode(z))), start)

    def value(fields: dict[str, Any]) -> float:
        try:
            system.replace(**fields)
        except ValueError:
            return -math.inf
        return float(hard(fields))

    return printable(value, _host(decode(end)), DIGITS, sample_average.shares, margin=True)


def _host(fields: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(x, np.float64) for name, x in fields.items()}
