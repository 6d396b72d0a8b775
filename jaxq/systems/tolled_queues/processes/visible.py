"""What jump processes of tolled queues with visible customers have in common."""

from abc import abstractmethod
from typing import Any

import equinox as eqx

from jaxq.engine.jump_process import MarkovProcess
from jaxq.engine.process import Scan


class Visible(MarkovProcess):
    """Customers that choose by who is at the servers; ``joins_i_j`` and ``sojourn_i`` are tallied at their arrival."""

    arrival_rates: Any  # a class, shape (classes,)
    costs: Any  # of waiting, a class, shape (classes,)
    service_rates: Any  # per time, shape (servers,)
    tolls: Any  # shape (servers,)
    random_ties: bool = eqx.field(static=True)

    @property
    def scan(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return Scan(stride=5, measured_at={f"sojourn_{i + 1}": () for i in range(self.classes)})

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.costs.shape[0]

    @property
    def servers(self) -> int:
        """Number of servers."""
        return self.service_rates.shape[0]

    @abstractmethod
    def joins(self, state) -> list[list]:
        """Probability that a customer of each class joins each server."""

    @abstractmethod
    def stays(self, state, i: int) -> list:
        """Mean time at each server of a customer of class i that joins it now."""

    @abstractmethod
    def numbers(self, state) -> list:
        """Customers at each server."""

    def observe(self, state):
        found = {}
        for i, shares in enumerate(self.joins(state)):
            rates = [self.arrival_rates[i] * share for share in shares]
            found |= {f"joins_{i + 1}_{j + 1}": rate for j, rate in enumerate(rates)}
            found[f"sojourn_{i + 1}"] = sum(rate * t for rate, t in zip(rates, self.stays(state, i), strict=True))
        return found | {f"busy_{j + 1}": n > 0 for j, n in enumerate(self.numbers(state))}
