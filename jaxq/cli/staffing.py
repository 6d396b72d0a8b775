"""``jaxq staffing``: what the theory of safety staffing says of a network, and whether a simulation sees it."""

from typing import Annotated, Any

import typer

from jaxq.checks import FieldError, integer, positive
from jaxq.cli.delivery import deliver, exit_code, print_json
from jaxq.cli.errors import input_errors, interruptible
from jaxq.engine.files import check_path, write_json

Network = Annotated[str, typer.Option("--network", metavar="NAME|FILE.toml", help="any network; theta of trees")]
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
Laws = Annotated[
    str | None, typer.Option("--arrival-laws", metavar="LAWS", help="of phase type: erlang:2,hyperexponential:4")
]
Policy = Annotated[str, typer.Option("--policy", metavar="NAME", help="policy to simulate", show_default=True)]
Order = Annotated[str | None, typer.Option("--priorities", metavar="ORDER", help="classes of the policy: 2 > 1")]
Diffusion = Annotated[bool, typer.Option("--diffusion", help="simulate the limiting diffusion")]
Control = Annotated[
    str,
    typer.Option("--control", metavar="CONTROL", help="constant, constant:0.5,0.5;0,1 or balanced", show_default=True),
]
Pools = Annotated[str | None, typer.Option("--preferences", metavar="ORDER", help="pools of the policy: 1 > 2")]

ZERO = 1e-12
"""theta up to which the diffusion has no stationary law."""


def staffing(
    network: Network = "n",
    n: Size = None,
    staffing: Staffing = None,
    safety: Safety = None,
    root: Root = None,
    arrival_laws: Laws = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="measure how fast the queues grow")] = False,
    policy: Policy = "balanced-saturation",
    priorities: Order = None,
    preferences: Pools = None,
    diffusion: Diffusion = False,
    control: Control = "constant",
    step: Annotated[str, typer.Option("--step", metavar="TIME", show_default=True, help="of the diffusion")] = "0.02",
    horizon: Annotated[str, typer.Option("--horizon", metavar="TIME", show_default=True, help="of a replica")] = "600",
    replicas: Annotated[str, typer.Option("--replicas", metavar="NUMBER", show_default=True, help="of a run")] = "256",
    steps: Annotated[bool, typer.Option("--steps", help="print the elimination of leaves (Example 3.3)")] = False,
    seed: Annotated[str, typer.Option("--seed", metavar="NUMBER", show_default=True, help="of the run")] = "0",
    json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="write the JSON to FILE (.json)")] = None,
) -> int:
    """Say whether a network can be stable, and what its servers are worth.

    Of critically loaded trees: theta, theta^n, gains, the drift of the diffusion and the verdict; with --simulate the growth
    of the queues over the second half of the horizon, with its interval, next to the prediction; with --diffusion the
    stationary means of the limiting diffusion under a Markov control, and its growth where theta is not positive. In Python
    a control can be any function of the state (jaxq.StaffingDiffusion). Of other networks: load, bottleneck, what is spare.

    Example: jaxq staffing --network n --n 400
    """
    from jaxq.cli.field_values import one
    from jaxq.cli.given_options import number
    from jaxq.cli.run import start_devices
    from jaxq.cli.staffing_text import print_diffusion, print_growth, print_staffing
    from jaxq.engine.fields import rules
    from jaxq.engine.simulate import simulate as run
    from jaxq.experiments.staffing.assessment import assess
    from jaxq.experiments.staffing.fluid_verdict import fluid_verdict
    from jaxq.experiments.staffing.growth import growth
    from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion
    from jaxq.systems.parallel_servers.model import ParallelServers
    from jaxq.systems.parallel_servers.processes.renewal import variations
    from jaxq.systems.parallel_servers.theory import inapplicable

    given = {"network": network, "staffing": staffing, "safety": safety, "policy": policy}
    given |= {"priorities": priorities, "preferences": preferences, "arrival_laws": arrival_laws}
    with interruptible(), input_errors():
        if out is not None:
            check_path("out", out, (".json",))
        declared = rules(ParallelServers)
        fields: dict[str, Any] = {k: one(k, declared[k], text) for k, text in given.items() if text is not None}
        fields |= {} if n is None else {"scale": one("n", declared["scale"], n)}
        tree = fields["network"]
        if root is not None and root not in tree.pools:
            raise FieldError("root", number(root), f"must be one of the pools {', '.join(tree.pools)}")
        place = None if root is None else tree.pools.index(root)
        why = inapplicable(tree)
        noise = tree.arrival_rates * (1 + variations(fields.get("arrival_laws"), tree.classes))
        at = (fields.get("scale"), fields.get("staffing"))
        found = assess(tree, *at, fields.get("safety"), place) if why is None else fluid_verdict(tree, why, *at)
        numbers = {"horizon": number(horizon), "replicas": number(replicas), "seed": number(seed)}
        system = ParallelServers(**fields) if simulate else None
        limit = None
        if diffusion:
            idle = None if place is None else place + 1
            shared = {k: fields[k] for k in ("network", "staffing", "safety", "arrival_laws") if k in fields}
            limit = StaffingDiffusion(**shared, control=control, idle_pool=idle, step=number(step))
        if simulate or diffusion:
            positive("horizon", numbers["horizon"])
            integer("replicas", numbers["replicas"], 2)
            integer("seed", numbers["seed"], 0)
            start_devices()
        if limit is not None:
            limit.process()
    measured = of_limit = None
    with interruptible():
        if system is not None:
            measured = growth(system, **numbers)
        if limit is not None:
            stationary = limit.limit().theta > ZERO
            of_limit = run(limit, **numbers) if stationary else growth(limit, **numbers)
    data = {**found.to_dict(), "covariance": noise.tolist()}
    if measured is not None:
        data["growth"] = {"policy": policy, **measured.to_dict()}
    if limit is not None and of_limit is not None:
        data["diffusion"] = {"control": str(limit.control), **of_limit.to_dict()}

    def show() -> None:
        if json:
            print_json(data)
            return
        print_staffing(found, noise, steps)
        if measured is not None:
            print_growth(found.predicted(policy), measured, policy)
        if limit is not None:
            print_diffusion(limit, of_limit)

    with interruptible():
        deliver({} if out is None else {out: lambda: write_json(out, data)}, show)
    return exit_code(tuple(flag for part in (measured, of_limit) if part is not None for flag in part.flags))
