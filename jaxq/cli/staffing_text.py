"""The text of ``jaxq staffing``."""

from typing import Any

import numpy as np

from jaxq.cli.console import new_table, stdout_console
from jaxq.engine.plain import pair


def print_staffing(found: Any, noise: Any, steps: bool) -> None:
    """An `Assessment`, with its ``steps`` of elimination if wanted, or a `FluidVerdict`; ``noise``: lambda_i (1 + c_i^2)."""
    if hasattr(found, "why"):
        print_fluid_verdict(found)
        return
    print_assessment(found, noise)
    if steps:
        print_steps(found)


def print_fluid_verdict(found: Any) -> None:
    """Load, bottleneck and what is spare, by class and by pool."""
    from rich.text import Text

    network, seen, console = found.network, found.capacity, stdout_console()
    console.print(Text(f"staffing of {network}", "bold") + Text(f"  n = {found.scale:g}"))
    console.print(f"no theta: {found.why}")
    table = new_table("", ">value", "")
    who = "" if found.patient.all() or not found.patient.any() else " of the classes that never abandon"
    table.add_row("load", f"{seen.load:.9g}", f"of the busiest pool where it is least{who}")
    if found.spare is not None:
        text = f"w.N - v.lambda: idle servers in servers of pool {network.pools[-1]}, of every stable policy"
        table.add_row("spare", f"{found.spare:.6g}", text)
    if seen.growth > 0:
        what = "growth" if found.patient.any() else "lost"
        table.add_row(what, f"{seen.growth:.6g}", "customers/time that cannot be served, at least, under every policy")
    console.print(table)
    overloaded = seen.bound & (seen.load > 1)
    classes = {
        "arrivals": found.rates.arrival_rates,
        "may rise by": np.where(found.patient | ~found.patient.any(), seen.headroom, np.nan),
        "overloaded": overloaded,
    }
    console.print(_table("class", list(network.classes), classes))
    pools = {"servers": found.rates.servers, "load": seen.pool_loads, "bottleneck": seen.bottleneck}
    console.print(_table("pool", list(network.pools), pools))
    good = found.verdict.startswith("sta")
    console.print(Text("the fluid says: ") + Text(f" {found.verdict} ", "bold green" if good else "bold white on red"))


def print_steps(found: Any) -> None:
    """The elimination of leaves, each number as c + d theta."""
    nodes = [f"class {name}" for name in found.network.classes] + [f"pool {name}" for name in found.network.pools]
    console, table = stdout_console(), new_table(">step", "leaf", "at", ">kappa of the edge", ">what is left there")
    for k, step in enumerate(found.steps, 1):
        table.add_row(str(k), nodes[step.leaf], nodes[step.neighbour], _affine(step.flow), _affine(step.left))
    console.print("elimination of leaves (Example 3.3): the last node has 0 left, which gives theta")
    console.print(table)


def print_diffusion(system: Any, found: Any) -> None:
    """The stationary means of the diffusion, or its growth."""
    from jaxq.cli.tables import print_result
    from jaxq.engine.result import Result

    if isinstance(found, Result):
        print_result(stdout_console(), found)
        return
    print_growth(system.predicted_growth(), found, f"{system.control} control of the diffusion")


def _affine(pair_: tuple[float, float]) -> str:
    constant, slope = pair_
    return f"{constant:.6g} {'-' if slope < 0 else '+'} {abs(slope):.6g} theta"


def print_assessment(found: Any, noise: Any) -> None:
    """The numbers, by class, by pool, and the matrices."""
    from rich.text import Text

    network, console = found.network, stdout_console()
    classes, pools = list(network.classes), list(network.pools)
    console.print(
        Text(f"staffing of {network}", "bold") + Text(f"  n = {found.scale:g}, p = {_numbers(found.weights)}")
    )
    spread = max(found.theta.values()) - min(found.theta.values())
    table = new_table("", ">value", "")
    table.add_row("theta", f"{found.theta['gains']:.9g}", f"four ways ({', '.join(found.theta)}) within {spread:.0e}")
    table.add_row("theta^n", f"{found.theta_n:.9g}", f"of {', '.join(map(str, found.rates.servers))} servers, exact")
    table.add_row("rho", f"{found.spare:.6g}", f"E (e.x)^-, idle servers in servers of pool {pools[found.root]}")
    console.print(table)
    console.print(
        _table(
            "class",
            classes,
            {
                "arrivals": found.rates.arrival_rates,
                "theta_i": found.class_safety,
                "ell": found.ell,
                "p": found.weights,
                "lambda (1 + c^2)": noise,
            },
        )
    )
    of_pools = {"servers": found.rates.servers, "nh": found.staffing, "worth": found.worth}
    console.print(_table("pool", pools, {**of_pools, "d theta / d nh": found.gradient}))
    for title, rows, columns, matrix in (
        ("shares of pools xi*", classes, pools, found.shares),
        ("gains g(i, i') between classes", classes, classes, found.gains.classes),
        ("gains g(i, j) between classes and pools", classes, pools, found.gains.class_pool),
        ("gains G(j, j') between pools", pools, pools, found.gains.pools),
        (f"B1, root pool {pools[found.root]}", classes, classes, found.b1),
        (f"B2, root pool {pools[found.root]}", classes, pools, found.b2),
        ("kept by balanced saturation Nt", classes, pools, found.targets),
    ):
        if matrix is not None:
            console.print(title)
            console.print(_table("", rows, dict(zip(columns, np.transpose(matrix), strict=True))))
    colour = "bold green" if found.theta_n > 0 else "bold white on red"
    console.print(Text("theta^n says: ") + Text(f" {found.verdict} ", colour))
    if found.lone_growth is not None:
        alone = ", ".join(f"{x:.4g} in class {c}" for c, x in zip(classes, found.lone_growth, strict=True))
        saturated = "" if found.balanced_growth is None else f"{found.balanced_growth:.4g} under balanced saturation; "
        console.print(f"growth of the total queue, a unit of time: {saturated}if all wait in one class, {alone}")


def print_growth(expected: float | None, measured: Any, policy: str) -> None:
    """The slopes next to the prediction of the total, where there is one."""
    from rich.text import Text

    console, table = stdout_console(), new_table(f"growth under {policy}", ">slope", ">+-", ">predicted")
    rows = {"total queue": (measured.total, expected)}
    rows |= {f"queue {name}": (slope, None) for name, slope in measured.queues.items()}
    for name, (slope, value) in rows.items():
        table.add_row(name, *pair(slope.value, slope.half_width()), "" if value is None else f"{value:.6g}")
    console.print(table)
    error = measured.total.standard_error
    grows = error > 0 and measured.total.value > 4 * error
    console.print(Text("the simulation says: ") + Text(f" {'queues grow' if grows else 'no growth seen'} ", "bold"))
    console.print(
        f"{measured.replicas} replicas, from time {measured.horizon / 2:g} to {measured.horizon:g}; intervals at .95",
        style="dim",
    )


def _table(corner: str, rows: list[str], columns: dict[str, Any]) -> Any:
    table = new_table(corner, *(f">{name}" for name in columns))
    for k, name in enumerate(rows):
        table.add_row(name, *(_entry(column[k]) for column in columns.values()))
    return table


def _numbers(values: Any) -> str:
    return ", ".join(f"{x:g}" for x in values)


def _entry(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else ""
    return "" if np.isnan(value) else f"{value:.6g}"
