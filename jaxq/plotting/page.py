"""A result as one HTML page that needs nothing else: figures, tables, flags, and how it was run."""

import base64
import html
import io
from typing import Any

from jaxq.engine.derivatives import Gradients
from jaxq.engine.exact import ExactResult
from jaxq.engine.flags import flag_lines
from jaxq.engine.plain import rounded, value_text
from jaxq.engine.result import Result, Results
from jaxq.engine.saved import Saved
from jaxq.engine.tabular import html_table
from jaxq.engine.transient import Paths
from jaxq.plotting import plot
from jaxq.plotting.figure import empty
from jaxq.plotting.style import house
from jaxq.tuning.outcome import Outcome
from jaxq.tuning.result import Tuning

MOST_ROWS = 2000
OPEN = 100
"""Rows of a table that is not folded."""
SHEET = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62em; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0; } h2 { font-size: 1.1em; margin-top: 2em; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
th { text-align: left; border-bottom: 1px solid #888; }
th, td { padding: .15em 1em .15em 0; vertical-align: top; } tbody tr:nth-child(even) { background: #f6f6f6; }
img { max-width: 100%; min-width: 36em; display: block; margin: 1em 0; } .flag { color: #b00; font-weight: bold; }
pre { background: #f6f6f6; padding: .6em; white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } .numbers td { white-space: nowrap; } summary { cursor: pointer; }
"""
TITLES: dict[type, str] = {Tuning: "Steps", Outcome: "Starts", ExactResult: "Means"}
"""Of the table of rows, where they are no estimates."""
TOLD = {
    "replicas": "replicas",
    "events": "events",
    "events_per_replica": "events a replica used",
    "warmup": "events of warm-up",
    "warmup_method": "how the warm-up was found",
    "method": "intervals",
    "level": "level",
    "seed": "seed",
    "seconds": "seconds",
    "compile_seconds": "seconds compiling",
}


def page(found: Saved, command: str | None = None) -> str:
    """The page.

    Args:
        found: what `jaxq.simulate`, `jaxq.sweep`, `jaxq.compare`, `jaxq.gradient`, `jaxq.paths`, `jaxq.exact`, `jaxq.tune`,
            `jaxq.search` or `jaxq.load` returned.
        command: what finds it again, to be written down.
    """
    system, parameters, run = _subject(found)
    fields = [{"field": n, "value": value_text(x)} for n, x in parameters.items()]
    parts = [f"<h1>{html.escape(system)}</h1>", f"<p>{html.escape(_what(found))}</p>"]
    parts += [f'<p class="flag">{html.escape(line)}</p>' for line in flag_lines(getattr(found, "flags", ()))]
    parts += [_figure(found, name) for name in _figures(found)]
    if isinstance(found, Tuning):
        ends = [{"": name, **end} for name, end in found.ends().items()]
        parts += ["<h2>Start and best</h2>", _table(ends), f"<p>{html.escape(found.objective_text())}</p>"]
    rows = [{name: x for name, x in row.items() if (name, x) != ("system", system)} for row in found.rows()]
    parts += [f"<h2>{TITLES.get(type(found), 'Estimates')}</h2>", _table(rows)]
    for name, levels in _levels(found).items():
        parts += [f"<h2>{name}</h2>", _table(levels)] if levels else []
    if isinstance(found, Results) and found.differences:
        parts += ["<h2>Paired differences</h2>", _table(found.differences)]
    if isinstance(found, Gradients):
        parts.append(f"<p>{html.escape(found.method_text())}</p>")
    parts += ["<h2>Fields</h2>", _table(fields)]
    if run is not None:
        parts += ["<h2>How it was run</h2>", _scroll(html_table(_run(run)))]
    if command is not None:
        parts += ["<p>The same numbers again:</p>", f"<pre>{html.escape(command)}</pre>"]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += f"\n<title>{html.escape(system)}: {html.escape(_what(found))}</title><style>{SHEET}</style>"
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _subject(found: Any) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """(system, its fields that were neither varied nor tuned, how it was simulated)."""
    if isinstance(found, Tuning):
        return found.system, found.fixed, None if found.verification is None else found.verification.best.run
    if isinstance(found, Outcome):
        return found.system, found.fixed, found.against.run
    first = found[0] if isinstance(found, Results) else found.result if isinstance(found, Gradients) else found
    varied = {name for result in found for name in result.point} if isinstance(found, Results) else set()
    fields = {name: x for name, x in first.parameters.items() if name not in varied}
    return first.system, fields, getattr(first, "run", None)


def _what(found: Any) -> str:
    if isinstance(found, Tuning):
        return "tuning by gradient"
    if isinstance(found, Outcome):
        return found.verdict()
    if isinstance(found, ExactResult):
        return f"exact stationary law of {found.number_of_states} states"
    if isinstance(found, Results):
        return f"comparison of {len(found)} systems" if found.differences else f"sweep of {len(found)} points"
    kinds = {Gradients: "derivatives", Paths: "means over time from the initial state"}
    return kinds.get(type(found), "stationary means")


def _figures(found: Any) -> list[str | None]:
    """A figure each for the primary metrics of several results; one of everything else but a law that was not saved."""
    if isinstance(found, ExactResult) and not found.observed:
        return []
    if not isinstance(found, Results):
        return [None]
    return [*(name for name in found[0].primary if name in found[0].metrics)] or list(found[0].metrics)[:3]


def _figure(found: Any, metric: str | None) -> str:
    from matplotlib import rc_context

    figure, drawn = empty(), io.BytesIO()
    plot(found, figure=figure, metric=metric)
    with house(), rc_context({"svg.fonttype": "path"}):  # the page has no fonts
        figure.savefig(drawn, format="svg")
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    about = html.escape(f"figure of {metric or 'the result'}".replace("_", " "), quote=True)
    return _scroll(f'<img alt="{about}" src="data:image/svg+xml;base64,{data}">')


def _levels(found: Any) -> dict[str, list[dict[str, Any]]]:
    """What was asked of distributions, of each point; ``low`` and ``high`` are the ends of an interval."""
    results = found if isinstance(found, Results) else [found] if isinstance(found, Result) else []
    kinds = {"Quantiles": Result.quantile_rows, "Service levels": Result.service_level_rows}
    return {name: [{**r.point, **row} for r in results for row in rows(r)] for name, rows in kinds.items()}


def _table(rows: list[dict[str, Any]]) -> str:
    """Columns without an entry are left out."""
    shown = [rounded(row) for row in rows]
    empty = {name for row in shown for name in row if not any(row.get(name) for row in shown)}
    told = [{name: x for name, x in row.items() if name not in empty} for row in rows]
    table = _scroll(html_table(told, MOST_ROWS), "scroll numbers")
    return table if len(told) <= OPEN else f"<details><summary>{len(told)} rows</summary>{table}</details>"


def _scroll(content: str, kind: str = "scroll") -> str:
    """What is wider than the screen moves by itself."""
    return f'<div class="{kind}">{content}</div>'


def _run(run: dict[str, Any]) -> list[dict[str, Any]]:
    told = [
        {"": words, "value": f"{run[name]:,}" if isinstance(run[name], int) else run[name]}
        for name, words in TOLD.items()
        if run.get(name) is not None
    ]
    told.append({"": "devices", "value": ", ".join(run.get("devices", ()))})
    versions = ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items())
    return [*told, {"": "versions", "value": versions}]
