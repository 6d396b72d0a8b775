"""The options that verbs share, declared once for the command line and experiment files; told without JAX."""

import dataclasses
import inspect
from collections.abc import Iterable

import typer


@dataclasses.dataclass(frozen=True)
class SharedOption:
    """One shared option: a flag, a text, or a text that may be repeated."""

    help: str
    metavar: str | None = "NUMBER"
    repeated: bool = False

    @property
    def flag(self) -> bool:
        """Whether the option takes no value."""
        return self.metavar is None


OF_A_RUN = {
    "replicas": SharedOption("independent replicas of each point  [default: 1024 on CPU, 65536 on an accelerator]"),
    "events": SharedOption("events per replica, after warm-up; warm-up may take 20 times as many"),
    "horizon": SharedOption("model time per replica, after warm-up (from time 0 to t: jaxq paths --totals)"),
    "warmup": SharedOption("auto, mser5 or a number of events per replica  [default: auto]", "WARMUP"),
    "precision": SharedOption(
        "target relative half-width of the primary metrics  [default: 0.01 if nothing else ends the run]"
    ),
    "metric": SharedOption("further target: name, name:0.01 (relative) or name:0.001abs; repeatable", "TARGET", True),
    "max_events": SharedOption("events, over all replicas, that the run may take  [default: 2e10]"),
    "time_limit": SharedOption("seconds after which the run stops"),
    "level": SharedOption("confidence level of the intervals  [default: 0.95]"),
    "seed": SharedOption("with the same seed and replicas a run gives the same numbers  [default: 0]"),
    "devices": SharedOption("devices to use  [default: all]"),
    "batch": SharedOption("replicas per launch, to bound the memory of a very large run  [default: all]"),
    "quantiles": SharedOption("quantiles of a quantity: name or name:0.5,0.99; repeatable", "TARGET", True),
    "service_level": SharedOption(
        "share of a quantity that is at most a threshold: name:20,30; repeatable", "TARGET", True
    ),
    "control": SharedOption(
        "none, linear or generator: what narrows the intervals of a jump process  [default: none]", "NAME"
    ),
    "checkpoint": SharedOption("save the run to an .npz file now and then, and resume from it if it exists", "FILE"),
    "checkpoint_every": SharedOption("seconds between two saves of --checkpoint  [default: 60]"),
    "replica_range": SharedOption(
        "run only replicas a to b - 1, a part that jaxq merge puts together with others; with --events, --warmup NUMBER "
        "and --checkpoint",
        "A:B",
    ),
}
"""The options of `jaxq.Options`, in its order."""
SHARED = {
    **OF_A_RUN,
    "coordinator": SharedOption(
        "run together with the same command in other processes: where process 0 listens and the others reach it; auto under "
        "SLURM",
        "HOST:PORT",
    ),
    "processes": SharedOption("how many processes run together  [default: as SLURM or MPI says]"),
    "process_id": SharedOption(
        "which of them this is, 0, 1, ...; process 0 prints and writes  [default: as SLURM, MPI or Kubernetes says]"
    ),
    "join_timeout": SharedOption("seconds within which all processes must be there  [default: 300]"),
    "times": SharedOption("times to report: start:stop:count (ends included) or a,b,c  [required]", "TIMES"),
    "keep_paths": SharedOption("number of replicas whose sample paths are kept  [default: 0]"),
    "totals": SharedOption("also time averages and counts over [0, t] (a terminating run)", None),
    "schedule": SharedOption(
        "a field that changes on the way: servers:0=6,8=14,18=6 are its values from those times on; repeatable",
        "FIELD:TIME=VALUE,...",
        True,
    ),
    "period": SharedOption("time after which the schedule begins again, such as 24  [default: it does not]"),
    "initial": SharedOption(
        "state at time 0: number_in_system=12, or queue_1=3,busy_1_1=2; others are 0; of a system of your own names of its "
        "state, or its numbers  [default: as the system begins]",
        "NAME=VALUE,...",
    ),
    "customers": SharedOption("customers of each replica that are recorded  [default: 1000]"),
    "skip": SharedOption("customers of each replica that come before and are not recorded  [default: 0]"),
    "max_states": SharedOption("states that may be enumerated  [default: 200000]"),
    "parameter": SharedOption(
        "field to tune [default: those of the objective] or to differentiate by, also routing[0] or "
        "network.arrival_rates[1]; repeatable",
        "FIELD",
        True,
    ),
    "method": SharedOption("auto, coupling, pathwise, score, finite-difference or fluid  [default: auto]", "NAME"),
    "side": SharedOption("left or right: the derivative on that side, at a bound or a kink  [default: both]", "NAME"),
    "step": SharedOption("step of a difference, as a share of the parameter  [default: 0.01]"),
    "window": SharedOption(
        "events of a replica that a score goes back  [default: 5 correlation times, which a short run finds]"
    ),
    "start": SharedOption("where to start, for each --parameter in order  [default: the field's value]", "VALUE", True),
    "bounds": SharedOption("what it may be, for each --parameter in order  [default: as the field]", "LOW,HIGH", True),
    "objective": SharedOption(
        "what is made small or large: a name, or simulated:METRIC for the simulated mean of a metric  "
        "[default: the system's first]",
        "NAME",
    ),
    "maximise": SharedOption("make a simulated:METRIC large, not small", None),
    "starts": SharedOption("random starts of a search  [default: 20]"),
    "steps": SharedOption("gradient steps  [default: 600; 120 simulated; 300 from each start of a search]"),
    "rate": SharedOption(
        "length of the first steps, in unconstrained coordinates  [default: 0.1; 0.15 simulated; 0.05 in a search]"
    ),
    "out": SharedOption("write the result: .json, .csv or .npz (per-replica values); repeatable", "FILE", True),
    "json": SharedOption("print the result as JSON and nothing else", None),
    "plot": SharedOption("write a figure: .png, .svg or .pdf", "FILE"),
    "quiet": SharedOption("show no progress", None),
}
OUTPUT = ("out", "json", "plot", "quiet")
JOINED = ("coordinator", "processes", "process_id", "join_timeout")
"""How the processes of one run find each other."""
SIMULATION = (*OF_A_RUN, *JOINED, *OUTPUT)
"""What `run`, `sweep` and `compare` take."""
PATHS = (
    "times",
    "replicas",
    "seed",
    "level",
    "devices",
    "keep_paths",
    "max_events",
    "totals",
    "schedule",
    "period",
    "initial",
    "out",
    "json",
    "plot",
    "quiet",
)
CUSTOMERS = ("customers", "skip", "replicas", "seed", "out", "json", "quiet")
EXACT = ("max_states", *OUTPUT)
THEORY = ("json",)
TUNED = ("parameter", "start", "bounds", "objective", "maximise", "starts", "steps", "rate", "method", "window")
"""What `tune` takes besides the options of a simulation."""
_RUN = ("replicas", "events", "horizon", "warmup", "precision", "max_events", "time_limit", "level", "seed", "devices")
TUNE = (*TUNED, *_RUN, "control", *JOINED, *OUTPUT)
DIFFERENTIATED = ("parameter", "method", "side", "step", "window")
"""What `gradient` takes besides the options of a simulation."""
GRADIENT = (*DIFFERENTIATED, *(name for name in SIMULATION if name not in ("quantiles", "service_level")))


def option(name: str, metavar: str | None, help: str, repeated: bool = False) -> inspect.Parameter:
    """A command's parameter for ``--name`` that arrives as text, a list of texts, or (without metavar) a flag."""
    declared = "--" + name.replace("_", "-")
    if metavar is None:
        info, annotation = typer.Option(False, declared, help=help, show_default=False), bool
    else:
        info = typer.Option(None, declared, metavar=metavar, help=help, show_default=False)
        annotation = list[str] | None if repeated else str | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=info, annotation=annotation)


def shared_parameters(names: Iterable[str]) -> list[inspect.Parameter]:
    """Some shared options as parameters of a command."""
    return [option(name, SHARED[name].metavar, SHARED[name].help, SHARED[name].repeated) for name in names]
