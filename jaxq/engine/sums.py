"""The sums of a run, as metrics see them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


class Sums(Mapping):
    """Sums over a run that `Model.metrics` combines: ``sums["queue"]``, ``sums.time``, ``sums.events``.

    The entries are anything with arithmetic: estimates with per-replica residuals in a simulation, plain floats in
    `exact`. ``observed``, ``tallied``, ``counted`` list the names by kind.
    """

    def __init__(self, time, events, observed: dict, tallied: dict, counted: dict):
        self.time, self.events = time, events
        self.observed, self.tallied, self.counted = tuple(observed), tuple(tallied), tuple(counted)
        self._entries = {**observed, **tallied, **counted}

    def __getitem__(self, name):
        if name not in self._entries:
            raise KeyError(f"there is no sum {name}; there are {', '.join(self._entries)}")
        return self._entries[name]

    def __iter__(self):
        return iter(self._entries)

    def __len__(self):
        return len(self._entries)

    def without(self, names) -> "Sums":
        """The same without some names."""
        kinds = [{n: self[n] for n in part if n not in names} for part in (self.observed, self.tallied, self.counted)]
        return Sums(self.time, self.events, *kinds)

    def at(self, value: Callable[[Any], float]) -> "Sums":
        """The same estimates with other values: each has ``value`` of what it is a unit of time."""

        def moved(x):
            return dataclasses.replace(x, value=self.time.value * value(x / self.time))

        kinds = [{n: moved(self[n]) for n in part} for part in (self.observed, self.tallied, self.counted)]
        return Sums(self.time, moved(self.events), *kinds)
