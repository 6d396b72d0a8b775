"""Figures: every function takes a result and an Axes and returns the Axes."""

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import jaxq
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.plotting.histogram import plot_histogram
from jaxq.plotting.labels import axis_label, point_label
from jaxq.plotting.metrics import plot_metrics
from jaxq.plotting.sweep import plot_results, swept_field


def result(point=None, mean: float | None = 1.0, kind="exact", flags=(), name="waiting_time") -> Result:
    """A result made up, with one metric that has an oracle and one that has none."""
    width = None if mean is None else 0.1
    metrics = {name: Metric(mean, width, 0.95, 0.05, 1.1, kind, -2.0, unit="time"), "extra": Metric(mean, width, 0.95)}
    run, units = {"level": 0.95, "replicas": 64}, {"arrival_rate": "1/time"}
    return Result("mmc", {}, point or {}, metrics, run, flags=flags, headline=(name,), units=units)


@pytest.fixture
def ax():
    return Figure().subplots()


def draw(ax):
    ax.figure.canvas.draw()
    return ax


def test_metrics(ax):
    assert plot_metrics(result(), ax) is draw(ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["waiting time (time)", "extra"]
    assert "hollow" in ax.get_xlabel() and "95 %" in ax.get_xlabel()


def test_a_withheld_mean_is_said(ax):
    plot_metrics(result(mean=None, flags=("unstable",)), ax)
    assert "withheld" in [text.get_text() for text in draw(ax).texts] and "unstable" in ax.get_title(loc="left")


def test_sweep_has_the_field_with_its_unit(ax):
    results = Results([result({"arrival_rate": x}, 10 * x) for x in (0.2, 0.1, 0.3)])
    assert swept_field(results) == "arrival_rate"
    assert plot_results(results, ax, metric="waiting_time") is draw(ax)
    assert ax.get_xlabel() == "arrival rate (1/time)" and ax.get_ylabel() == "waiting time (time)"
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"simulation, 95 % interval", "oracle"}


def test_sweep_of_two_fields_has_a_line_each(ax):
    points = [{"arrival_rate": x, "servers": c} for x in (0.1, 0.2) for c in (1, 2)]
    plot_results(Results([result(p, None if p["servers"] == 2 else 1.0) for p in points]), ax, metric="waiting_time")
    assert {text.get_text() for text in draw(ax).get_legend().get_texts()} == {"servers 1", "servers 2", "oracle"}


def test_comparison_has_bars(ax):
    differences = [{"metric": "waiting_time", "mean": 1.0}]
    results = Results([result({"policy": name}, kind="bound") for name in ("jsq", "jiq")], differences)
    assert swept_field(results) is None
    plot_results(results, ax)
    assert [label.get_text() for label in draw(ax).get_xticklabels()] == ["jsq", "jiq"]
    assert "oracle (bound)" in {text.get_text() for text in ax.get_legend().get_texts()}


def test_histogram_of_whole_numbers(ax):
    found = jaxq.simulate(
        jaxq.MMc(arrival_rate=0.5), replicas=64, events=2000, warmup=500, quantiles=["number_in_system"]
    )
    assert plot_histogram(found, "number_in_system", ax) is draw(ax)
    assert ax.get_ylabel() == "probability"
    assert ax.patches[0].get_height() == pytest.approx(0.5, abs=0.05)


def test_histogram_of_a_time(ax):
    found = jaxq.simulate(jaxq.MG1(arrival_rate=0.5), replicas=64, events=2000, warmup=500, quantiles=["waiting_time"])
    plot_histogram(found, "waiting_time", draw(ax))
    assert "density" in ax.get_ylabel() and any("P(0) = 0." in text.get_text() for text in ax.texts)
    with pytest.raises(KeyError, match="no histogram was kept"):
        plot_histogram(found, "waited", ax)


def test_labels():
    assert axis_label("pool_wait", "time") == "pool wait (time)" and axis_label("mystery_x", None) == "mystery x"
    assert axis_label("probability_wait", "probability") == "probability wait"
    assert point_label({"a": 1.0, "b": None, "c": [1.0] * 9}) == "a 1, b none, c 1,1,1,1,..."


def test_no_backend_is_forced_on_the_user():
    code = (
        "import sys, jaxq.plotting.metrics, jaxq.plotting.sweep, jaxq.plotting.histogram; from jaxq.cli import report;"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(
        TypeError, match=r"found = str: must be one of Result, Results, Gradients, Paths, Tuning, Outcome, to be"
    ):
        jaxq.plot("x")
    with pytest.raises(TypeError, match="metric = waiting_time: must be none for Result"):
        jaxq.plot(result({"servers": 1}, 1.0), metric="waiting_time")


def test_a_figure_is_written(tmp_path):
    axes = jaxq.plot(
        Results([result({"servers": k}, 1.0) for k in (1, 2)]), metric="waiting_time", path=tmp_path / "x.svg"
    )
    assert axes.get_ylabel().startswith("waiting time") and "<svg" in (tmp_path / "x.svg").read_text()
