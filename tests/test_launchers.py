"""The lines that the page has for SLURM, MPI and Kubernetes, run with the variables that these set."""

import re
import shlex
import socket
from pathlib import Path

import pytest

import jaxq
from jaxq.__main__ import main
from jaxq.engine.distributed import NotMet
from jaxq.engine.launcher import FIRST_PORT, PORTS
from tests.engine.test_processes import ended, free_port, started

PAGE = (Path(__file__).parents[1] / "notebooks" / "gpus_and_clusters.md").read_text(encoding="utf8")
FILE = 'system = "mmc"\n[parameters]\narrival_rate = 0.3\n'


def line(start: str) -> list[str]:
    """The words of the line of the page that begins so, without its launcher."""
    (found,) = re.findall(rf"^{re.escape(start)} (jaxq run .*)$", PAGE, re.M)
    return shlex.split(found)[1:]


def pod() -> list[str]:
    """The words of the container."""
    (found,) = re.findall(r"args: \[jaxq, (.*?)\]", PAGE, re.S)
    return [word.strip().strip('"') for word in found.split(",")]


def by_slurm(number: int, port: int) -> dict[str, str]:
    return {
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(number),
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_JOB_ID": str(PORTS + port - FIRST_PORT),
    }


def by_mpi(number: int, port: int) -> dict[str, str]:
    return {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": str(number)}


def by_kubernetes(number: int, port: int) -> dict[str, str]:
    return {"JOB_COMPLETION_INDEX": str(number)}


def high_port() -> int:
    """A free port of those that are chosen by the number of a job."""
    return next(port for port in range(FIRST_PORT, FIRST_PORT + PORTS) if _free(port))


def _free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


LAUNCHERS = {
    "slurm": (lambda: line("srun"), by_slurm, high_port),
    "mpi": (lambda: line("mpirun -n 4"), by_mpi, free_port),
    "kubernetes": (pod, by_kubernetes, free_port),
}


def words_of(launcher: str, folder: Path) -> tuple[list[str], list[dict[str, str]], str]:
    """But for the number of processes, the folder and the name of the first machine, to the letter: the words of the page,
    the variables of two processes, and where they meet."""
    words, variables, a_port = LAUNCHERS[launcher]
    port, command = a_port(), []
    for word in words():
        word = re.sub(r"^[\w.-]+:5000$", f"127.0.0.1:{port}", word).replace("/data/", f"{folder}/")
        command.append("2" if word == "4" else word)
    (folder / "sa-jsq.toml").write_text(FILE)
    return command, [variables(number, port) for number in range(2)], f"127.0.0.1:{port}"


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_each_process_knows_its_place(monkeypatch, tmp_path, launcher):
    monkeypatch.chdir(tmp_path)
    words, variables, coordinator = words_of(launcher, tmp_path)
    places = []

    def met(at, timeout):
        places.append(at)
        raise NotMet("coordinator", at.coordinator, "is met by nobody")

    monkeypatch.setattr("jaxq.engine.distributed.join", met)
    for some in variables:
        with monkeypatch.context() as patch:
            for name, value in some.items():
                patch.setenv(name, value)
            assert main(words) == 2
    assert [at.coordinator for at in places] == [coordinator] * 2
    assert [(at.processes, at.process_id) for at in places] == [(2, 0), (2, 1)]


@pytest.mark.slow
def test_two_processes_by_a_launcher(tmp_path):
    words, variables, _ = words_of("slurm", tmp_path)
    commands = [("-m", "jaxq", *words, "--devices", 1, "--out", "all.json")] * 2
    with started(*commands, variables=variables, folder=tmp_path) as processes:
        outcomes = ended(processes)
    assert [code for code, *_ in outcomes] == [0, 0], outcomes
    assert "number_in_system" in outcomes[0][1] and not outcomes[1][1]
    found = jaxq.Result.load(tmp_path / "all.json")
    assert found.run["processes"] == 2 and found.run["replicas"] == 65536
    assert (tmp_path / "run.npz").exists()
