"""The shape of a network: which class is where, where customers come from outside, and where they go next."""

from typing import NamedTuple

OUTSIDE = -1
"""Where those go who leave: the last of the places to which a class goes."""


class Routes(NamedTuple):
    """Hashable, so that it shapes a program.

    Attributes:
        classes, stations: names.
        station_of: the station of each class, counted from 0.
        entries: the classes to which customers come from outside, if at all.
        moves: the pairs (k, l) of a class and the class, or `OUTSIDE`, that its customers become, of a probability > 0; who
            becomes one of the same class again changes nothing and has none.
    """

    classes: tuple[str, ...]
    stations: tuple[str, ...]
    station_of: tuple[int, ...]
    entries: tuple[int, ...]
    moves: tuple[tuple[int, int], ...]

    def of_station(self, j: int) -> list[int]:
        """The classes of a station."""
        return [k for k, station in enumerate(self.station_of) if station == j]
