"""What does not fit into memory is refused before anything is allocated or compiled."""

import os
import re
from collections.abc import Sequence

from jaxq.checks import FieldError
from jaxq.engine.footprint import LEAST_WINDOWS, Footprint, footprint, sized
from jaxq.engine.model import Model
from jaxq.engine.process import Process

POINT_BYTES = 1024
"""A system on the host, at least: its fields and its result."""
ROW_BYTES = 8 * LEAST_WINDOWS + 32
"""A replica of a run, at least: one sum in 16 windows, and a state of two words with its random stream."""
SEEN_BYTES, PATH_BYTES = 54, 20
"""A replica at a grid point of `paths`, and each value seen there: 10 and 4 bytes from the devices, held three times while
they are put together, then 8 bytes a value and as much for what is computed from them."""


class TooLarge(FieldError):
    """What is asked for does not fit into memory."""


def machine_memory() -> int:
    """Bytes of memory that this process may use: the smaller of the machine's and the cgroup's limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            return min(total, int(file.read()))
    except (OSError, ValueError):
        return total  # no cgroup v2 limit to read


def device_memory(devices: tuple) -> float:
    """Bytes on all devices together; of a CPU, and of a device that does not say, those of the machine."""
    said = [(device.memory_stats() or {}).get("bytes_limit", 0) for device in devices if device.platform != "cpu"]
    return sum(said) if said and all(said) else machine_memory()


def check_fits(name: str, value, what: str, needed: float, available: float | None = None) -> None:
    """TooLarge that names a field and its value if ``what`` needs more bytes than there are (default: in the machine)."""
    available = machine_memory() if available is None else available
    if needed > available:
        sizes = f"about {sized(needed)} of memory, and there are {sized(available)}"
        raise TooLarge(name, value, f"{what} would take {sizes}")


def check_points(names: str, count: int, replicas: int | None = None) -> None:
    """TooLarge if so many points of a sweep or comparison would not fit, whatever the system."""
    if count == 1:
        return  # for `check_run`
    replicas = 1 if replicas is None else replicas
    what = f"a point each, of {replicas} replica(s) or more,"
    check_fits(names, f"{count} points", what, count * (POINT_BYTES + ROW_BYTES * replicas))


def check_run(
    groups: Sequence[tuple[Sequence[Model], Sequence[Process]]], replicas: int, devices: tuple, **cut
) -> Footprint:
    """TooLarge if a run does not fit; else its footprint. ``groups``: systems of one structure, and what they are stepped
    as; ``cut``: as `jaxq.engine.footprint.footprint`."""
    found = [footprint(*group, replicas, devices, **cut) for group in groups]
    total = Footprint(*map(sum, zip(*found, strict=True)))
    points = sum(len(systems) for systems, _ in groups)
    what = "a run of them" if points == 1 else f"a run of them at each of {points} points"
    check_fits("replicas", replicas, what, total.machine)
    if total.devices:
        check_fits("replicas", replicas, f"on its device(s) {what}", total.devices, device_memory(devices))
    return total


def too_large(error: Exception, replicas: int, expected: Footprint) -> TooLarge | None:
    """What to say of an error of the devices, if it is that their memory is full."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        return None
    asked = re.search(r"allocate (?:request for )?([\d.]+ ?\w*)", str(error))
    wanted = f" ({asked[1]} more were asked for)" if asked else ""
    said = f"the memory of the devices is full{wanted}; expected was {expected}"
    return TooLarge("replicas", replicas, f"{said}. Fewer replicas, or batch, must be set")


def check_paths(times: int, replicas: int, values: int) -> None:
    """TooLarge if the values seen by `paths` do not fit: so many at each of ``times`` points, of each replica."""
    what = f"{replicas} replicas seen at each of them"
    check_fits("times", f"{times} times", what, times * replicas * (SEEN_BYTES + PATH_BYTES * values))
