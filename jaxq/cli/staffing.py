"""``jaxq staffing``: what the theory of safety staffing says of a tree network, and whether a simulation sees it."""

from typing import Annotated, Any

import numpy as np
import typer

from jaxq.cli.console import add_column, new_table, stdout_console
from jaxq.cli.errors import input_errors, interruptible
from jaxq.cli.options import number
from jaxq.cli.report import deliver, exit_code, print_json
from jaxq.cli.tables import pair
from jaxq.cli.values import one
from jaxq.engine.fields import rules
from jaxq.engine.files import check_path, write_json

Network = Annotated[str, typer.Option("--network", metavar="NAME|FILE.toml", help="a tree without abandonment")]
Size = Annotated[str | None, typer.Option("--n", metavar="NUMBER", help="size of the system  [default: the network's]")]
Staffing = Annotated[
    str | None, typer.Option("--staffing", metavar="LIST", help="nh_j of each pool  [default: the network's]")
]
Safety = Annotated[
    str | None, typer.Option("--safety", metavar="LIST", help="p_i, share of each class  [default: even]")
]
Root = Annotated[
    str | None, typer.Option("--root", metavar="POOL", help="pool that the tree hangs from  [default: the last]")
]
Policy = Annotated[str, typer.Option("--policy", help="policy to simulate", show_default=True)]
Order = Annotated[str | None, typer.Option("--priorities", metavar="ORDER", help="classes of the policy: 2 > 1")]
Pools = Annotated[str | None, typer.Option("--preferences", metavar="ORDER", help="pools of the policy: 1 > 2")]


def staffing(
    network: Network = "n",
    n: Size = None,
    staffing: Staffing = None,
    safety: Safety = None,
    root: Root = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="measure how fast the queues grow")] = False,
    policy: Policy = "balanced-saturation",
    priorities: Order = None,
    preferences: Pools = None,
    horizon: Annotated[str, typer.Option("--horizon", metavar="TIME", show_default=True, help="of the slope")] = "600",
    replicas: Annotated[
        str, typer.Option("--replicas", metavar="NUMBER", show_default=True, help="of the slope")
    ] = "256",
    seed: Annotated[str, typer.Option("--seed", metavar="NUMBER", show_default=True, help="of the run")] = "0",
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="write the JSON to FILE (.json)")] = None,
) -> int:
    """Say whether a tree network can be stable, and what its servers are worth.

    theta, theta^n, gains, the drift of the diffusion and the verdict; with --simulate the growth of the queues over the
    second half of the horizon, with its interval, next to the prediction.
    """
    from jaxq.cli.plan import start_devices
    from jaxq.experiments.staffing.assessment import assess
    from jaxq.experiments.staffing.growth import growth
    from jaxq.systems.parallel_servers.model import ParallelServers

    given = {"network": network, "staffing": staffing, "safety": safety, "policy": policy}
    given |= {"priorities": priorities, "preferences": preferences}
    with interruptible(), input_errors():
        if out is not None:
            check_path("out", out, (".json",))
        declared = rules(ParallelServers)
        fields: dict[str, Any] = {k: one(k, declared[k], text) for k, text in given.items() if text is not None}
        fields |= {} if n is None else {"scale": one("n", declared["scale"], n)}
        pools = fields["network"].pools
        if root is not None and root not in pools:
            raise ValueError(f"root = {root}: must be one of the pools {', '.join(pools)}")
        place = None if root is None else pools.index(root)
        found = assess(fields["network"], fields.get("scale"), fields.get("staffing"), fields.get("safety"), place)
        numbers = {"horizon": number(horizon), "replicas": number(replicas), "seed": number(seed)}
        system = ParallelServers(**fields) if simulate else None
        if system is not None:
            _check_numbers(numbers)
            start_devices()
    with interruptible():
        measured = None if system is None else growth(system, **numbers)
    data = found.to_dict()
    if measured is not None:
        data["growth"] = {"policy": policy, **measured.to_dict()}

    def show() -> None:
        if json:
            print_json(data)
            return
        print_assessment(found)
        if measured is not None:
            print_growth(found, measured, policy)

    with interruptible():
        deliver({} if out is None else {out: lambda: write_json(out, data)}, show)
    return exit_code(() if measured is None else measured.flags)


def _check_numbers(numbers: dict[str, Any]) -> None:
    """ValueError unless horizon, replicas and seed are numbers that a run can have."""
    from jaxq.engine.fields import Rule

    Rule("model time", low=0, open_low=True).check("horizon", numbers["horizon"])
    Rule("independent runs", low=2, whole=True).check("replicas", numbers["replicas"])
    Rule("seed", low=0, whole=True).check("seed", numbers["seed"])


def print_assessment(found: Any) -> None:
    """The numbers, by class, by pool, and the matrices."""
    from rich.text import Text

    network, console = found.network, stdout_console()
    classes, pools = list(network.classes), list(network.pools)
    console.print(
        Text(f"staffing of {network}", "bold") + Text(f"  n = {found.scale:g}, p = {_numbers(found.weights)}")
    )
    spread = max(found.theta.values()) - min(found.theta.values())
    table = new_table()
    for header in ("", "value"):
        add_column(table, header, header != "")
    add_column(table, "")
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


def print_growth(found: Any, measured: Any, policy: str) -> None:
    """The slopes next to the prediction, for balanced saturation and for stable systems."""
    from rich.text import Text

    console, table = stdout_console(), new_table()
    for header in (f"growth under {policy}", "slope", "+-", "predicted"):
        add_column(table, header, header[0] != "g")
    expected = found.predicted(policy)
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
    table = new_table()
    for header in (corner, *columns):
        add_column(table, header, header is not corner)
    for k, name in enumerate(rows):
        table.add_row(name, *(f"{column[k]:.6g}" for column in columns.values()))
    return table


def _numbers(values: Any) -> str:
    return ", ".join(f"{x:g}" for x in values)
