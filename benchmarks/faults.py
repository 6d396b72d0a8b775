"""Runs that are killed at random moments and resumed, until they are done.

    python benchmarks/faults.py                          # 1000 SIGKILLs, 200 SIGTERMs and SIGINTs
    python benchmarks/faults.py --kills 20 --terms 10 --case precision

A command with a checkpoint is started, killed after a random part of its run, and started again, until it ends by
itself. After each kill the checkpoint must be whole, and hold all that was saved when the process last said so. After a
SIGTERM or SIGINT the command must have ended with exit code 130, a result marked ``unfinished`` (or, before there is
anything to report, none) and a checkpoint of all that ran. At the end the result must be, bit for bit, that of a run
that was never stopped, and nothing but the files that were asked for may be there.

Processes are forked from one that has imported jaxq and started no device; compiled programs come from a cache.
"""

import argparse
import json
import os
import random
import select
import shutil
import signal
import struct
import tempfile
import time
from pathlib import Path

import jax

import jaxq
import jaxq.cli.app  # so that no child has to
import jaxq.cli.result_tables
import jaxq.cli.tables
from jaxq import startup
from jaxq.__main__ import main
from jaxq.cli import run
from jaxq.engine import checkpoint
from jaxq.engine.files import read_npz
from jaxq.engine.progress import Silent

SIZE = ["--devices", "1", "--quiet"]
CASES = {
    "events": ["run", "mmc", "--arrival-rate", "0.9", "--events", "1e7", "--replicas", "64"],
    "precision": ["run", "mmc", "--arrival-rate", "0.9", "--precision", "0.006", "--replicas", "64"],
    "quantiles": [
        *("run", "mmc", "--arrival-rate", "0.8", "--quantiles", "queue_length", "--events", "3e5", "--replicas", "32"),
    ],
    "sweep": ["sweep", "mmc", "--arrival-rate", "0.5:0.9:3", "--events", "3e6", "--replicas", "64"],
    "two programs": [
        *("compare", "mmc", "--arrival-rate", "0.9", "--capacity", "none,20", "--events", "4e6", "--replicas", "64"),
    ],
}
SEEDS = 3
MARK = struct.Struct("=cd")
"""What a process says through its pipe: ``r`` that it runs, ``s`` that it has saved; and when."""


def child(args: list[str], pipe: int) -> None:
    """The command, which tells of its launches and saves; never returns."""

    def tell(kind: bytes) -> None:
        os.write(pipe, MARK.pack(kind, time.monotonic()))

    class Telling(Silent):
        def update(self, progress) -> None:
            tell(b"r")

    def saving(path, arrays) -> None:
        write(path, arrays)
        tell(b"s")

    write, checkpoint.write_npz = checkpoint.write_npz, saving
    run.make_meter = lambda quiet: Telling()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, startup.leave)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    code = 1
    try:
        code = main(args)
    finally:
        os._exit(code)


