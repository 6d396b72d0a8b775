"""`check`: whether a system keeps the contract of `Model` and `Process`, found before anything is compiled.

First each method is traced for its shapes and types, without a number; then reachable states are walked over: of a jump
process by its rates (`jaxq.engine.walk`), of one that steps itself by random words (`jaxq.engine.steps`).
"""

import ast
import dataclasses
import difflib
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from jaxq.checks import shown
from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.methods import Methods
from jaxq.engine.model import Model
from jaxq.engine.outline import at_halves
from jaxq.engine.process import Process
from jaxq.engine.range import check_range
from jaxq.engine.steps import Steps, walk_steps
from jaxq.engine.unknown import known_keywords
from jaxq.engine.walk import walk

BESIDE = "builtins", "equinox"
"""Modules whose classes are neither ours nor a user's."""
RENAMED = {
    "choose": "next_event",
    "apply": "update",
    "prepare": "process",
    "check_stationary": "stationarity, which returns a jaxq.Stationarity",
    "searches": "objectives",
    "headline": "primary=True of a jaxq.Quantity in metric_table",
    **dict.fromkeys(("stride", "unroll", "tile", "init_words", "measured_at"), "a field of scan = jaxq.Scan(...)"),
}
"""Names of before in the contract, and what they are now."""
NEAR = 0.84
"""Likeness of two names from which one may be a misspelling of the other."""


@known_keywords()
def check(system: Model) -> None:
    """Check a system against the contract, as `simulate`, `sweep`, `compare`, `paths`, `tune` and `search` do first.

    Costs some hundredths of a second, a second for a network of a hundred transitions; nothing is compiled.

    Args:
        system: any system.

    Raises:
        TypeError: a method is missing or misspelt, decides in Python on what is known at run time only, forgets to return,
            returns another structure, shape or type than `Process.init` (a real number for a whole one), or no real scalars
            where they are due; rates and jumps are not as many.
        ValueError: in one of some hundred states that can be reached a rate is negative or not finite, the total rate
            exceeds ``total_rate_bound``, a count becomes negative (unless the class is ``signed``), an array is read or
            written beyond its end, or what a system that steps itself adds up is not finite; the bound is no bound; nothing
            is observed, or two things by one name.
        KeyError: `Model.metrics` asks for a sum that there is not.

    Example:
        >>> jaxq.check(jaxq.MMc(arrival_rate=8, servers=10))
    """
    check_kind(system)
    process = system.process()
    check_range(system, process)
    check_process(process)
    at_halves(system, process)


def check_process(process: Process) -> Float[np.ndarray, "states transitions"] | None:
    """The part of `check` that is about the process of a model; the rates that the walk met of a jump process (`walk`)."""
    refuse_misspelt(type(process))
    names, steps = check_methods(process)
    if not names:
        raise ValueError(
            f"{type(process).__name__} defines neither observe nor tally nor counters, so there is nothing to report: "
            'return a dict from observe, such as {"queue": state}'
        )
    if isinstance(process, MarkovProcess):
        return walk(process)
    if steps is not None:
        walk_steps(process, steps)
    return None


HOST = (
    "(jit, grad, vmap): a run is a loop on the host; use jaxq.sweep for many values, jaxq.gradient for derivatives, "
    "jaxq.tune to go along them"
)


