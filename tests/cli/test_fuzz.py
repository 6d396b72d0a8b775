"""Random command lines: whatever is typed, the answer is one of a few exit codes, and bad input one short line that says
what is wrong. What would run is replaced, so that each takes milliseconds."""

import random
import time

import pytest

from jaxq.cli.options import EXACT, GRADIENT, PATHS, SHARED, SIMULATION, TUNE
from jaxq.engine.fields import rules
from jaxq.systems import SYSTEMS

SEED, LINES = 20261128, 160
NASTY = (
    *(
        "1e39",
        "-1",
        "0",
        "nan",
        "inf",
        "-inf",
        "1" * 30,
        "9" * 400,
        "1e400",
        "2.5",
        "",
        " ",
        "none",
        "fast",
        "\u00fc\u2603",
    ),
    *(
        "1:2:0",
        "1:2:1e12",
        "2:1:3",
        "1:2",
        "0.1,0.2",
        "0.5*300000000",
        "0.5*",
        ",",
        "1;2",
        "[1]",
        "{}",
        "'",
        "--",
        "=",
        "x:1",
    ),
    *(
        "0x10",
        "1_000",
        "true",
        "../x.json",
        "/nowhere/x.npz",
        "x.png",
        "trace:/nowhere",
        "empirical:/nowhere",
        "pod2",
        "erlang:0",
    ),
)
GOOD = ("0.5", "1", "2", "3")
OPTIONS = {
    "run": SIMULATION,
    "sweep": SIMULATION,
    "compare": SIMULATION,
    "tune": TUNE,
    "gradient": GRADIENT,
    "paths": PATHS,
    "exact": EXACT,
}
OTHERS = {
    "list": ("--json",),
    "info": ("--json",),
    "staffing": ("--network", "--n", "--staffing", "--safety", "--root", "--policy", "--priorities", "--preferences"),
    "reproduce": ("--out", "--seed", "--list"),
    "validate": ("--seed", "--out"),
}
FILES = (
    "system = 'mmc'\n[parameters]\nservers = {}\n",
    "system = 'mmc'\n[run]\nevents = {}\n",
    "system = 'mg1'\n[sweep]\narrival_rate = {}\n",
    "[a.b.c]\nsystem = {}\n",
    "system = {}\n",
)
VALUES = (
    "[" * 60 + "]" * 60,
    "{a = {b = 1}}",
    "1e400",
    "-1",
    "nan",
    "'x'",
    "[1, 'a']",
    "true",
    "1979-05-27",
    "9" * 30,
    "",
)


class Ran(Exception):
    """The input was accepted."""

    code = 0

    def format_message(self) -> str:
        return "ran"


def accepted(*_, **__):
    raise Ran


def line(rng: random.Random, folder) -> list[str]:
    """One command line."""
    value = lambda: rng.choice(NASTY if rng.random() < 0.6 else GOOD)  # noqa: E731
    if rng.random() < 0.15:
        verb = rng.choice(list(OTHERS))
        names = [rng.choice(OTHERS[verb]) for _ in range(rng.randrange(1, 3))]
        return [
            verb,
            *[word for name in names for word in ([name] if name in ("--json", "--list") else [name, value()])],
        ]
    verb, system = rng.choice(list(OPTIONS)), rng.choice(list(SYSTEMS))
    if rng.random() < 0.15:
        path = folder / "x.toml"
        path.write_text(rng.choice(FILES).format(rng.choice(VALUES)))
        return [verb, str(path)]
    names = [*rules(SYSTEMS[system]), *rng.sample(OPTIONS[verb], 2)]
    given = [verb, system]
    for name in rng.sample(names, rng.randrange(1, 4)):
        option = "--" + name.replace("_", "-")
        given += [option] if name in SHARED and SHARED[name].flag else [f"{option}={value()}"]
    if verb == "paths":
        given += ["--times", value()]
    return given


@pytest.mark.parametrize("part", range(4))
def test_whatever_is_typed_is_answered(jaxq, monkeypatch, tmp_path, part):
    for name in (
        "jaxq.cli.run.run_plan",
        "jaxq.cli.run.run_sweep",
        "jaxq.cli.run.run_comparison",
        "jaxq.engine.paths.sampler",
        "jaxq.engine.exact.StateSpace",
        "jaxq.cli.gradient.solve",
        "jaxq.cli.tune.solve",
        "jaxq.cli.tune.search_solve",
        "jaxq.experiments.validate.validate",
    ):
        monkeypatch.setattr(name, accepted, raising=False)
    monkeypatch.chdir(tmp_path)
    rng = random.Random(f"{SEED} {part}")
    for i in range(LINES // 4):
        given = line(rng, tmp_path)
        what = f"line {i} of part {part} at seed {SEED}: jaxq {given}"
        began = time.process_time()
        try:
            code, _, err = jaxq(*given)
        except BaseException as error:
            raise AssertionError(f"{what} raised {error!r}") from error
        assert time.process_time() - began < 5, what
        assert code in (0, 2, 3), what
        if code == 2:
            errors = [text for text in err.splitlines() if text.startswith("error: ")]
            assert len(errors) == 1 and len(errors[0]) <= 310, f"{what}\n{err}"
            assert "Traceback" not in err, what
            assert named(errors[0], given), f"{what}\n{err}"


def named(error: str, given: list[str]) -> bool:
    """Whether an error names an option, a field or a system, or the word that was typed."""
    names = [word.lstrip("-").partition("=")[0] for word in given]
    fields = [name for word in given if word in SYSTEMS for name in rules(SYSTEMS[word])]
    return any(name and (name in error or name.replace("-", "_") in error) for name in [*names, *fields])
