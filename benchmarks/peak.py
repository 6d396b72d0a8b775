"""Bytes that a run holds at its peak, beside those that are said before it begins: two numbers on a line.

    MALLOC_MMAP_THRESHOLD_=131072 python -m benchmarks.peak "MMc(0.8)" "{'replicas': 65536, 'events': 4000}"

The same run begins twice in one process on two cores. The first ends where it has compiled; what is resident then is taken
off the peak of the second. Launches are as long as they have room for, as in a long run, however busy the machine; two of
them are said, and the second is touched as it fills, so that somewhat less is resident. With the variable glibc gives blocks
that are freed back at once; without it up to as much again stays resident. Linux alone.
"""

import ctypes
import gc
import sys

import jaxq
from jaxq.engine import loop
from jaxq.engine.plan import plan
from jaxq.engine.simulate import run


def resident(name: str) -> int:
    """Bytes of this process, now (VmRSS) or at the peak (VmHWM)."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


def main(system: str, options: str) -> None:
    """Print both figures."""
    jaxq.use_all_cores(2)
    names = {name: getattr(jaxq, name) for name in jaxq.__all__}
    planned = plan([eval(system, names)], jaxq.Options(**{"warmup": 0, **eval(options)}))
    loop.LAUNCH_SECONDS = 1e9
    whole, loop.Loop.run = loop.Loop.run, lambda self, interrupt: sys.exit()
    try:
        run(planned)
    except SystemExit:
        loop.Loop.run = whole
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    before = resident("VmRSS")
    run(planned)
    print(resident("VmHWM") - before, planned.footprint.machine)


if __name__ == "__main__":
    main(*sys.argv[1:])
