"""Points of a run that are judged as one: by a model whose metrics are a system's and their difference quotients."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from jaxq.engine.controls import PREFIX
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.model import Model
from jaxq.engine.parameter import STEP, Parameter, difference
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.engine.sums import Sums
from jaxq.stats.estimate import Estimate

NOTHING = 1e-12
"""Share of the numbers in a difference under which it is the rounding of float64."""


class Parts(Sums):
    """The sums of several points in ``parts``, with the time and events of the first, and controls of all. ``moved``: the
    parts, where what they are made of has other values (`Sums.at`)."""

    def __init__(
        self,
        parts: Sequence[Sums],
        controls: Mapping[str, Estimate],
        moved: Callable[[Callable[[Any], float]], Sequence[Sums]],
    ):
        super().__init__(parts[0].time, parts[0].events, dict(controls), {}, {})
        self.parts, self._moved = parts, moved

    def without(self, names):
        return Parts(self.parts, {name: x for name, x in self.items() if name not in names}, self._moved)

    def at(self, value):
        return Parts(self._moved(value), dict(self), self._moved)


class Differences(Model):
    """The first of some systems with the derivatives of its metrics, ``metric/parameter``, from difference quotients.

    ``nodes``: by parameter, (place among the systems, weight) of the slope and of the bias. ``scales``: values of the
    parameters, 1 for 0. ``wanted``: the derivatives that the precision is of. ``without``: metrics that have none.
    ``only``: the one metric that is of interest, with its derivatives; None: all. ``window``: events of a score.
    """

    systems: tuple[Model, ...]
    nodes: Mapping[str, tuple[list, list]] = eqx.field(static=True)
    scales: Mapping[str, float] = eqx.field(static=True)
    wanted: tuple[str, ...] = eqx.field(static=True)
    without: tuple[str, ...] = eqx.field(static=True, default=())
    only: str | None = eqx.field(static=True, default=None)
    window: int | None = eqx.field(static=True, default=None)

    @property
    def metric_table(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(Quantity(name, "", "", primary=True) for name in self.wanted)

    def process(self):
        return self.systems[0].process()

    def stationarity(self):
        known = [system.stationarity() for system in self.systems]

        def with_derivatives(metrics: tuple[str, ...]) -> tuple[str, ...]:
            return (*metrics, *(named(metric, path) for metric in metrics for path in self.nodes))

        return Stationarity(
            switches=tuple(sorted({time for one in known for time in one.switches})),
            wandering=with_derivatives(known[0].wandering),
            phased=with_derivatives(known[0].phased),
        )

    def metrics(self, sums):
        found = self._by_system(sums)
        return found[0] | self._combined(found, 0)

    def biases(self, sums: Sums) -> dict[str, Any]:
        """What the step, or half the window, alone would have added to each derivative."""
        return self._combined(self._by_system(sums), 1)

    def relative_to(self, metric, metrics):
        """A derivative, or mean over parameter where that is more: one near 0 need not be known to a share of itself."""
        mean, _, path = metric.partition("/")
        own = abs(metrics[metric].value)
        return max(own, abs(metrics[mean].value) / self.scales[path]) if path else own

    def _by_system(self, sums: Any) -> list[dict[str, Any]]:
        found = [system.metrics(part) for system, part in zip(self.systems, sums.parts, strict=True)]
        return found if self.only is None else [{self.only: metrics[self.only]} for metrics in found]

    def _combined(self, found: list[dict[str, Any]], which: int) -> dict[str, Any]:
        return {
            named(metric, path): quotient([(found[place][metric], weight) for place, weight in pairs[which]])
            for metric in found[0]
            if metric not in self.without
            for path, pairs in self.nodes.items()
            if pairs[which]
        }


def quotient(nodes: Sequence[tuple[Any, float]]) -> Any:
    """sum of w f over nodes (f, w), estimates or numbers, whose weights add up to 0: 0 where the f differ by the rounding of
    float64 alone."""
    first = nodes[0][0]
    total = sum((f - first) * weight for f, weight in nodes[1:])
    least = NOTHING * sum(np.max(np.abs(_value(f))) * abs(weight) for f, weight in nodes)
    if isinstance(total, Estimate):
        if np.max(np.abs(total.value)) <= least and np.max(np.abs(total.residuals)) <= least:
            return dataclasses.replace(total, value=0.0 * total.value, residuals=0.0 * total.residuals)
        return total
    return 0.0 if abs(total) <= least else total


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Estimate) else x


def named(metric: str, path: str) -> str:
    """The name of a derivative among the metrics."""
    return f"{metric}/{path}"


class Together:
    """The points of an ensemble judged as one, by a model that combines their sums: what the output analysis asks for.

    ``systems``: that model, as often as there are points, by whose number chance is allowed for. ``controlled``: whether
    controls that are observed are used."""

    def __init__(self, ensemble: Ensemble, model: Differences, controlled: bool = True):
        self.controlled = controlled
        self._ensemble, self.systems = ensemble, [model] * len(ensemble.systems)
        self.replicas, self.groups, self.layout = ensemble.replicas, ensemble.groups, ensemble.layout

    @property
    def windows(self):
        """The windows of all points, which are as long."""
        return self._ensemble.windows

    @property
    def events(self) -> int:
        """Events run so far, per replica of a point."""
        return self._ensemble.events

    @property
    def overflow(self) -> Any:
        """By replica: whether its state left its representation in any point."""
        return np.any(self._ensemble.overflow.reshape(-1, self.replicas), axis=0)

    @property
    def beyond(self) -> Any:
        """By replica: whether an index lay beyond its array in any point."""
        return np.any(self._ensemble.beyond.reshape(-1, self.replicas), axis=0)

    @property
    def invalid(self) -> Any:
        """By replica: whether its rates were none in any point."""
        return np.any(self._ensemble.invalid.reshape(-1, self.replicas), axis=0)

    def relative_to(self, metric: str, metrics: Mapping[str, Estimate]) -> float:
        """What a relative half-width is a share of."""
        return self.systems[0].relative_to(metric, metrics)

    def lost(self, point: int) -> bool:
        """Whether any point has gone wrong for good."""
        return any(map(self._ensemble.lost, range(len(self._ensemble.systems))))

    def sums(self, point: int, *args, **named) -> Parts:
        """`Ensemble.sums` of all points."""
        return self._together([self._ensemble.sums(p, *args, **named) for p in range(len(self._ensemble.systems))])

    def series(self, point: int, groups: int) -> Parts:
        """`Ensemble.series` of all points."""
        return self._together([self._ensemble.series(p, groups) for p in range(len(self._ensemble.systems))])

    def _together(self, sums: list[Sums]) -> Parts:
        controls = self.controls(sums) if self.controlled else {}
        return Parts(self.parts(sums), controls, lambda value: self.parts([one.at(value) for one in sums]))

    def parts(self, sums: list[Sums]) -> list[Sums]:
        """The sums of each of the model's systems, from those of the points."""
        return sums

    def controls(self, sums: list[Sums]) -> dict[str, Estimate]:
        """What is known to average to 0: the controls of the system itself, and their difference quotients, as those of the
        metrics."""
        own = {name: x for name, x in sums[0].items() if name.startswith(PREFIX)}
        found = dict(own)
        for p, (slope, _) in enumerate(self.systems[0].nodes.values()):
            for name in own:
                rates = [(sums[place][name] / sums[place].time, weight) for place, weight in slope]
                found[f"{PREFIX}{p}|{name}"] = quotient(rates) * sums[0].time
        return found

    @property
    def magnified(self) -> tuple[float, ...]:
        """None: what a descent goes along is not reported."""
        return ()

    @property
    def processes(self) -> list:
        """The process of the system itself, with its controls."""
        return self._ensemble.processes[:1]

    def states(self, point: int, most: int) -> Any:
        """`Ensemble.states` of the system itself."""
        return self._ensemble.states(0, most)


