"""Hand-made faults of the engine and of the statistics, each of which the tests named with it must catch.

``python benchmarks/mutations.py [WORD ...]`` (only faults whose text holds a word) copies the package and the tests to a
temporary folder, puts in one fault at a time and runs its tests there. Exit code 1 if a fault survives or no longer
applies, that is if its text is not found exactly once: then it is to be written anew.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
TIMEOUT = 600
"""Seconds after which tests are stopped; the fault then counts as not caught, as the machine may be busy."""


class Fault(NamedTuple):
    """``old`` stands once in ``file`` (of jaxq/) and becomes ``new``; ``tests`` are arguments of pytest."""

    what: str
    file: str
    old: str
    new: str
    tests: str


ESTIMATE, WINDOWS, ENSEMBLE = "stats/estimate.py", "stats/windows.py", "engine/ensemble.py"
PROGRAM, CARRY, JUMPS = "engine/program.py", "engine/carry.py", "engine/jump_process.py"
INVARIANCE, SUMS = "tests/engine/test_invariance.py", "tests/stats/test_exact_sums.py"
FAULTS = [
    Fault(
        "residuals not centred",
        ESTIMATE,
        "np.asarray(samples, np.float64) - mean, rounding",
        "np.asarray(samples, np.float64), rounding",
        "tests/stats/test_estimate.py",
    ),
    Fault("divisor n^2, not n (n - 1)", ESTIMATE, "(n * (n - 1))", "(n * n)", "tests/stats/test_estimate.py"),
    Fault(
        "one degree of freedom too many",
        ESTIMATE,
        "self.residuals.size - 1 if self.freedom",
        "self.residuals.size if self.freedom",
        "tests/stats/test_estimate.py",
    ),
    Fault(
        "sign of a quotient's gradient",
        ESTIMATE,
        "over, -self.value * over * over)",
        "over, self.value * over * over)",
        "tests/stats/test_estimate.py",
    ),
    Fault(
        "one-sided family bound",
        "stats/intervals.py",
        "(2 * max(comparisons, 1))",
        "max(comparisons, 1)",
        "tests/stats/test_intervals.py",
    ),
    Fault(
        "windows merge by dropping every other",
        WINDOWS,
        "np.add(self.data[2 * k], self.data[2 * k + 1], out=self.data[k])",
        "self.data[k] = self.data[2 * k]",
        "tests/stats/test_windows.py",
    ),
    Fault(
        "merged windows are not emptied",
        WINDOWS,
        "        self.data[half:] = 0\n",
        "",
        "tests/stats/test_windows.py",
    ),
    Fault(
        "cut off by one window",
        WINDOWS,
        "self.data[first : None if",
        "self.data[first + 1 : None if",
        "tests/stats/test_windows.py",
    ),
    Fault(
        "a window begins half full", WINDOWS, "self.filled + 1, 0", "self.filled + 1, 1", "tests/stats/test_windows.py"
    ),
    Fault(
        "all replicas have one seed",
        "random.py",
        "own = _threefry(key, numbers[part])",
        "own = _threefry(key, 0 * numbers[part])",
        f"{INVARIANCE} -k seeds",
    ),
    Fault("a rotation off by one", "random.py", "_rotate(d, 11)", "_rotate(d, 12)", "tests/test_random.py -k xoshiro"),
    Fault(
        "the uniform can be 0",
        "random.py",
        "((word >> 9).astype(jnp.float32) + 0.5)",
        "((word >> 9).astype(jnp.float32))",
        "tests/test_random.py -k test_uniform",
    ),
    Fault(
        "the stride forgotten",
        "engine/reading.py",
        '"observed": stride * (',
        '"observed": (',
        f"{SUMS} -k third",
    ),
    Fault(
        "a tally counted once a stride",
        "engine/reading.py",
        '"tallied": stride,',
        '"tallied": 1,',
        f"{SUMS} -k third",
    ),
    Fault(
        "replicas numbered through the points of a sweep",
        ENSEMBLE,
        "seeds[self._rows(part) % self._mine]",
        "seeds[self._rows(part) // len(systems)]",
        f"{INVARIANCE} -k sweep",
    ),
    Fault(
        "overflow forgotten",
        "engine/totals.py",
        "self.overflow | block.overflow",
        "self.overflow & block.overflow",
        "tests/engine/test_simulate.py -k overflow",
    ),
    Fault(
        "an index beyond its array forgotten",
        CARRY,
        "after._replace(beyond=carry.beyond | beyond)",
        "after._replace(beyond=beyond)",
        "tests/engine/test_indices.py -k one_event",
    ),
    Fault(
        "an array one entry longer than it is",
        "engine/indices.py",
        "(at < 0) | (at > last)",
        "(at < 0) | (at > last + 1)",
        "tests/engine/test_indices.py -k access",
    ),
    Fault(
        "the weight of the state before the last jump",
        CARRY,
        "carry._replace(event=event, weight=weight, stream=stream)",
        "carry._replace(event=event, stream=stream)",
        "tests/engine/test_exact.py -k references_judge or uniformisation",
    ),
    Fault(
        "the words of the last event again",
        CARRY,
        "    words, stream = random.next_words(carry.stream, system.words)",
        "    words, _ = random.next_words(carry.stream, system.words)\n    stream = carry.stream",
        "tests/engine/test_simulate.py -k few_replicas_use",
    ),
    Fault(
        "parameters donated, not the carry",
        PROGRAM,
        "donate_argnums=(1, 2)",
        "donate_argnums=0",
        f"{INVARIANCE} -k unrolling",
    ),
    Fault(
        "the value at the start of a block not taken off",
        PROGRAM,
        "lambda total, value: total - inner * value",
        "lambda total, value: total",
        f"{SUMS} -k whole_numbers",
    ),
    Fault(
        "counts run backwards",
        PROGRAM,
        "jax.tree.map(jnp.subtract, after, before)",
        "jax.tree.map(jnp.subtract, before, after)",
        f"{SUMS} -k counters",
    ),
    Fault(
        "the sums of the last group of observations lost",
        PROGRAM,
        "groups = layout.observations // inner",
        "groups = layout.observations // inner - (layout.observations > inner)",
        f"{SUMS} -k long_block",
    ),
    Fault(
        "the last transition never chosen",
        JUMPS,
        "jnp.where(position >= edge, following, event)",
        "jnp.where((position >= edge) & (following < len(rates) - 1), following, event)",
        "tests/engine/test_transitions.py",
    ),
    Fault(
        "a holding time of the wrong rate",
        "engine/clock.py",
        "return exponential(words[1]) / jnp.maximum(total, 1 / NEVER)",
        "return exponential(words[1]) * jnp.maximum(total, 1 / NEVER)",
        "tests/engine/test_transitions.py -k time_average",
    ),
    Fault(
        "replicas rounded down to whole tiles",
        "engine/layout.py",
        "-(-replicas // unit) * unit",
        "replicas // unit * unit",
        "tests/engine/test_layout.py",
    ),
    Fault(
        "the carry of a checkpoint restored in reverse",
        ENSEMBLE,
        "True) for j in range(len(leaves))]",
        "True) for j in reversed(range(len(leaves)))]",
        "tests/engine/test_checkpoint.py -k resumed_run",
    ),
    Fault(
        "a censored state leaves its own rate in",
        "engine/stationary.py",
        "rates[k, :k].sum()",
        "rates[k].sum()",
        "tests/engine/test_exact.py -k mm1k",
    ),
    Fault(
        "what one replica saw is taken for enough",
        ESTIMATE,
        "share.sum() ** 2 >= SEEN * np.sum(share**2)",
        "share.sum() ** 2 >= 0.5 * np.sum(share**2)",
        "tests/stats/test_estimate.py -k grain",
    ),
    Fault(
        "no room for what was not seen",
        ESTIMATE,
        "return max(self.standard_error * t_quantile((1 + level) / 2, self.degrees), UNSEEN * self.grain)",
        "return self.standard_error * t_quantile((1 + level) / 2, self.degrees)",
        "tests/stats/test_estimate.py -k room",
    ),
    Fault(
        "skewness narrows an interval",
        "stats/intervals.py",
        "np.maximum(short, 0.0)",
        "np.minimum(short, 0.0)",
        "tests/stats/test_intervals.py",
    ),
    Fault(
        "a correlation time without its longer lags",
        "stats/correlation.py",
        "total += 2 * pair",
        "total = 1 + 2 * pair",
        "tests/stats/test_correlation.py",
    ),
    Fault(
        "windows of a rare event count by their own spread",
        "stats/warmup.py",
        "np.sqrt(np.mean(usual**2)) if usual.size else 0.0)",
        "0.0)",
        "tests/stats/test_warmup.py",
    ),
    Fault(
        "growth in windows, not in time",
        "stats/warmup.py",
        "(np.dot(t, t) * window_time)",
        "np.dot(t, t)",
        "tests/stats/test_warmup.py -k growth",
    ),
    Fault(
        "growth with few degrees of freedom by a normal law",
        "stats/intervals.py",
        "return -t_quantile(float(scipy.special.ndtr(-z)), degrees)",
        "return z",
        "tests/stats/test_intervals.py",
    ),
    Fault(
        "growth of few replicas by their slopes",
        "engine/output_analysis.py",
        "length) if few else slope",
        "length) if False else slope",
        "tests/engine/test_simulate.py -k increments",
    ),
    Fault(
        "neighbouring batches of other replicas",
        "stats/batch_means.py",
        "series = estimate.residuals.reshape(-1, batches)",
        "series = estimate.residuals.reshape(batches, -1).T",
        "tests/stats/test_batch_means.py",
    ),
    Fault(
        "quantile intervals at half their level",
        "stats/distribution.py",
        "t = t_quantile((1 + level) / 2, len(self.counts) - 1)",
        "t = t_quantile((1 + level / 2) / 2, len(self.counts) - 1)",
        "tests/stats/test_histogram.py -k cover",
    ),
    Fault(
        "a run as long as its correlation is long enough",
        "engine/output_analysis.py",
        "RUN, DISCARD = 20.0, 2.0",
        "RUN, DISCARD = 1.0, 2.0",
        "tests/engine/test_simulate.py -k until_warm",
    ),
    Fault(
        "nothing seen is not flagged",
        "engine/conclusion.py",
        "if due or upper.keys() & asked:",
        "if False:",
        "tests/engine/test_simulate.py -k never_seen",
    ),
    Fault(
        "the second word of a rare transition ignored",
        JUMPS,
        "second = None if self._order is None else words[-1]",
        "second = None",
        "tests/engine/test_rarity.py -k stands_last",
    ),
    Fault(
        "events without a bound",
        "engine/loop.py",
        "EXTENSION = 20",
        "EXTENSION = 20_000",
        "tests/engine/test_simulate.py -k events_bound",
    ),
    Fault(
        "regression: controls cost no degrees of freedom",
        "stats/regression.py",
        "freedom=n - 1 - q)",
        "freedom=n - 1)",
        "tests/stats/test_regression.py",
    ),
    Fault(
        "regression: the error of the intercept alone",
        "stats/regression.py",
        "(1 + n * float(self._at @ self._at))",
        "1.0",
        "tests/stats/test_regression.py",
    ),
    Fault(
        "controls: the square of a jump forgotten",
        "engine/controls.py",
        "values[j] * drift[i] + both",
        "values[j] * drift[i]",
        "tests/engine/test_controls.py -k exact_law",
    ),
    Fault(
        "controls: in another order by name than by number",
        "engine/controls.py",
        "{PREFIX}{number:02}",
        "{PREFIX}{number}",
        "tests/engine/test_controls.py -k order_of_the_controls",
    ),
    Fault(
        "controls: what is observed after a transition that cannot happen",
        "engine/controls.py",
        "jnp.where(rate > 0, x, 0.0)",
        "x",
        "tests/engine/test_controls.py -k what_cannot_happen",
    ),
    Fault(
        "controls: more than the replicas bear",
        "engine/control_choice.py",
        "PER_CONTROL = 10",
        "PER_CONTROL = 9",
        "tests/engine/test_controls.py -k fewer_replicas",
    ),
    Fault(
        "controls: rounding forgotten",
        "engine/controls.py",
        "return UNIT * float(2 * np.sum(",
        "return 0 * UNIT * float(2 * np.sum(",
        "tests/engine/test_controls.py -k rounding",
    ),
    Fault(
        "customers of one batch come apart",
        "systems/stations/processes/by_customer.py",
        "gap, time = (jnp.where(last, x, 0.0) for x in (gap, time))",
        "gap, time = (x * 1.0 for x in (gap, time))",
        "tests/systems/stations/test_batches.py",
    ),
    Fault(
        "a quantile beside the tail, not the law",
        "engine/levels.py",
        "least = (1 - probability) * (1 + ROUNDING)",
        "least = probability * (1 + ROUNDING)",
        "tests/systems/stations/test_tails.py",
    ),
    Fault(
        "a service level of the time in the system is that of the wait",
        "systems/stations/processes/by_customer.py",
        'return {"sojourn_time": state + event[0]}',
        'return {"sojourn_time": state}',
        "tests/engine/test_quantiles.py",
    ),
]


def judge(fault: Fault, copy: Path) -> str:
    """``caught``, ``survived``, or why the fault does not apply."""
    file = copy / "jaxq" / fault.file
    right = file.read_text()
    if right.count(fault.old) != 1:
        return f"does not apply: its text is found {right.count(fault.old)} times in jaxq/{fault.file}"
    words, _, chosen = fault.tests.partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-x", "-p", "no:cacheprovider", *words.split()]
    command += ["-k", chosen] if chosen else []
    file.write_text(right.replace(fault.old, fault.new))
    try:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"timed out after {TIMEOUT} s"
    finally:
        file.write_text(right)
    if done.returncode not in (0, 1):
        return f"does not apply: pytest ended with {done.returncode}: {done.stdout.strip().splitlines()[-1:]}"
    return "caught" if done.returncode == 1 else "survived"


def main(words: list[str]) -> int:
    """Print what becomes of each fault; 1 unless all are caught."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("jaxq", "tests", "notebooks", "benchmarks"):
            shutil.copytree(ROOT / name, copy / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        for fault in FAULTS:
            if words and not any(word in " ".join(fault) for word in words):
                continue
            began = time.perf_counter()
            verdict = judge(fault, copy)
            missed += verdict != "caught"
            print(f"{verdict:9} {fault.what}  ({fault.file}; {time.perf_counter() - began:.0f} s)", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
