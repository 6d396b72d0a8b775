"""Markov controls of the limiting diffusion: of the state alone, which classes wait and which pools idle.

With s = e.x, s^+ u^c_i customers of class i wait and s^- u^s_j servers of pool j are idle; u^c and u^s are on the simplex
(Hmedi, Arapostathis and Pang, arXiv 2009.01942, Eq. 41). A compiled control maps x, a tuple of I scalars, to
(u^c by class, u^s by pool).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxq.checks import FieldError
from jaxq.engine.fields import RULE, SIMPLEX_SLACK, Rule
from jaxq.systems.parallel_servers.network.network import Network

CONTROLS = ("constant", "balanced")
TRIALS, SPREADS = 64, (0.1, 1.0, 10.0)
"""States at which a written control is tried, standard normal times each of the spreads, and 0."""


class Constant(eqx.Module):
    """The same shares in every state; shapes (I,) and (J,)."""

    queued: Any
    idle: Any

    def __call__(self, x):
        return list(self.queued), list(self.idle)


class Balanced(eqx.Module):
    """As balanced saturation: u^c_i proportional to x_i^+, u^s to x_i^- in the pool that class i fills last.

    ``places``: column i is 1 at that pool of class i, shape (J, I).
    """

    places: Any

    def __call__(self, x):
        queued = _shares([jnp.maximum(y, 0) for y in x])
        below = _shares([jnp.maximum(-y, 0) for y in x])
        return queued, [sum(place * y for place, y in zip(row, below, strict=True)) for row in self.places]


class Written(eqx.Module):
    """A user's function of x, JAX scalars, to two sequences of shares."""

    function: Callable = eqx.field(static=True)

    def __call__(self, x):
        queued, idle = self.function(x)
        return [jnp.float32(u) for u in queued], [jnp.float32(u) for u in idle]


@dataclasses.dataclass(frozen=True)
class Control:
    """What a user asks for: a name of `CONTROLS`, shares for ``constant``, or a function.

    Attributes:
        name: ``constant``, ``balanced`` or the name of the function.
        shares: (u^c, u^s) of a constant control, or None: one class and one pool (Eq. 56).
        function: x, a tuple of I scalars -> (u^c, I numbers; u^s, J numbers), written in jax.numpy; or None.
    """

    name: str
    shares: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    function: Callable[..., Any] | None = None

    def __str__(self) -> str:
        if self.shares is None:
            return self.name
        return f"{self.name}:" + ";".join(",".join(f"{x:g}" for x in row) for row in self.shares)

    def build(self, network: Network, queued: int, idle: int) -> Constant | Balanced | Written:
        """The compiled control; ``queued``, ``idle``: class and pool of Eq. 56, from 0."""
        classes, pools = len(network.classes), len(network.pools)
        if self.function is not None:
            return Written(self.function)
        if self.name == "constant":
            given = (np.eye(classes)[queued], np.eye(pools)[idle]) if self.shares is None else self.shares
            return Constant(*(np.asarray(row, np.float64) for row in given))
        last = [
            min((network.service_rates[i, j], -j) for k, j in network.graph.edges if k == i)[1] for i in range(classes)
        ]
        return Balanced(np.eye(pools)[:, [-j for j in last]])

    def check(self, network: Network) -> None:
        """ValueError unless constant shares are as many as classes and pools, and on the simplex."""
        for row, names, kind in zip(
            self.shares or (), (network.classes, network.pools), ("class", "pool"), strict=False
        ):
            on_simplex = min(row) >= 0 and abs(sum(row) - 1) <= SIMPLEX_SLACK
            if len(row) != len(names) or not on_simplex:
                raise FieldError(
                    "control",
                    self,
                    f"must have {len(names)} shares >= 0 that sum to 1, one a {kind} ({', '.join(names)}), "
                    f"not {', '.join(f'{x:g}' for x in row)}",
                )

    def try_out(self, network: Network) -> None:
        """Run a written function at many states. ValueError unless its shares are on the simplex at each."""
        function: Any = self.function
        if function is None:
            return
        rng = np.random.default_rng(0)
        normal = rng.normal(size=(TRIALS, len(network.classes)))
        states = np.concatenate([np.zeros_like(normal[:1]), *(spread * normal for spread in SPREADS)])
        rule = f"must be a function of x, a tuple of {len(network.classes)} JAX scalars, that returns"
        try:
            found = jax.vmap(lambda x: tuple(map(jnp.stack, Written(function)(tuple(x)))))(jnp.float32(states))
            queued, idle = (np.asarray(part, np.float64) for part in found)
        except Exception as error:
            raise FieldError(
                "control", self, f"{rule} two lists of numbers, written in jax.numpy ({_first_line(error)})"
            ) from None
        for part, names, kind in ((queued, network.classes, "class"), (idle, network.pools, "pool")):
            if part.shape[1:] != (len(names),):
                raise FieldError(
                    "control",
                    self,
                    f"{rule} {len(names)} shares, one a {kind} ({', '.join(names)}), not {part.shape[1]}",
                )
            off = ~(np.isfinite(part).all(axis=1) & (part >= 0).all(axis=1) & (abs(part.sum(axis=1) - 1) < 1e-4))
            if off.any():
                at = int(np.argmax(off))
                raise FieldError(
                    "control",
                    self,
                    f"{rule} shares >= 0 that sum to 1; at x = {_row(states[at])} those of the "
                    f"{'queue' if kind == 'class' else 'idle servers'} are {_row(part[at])}",
                )


def parse_control(text: str) -> Control:
    """``constant``, ``constant:0.5,0.5;0,1`` or ``balanced``. Raises ValueError."""
    name, colon, rest = text.partition(":")
    wrong = FieldError("control", text, "must be constant, constant:u^c;u^s such as constant:0.5,0.5;0,1, or balanced")
    if name not in CONTROLS or (colon and name != "constant"):
        raise wrong
    if not colon:
        return Control(name)
    try:
        rows = [tuple(map(float, row.split(","))) for row in rest.split(";")]
    except ValueError:
        raise wrong from None
    if len(rows) != 2:
        raise wrong
    return Control(name, (rows[0], rows[1]))


def control_field(doc: str) -> Any:
    """A static field that holds a `Control`, from its text or from a function."""

    def convert(value):
        if isinstance(value, str):
            return parse_control(value)
        function: Any = value
        written = callable(value) and not isinstance(value, (type, Control))
        return Control(getattr(value, "__name__", "a function"), function=function) if written else value

    rule = Rule(doc, parse_compound=parse_control, kind=Control)
    return eqx.field(converter=convert, static=True, default=Control("constant"), metadata={RULE: rule})


def _shares(amounts: list) -> list:
    """Amounts as shares of their sum; all 0 where they are."""
    total = sum(amounts)
    return [jnp.where(total > 0, y / jnp.where(total > 0, total, 1), 0) for y in amounts]


def _row(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:.4g}" for x in values) + ")"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
