"""`exact`: the stationary law of a jump process, from the rates and jumps that the simulator also uses.

The reachable states are enumerated on the host, in float64; the sparse generator is solved. That checks the engine (the
words, the uniformisation, the sums) and every model small enough, or cut with ``keep``. It shares ``rates`` and
``jump`` with the simulator, so a wrong rate stays wrong: a system also needs an oracle that shares no code.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Num

from jaxq.checks import FieldError, integer
from jaxq.engine.check import check_kind, check_methods
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.model import Model
from jaxq.engine.outline import plain_means
from jaxq.engine.plain import aligned, describe, finite, parameters_text
from jaxq.engine.quantity import unit
from jaxq.engine.record import title
from jaxq.engine.reference import Reference
from jaxq.engine.saved import NONE, SCHEMA, Saved
from jaxq.engine.state_space import StateSpace
from jaxq.engine.unknown import known_keywords

NEGLIGIBLE_EDGE = 1e-9
"""Edge mass up to which a cut state space still counts as exact."""


@dataclasses.dataclass(frozen=True)
class ExactResult(Saved):
    """The stationary law of one system.

    Attributes:
        system: title of the system.
        parameters: its fields by name.
        metrics: stationary value by metric name, as in a simulation's result.
        number_of_states: states that are reachable (and kept), transient ones among them.
        states: the states, a pytree like the system's own with an axis of length number_of_states in front. A component
            that only counts (see `exact`) stays at its initial value.
        probabilities: stationary probability of each state, float64, shape (number_of_states,).
        edge_mass: probability of the states with a transition that ``keep`` suppressed, or that `Process.overflow` says the
            state cannot represent; 0 where nothing is cut off.
        observed: value of every observation (`Process.observe`) in each state, shape (number_of_states,).
        units: of the observations that are metrics as they are, where the system names them.
        references: values to compare the metrics with, by name, where they were asked for.
    """

    system: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    number_of_states: int
    states: Any = dataclasses.field(repr=False)
    probabilities: np.ndarray = dataclasses.field(repr=False)
    edge_mass: float = 0.0
    observed: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)
    units: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    references: dict[str, Reference] = dataclasses.field(default_factory=dict, repr=False)

    def expectation(self, function: Callable[[Any], Any]) -> Any:
        """Stationary mean of ``function(state)``, a scalar or an array written for one state; float or array.

        Example:
            >>> result.expectation(lambda n: n**2)
        """
        with jax.enable_x64(True):
            values = np.asarray(jax.vmap(function)(self.states), np.float64)
        mean = np.tensordot(self.probabilities, values, axes=1)
        return float(mean) if mean.ndim == 0 else mean

    index = ("metric",)
    marks = frozenset({"number_of_states"})

    def law(self, name: str) -> tuple[Num[np.ndarray, " values"], Float[np.ndarray, " values"]]:
        """(values, probabilities) of an observation, increasing, of a probability > 0. KeyError for another name."""
        values, where = np.unique(self.observed[name], return_inverse=True)
        probabilities = np.bincount(where.ravel(), self.probabilities)
        return values[probabilities > 0], probabilities[probabilities > 0]

    @property
    def cut(self) -> bool:
        """Whether states were cut off that matter, as more than 1e-9 of the law is at the edge."""
        return self.edge_mass > NEGLIGIBLE_EDGE

    def oracle(self) -> dict[str, Reference]:
        """The finite metrics as references: ``exact``, or ``limit`` where the law was `cut`."""
        kind = "limit" if self.cut else "exact"
        return {name: Reference(value, kind) for name, value in self.metrics.items() if np.isfinite(value)}

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, beside its reference where there are any, and with the edge mass where states were cut off."""
        rows, cut = [], {"edge_mass": self.edge_mass} if self.cut else {}
        for name, value in self.metrics.items():
            row, known = {"metric": name, "exact": finite(value), **cut}, self.references.get(name)
            if self.references:
                told = (None, None) if known is None else (finite(float(known.value)), known.kind)
                row |= dict(zip(("oracle", "kind"), told, strict=True))
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The machine-readable result (schema 1), without the law; no NaN or Infinity in it."""
        metrics: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            told = {"oracle": row["oracle"], "kind": row["kind"]} if row.get("oracle") is not None else {}
            metrics[row["metric"]] = {"value": row["exact"]} | told
        return {
            "schema": SCHEMA,
            "system": self.system,
            "parameters": self.parameters,
            "metrics": metrics,
            "number_of_states": self.number_of_states,
            "edge_mass": self.edge_mass,
            "units": self.units,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray] = NONE) -> "ExactResult":
        """The inverse of `to_dict`. The law comes from the arrays: ``states`` is then the list of the leaves; without them
        there are no states and no observations."""
        metrics = data["metrics"]
        known = {name: Reference(told["oracle"], told["kind"]) for name, told in metrics.items() if "oracle" in told}
        return cls(
            data["system"],
            data["parameters"],
            {name: np.nan if told["value"] is None else told["value"] for name, told in metrics.items()},
            data["number_of_states"],
            [x for name, x in arrays.items() if name.startswith("states/")],
            arrays.get("probabilities", np.zeros(0)),
            data["edge_mass"],
            {name.removeprefix("observed/"): x for name, x in arrays.items() if name.startswith("observed/")},
            data["units"],
            known,
        )

    def arrays(self) -> dict[str, Any]:
        """``probabilities``, the leaves of the states as ``states/0``, ``states/1``, ..., and ``observed/<name>``."""
        states = {f"states/{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(self.states))}
        return {
            "probabilities": self.probabilities,
            **states,
            **{f"observed/{name}": x for name, x in self.observed.items()},
        }

    def __getitem__(self, metric: str) -> float:
        try:
            return self.metrics[metric]
        except KeyError:
            raise KeyError(f"{metric}: {self.system} has the metrics {', '.join(self.metrics)}") from None

    def __str__(self) -> str:
        rows = [{"metric": name, "exact": f"{value:.12g}"} for name, value in self.metrics.items()]
        cut = f", edge mass {self.edge_mass:.3g}" if self.edge_mass else ""
        heading = f"{self.system}  {parameters_text(self.parameters)}"
        return "\n".join([heading, *aligned(rows), f"{self.number_of_states} states{cut}"])


@known_keywords()
def exact(system: Model, *, keep: Callable[[Any], Any] | None = None, max_states: int = 200_000) -> ExactResult:
    """The stationary law of a jump process and the metrics under it, without simulating.

    Formula: pi Q = 0, sum pi = 1 over the states reachable from ``system.init``, Q the generator given by ``rates`` and
    ``jump``. An observation is sum pi(s) f(s), a counter sum pi(s) sum_k rate_k(s) (its increase in transition k), both
    per unit of time; `Model.metrics` combines them as it does the sums of a run. A component of the state on which
    neither rates, observations nor other components depend (a counter) is left out of the enumeration. Small closed
    classes are solved without a subtraction, larger ones by a sparse LU with refinement, to about 1e-16 x (largest
    total rate x relaxation time), and by aggregation where parts of the chain hardly ever meet.

    Args:
        system: the process, or a system that `process` or `Stationarity.chain` makes one; the components of its state
            are whole numbers.
        keep: predicate on one state, True where it is kept, written with ``& | ~``; transitions out of the kept set are
            suppressed (of a reversible process, that leaves the law conditioned on the set), and
            `ExactResult.edge_mass` says how much the cut can matter.
        max_states: most states to enumerate.

    Returns:
        An `ExactResult`.

    Raises:
        ValueError: ``system`` is no jump process, or one that drifts; a component of the state is not a whole number;
            there are more than ``max_states`` states (said at once where `MarkovProcess.count_states` knows); a rate is
            negative or not finite; a total rate exceeds ``total_rate_bound``; an index lies beyond its array; there are
            several closed classes (no unique law); ``keep`` excludes the initial state; more than 512 states meet too seldom
            for float64 and are no blocks.

    Source: Grassmann, Taksar and Heyman (1985), doi:10.1287/opre.33.5.1107; Koury, McAllister and Stewart (1984),
    doi:10.1137/0605019; Stewart (1994), Introduction to the
    Numerical Solution of Markov Chains, Sections 2.3-2.5.

    Example:
        >>> jaxq.exact(jaxq.MMc(arrival_rate=1.8, servers=2), keep=lambda n: n <= 400).metrics["number_in_system"]
    """
    check_kind(system)
    chain = system.stationarity().chain
    prepared = system.process() if chain is None else chain()
    if not isinstance(prepared, MarkovProcess):
        raise FieldError("system", type(system).__name__, "exact needs a JumpProcess (rates and jump)")
    if prepared.drifts:
        raise FieldError("system", type(system).__name__, "its state drifts between jumps, so there is no finite chain")
    max_states = integer("max_states", max_states)
    if keep is not None and not callable(keep):
        raise FieldError("keep", keep, "must be a function of a state, such as lambda n: n <= 400, or None")
    known = prepared.count_states()
    if known is not None and known > max_states:
        raise FieldError(
            "max_states",
            max_states,
            f"{title(system)} has {float(min(known, 10**300)):.6g} states or more with these "
            "fields, too many to solve for",
        )
    check_methods(prepared)
    from jaxq.engine.stationary import stationary_law  # and with it scipy's sparse solvers

    with jax.enable_x64(True):
        chain = StateSpace(prepared, keep, int(max_states))
        chain.enumerate()
        probabilities = stationary_law(chain.generator(), chain.show)
        states = jax.tree.map(np.asarray, chain.layout.decode(chain.rows, chain.fixed, np))
    sums = chain.sums(probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):
        metrics = {name: float(value) for name, value in system.metrics(sums).items()}
    edge_mass = float(probabilities[chain.edge].sum())
    observed = {name: np.asarray(x) for name, x in chain.values["observed"].items()}
    with np.errstate(over="ignore"):  # fields outside of float32 have the same names
        named = {name: unit(system.metric_table, name) for name in plain_means(system, prepared)}
    told = {name: found for name, found in named.items() if found is not None}
    return ExactResult(
        title(system), describe(system), metrics, probabilities.size, states, probabilities, edge_mass, observed, told
    )