class Process:
    """One forked command; ``said``: what it told, after `end`."""

    def __init__(self, args: list[str]):
        self._read, write = os.pipe()
        self.id = os.fork()
        if self.id == 0:
            os.close(self._read)
            child(args, write)
        os.close(write)
        self._data = b""

    def wait_until_running(self) -> bool:
        """False if it has ended before it ran."""
        select.select([self._read], [], [])
        self._data += os.read(self._read, MARK.size)
        return bool(self._data)

    def wait(self, seconds: float) -> bool:
        """Whether it is over after so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            if ready:
                more = os.read(self._read, 1 << 16)
                self._data += more
                if not more:
                    return True
        return False

    def send(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.id, number)

    def end(self) -> int:
        """Wait for its end; returns the exit code, or minus the signal that ended it."""
        while more := os.read(self._read, 1 << 16):
            self._data += more
        os.close(self._read)
        return os.waitstatus_to_exitcode(os.waitpid(self.id, 0)[1])

    @property
    def said(self) -> list[tuple[bytes, float]]:
        """(kind, time) in order."""
        whole = len(self._data) // MARK.size * MARK.size
        return list(MARK.iter_unpack(self._data[:whole]))


def numbers(path: Path) -> list:
    """What must be the same bit for bit: metrics, histograms, events, flags of every result of a file."""
    data = json.loads(path.read_text())
    kept = ("events", "events_per_replica", "time", "warmup")
    return [
        [r["metrics"], r.get("histograms"), r["flags"], r["growth"], [r["run"][name] for name in kept]]
        for r in data.get("results", [data])
    ]


def events_of(arrays) -> list[int]:
    """Blocks of every ensemble of a checkpoint."""
    return [int(x) for name, x in arrays.items() if name.endswith("/blocks")]


class Campaign:
    """The counts of a campaign, and what went wrong."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.rng = folder, random.Random(seed)
        self.counts = dict.fromkeys(("kills", "terms", "resumed", "during a save", "before the run"), 0)
        self.lost: list[float] = []
        self.wrong: list[str] = []
        self.whole: dict[tuple[str, int], tuple[list, float]] = {}

    def reference(self, case: str, seed: int) -> tuple[list, float]:
        """(numbers, seconds of running) of a run that is never stopped."""
        if (case, seed) not in self.whole:
            path = self.folder / "whole.json"
            process = Process([*CASES[case], *SIZE, "--seed", str(seed), "--out", str(path)])
            process.wait_until_running()
            began = time.monotonic()
            code = process.end()
            assert code in (0, 3), f"{case}: exit code {code}"
            self.whole[case, seed] = numbers(path), time.monotonic() - began
        return self.whole[case, seed]

    def cycle(self, case: str, seed: int, signals: tuple[int, ...], count: str, most: int) -> None:
        """One run, stopped up to ``most`` times, to its end."""
        wanted, seconds = self.reference(case, seed)
        place = Path(tempfile.mkdtemp(dir=self.folder))
        saved, out = place / "run.npz", place / "run.json"
        every = self.rng.uniform(0.05, 0.2)
        args = [*CASES[case], *SIZE, "--seed", str(seed), "--out", str(out)]
        args += ["--checkpoint", str(saved), "--checkpoint-every", f"{every:.3f}"]
        stopped = 0
        before: list[int] = []
        while True:
            process = Process(args)
            number = self.rng.choice(signals)
            # one in ten is stopped at any time from its start, the others while they run
            early = self.rng.random() < 0.1
            over = stopped >= most or (not early and not process.wait_until_running())
            if not over and not process.wait(self.rng.uniform(0, max(0.5, 0.4 * seconds))):
                process.send(number)
                stopped += 1
                self.counts[count] += 1
                code = process.end()
                where = f"{case}, seed {seed}"
                self.check_result(where, number, code, out, wanted, process)
                before = self.check_checkpoint(where, number, code, saved, before, every, process)
                continue
            code = process.end()
            break
        self.counts["resumed"] += stopped > 0
        self.check(code in (0, 3), f"{case}, seed {seed}: exit code {code} at the end")
        self.check(out.exists() and numbers(out) == wanted, f"{case}, seed {seed}: other numbers after {stopped} stops")
        left = sorted(path.name for path in place.iterdir())
        self.check(left == ["run.json", "run.npz"], f"{case}, seed {seed}: left {left}")
        shutil.rmtree(place)

    def check_result(self, where: str, number: int, code: int, out: Path, wanted: list, process: Process) -> None:
        """After a stop there is no result, or the whole one (with exit code 130 if the signal came once it was written), or
        (not after a SIGKILL) one that is marked."""
        ended = (0, 3, -signal.SIGKILL if number == signal.SIGKILL else 130)
        self.check(code in ended, f"{where}: exit code {code} after signal {number}")
        ran = any(kind == b"r" for kind, _ in process.said)
        found = numbers(out) if out.exists() else None
        partial = found is not None and any("unfinished" in result[2] for result in found)
        if code == 130:
            good = partial or found == wanted or (found is None and not ran)
            self.check(good, f"{where}: neither a marked result nor the whole one after signal {number}")
        else:
            self.check(found is None or found == wanted, f"{where}: another result, exit code {code}")
        out.unlink(missing_ok=True)

    def check_checkpoint(self, where, number: int, code: int, saved: Path, before: list[int], every: float, process):
        """After a stop the checkpoint is whole and no older than it was said to be; returns how far it is."""
        ran, saves = ([t for kind, t in process.said if kind == wanted] for wanted in (b"r", b"s"))
        self.counts["before the run"] += not ran
        self.counts["during a save"] += any(path.name.startswith(".") for path in saved.parent.iterdir())
        now = before
        if saves or before:
            try:
                now = events_of(read_npz(saved))
            except (OSError, ValueError) as error:
                self.check(False, f"{where}: the checkpoint is lost: {error}")
        self.check(all(a >= b for a, b in zip(now, before, strict=False)), f"{where}: the checkpoint went back")
        if number == signal.SIGKILL and ran:
            # time since the last save, or since the run began, that is over the interval: one launch and one save
            self.lost.append(max(0.0, ran[-1] - max([ran[0], *saves]) - every))
        if code == 130 and ran:
            self.check(bool(saves) and saves[-1] >= ran[-1], f"{where}: the checkpoint lacks what ran")
        return now

    def check(self, good: bool, what: str) -> None:
        """Note what is wrong."""
        if not good:
            self.wrong.append(what)
            print("WRONG ", what, flush=True)


def campaign(kills: int, terms: int, seed: int, cases: tuple[str, ...]) -> Campaign:
    """Stop runs until there were so many SIGKILLs and so many SIGTERMs or SIGINTs."""
    with tempfile.TemporaryDirectory() as place:
        jax.config.update("jax_compilation_cache_dir", f"{place}/cache")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        found = Campaign(Path(place), seed)
        for signals, count, wanted in (
            ((signal.SIGKILL,), "kills", kills),
            ((signal.SIGTERM, signal.SIGINT), "terms", terms),
        ):
            number = 0
            while found.counts[count] < wanted:
                case = cases[number % len(cases)]
                found.cycle(case, number // len(cases) % SEEDS, signals, count, wanted - found.counts[count])
                number += 1
                print(found.counts, flush=True)
        return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--terms", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", choices=CASES, action="append", help="one of them; repeatable (default: all)")
    options = parser.parse_args()
    began = time.monotonic()
    done = campaign(options.kills, options.terms, options.seed, tuple(options.case or CASES))
    late = sorted(done.lost)
    print(f"jaxq {jaxq.__version__}: {done.counts}; wrong: {len(done.wrong)}; {time.monotonic() - began:.0f} s")
    print(f"seconds lost beyond the interval: median {late[len(late) // 2]:.3f}, most {late[-1]:.3f}" if late else "")
    raise SystemExit(bool(done.wrong))
