"""Who comes first where: the neighbours of each node of a network, in order; written ``2 > 1`` or ``3: 2 > 1; 4: 1 > 2``."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx

from jaxq.checks import FieldError
from jaxq.engine.fields import compound


class Preferences(eqx.Module):
    """Orders by node; the node ``*`` stands for all that are not named. Names are checked against a network by `ranks`."""

    orders: tuple[tuple[str, tuple[str, ...]], ...] = eqx.field(static=True)

    def __str__(self) -> str:
        return "; ".join(
            f"{node}: {' > '.join(order)}" if node != "*" else " > ".join(order) for node, order in self.orders
        )

    def ranks(
        self, field: str, kind: str, nodes: Sequence[str], allowed: Mapping[str, Sequence[str]]
    ) -> list[dict[str, int]]:
        """For each node, the place of each of its neighbours, from 0.

        Args:
            field: for messages.
            kind: what the nodes are, for messages.
            nodes: names of the nodes.
            allowed: names of the neighbours of each node; one that is alone needs no order.

        Raises:
            ValueError: a node or a neighbour that is not there, stands twice or is missing.
        """
        given = dict(self.orders)
        known = {name for names in allowed.values() for name in names}
        for node in given:
            if node != "*" and node not in nodes:
                raise FieldError(field, self, f"there is no {kind} {node}; there are {', '.join(nodes)}")
        found = []
        for node in nodes:
            order = given.get(node, given.get("*"))
            if order is None and len(allowed[node]) == 1:
                order = allowed[node]
            if order is None:
                raise FieldError(field, self, f"must have an order for {kind} {node}, of {', '.join(allowed[node])}")
            stray = [name for name in order if name not in (known if node not in given else allowed[node])]
            if stray or len(set(order)) < len(order):
                raise FieldError(field, self, f"must name each of {', '.join(allowed[node])} once for {kind} {node}")
            missing = [name for name in allowed[node] if name not in order]
            if missing:
                raise FieldError(field, self, f"{', '.join(missing)} must have a place in the order for {kind} {node}")
            mine = [name for name in order if name in allowed[node]]
            found.append({name: place for place, name in enumerate(mine)})
        return found


def parse_preferences(field: str, text: str) -> Preferences:
    """``2 > 1`` for all nodes, or ``3: 2 > 1; 4: 1 > 2``. Raises FieldError."""
    orders = []
    for part in text.split(";"):
        node, _, order = part.rpartition(":")
        names = tuple(name.strip() for name in order.split(">"))
        node = node.strip() or "*"
        if not all(re.fullmatch(r"\w+", name) for name in names) or not re.fullmatch(r"\w+|\*", node):
            raise FieldError(
                field, text, "must be an order such as 2 > 1, or one for each node such as 3: 2 > 1; 4: 1 > 2"
            )
        if node in dict(orders):
            raise FieldError(field, text, f"must have one order for {'all nodes' if node == '*' else node}")
        orders.append((node, names))
    return Preferences(tuple(orders))


def orders_field(name: str, doc: str) -> Any:
    """A field that holds `Preferences`, or None."""
    parse = functools.partial(parse_preferences, name)
    return compound(doc, parse, Preferences, default=None, optional=True)
