"""How many processes there are, which one this is and where they meet: as told, or as the program that started them says."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from jaxq.checks import FieldError, integer

COUNTS = "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"
"""Variables with the number of processes: SLURM's srun, Open MPI, MPICH and its kin."""
NUMBERS = "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JOB_COMPLETION_INDEX"
"""Variables with the number of this one; the last: an indexed job of Kubernetes."""
NODES, JOB = "SLURM_STEP_NODELIST", "SLURM_JOB_ID"
"""SLURM's list of the nodes of this step, and its number of the job."""
FIRST_PORT, PORTS = 61440, 4096
"""Ports that are chosen by the number of a job: those that Linux gives nobody by itself."""
AUTO = "auto"
MOST = 2**16
"""Processes at most."""


class Place(NamedTuple):
    """Process ``process_id`` of ``processes``, which meet where process 0 listens."""

    host: str
    port: int
    processes: int
    process_id: int

    @property
    def coordinator(self) -> str:
        """``host:port``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def place(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Place:
    """What is given, and else what SLURM, MPI or Kubernetes have put into the environment; see `jaxq.distributed`.

    Raises:
        ValueError: one of the three is not allowed, or is neither given nor found.
    """
    host, port = _address(coordinator, environ)
    if processes is None:
        processes = _found("processes", COUNTS, environ)
    count = integer("processes", processes, 1, MOST)
    if process_id is None:
        process_id = 0 if count == 1 else _found("process_id", NUMBERS, environ)
    number = integer("process_id", process_id, 0)
    if number >= count:
        raise FieldError("process_id", number, f"must be from 0 to {count - 1}, as there are {count} processes")
    return Place(host, port, count, number)


def _found(name: str, variables: tuple[str, ...], environ: Mapping[str, str]) -> int:
    for variable in variables:
        if variable in environ:
            text = environ[variable]
            if not text.isdecimal():
                raise FieldError(variable, text, f"is not a number of {name}; must be given as {name}")
            return int(text)
    raise FieldError(
        name, ..., f"must be given beside the coordinator: the environment has none of {', '.join(variables)}"
    )


def _address(coordinator: str | None, environ: Mapping[str, str]) -> tuple[str, int]:
    if coordinator is None or coordinator == AUTO:
        if NODES not in environ or not environ.get(JOB, "").isdecimal():
            raise FieldError("coordinator", AUTO, f"SLURM's {NODES} and {JOB} are not there; must be HOST:PORT")
        return first_node(environ[NODES]), FIRST_PORT + int(environ[JOB]) % PORTS
    host, _, port = coordinator.rpartition(":") if isinstance(coordinator, str) else ("", "", "")
    if not (host.strip("[]") and port.isdecimal() and 0 < int(port) < 2**16):
        rule = "must be HOST:PORT, the address of process 0 and a port from 1 to 65535, or auto under SLURM"
        raise FieldError("coordinator", coordinator, rule)
    return host.strip("[]"), int(port)


def first_node(nodes: str) -> str:
    """The first of SLURM's list of nodes: ``n1`` of ``n1,n2``, ``n007`` of ``n[007-015,020],m3``."""
    found = re.match(r"([^,\[]*)(?:\[([^-,\]]*)[^\]]*\]([^,\[]*))?", nodes)
    return "".join(part or "" for part in found.groups()) if found else nodes
