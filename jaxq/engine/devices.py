"""Devices of this machine, and the rule that lays a run out on them.

On a CPU, XLA's own threads make a small scan slower, not faster; what helps is one CPU device per usable core, the
scan compiled as one kernel and replicas in tiles that stay in the first-level cache (figures in benchmarks/decisions.md).
All three must be arranged before the backend starts: `use_all_cores`.
"""

import os
import sys
import warnings
from importlib.util import find_spec

import jax

from jaxq.checks import FieldError, integer
from jaxq.engine.versions import installed

_warned = False
_process: int | None = None
PLUGINS = "jax_cuda12_plugin", "jax_cuda13_plugin"
"""What the extras cuda12 and cuda13 bring."""


def usable_cores() -> int:
    """Cores this process may use: the smaller of its affinity mask and the cgroup CPU limit (at least 1)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no cgroup v2 limit to read: the affinity mask stands
    return cores


def _cpu_flags() -> list[str]:
    # One device a core: splitting one device's loops over threads makes them slower (token pool: 29 instead of 10 ns).
    flags = ["--xla_disable_hlo_passes=cpu-parallel-task-assigner"]
    with open("/proc/cpuinfo") as file:
        if "avx512f" in file.read():
            flags.append("--xla_cpu_prefer_vector_width=512")
    if tuple(map(int, installed("jaxlib").split(".")[:2])) == (0, 10):
        # An unknown key aborts the process, and later versions compile small loops as one kernel by themselves.
        flags.append("--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=2000000000")
    return flags


def use_all_cores(cores: int | None = None) -> int:
    """Make one CPU device per usable core and let XLA compile the event loop as one kernel.

    Call it before the first JAX computation (the command line does). ``cores`` (default: all usable) is the number of
    devices. Returns the number of devices that a run will use; on a machine with an accelerator that is the
    accelerators. It sets ``jax_num_cpu_devices`` and, where they are not there yet, XLA_FLAGS (`jaxq info` prints them) and
    NPROC, for this process; it switches x64 neither on nor off, and no number depends on that. Raises RuntimeError if a
    backend has already started with another number of devices.
    """
    cores = usable_cores() if cores is None else integer("cores", cores)
    try:
        wanted = _cpu_flags()
    except OSError:
        wanted = []
    try:
        jax.config.update("jax_num_cpu_devices", cores)
    except RuntimeError:  # a backend has started, its devices and flags are fixed
        if jax.default_backend() == "cpu" and len(jax.local_devices()) != cores:
            raise RuntimeError(
                f"use_all_cores({cores}): JAX has already started with {len(jax.local_devices())} device(s); "
                "call it before the first JAX computation"
            ) from None
        return len(jax.local_devices())
    present = os.environ.get("XLA_FLAGS", "")
    extra = [flag for flag in wanted if flag.split("=")[0] not in present]
    os.environ["XLA_FLAGS"] = " ".join([present, *extra]).strip()
    os.environ.setdefault("NPROC", str(cores))  # threads of XLA's pool: more than devices only spin
    return len(jax.local_devices())


def no_gpu(platform: str) -> str | None:
    """Why runs are on a CPU though JAX was installed for a GPU; None if they are not, or JAX_PLATFORMS asks for it."""
    found = [name for name in PLUGINS if find_spec(name)]
    if platform != "cpu" or not found or os.environ.get("JAX_PLATFORMS"):
        return None
    return (
        f"{found[0].replace('_', '-')} is installed, but JAX finds no GPU, so runs are on the CPU; nvidia-smi says what the "
        "driver sees, JAX_PLATFORMS=cpu that this is meant"
    )


def callers_level() -> int:
    """The ``stacklevel`` with which a function of jaxq warns of the line outside jaxq that led to it."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "jaxq":
        frame, level = frame.f_back, level + 1
    return level


def choose_devices(count: int | None) -> tuple:
    """The first ``count`` devices of this process and the default backend (None: all). ValueError if there are fewer.
    RuntimeError in a process that was forked after a run, where JAX has no threads and would wait for ever."""
    global _warned, _process
    if _process not in (None, os.getpid()):
        raise RuntimeError(
            "this process was forked after JAX had started, so that a run would never end: start it by "
            'multiprocessing.get_context("spawn")'
        )
    _process = os.getpid()
    devices = jax.local_devices()
    missing = no_gpu(devices[0].platform)
    if missing and not _warned:
        _warned = True
        warnings.warn(missing, stacklevel=callers_level())
    if count is None:
        if len(devices) == 1 and devices[0].platform == "cpu" and usable_cores() > 1 and not _warned:
            _warned = True
            warnings.warn(
                f"one JAX device on {usable_cores()} cores: call jaxq.use_all_cores() before the first JAX computation",
                stacklevel=callers_level(),
            )
        return tuple(devices)
    if not 1 <= count <= len(devices):
        raise FieldError("devices", count, f"must be between 1 and {len(devices)}, the devices JAX sees")
    return tuple(devices[:count])