def refuse_misspelt(kind: type) -> None:
    """TypeError if a class of a user's own defines a public name that was one of the contract, or is nearly one which it
    leaves as it is: nobody would call it."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("jaxq.")]
    theirs = [base for base in kind.__mro__ if base not in ours and base.__module__.partition(".")[0] not in BESIDE]
    contract = {name for base in ours for name in vars(base) if not name.startswith("_")}
    own = {name for base in theirs for name in vars(base) if not name.startswith("_")}
    fields = {field.name for field in dataclasses.fields(kind)}
    for name in sorted(own - contract - fields):
        if name in RENAMED:
            raise TypeError(f"{kind.__name__}.{name}: is never read; it is now {RENAMED[name]}")
        close = difflib.get_close_matches(name, contract - own - fields, 1, NEAR)
        if close:
            raise TypeError(
                f"{kind.__name__}.{name}: is never called; did you mean {close[0]}? If not, name it otherwise"
            )


def check_kind(system: Model) -> None:
    """TypeError unless it is a system that can be simulated: no class, nothing traced, nor what `process` returns.
    ValueError where a field holds what it may not."""
    if isinstance(system, type) and issubclass(system, Model):
        raise TypeError(f"system = {system.__name__}: is a class; give a system, {system.__name__}(...)")
    if isinstance(system, Process) and not isinstance(system, Model):
        raise TypeError(
            f"system = {type(system).__name__}: is a process, which a model's process() makes for the compiled loop; give "
            "the model itself"
        )
    if not isinstance(system, Model):
        raise TypeError(f"{shown(system)} is not a jaxq system")
    refuse_misspelt(type(system))
    for path, leaf in jax.tree.leaves_with_path(system):
        if isinstance(leaf, Tracer):
            raise TypeError(f"{type(system).__name__}{jax.tree_util.keystr(path)} is traced by JAX {HOST}")
    check_again(system)


def check_again(module: eqx.Module) -> None:
    """What was checked of a module, and of those in its fields, when they were made: `equinox.tree_at`, `jax.tree.map` and
    who writes into an array change numbers without that. ValueError as then."""
    for field in dataclasses.fields(module):
        held = getattr(module, field.name, None)
        if isinstance(held, eqx.Module) and jax.tree.leaves(held):
            check_again(held)
    for base in type(module).__mro__:
        if "__check_init__" in vars(base):
            vars(base)["__check_init__"](module)


def check_methods(process: Process) -> tuple[frozenset[str], Steps | None]:
    """Check the methods of a process, by shapes and types; no state is looked at. Returns what it observes, tallies and
    counts, and the steps of one that steps itself."""
    leaves, structure = jax.tree.flatten(process)
    with np.errstate(over="ignore"):  # for their types: `exact` computes in 64 bits
        leaves = [compute_leaf(leaf) for leaf in leaves]
    kept = _keeps_contract(structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves))
    step_time = None if isinstance(process, MarkovProcess) else process.step_time()  # which has a bound
    if step_time is not None and not 0 < step_time < np.inf:
        raise ValueError(f"{type(process).__name__}.step_time = {step_time}: must be a finite number > 0, or None")
    return kept


@functools.lru_cache(maxsize=64)
def _keeps_contract(structure, shapes: tuple) -> tuple[frozenset[str], Steps | None]:
    leaves = [jax.ShapeDtypeStruct(*shape) for shape in shapes]
    methods = Methods(structure, leaves)
    system = methods.system
    state = methods.state()
    event = (_check_jumps if isinstance(system, MarkovProcess) else _check_step)(methods, state)
    observed = methods.scalars("observe", state)
    tallied = methods.scalars("tally", state, event)
    counted = methods.scalars("counters", state, whole=True)
    methods.scalar("overflow", state)
    if not methods.defines("overflow", Process):
        methods.refuse_narrow(state)
    for one, other, names in (
        ("observe", "tally", observed & tallied),
        ("observe", "counters", observed & counted),
        ("tally", "counters", tallied & counted),
    ):
        if names:
            raise ValueError(f"{methods.name}: {one} and {other} both give {', '.join(sorted(names))}: one name, once")
    steps = None if isinstance(system, MarkovProcess) else Steps(system, leaves, methods.traced)
    return frozenset(observed | tallied | counted), steps


def _check_jumps(methods: Methods, state) -> Any:
    """Check rates and jumps; returns the event."""
    system, rates = methods.system, methods.rates(state)
    defined = {name for name in ("jump", "transition") if methods.defines(name, MarkovProcess)}
    if not defined:
        raise TypeError(f"{methods.name} must define jump(state, k) or transition(state, k)")
    if "jump" in defined:
        for k in range(rates):
            methods.next_state("jump", state, fixed=(k,), rates=rates)
        listed = _listed_jumps(type(system).jump)
        if listed not in (None, rates):
            raise TypeError(
                f"{methods.name}.jump lists {listed} states, but rates(state) gives {rates} rates: one a transition"
            )
    if "transition" in defined:
        methods.next_state("transition", state, jax.ShapeDtypeStruct((), np.int32))
    elapsed = jax.ShapeDtypeStruct((), np.float32)
    if system.drifts:
        methods.next_state("drift", state, elapsed)
        methods.scalar("next_switch", state, optional=True)
    if methods.defines("next_event", MarkovProcess):
        return methods.chosen(state)[0]
    event = jax.ShapeDtypeStruct((), np.int32)
    return (event, elapsed) if system.drifts else event


def _check_step(methods: Methods, state) -> Any:
    """Check next_event and update; returns the event."""
    event, weight = methods.chosen(state)
    timed = methods.defines("step_time", Process)
    if weight is None and not timed:
        raise TypeError(
            f"{methods.name}.next_event gives no weight, so that step_time() must say how long an event takes"
        )
    if weight is not None:
        methods.check_scalar("next_event", "the weight", weight)
    methods.next_state("update", state, event)
    return event


def _listed_jumps(jump: Callable) -> int | None:
    """How many states a jump of the form ``return [...][k]`` lists; None if it has another form."""
    try:
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(jump))).body
    except (OSError, SyntaxError, TypeError, ValueError):
        return None
    match [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]:
        case [ast.Subscript(value=ast.List(elts=states) | ast.Tuple(elts=states), slice=ast.Name(id=index))]:
            known = index == list(inspect.signature(jump).parameters)[2]
            return len(states) if known and not any(isinstance(x, ast.Starred) for x in states) else None
    return None
