"""`jaxq --version`, `--help`, `list` and `info`."""

import json
import os
import re
import subprocess
import sys
from pkgutil import resolve_name

import pytest

import jaxq as package
from jaxq.cli.app import COMMANDS
from jaxq.cli.field_texts import KEPT, kept, of_all_that_ship
from jaxq.cli.options import OF_A_RUN
from jaxq.cli.place import description, first_paragraph
from jaxq.cli.verbs import VERBS
from jaxq.engine.fields import rules
from jaxq.engine.options import OPTIONS
from jaxq.systems import SYSTEMS


def test_version(jaxq):
    assert jaxq("--version") == (0, f"jaxq {package.__version__}\n", "")


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_names_every_verb(jaxq, args):
    code, out, err = jaxq(*args)
    assert code == 0 and err == "" and all(f"\n  {verb} " in out for verb in (*VERBS, "list", "info", "validate"))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_help_of_a_system_has_its_fields_with_rule_and_default(jaxq, verb, system):
    code, out, _ = jaxq(verb, system, "--help")
    words = " ".join(out.split())
    assert code == 0
    for name, rule in rules(SYSTEMS[system]).items():
        assert f"--{name.replace('_', '-')} " in words and " ".join(rule.doc.split())[:12] in words
    assert words.count("[default: ") >= len(rules(SYSTEMS[system]))
    assert all(f"--{name.replace('_', '-')} " in words for name in resolve_name(VERBS[verb].options))


def test_help_starts_no_device_and_imports_no_matplotlib():
    code = (
        "import sys, jax; from jaxq.__main__ import main; main(['run', 'mmc', '--help']); main(['--version']);"
        "assert 'matplotlib' not in sys.modules; jax.config.update('jax_num_cpu_devices', 3)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_list(jaxq):
    code, out, _ = jaxq("list")
    assert code == 0 and all(
        f" {name} " in out and first_paragraph(kind.__doc__) in out for name, kind in SYSTEMS.items()
    )


QUICK = [["--version"], ["--help"], ["list"], *([name, "--help"] for name in (*VERBS, *COMMANDS))]
QUICK += [[verb, "mmc", "--help"] for verb in VERBS]


def test_questions_about_jaxq_itself_import_no_jax():
    code = (
        "import json, sys\nfrom jaxq.__main__ import main\nfor words in json.loads(sys.argv[1]):\n"
        "    assert main(words) == 0, words\n    slow = {'jax', 'equinox', 'scipy'} & set(sys.modules)\n"
        "    assert not slow, (words, slow)"
    )
    done = subprocess.run([sys.executable, "-c", code, json.dumps(QUICK)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_help_says_of_fields_is_what_the_classes_say():
    told = "python -m jaxq.cli.field_texts writes the file again"
    assert {name: kept(name) for name in SYSTEMS} == of_all_that_ship(), told
    assert set(json.loads(KEPT.read_text(encoding="utf8"))) == set(SYSTEMS), told
    assert kept("tandem") is None


def test_the_options_of_a_run_are_those_of_python():
    assert tuple(OF_A_RUN) == OPTIONS


def test_what_is_read_from_the_source_is_the_docstring():
    for place in (*COMMANDS.values(), "jaxq.cli.place:description", "jaxq.engine.model:Model"):
        assert description(place) == first_paragraph(resolve_name(place).__doc__) != ""
    assert description("jaxq:MMc") == description("jaxq.systems.stations.model:MMc")  # it is not defined there


@pytest.mark.parametrize("system", SYSTEMS)
def test_list_of_one_system(jaxq, system):
    code, out, _ = jaxq("list", system)
    assert code == 0 and all(name in out for name in rules(SYSTEMS[system])) and "primary" in out
    assert "a number > 0" in out


def test_list_as_json(jaxq):
    code, out, _ = jaxq("list", "--json")
    data = json.loads(out)
    assert code == 0 and set(data["systems"]) == set(SYSTEMS)
    mmc = data["systems"]["mmc"]
    assert mmc["fields"]["arrival_rate"]["default"] == 0.8 and mmc["fields"]["servers"]["default"] == 1
    assert mmc["oracle"]["queue_length"] == "exact" and "number_in_system" in mmc["primary"]


def test_info(jaxq):
    code, out, _ = jaxq("info", "--json")
    data = json.loads(out)
    assert code == 0 and data["default_run"]["replicas"] > 0 and data["usable_cores"] >= 1 and "jax" in data["versions"]
    code, out, _ = jaxq("info")
    assert code == 0 and "usable cores" in out and "XLA_FLAGS" in out


@pytest.mark.parametrize("command", [*VERBS, *COMMANDS])
def test_every_help_has_an_example_of_its_own(jaxq, command):
    for system in ([], ["mmc"]) if command in VERBS else ([],):
        code, out, _ = jaxq(command, *system, "--help")
        assert code == 0 and re.search(rf"Examples?: jaxq {command}", " ".join(out.split()))


@pytest.mark.parametrize("verb", VERBS)
def test_the_example_of_a_verb_is_a_command(jaxq, verb):
    words = VERBS[verb].example.split()
    assert words[:2] == ["jaxq", verb]
    _, out, _ = jaxq(verb, words[2], "--help")
    assert all(f"{word} " in " ".join(out.split()) for word in words if word.startswith("--"))


def complete(*words: str) -> list[str]:
    """What bash is offered after these words, the last of which is not finished."""
    asked = {"_JAXQ_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-m", "jaxq"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.split()


def test_a_shell_can_complete():
    assert complete("jaxq", "re") == ["reproduce", "report"]
    assert set(complete("jaxq", "run", "m")) == {"mmc", "mg1", "mgcc", "mginf"}
    assert complete("jaxq", "run", "mmc", "--arr") == ["--arrival-rate"]
    assert complete("jaxq", "nothing", "x") == []


def test_quantities_whose_law_is_known_are_said(jaxq):
    said = "--service-level: service_time, waited (exact law), waiting_time (exact law), sojourn_time (exact law)"
    assert said in jaxq("list", "ggc").out
    known = json.loads(jaxq("list", "mg1", "--json").out)["systems"]["mg1"]["exact_laws"]
    assert known == ["waited", "waiting_time", "sojourn_time"]
