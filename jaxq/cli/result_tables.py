"""Several results as text: a row a point for a sweep, systems side by side and their differences for a comparison."""

from typing import Any

from jaxq.cli.console import new_table
from jaxq.cli.tables import (
    growth_lines,
    heading,
    interval,
    levels_table,
    mean_text,
    oracle_text,
    print_flags,
    run_line,
    verdict_line,
    z_text,
)
from jaxq.engine.agreement import bound_of
from jaxq.engine.plain import pair, parameters_text, value_text
from jaxq.engine.result import Result, Results

SIDE_BY_SIDE = 4
"""Systems of a comparison that get columns of their own; more get a row each."""


def points_table(results: list[Result], metrics: tuple[str, ...]) -> Any:
    """One row a point: what varies, then each metric with half-width, oracle and z."""
    _, bound = bound_of(results)
    headers = [f">{name}" for name in results[0].point]
    for name in metrics:
        references = any(name in r.metrics and r.metrics[name].oracle is not None for r in results)
        headers += [f">{name}", ">+-", *((">oracle", ">z") if references else ())]
    flagged = any(result.flags for result in results)
    table = new_table(*headers, *(["flags"] if flagged else []))
    for result in results:
        cells: list[Any] = [value_text(value) for value in result.point.values()]
        for name in metrics:
            metric = result.metrics.get(name)
            references = any(name in r.metrics and r.metrics[name].oracle is not None for r in results)
            if metric is None:
                cells += [""] * (4 if references else 2)
                continue
            cells += [mean_text(metric), interval(metric)[1]]
            cells += [oracle_text(metric), z_text(metric.z, bound)] if references else []
        table.add_row(*cells, *([_flags(result)] if flagged else []))
    return table


def _flags(result: Result) -> Any:
    from rich.text import Text

    return Text(" ".join(result.flags), style="bold white on red")


def systems_table(results: Results) -> Any:
    """One row a metric, the systems side by side."""
    _, bound = bound_of(results)
    names = [parameters_text(result.point).replace("  ", "\n") for result in results]
    table = new_table("metric", *(header for name in names for header in (f">{name}", ">+-", ">z")))
    for name in dict.fromkeys(name for result in results for name in result.metrics):
        cells: list[Any] = [name]
        for result in results:
            metric = result.metrics.get(name)
            cells += (
                ["", "", ""] if metric is None else [mean_text(metric), interval(metric)[1], z_text(metric.z, bound)]
            )
        table.add_row(*cells)
    return table


def differences_table(results: Results) -> Any:
    """The paired differences to the first system, a row a metric; starred where beyond the interval."""
    from rich.text import Text

    named = _names(results)
    others: list[str] = list(dict.fromkeys(row["system"] for row in results.differences))
    rows = {(row["metric"], row["system"]): row for row in results.differences if row["mean"] is not None}
    names = [named.get(other, other).replace("  ", "\n") for other in others]
    table = new_table("metric", *(header for name in names for header in (f">{name}", ">+-")))
    for name in dict.fromkeys(metric for metric, _ in rows):
        cells: list[Any] = [name]
        for other in others:
            row = rows.get((name, other))
            mean, width = ("", "") if row is None else pair(row["mean"], row["half_width"])
            sure = row is not None and row["half_width"] is not None and abs(row["mean"]) > row["half_width"] > 0
            cells += [Text(f"{mean} *" if sure else f"{mean}  ", style="bold" if sure else ""), width]
        table.add_row(*cells)
    return table


def differences_list(results: Results, metrics: tuple[str, ...]) -> Any:
    """The paired differences of many systems, a row a system and metric."""
    named = _names(results)
    table = new_table("system", "metric", ">difference", ">+-")
    for row in results.differences:
        if row["metric"] in metrics and row["mean"] is not None:
            mean, width = pair(row["mean"], row["half_width"])
            table.add_row(named.get(row["system"], row["system"]), row["metric"], mean, width)
    return table


def _names(results: Results) -> dict[str, str]:
    """By its name in the differences, what a system goes by in the table above them; empty where that is not plain."""
    others = dict.fromkeys(row["system"] for row in results.differences)
    shown = [parameters_text(result.point) for result in results[1:]]
    plain = (
        len({result.system for result in results}) == 1 and len(others) == len(shown) == len(set(shown)) and all(shown)
    )
    return dict(zip(others, shown, strict=True)) if plain else {}


def scaling_lines(results: Results) -> list[str]:
    """What the results say of the scale of the fields in which they differ, a line each."""
    noted = [
        parameters_text({name: result.point[name]}, result.run)
        for result in results
        for name in result.run.get("scaled", {})
        if name in result.point
    ]
    return list(dict.fromkeys(noted))


def print_results(console: Any, verb: str, results: Results, primary: tuple[str, ...]) -> None:
    """A sweep or a comparison. ``primary``: the metrics of a sweep's columns."""

    first = results[0]
    fixed = {name: value for name, value in first.parameters.items() if name not in first.point}
    console.print(heading(first.system, fixed, first.run))
    for line in scaling_lines(results):
        console.print(line)
    if verb == "compare" and len(results) <= SIDE_BY_SIDE:
        console.print(systems_table(results))
    else:
        console.print(points_table(results, primary))
    levels = levels_table(results, bound_of(results)[1])
    if levels is not None:
        console.print(levels)
    if results.differences:
        few = len(results) <= SIDE_BY_SIDE
        console.print(f"paired differences to {parameters_text(first.point)}{' (* beyond the interval)' * few}")
        console.print(differences_table(results) if few else differences_list(results, primary))
    points = f"{len(results)} {'points' if verb == 'sweep' else 'systems'}, each "
    console.print(points + run_line(next(r for r in results if "infeasible" not in r.flags)), style="dim")
    verdict = verdict_line(results)
    if verdict is not None:
        console.print(verdict)
    print_flags(console, results.flags)
    for result in results:
        for line in [*growth_lines(result), *([result.run["reason"]] if "reason" in result.run else [])]:
            console.print(f"{parameters_text(result.point)}: {line}", style="red")