class Quotients(Together):
    """Points of a run whose difference quotients are reported: their intervals know what rounding does to each point."""

    @property
    def magnified(self):
        """By parameter, how many times larger in a quotient is what rounding does to the rates of a point."""
        return tuple(sum(abs(weight) for _, weight in slope) for slope, _ in self.systems[0].nodes.values())


class Node(NamedTuple):
    """A system beside another: parameter ``by`` (its number) moved by ``offset``; with a number from P on, of P parameters,
    the sums alone move, along the derivatives of that number. ``step_time``: of its process."""

    by: int
    offset: float
    step_time: float | None


def moved_nodes(
    system: Model,
    parameters: Sequence[Parameter],
    side: str | None,
    wanted: Sequence[str],
    without: tuple[str, ...] = (),
    left_out: bool = False,
) -> tuple[Differences, list[Node]]:
    """The model of a system's metrics and their derivatives, and the nodes at which `Moved` evaluates it. ``left_out``:
    whether the sums also have the part of each derivative that its bias is to be without."""
    systems, nodes, places = [system], [Node(0, 0.0, system.process().step_time())], {}
    for by, of in enumerate(parameters):
        pairs = difference(side, float(2.0 ** np.round(np.log2(STEP * of.unit))))
        places[of.path] = [(len(systems) + i, weight) for i, (_, weight) in enumerate(pairs)], []
        moved = [of.at(offset) for offset, _ in pairs]
        systems += moved
        nodes += [Node(by, offset, at.process().step_time()) for (offset, _), at in zip(pairs, moved, strict=True)]
        if left_out:
            both = difference(None, abs(pairs[0][0]))
            places[of.path][1].extend((len(systems) + i, -weight) for i, (_, weight) in enumerate(both))
            systems += [system] * len(both)
            nodes += [Node(len(parameters) + by, offset, nodes[0].step_time) for offset, _ in both]
    scales = {of.path: of.unit for of in parameters}
    return Differences(tuple(systems), places, scales, tuple(wanted), without), nodes


