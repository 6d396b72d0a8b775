"""A gradient descent on a callable, made for objectives with kinks."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.compiling import Compiled
from jaxq.engine.flags import Flag
from jaxq.engine.objective import Optimum

MEMORY = 0.7
"""Decay of Adam's two means. Gradients are exact, so that a short memory loses nothing; at a kink whose sides differ in
slope by a factor of 1000 the usual 0.999 would remember the steep side for thousands of steps."""
LAST_RATE = 1e-4
"""The last step over the first."""
AVERAGED = 0.25
"""Share of the steps, the last, over which iterates are averaged."""
STRAIGHT = 0.9
"""Ratio of net displacement to path length over the second half of the iterates above which a descent has not converged."""
SETTLED = 1e-9
"""Relative gain in the second half below which it does not matter: at a corner of a simplex coordinates go to infinity."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One iterate: where it was, the objective there, and the norm of its gradient in the coordinates; with their standard
    errors where they are simulated."""

    step: int
    values: dict[str, Any]
    objective: float
    gradient_norm: float
    objective_error: float | None = None
    gradient_error: float | None = None


@dataclasses.dataclass(frozen=True)
class Descent:
    """What a descent found. ``best``: the better of the best iterate and ``average``, the mean of the last quarter's
    coordinates; ``average`` is None where the descent ended early or is simulated. ``known``: the optimum, where a formula
    has it; ``run``: how it was simulated."""

    start: Step
    best: Step
    average: Step | None
    trace: tuple[Step, ...]
    flags: tuple[str, ...]
    known: Optimum | None = None
    run: dict[str, Any] | None = None


def descend(
    function: Callable,
    decode: Callable,
    start: dict[str, np.ndarray],
    steps: int,
    rate: float,
    temperatures: tuple[float, float] | None = None,
    held: Callable[[dict[str, Any]], dict[str, np.ndarray]] | None = None,
) -> Descent:
    """Minimise ``function(decode(z))`` over coordinates z by Adam, in float64.

    The step length is ``rate`` for the first half and then falls geometrically to 1e-4 of it, which resolves a kink. The
    objective is compiled if it can be traced, and evaluated as it is if it needs to know its arguments.

    Args:
        function: values by name -> scalar, differentiable.
        decode: coordinates by name -> values by name.
        start: coordinates by name.
        steps: how many, 1 or more.
        rate: length of the first steps in a coordinate, > 0.
        temperatures: if given, the objective is ``function(values, temperature)``, which falls geometrically from the
            first to the last during the first three quarters of the steps; only the last quarter can be ``best``.
        held: which numbers of the values have come to a bound, by name: they need not come to rest.

    Raises:
        ValueError: the objective or its gradient is not finite at the start, or raises one there.
    """
    import optax

    half = max(1, steps // 2)
    with jax.enable_x64(True):
        schedule = optax.join_schedules(
            [
                optax.constant_schedule(rate),
                optax.exponential_decay(rate, max(1, steps - half), LAST_RATE),
            ],
            [half],
        )
        adam = optax.adam(schedule, b1=MEMORY, b2=MEMORY)
        at: Any = {name: jnp.asarray(x, jnp.float64) for name, x in start.items()}
        memory = jax.jit(adam.init)(at)

        @jax.jit
        def advance(gradient, memory, at):
            change, memory = adam.update(gradient, memory, at)
            return optax.apply_updates(at, change), memory

        evaluate = _Evaluation(function, decode)
        # what is compared must be of one temperature
        first, settling, cooling = 0, half, np.zeros((0,))
        if temperatures is not None:
            first = settling = steps - round(AVERAGED * steps)
            cooling = np.append(np.geomspace(*temperatures, first + 1), np.full(steps - first, temperatures[1]))
        trace, path, flags = [], [], []
        for i in range(steps + 1):
            try:
                step, gradient = evaluate(i, at, *cooling[i : i + 1])
            except ValueError:
                if i == 0:
                    raise
                flags.append(Flag.OBJECTIVE_UNDEFINED)
                break
            if not (np.isfinite(step.objective) and np.isfinite(step.gradient_norm)):
                if i == 0:
                    raise FieldError("start", shown(step.values), "the objective is not finite there")
                flags.append(Flag.OBJECTIVE_NOT_FINITE)
                break
            trace.append(step)
            path.append(at)
            if i < steps:
                at, memory = advance(gradient, memory, at)
        best = min(trace[first:] or trace[-1:], key=lambda step: step.objective)
        average = None
        if not flags:
            last = path[-max(1, round(AVERAGED * steps)) :]
            average = evaluate(steps, jax.tree.map(lambda *z: np.mean(z, axis=0), *last), *cooling[-1:])[0]
            best = min(best, average, key=lambda step: step.objective)
            gained = trace[min(settling, steps)].objective - best.objective
            still = {} if held is None else held(best.values)
            if straight(path[settling:], still) and gained > SETTLED * abs(best.objective):
                flags.append(Flag.NOT_CONVERGED)
    return Descent(trace[0], best, average, tuple(trace), tuple(flags))


class _Evaluation:
    """Objective and gradient at coordinates."""

    def __init__(self, function: Callable, decode: Callable):
        self.decode = jax.jit(decode)
        self.both = Compiled(jax.value_and_grad(lambda z, *temperature: function(decode(z), *temperature)))

    def __call__(self, number: int, at, *temperature) -> tuple[Step, Any]:
        value, gradient = self.both(at, *temperature)
        norm = np.sqrt(sum(float(np.sum(np.square(g))) for g in gradient.values()))
        values = {name: np.asarray(x, np.float64)[()] for name, x in self.decode(at).items()}
        return Step(number, values, float(value), float(norm)), gradient


def straight(path: list, held: dict[str, np.ndarray]) -> bool:
    """Whether a path of coordinates went one way, apart from those that are ``held``, by name."""
    free = {name: ~np.ravel(held[name]) if name in held else slice(None) for name in (path[0] if path else ())}
    points = np.array([np.concatenate([np.ravel(x)[free[name]] for name, x in at.items()]) for at in path])
    travelled = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    return len(path) > 2 and bool(np.linalg.norm(points[-1] - points[0]) > STRAIGHT * travelled > 0)


def shown(values: dict[str, Any]) -> str:
    """Values by name for a message."""
    return ", ".join(f"{name} {np.asarray(x).tolist()}" for name, x in values.items())
