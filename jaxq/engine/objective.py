"""What a system can be tuned for: differentiable stand-ins for its metrics, and what can be searched."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar


class Optimum(NamedTuple):
    """An optimum that is known without tuning: fields by name, the objective there, and the source."""

    values: dict[str, Any]
    objective: float
    source: str


class Objective(NamedTuple):
    """A differentiable stand-in for a simulated mean, to tune fields with (`jaxq.tune`).

    ``function``: values of the tuned fields by name -> scalar, in float64, the other fields being the system's own; None:
    the metric itself, simulated.
    ``metric``: the simulated metric that it stands for, or None. ``doc``: what it is, one line. ``parameters``: the
    fields that it depends on; empty: any. ``unset``: initial values, by name, for optional fields that are None.

    ``shares``: fields whose entries keep the sum that they have at the start.

    Where the metric has jumps: ``temperatures``: ``function(values, temperature)`` is smoothed, less and less, from the
    first to the last. ``hard``: values -> the metric itself, evaluated on the host, for the last steps; ``exact``: with no
    error at an edge. ``jumps(values)``: by field, values at which it may jump, the others being as they are, shape
    (entries, K), each in the same place whatever the values. ``optimum()``: the known best point, or None.
    """

    function: Callable[..., Any] | None
    metric: str | None
    doc: str
    maximise: bool = False
    parameters: tuple[str, ...] = ()
    unset: Mapping[str, Any] = {}
    temperatures: tuple[float, float] | None = None
    hard: Callable[[dict[str, Any]], float] | None = None
    exact: bool = False
    jumps: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None
    optimum: Callable[[], Optimum | None] | None = None
    shares: tuple[str, ...] = ()


class SampleAverage(NamedTuple):
    """A simulated mean over coordinates z in R^n, on random numbers of its own, and smooth versions of it.

    ``decode(z)``: the fields by name. ``start(rng)``: random coordinates (NumPy generator). ``smooth(z, temperature)``:
    a differentiable scalar that tends to ``hard(decode(z))`` as the temperature falls; it is taken from the first of
    ``temperatures`` to the last. ``hard(fields)``: the mean itself. ``shares``: fields whose entries have a fixed sum.
    """

    decode: Callable[[Any], dict[str, Any]]
    start: Callable[[Any], Any]
    smooth: Callable[[Any, Any], Any]
    hard: Callable[[dict[str, Any]], Any]
    temperatures: tuple[float, float]
    shares: tuple[str, ...] = ()


class Search(NamedTuple):
    """A simulated mean to be made large where it has many hills and cliffs (`jaxq.search`).

    ``metric``: its name. ``doc``: what is looked for, one line. ``parameters``: the fields that are set.
    ``baseline()``: the system that must be beaten. ``sample_average(seed)``: where to look.
    """

    metric: str
    doc: str
    parameters: tuple[str, ...]
    baseline: Callable[[], Any]
    sample_average: Callable[[int], SampleAverage]


Kind = TypeVar("Kind", Objective, Search)


def of_kind(kind: type[Kind], known: Mapping[str, Objective | Search]) -> dict[str, Kind]:
    """The objectives to descend (`Objective`), or to search (`Search`), among those of a system."""
    return {name: one for name, one in known.items() if isinstance(one, kind)}