class Moved(Together):
    """A process beside its alternatives (`jaxq.engine.coupled`) or its derivative (`jaxq.engine.pathwise`), judged as the
    systems at ``nodes``: their sums are those of the process, moved along their derivatives. The first node is the system
    itself."""

    def __init__(self, ensemble: Ensemble, model: Differences, nodes: Sequence[Node], controlled: bool = True):
        super().__init__(ensemble, model, controlled)
        self._nodes = nodes

    def parts(self, sums):
        return [self._at(sums[0], node) for node in self._nodes]

    def controls(self, sums):
        names = [name for name in sums[0] if name.startswith(PREFIX)]
        return {name: sums[0][name] for name in sorted(names, key=lambda name: "|" in name)}  # their derivatives last

    def control_biases(self, cut: int) -> list[Estimate]:
        """By control, in their order, what half the window of a score alone would have added to its mean."""
        sums, count = self._ensemble.sums(0, cut), len(self.systems[0].nodes)
        found = []
        for name in self.controls([sums]):
            by, slash, control = name.removeprefix(PREFIX).partition("|")
            found.append(-sums[f"{count + int(by)}|{control}"] / sums.time if slash else sums.time * 0.0)
        return found

    @property
    def processes(self) -> list:
        """The process with its controls."""
        process: Any = self._ensemble.processes[0]
        return [process.controlled]

    def states(self, point: int, most: int) -> Any:
        """`Ensemble.states` of the process itself."""
        return self._ensemble.states(point, most)[0]

    def lifetime(self, cut: int) -> tuple[float, float]:
        """(mean time that the weight of an alternative lasts, time per replica), from window ``cut`` on."""
        sums = self._ensemble.sums(0, cut)
        created = sums["created"].value
        return (sums["mass"].value / created if created > 0 else 0.0), sums.time.value

    def _at(self, sums: Sums, node: Node) -> Sums:
        def still(x: Estimate) -> Estimate:
            # what rounding does to the system itself is no part of a difference
            return dataclasses.replace(x, rounding=0.0, grain=0.0, episode=0.0) if node.offset else x

        def along(name: str, x: Estimate) -> Any:
            slope = sums.get(f"{node.by}|{name}") if node.offset else None
            return still(x) if slope is None else still(x) + slope * node.offset

        def moved(name: str) -> Any:
            return along(name, sums[name])

        kinds = {kind: {n[2:]: moved(n) for n in sums if n.startswith(f"{kind}:")} for kind in "oct"}
        time = along("w:", sums.time)
        events = still(sums.events) if node.step_time is None else time / node.step_time
        if "e:" in sums:
            events = moved("e:")
        return Sums(time, events, kinds["o"], kinds["t"], kinds["c"])
