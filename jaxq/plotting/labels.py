"""Names for axes: words instead of identifiers, and units where they are known."""

from typing import Any

from jaxq.engine.plain import in_words

UNITS = {
    "number_in_system": "customers",
    "queue_length": "customers",
    "waiting_time": "time",
    "sojourn_time": "time",
    "own_queue": "jobs per server",
    "pool_queue": "jobs",
    "total_jobs": "jobs",
    "pool_wait": "time",
    "request_rate": "1/time",
    "offer_rate": "1/time",
    "tokens": "per server",
    "cost": "money/time per server",
    "waiting_jobs": "jobs",
    "response_time": "time",
    "idle_servers": "servers",
    "reward_rate": "money/time",
    "revenue": "money/time",
    "welfare": "money/time",
    "throughput": "1/time",
}
COLOUR, ORACLE = "#1f5fa8", "#c8541b"
"""Simulation, oracle."""


def metric_label(name: str) -> str:
    """A metric for an axis: ``waiting time (time)``."""
    return f"{name.replace('_', ' ')} ({UNITS[name]})" if name in UNITS else name.replace("_", " ")


def field_label(system: str, name: str) -> str:
    """A field for an axis, with the unit that its doc ends in: ``arrival rate (1/time)``."""
    from jaxq.engine.fields import rules
    from jaxq.systems import SYSTEMS

    words = name.replace("_", " ")
    rule = rules(SYSTEMS[system]).get(name) if system in SYSTEMS else None
    return f"{words} (1/time)" if rule is not None and "1/time" in rule.doc else words


def value_label(value: Any) -> str:
    """A field's value for a legend or a tick."""
    value = in_words(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ",".join(map(value_label, value[:4])) + (",..." if len(value) > 4 else "")
    return "none" if value is None else str(value)


def point_label(point: dict[str, Any], names=None) -> str:
    """What a point varies; the name of a field is left out where it is the only one."""
    names = list(point) if names is None else names
    if len(names) == 1 and isinstance(point[names[0]], str):
        return point[names[0]]
    return ", ".join(f"{name.replace('_', ' ')} {value_label(point[name])}" for name in names)


def given_or_new(ax: Any) -> Any:
    """``ax``, or the Axes of a new pyplot figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def tidy(ax: Any) -> None:
    """No box, a faint grid."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
