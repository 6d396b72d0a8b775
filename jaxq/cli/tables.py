"""One result as text: metrics next to their oracles, what ran, and whether they agree."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxq.cli.console import new_table
from jaxq.engine.agreement import FAMILY_LEVEL, bound_of
from jaxq.engine.flags import Flag, withheld
from jaxq.engine.metric import Metric
from jaxq.engine.plain import WIDTH, pair, parameters_text
from jaxq.engine.result import Result

WITHHELD_TEXT = "withheld"


def interval(metric: Metric) -> tuple[str, str]:
    """Mean and half-width as text, the half-width to two digits and the mean to the same place."""
    if metric.mean is None:
        return (WITHHELD_TEXT if metric.upper is None else "not seen"), ""
    if metric.upper is not None:
        return f"{metric.mean:g}", f"< {metric.upper:.2g}"
    return pair(metric.mean, metric.half_width)


def oracle_text(metric: Metric) -> str:
    """The oracle to seven digits."""
    return "" if metric.oracle is None else f"{metric.oracle:.7g}"


def z_text(z: float | None, bound: float) -> Any:
    """z with two decimals, red beyond the bound."""
    from rich.text import Text

    return "" if z is None else Text(f"{z:+.2f}", style="bold red" if abs(z) > bound else "")


def mean_text(metric: Metric) -> Any:
    """The mean, or ``withheld`` in red."""
    from rich.text import Text

    return Text(interval(metric)[0], style="bold red" if metric.mean is None else "")


def metrics_table(result: Result, bound: float) -> Any:
    """The metrics of one result; no oracle, no columns for one."""
    headers = ("metric", "mean", "+-", "oracle", "kind", "z", "unit")
    rows = [
        (
            name,
            mean_text(metric),
            interval(metric)[1],
            oracle_text(metric),
            metric.kind or "",
            z_text(metric.z, bound),
            metric.unit or "",
        )
        for name, metric in result.metrics.items()
    ]
    widths = [max(len(str(cell)) for cell in column) + 3 for column in zip(headers, *rows, strict=True)]
    hidden = set() if sum(widths) <= WIDTH else {"unit"}
    filled = [any(str(cell) for cell in column) for column in zip(*rows, strict=True)]
    shown = [i for i, header in enumerate(headers) if header not in hidden and (i < 3 or filled[i])]
    table = new_table(*(">" * (headers[i] in ("mean", "+-", "oracle", "z")) + headers[i] for i in shown))
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    return table


def levels_table(results: Sequence[Result], bound: float) -> Any:
    """The quantiles and service levels of some results, a row each; None where none were asked for."""
    several = len(results) > 1
    rows = [
        (parameters_text(result.point) or result.system, name, *_level_cells(result, row, bound))[not several :]
        for result in results
        for name, row in _levels(result)
    ]
    if not rows:
        return None
    headers = (*["point"] * several, "distribution", ">value", ">from", ">to", ">oracle", ">z")
    filled = [any(str(cell) for cell in column) for column in zip(*rows, strict=True)]
    shown = [i for i, there in enumerate(filled) if there or headers[i] not in (">oracle", ">z")]
    table = new_table(*(headers[i] for i in shown))
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    return table


def _levels(result: Result) -> list[tuple[str, dict[str, Any]]]:
    """What each quantile and service level is called, and what is known of it."""
    quantiles = [(f"{row['quantity']}, quantile {row['probability']}", row) for row in result.quantile_rows()]
    return quantiles + [(f"P({row['quantity']} <= {row['threshold']})", row) for row in result.service_level_rows()]


def _level_cells(result: Result, row: dict[str, Any], bound: float) -> tuple[Any, ...]:
    value, low, high = row["value"], row["low"], row["high"]
    digits = 6
    if value and low is not None and high is not None and high > low:
        digits = max(4, math.ceil(math.log10(abs(value) / (high - low))) + 2)
    ends = tuple("" if x is None else f"{x:.{digits}g}" for x in (low, high))
    unseen = "not seen" if any(ends) else "none"
    shown = f"{value:.{digits}g}" if value is not None else WITHHELD_TEXT if withheld(result.flags) else unseen
    oracle = row.get("oracle")
    return shown, *ends, "" if oracle is None else f"{oracle:.7g}", z_text(row.get("z"), bound)


def growth_lines(result: Result) -> list[str]:
    """One line for each metric that grows."""
    lines = []
    for name, growth in result.growth.items():
        rate, width = pair(growth["rate"] or 0.0, growth["half_width"])
        verb = "falls" if rate.startswith("-") else "grows"
        lines.append(f"{name} {verb} by {rate.removeprefix('-')} +- {width} per unit of time")
    return lines


def print_flags(console: Any, flags: Iterable[str]) -> None:
    """One red line for each flag, each once, with what it means."""
    from rich.text import Text

    for flag in dict.fromkeys(flags):
        console.print(Text.assemble((f" FLAG {flag} ", "bold white on red"), (f" {Flag(flag).meaning}", "red")))


def heading(system: str, parameters: dict[str, Any], run: Mapping[str, Any] | None = None) -> Any:
    """The first line of what is printed: the name of a system, bold, and its fields."""
    from rich.text import Text

    return Text(system, style="bold") + Text("  " + parameters_text(parameters, run))


def run_line(result: Result) -> str:
    """What ran and what it took."""
    run = result.run
    warm = "undetermined" if run["warmup"] is None else f"{run['warmup']:.6g} events"
    kinds = Counter(device.split(" ", 1)[-1] for device in run["devices"])
    devices = ", ".join(f"{count} x {kind}" if count > 1 else kind for kind, count in kinds.items())
    return (
        f"{run['replicas']} replicas, {run['events']:.4g} events ({run['events_per_replica']} a replica used; "
        f"warm-up {warm}, {run['warmup_method']}); intervals at {run['level']:g} by {run['method']}; seed {run['seed']}\n"
        f"{run['seconds']:.3g} s + {run['compile_seconds']:.3g} s compiling, {run['ns_per_event']:.3g} ns an event "
        f"on {devices}"
    )


def verdict_line(results: Iterable[Result]) -> Any:
    """Whether max |z| keeps within the family-wise bound; None without a comparison."""
    from rich.text import Text

    results = list(results)
    count, bound = bound_of(results)
    if not count:
        return None
    worst = max(abs(z) for r in results for z in r.scores().values())
    text = f"oracle: max |z| = {worst:.2f} of {count}, bound {bound:.2f} (family-wise {FAMILY_LEVEL:g}): "
    agrees = worst <= bound
    return Text(text) + Text("agrees" if agrees else "DISAGREES", style="green" if agrees else "bold white on red")


def print_result(console: Any, result: Result) -> None:
    """Everything about one result."""
    _, bound = bound_of([result])
    console.print(heading(result.system, result.parameters, result.run))
    console.print(metrics_table(result, bound))
    levels = levels_table([result], bound)
    if levels is not None:
        console.print(levels)
    console.print(run_line(result), style="dim")
    if result.control_line is not None:
        console.print(result.control_line, style="dim")
    print_judgement(console, result)


def print_judgement(console: Any, result: Result) -> None:
    """Whether one result agrees with its oracle, where it has one, and what is wrong with it."""
    verdict = verdict_line([result])
    if verdict is not None:
        console.print(verdict)
    print_flags(console, result.flags)
    for line in growth_lines(result):
        console.print(line, style="red")
