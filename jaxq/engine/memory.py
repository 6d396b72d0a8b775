"""Bytes that a run takes, estimated before anything is allocated or compiled, against those that there are."""

import os
import re
from collections.abc import Sequence

from jaxq.checks import FieldError
from jaxq.engine.group_sums import group_size
from jaxq.engine.layout import FEW, first_look
from jaxq.engine.model import Model
from jaxq.engine.outline import lanes_bytes, summed
from jaxq.engine.process import Process
from jaxq.engine.team import team

WINDOW_BYTES, LEAST_WINDOWS = 2**30, 16
"""Above so many bytes the sums of a run are kept in fewer windows, down to so many."""
POINT_BYTES = 1024
"""A system on the host, at least: its fields and its result."""
ROW_BYTES = 8 * LEAST_WINDOWS + 32
"""A replica of a run, at least: one sum in 16 windows, and a state of two words with its random stream."""
SEEN_BYTES, PATH_BYTES = 54, 20
"""A replica at a grid point of `paths`, and each value seen there: 10 and 4 bytes from the devices, held three times while
they are put together, then 8 bytes a value and as much for what is computed from them."""


class TooLarge(FieldError):
    """What is asked for does not fit into memory."""


def window_limit(columns: int, rows: int, replicas: int) -> int:
    """Windows that a run's sums are kept in: twice its first look, eight times where replicas are few (a window as long as a
    correlation time makes that seem longer), and fewer while they take more than 1 GB, 16 at least."""
    limit = (2 if replicas >= FEW else 8) * first_look(replicas)
    while limit > LEAST_WINDOWS and 8 * limit * columns * rows > WINDOW_BYTES:
        limit //= 2
    return limit


def host_bytes(process: Process, rows: int, replicas: int) -> int:
    """Bytes of the sums of ``rows`` replicas or groups of them, of points of ``replicas``, of a prepared system: b = 8 x
    columns x rows a window, in `window_limit` windows, and 4 b while a launch is added up and looked at."""
    wide = len(summed(process))
    return 8 * wide * rows * (window_limit(wide, rows, replicas) + 4)


def device_bytes(process: Process, rows: int) -> int:
    """Bytes that ``rows`` replicas of a prepared system keep on the devices."""
    return rows * lanes_bytes(process)


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
        sizes = f"about {needed / 1e9:.3g} GB of memory, and there are {available / 1e9:.3g} GB"
        raise TooLarge(name, value, f"{what} would take {sizes}")


def check_points(names: str, count: int, replicas: int | None = None) -> None:
    """TooLarge if so many points of a sweep or comparison would not fit, whatever the system."""
    if count == 1:
        return  # for `check_run`
    replicas = 1 if replicas is None else replicas
    what = f"a point each, of {replicas} replica(s) or more,"
    check_fits(names, f"{count} points", what, count * (POINT_BYTES + ROW_BYTES * replicas))


def check_run(groups: Sequence[tuple[Sequence[Model], Process]], replicas: int, devices: tuple) -> int:
    """TooLarge if a run does not fit; else the bytes on the devices of this process. ``groups``: systems of one structure,
    and the first of them prepared."""
    share, state, host = team().share(replicas), 0, 0
    for systems, process in groups:
        together = group_size(systems, len(summed(process)), replicas)
        state += device_bytes(process, len(systems) * (share.stop - share.start))
        host += host_bytes(process, len(systems) * replicas // together, replicas)
    points = sum(len(systems) for systems, _ in groups)
    what = "a run of them" if points == 1 else f"a run of them at each of {points} points"
    if devices[0].platform == "cpu":
        check_fits("replicas", replicas, what, host + state)
    else:
        check_fits("replicas", replicas, what, host)
        check_fits("replicas", replicas, f"on its device(s) {what}", state, device_memory(devices))
    return state


def too_large(error: Exception, replicas: int, state: int) -> TooLarge | None:
    """What to say of an error of the devices, if it is that their memory is full; ``state``: bytes that were estimated."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        return None
    asked = re.search(r"allocate (?:request for )?([\d.]+ ?\w*)", str(error))
    wanted = f" ({asked[1]} more were asked for)" if asked else ""
    said = f"the memory of the devices is full{wanted}; their state alone takes {state / 1e9:.3g} GB"
    return TooLarge("replicas", replicas, f"{said}. Fewer replicas, or batch, must be set")


def check_paths(times: int, replicas: int, values: int) -> None:
    """TooLarge if the values seen by `paths` do not fit: so many at each of ``times`` points, of each replica."""
    what = f"{replicas} replicas seen at each of them"
    check_fits("times", f"{times} times", what, times * replicas * (SEEN_BYTES + PATH_BYTES * values))
