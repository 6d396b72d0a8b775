"""`jaxq plot` draws what was saved."""

import pytest

from jaxq.engine.record import title

KINDS = {
    "run": ["run", "mmc", "--arrival-rate", "0.5", "--quiet", "--quantiles", "number_in_system"],
    "sweep": ["sweep", "mmc", "--arrival-rate", "0.3,0.5", "--quiet"],
    "compare": ["compare", "mmc", "--arrival-rate", "0.5", "--servers", "1,2", "--quiet"],
    "gradient": ["gradient", "mmc", "--arrival-rate", "0.5", "--parameter", "arrival_rate", "--quiet"],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["json", "npz"])
def test_what_was_saved(kind, ending, jaxq, short, tmp_path):
    saved, figure = tmp_path / f"saved.{ending}", tmp_path / "figure.png"
    assert jaxq(*KINDS[kind], *short, "--out", str(saved))[0] in (0, 3)
    choices = (["--metric", "queue_length"], ["--style", "ggplot"]) if ending == "json" else ()
    for args in ([], *choices):
        assert jaxq("plot", str(saved), *args, "--out", str(figure)) == (0, "", "")
        assert figure.read_bytes()[:4] == b"\x89PNG"
        figure.unlink()


def test_a_saved_transient(jaxq, tmp_path):
    for ending in ("json", "npz"):
        saved, figure = tmp_path / f"saved.{ending}", tmp_path / "figure.svg"
        assert (
            jaxq("paths", "mmc", "--times", "0,1,2", "--replicas", "32", "--keep-paths", "2", "--out", str(saved))[0]
            == 0
        )
        assert jaxq("plot", str(saved), "--out", str(figure)) == (0, "", "")
        assert "sample paths" in figure.read_text()


def test_a_saved_exact_law(jaxq, tmp_path):
    law, means, figure = (str(tmp_path / name) for name in ("law.npz", "law.json", "figure.svg"))
    fields = ("--arrival-rate", "1.8", "--servers", "2", "--capacity", "20")
    assert jaxq("exact", "mmc", *fields, "--out", law, "--out", means)[0] == 0
    assert jaxq("plot", law, "--out", figure, "--metric", "queue_length") == (0, "", "")
    code, _, err = jaxq("plot", means, "--out", figure)
    assert code == 2 and "save it as .npz to draw it" in err and err.count("\n") == 1


def test_a_saved_tuning_has_its_system_again(jaxq, short, tmp_path):
    from jaxq.cli.plot import read

    saved, figure = str(tmp_path / "tuning.json"), tmp_path / "figure.svg"
    args = ("--servers", "4", "--parameter", "phi", "--start", "0.3", "--steps", "20", "--quiet")
    assert jaxq("tune", "token-pool", *args, *short, "--out", saved)[0] in (0, 3)
    found = read(saved)
    assert found.tuned.phi == found.best.values["phi"] and found.tuned.servers == 4
    assert jaxq("plot", saved, "--out", str(figure)) == (0, "", "")
    assert "smooth objective" in figure.read_text()
    code, _, err = jaxq("plot", saved, "--out", str(figure), "--metric", "phi")
    assert code == 2 and "has no choice" in err and err.count("\n") == 1


def test_a_saved_sweep_has_its_system_again(jaxq, short, tmp_path):
    from jaxq.cli.plot import read

    saved = tmp_path / "sweep.json"
    jaxq(*KINDS["sweep"], *short, "--service-rate", "2", "--out", str(saved))
    model = read(str(saved)).model
    assert title(model) == "mmc" and model.service_rate == 2.0


def test_what_is_refused(jaxq, short, tmp_path):
    run, sweep = tmp_path / "run.json", tmp_path / "sweep.json"
    jaxq(*KINDS["run"], *short, "--out", str(run))
    jaxq(*KINDS["sweep"], *short, "--out", str(sweep))
    (tmp_path / "else.json").write_text("[1]")
    for args, message in (
        ([sweep, "--metric", "queue"], "metric = queue: must be one of number_in_system, queue_length"),
        ([run, "--style", "none"], "style = none: must be a matplotlib style sheet"),
        ([tmp_path / "nowhere.json"], "result = "),
        ([tmp_path / "else.json"], "holds no result that jaxq saved"),
        ([tmp_path / "figure.png"], "path = "),
    ):
        code, out, err = jaxq("plot", *map(str, args), "--out", str(tmp_path / "other.png"))
        assert code == 2 and out == "" and message in err and err.count("\n") == 1, err
    assert jaxq("plot", str(run), "--out", "figure.txt")[0] == 2


def test_what_is_missing_is_said(jaxq):
    assert jaxq("plot")[::2] == (2, "error: jaxq plot: give RESULT, what --out has written: .json or .npz\n")
    assert jaxq("plot", "x.json")[::2] == (2, "error: jaxq plot: give --out FILE, the figure: .png, .svg or .pdf\n")
