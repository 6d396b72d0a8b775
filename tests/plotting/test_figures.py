"""Figures: every function takes a result and an Axes and returns the Axes."""

import dataclasses
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import jaxq
from jaxq.engine.metric import Metric
from jaxq.engine.result import Result, Results
from jaxq.plotting.distribution import plot_distribution, plot_tail
from jaxq.plotting.histogram import plot_histogram
from jaxq.plotting.labels import axis_label, heading, point_label
from jaxq.plotting.metrics import plot_metrics
from jaxq.plotting.style import CYCLE, colours, house
from jaxq.plotting.sweep import lines_of, plot_residuals, plot_results, swept_field
from jaxq.stats.intervals import family_bound


def result(point=None, mean: float | None = 1.0, kind="exact", flags=(), name="waiting_time") -> Result:
    """A result made up, with one metric that has an oracle and one that has none."""
    width = None if mean is None else 0.1
    metrics = {name: Metric(mean, width, 0.95, 0.05, 1.1, kind, -2.0, unit="time"), "extra": Metric(mean, width, 0.95)}
    run, units = {"level": 0.95, "replicas": 64}, {"arrival_rate": "1/time"}
    return Result("mmc", {}, point or {}, metrics, run, flags=flags, primary=(name,), units=units)


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


def test_a_withheld_mean_is_said(tmp_path):
    axes = jaxq.plot(result(mean=None, flags=("unstable",)), path=tmp_path / "x.png")
    assert "withheld" in [text.get_text() for text in axes.texts] and axes.get_title(loc="left") == "flags: unstable"


def test_sweep_has_the_field_with_its_unit(ax):
    results = Results([result({"arrival_rate": x}, 10 * x) for x in (0.2, 0.1, 0.3)])
    assert swept_field(results) == "arrival_rate"
    assert plot_results(results, ax, metric="waiting_time") is draw(ax)
    assert ax.get_xlabel() == "arrival rate (1/time)" and ax.get_ylabel() == "waiting time (time)"
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"simulation, 95 % interval", "oracle"}


def test_what_is_left_of_a_sweep_is_in_standard_errors(ax):
    results = Results([result({"arrival_rate": x}, 10 * x) for x in (0.2, 0.1, 0.3)])
    plot_residuals(results, draw(ax), metric="waiting_time")
    assert list(ax.lines[-1].get_ydata()) == [-2.0] * 3
    band = ax.patches[0].get_height() / 2
    assert band == pytest.approx(family_bound(3, 0.95, 63))


def test_the_oracle_is_a_curve_between_the_points(ax):
    queue = jaxq.MMc(servers=1)
    metric = [Metric(x / (1 - x), 0.1, 0.95, 0.05, x / (1 - x), "exact", 0.0) for x in (0.1, 0.9)]
    points = [
        dataclasses.replace(result({"arrival_rate": x}), metrics={"number_in_system": m}, primary=())
        for x, m in zip((0.1, 0.9), metric, strict=True)
    ]
    plot_results(Results(points, model=queue), draw(ax))
    x, y = ax.lines[0].get_data()
    assert len(x) > 50 and np.allclose(y, x / (1 - x))
    plot_results(Results(points), other := Figure().subplots())
    assert len(other.lines[0].get_xdata()) == 2  # without its system, the points are joined


def test_more_than_six_lines_take_a_colour_map():
    for count, bars in ((6, 0), (7, 1)):
        points = [{"arrival_rate": x, "servers": c} for x in (0.1, 0.2) for c in range(1, count + 1)]
        axes = jaxq.plot(Results([result(p) for p in points]), Figure().subplots())
        assert len(axes.figure.axes) == 1 + bars
        lines = lines_of(Results([result(p) for p in points]), "arrival_rate")
        assert len({line.colour for line in lines}) == count


def test_sweep_of_two_fields_has_a_line_each(ax):
    points = [{"arrival_rate": x, "servers": c} for x in (0.1, 0.2) for c in (1, 2)]
    plot_results(Results([result(p, None if p["servers"] == 2 else 1.0) for p in points]), ax, metric="waiting_time")
    shown = {text.get_text() for text in draw(ax).get_legend().get_texts()}
    assert shown == {"servers 1", "servers 2", "oracle", "simulation, 95 % interval"}


def test_a_comparison_has_means_and_paired_differences(tmp_path):
    differences = [{"metric": "waiting_time", "system": "policy=jiq", "mean": 0.5, "half_width": 0.2}]
    results = Results([result({"policy": name}, kind="bound") for name in ("jsq", "jiq")], differences)
    assert swept_field(results) is None
    axes = jaxq.plot(results, path=tmp_path / "x.png")
    left, right = axes.figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["jsq", "jiq"]
    assert right.get_xlabel() == "difference to jsq, paired"
    (_, caps, bars) = right.containers[0]
    assert [cap.get_xdata()[0] for cap in caps] == pytest.approx([0.3, 0.7]) and len(bars) == 1
    assert "oracle (bound)" in {text.get_text() for text in axes.figure.legends[0].get_texts()}


def test_paths_have_axes_each_with_the_stationary_mean_and_the_changes(tmp_path):
    found = jaxq.paths(jaxq.MMc(arrival_rate=0.5), range(6), replicas=64, keep_paths=2)
    assert found.stationary["number_in_system"] == pytest.approx(1.0)
    assert found.units["number_in_system"] == "customers" and found.switches == ()
    axes = jaxq.plot(dataclasses.replace(found, switches=(2.0, 99.0)), path=tmp_path / "x.png").figure.axes
    assert len(axes) == len(found.mean) and axes[0].get_ylabel() == "number in system\n(customers)"
    assert sum(list(line.get_xdata()) == [2.0, 2.0] for line in axes[0].lines) == 1
    assert any(
        line.get_label() == "stationary mean (exact)" and line.get_ydata()[0] == pytest.approx(1.0)
        for line in axes[0].lines
    )
    chosen = jaxq.plot(found, Figure().subplots(), metric="queue_length")
    assert chosen.get_ylabel() == "queue length (customers)"


def test_the_head_of_paths_says_how_they_begin_and_what_moves(tmp_path):
    given = {"initial": {"number_in_system": 7}, "schedule": {"servers": {0: 1, 2: 3}}}
    found = jaxq.paths(jaxq.MMc(arrival_rate=0.5), range(4), replicas=16, **given)
    head = jaxq.plot(found, path=tmp_path / "x.png").figure.get_suptitle()
    assert "servers by schedule" in head and head.endswith("initial number_in_system=7")


def test_the_sum_over_servers_is_not_taken_for_the_mean_of_one():
    found = jaxq.paths(jaxq.TokenPool(2, 0.5, 0.4, 3), range(3), replicas=64)
    assert "tokens" in found.mean and "tokens" not in found.stationary and "tokens" not in found.units


def test_changes_of_the_rates_are_known():
    system = jaxq.ParallelServers(changes="5: 10,30; 12: 20,20")
    assert system.stationarity().switches == (5.0, 12.0) and jaxq.MMc().stationarity().switches == ()


def test_distribution_and_tail(ax):
    found = jaxq.simulate(
        jaxq.MMc(arrival_rate=0.5), replicas=64, events=2000, warmup=500, quantiles=["number_in_system:0.9"]
    )
    plot_distribution(found, "number_in_system", draw(ax))
    assert list(ax.lines[0].get_ydata()[:2]) == pytest.approx([0.5, 0.75], abs=0.03)
    tail = plot_tail(found, "number_in_system", Figure().subplots())
    assert tail.get_yscale() == "log" and list(tail.lines[0].get_ydata()[:2]) == pytest.approx([0.5, 0.25], abs=0.03)
    exact = [next(line for line in drawn.lines if line.get_label() == "exact") for drawn in (ax, tail)]
    assert list(exact[0].get_ydata()[:3]) == [0.5, 0.75, 0.875] and list(exact[1].get_ydata()[:2]) == [0.5, 0.25]
    with pytest.raises(KeyError, match="no histogram was kept"):
        plot_tail(found, "waited", ax)


def test_an_exact_law(ax):
    found = jaxq.exact(jaxq.MMc(arrival_rate=1.0, servers=2, capacity=3))
    values, law = found.law("number_in_system")
    assert list(values) == [0, 1, 2, 3] and law == pytest.approx(np.array([4, 4, 2, 1]) / 11)
    jaxq.plot(found, ax, metric="number_in_system")
    assert (
        list(ax.lines[0].get_ydata()) == pytest.approx(list(law)) and ax.get_xlabel() == "number in system (customers)"
    )


def test_a_tuning_has_objective_parameters_and_the_check(tmp_path):
    tuning = jaxq.tune(jaxq.TokenPool(2, 0.5, 0.2, 3), "phi", steps=5, replicas=64, events=2000, warmup=500)
    axes = jaxq.plot(tuning, path=tmp_path / "x.svg").figure.axes
    assert len(axes) == 3 and axes[1].get_ylabel() == "phi" and "paired gain" in axes[2].get_xlabel()
    objective = {text.get_text() for text in axes[0].get_legend().get_texts()}
    assert {"smooth objective", "settled objective, start and best"} <= objective
    with pytest.raises(TypeError, match="metric = phi: must be none for Tuning"):
        jaxq.plot(tuning, metric="phi")


def test_the_title_has_the_fields_that_do_not_vary():
    told = heading("mmc", {"arrival_rate": 0.5, "servers": 2, "capacity": None}, but={"servers"})
    assert told == "mmc:  arrival rate 0.5"
    assert heading("x", {f"field_{i}": 1.0 for i in range(99)}).count("\n") == 1


def test_what_a_user_has_set_comes_before_the_house_style(ax):
    with house():
        assert matplotlib.rcParams["legend.frameon"] is False and colours() == CYCLE
        with house():
            assert colours() == CYCLE
    with matplotlib.rc_context({"axes.prop_cycle": matplotlib.cycler(color=["k", "r", "g"]), "font.size": 20}):
        with house():
            assert colours() == ("k", "r", "g") and matplotlib.rcParams["font.size"] == 20
        plot_results(Results([result({"servers": k}) for k in (1, 2)]), ax)
    assert ax.lines[0].get_color() == "r"
    assert matplotlib.rcParams["legend.frameon"] is True


def test_what_a_backend_sets_while_it_starts_stays(monkeypatch):
    """That of notebooks becomes interactive with the first figure, and shows none if it is not."""
    monkeypatch.setitem(matplotlib.rcParams, "interactive", False)
    with house():
        matplotlib.rcParams["interactive"] = True
    assert matplotlib.rcParams["interactive"] is True


def test_the_house_style_can_be_used_for_other_figures():
    import matplotlib.style

    with matplotlib.style.context("jaxq.plotting.house"):
        assert matplotlib.rcParams["axes.spines.top"] is False


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
    assert ax.get_ylabel() == "density (1/time)" and any("P(0) = 0." in text.get_text() for text in ax.texts)
    with pytest.raises(KeyError, match="no histogram was kept"):
        plot_histogram(found, "waited", ax)


def test_labels():
    assert axis_label("pool_wait", "time") == "pool wait (time)" and axis_label("mystery_x", None) == "mystery x"
    assert axis_label("probability_wait", "probability") == "probability wait"
    assert point_label({"a": 1.0, "b": None, "c": [1.0] * 9}) == "a 1, b none, c 1,1,1,1,... (9 values)"


def test_no_backend_is_forced_on_the_user():
    code = (
        "import sys, jaxq.plotting.metrics, jaxq.plotting.sweep, jaxq.plotting.histogram; from jaxq.cli import report;"
        "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_cannot_be_drawn_is_named():
    kinds = "Result, Results, Gradients, Paths, Tuning, Outcome, ExactResult"
    with pytest.raises(TypeError, match=f"found = str: must be one of {kinds}, to be"):
        jaxq.plot("x")
    with pytest.raises(KeyError, match="metric = wait: must be one of waiting_time, extra"):
        jaxq.plot(result({"servers": 1}, 1.0), metric="wait")


def test_some_metrics_of_a_run(ax):
    jaxq.plot(result(), ax, metric="extra")
    assert [label.get_text() for label in draw(ax).get_yticklabels()] == ["extra"]


def test_a_figure_is_written(tmp_path):
    axes = jaxq.plot(
        Results([result({"servers": k}, 1.0) for k in (1, 2)]), metric="waiting_time", path=tmp_path / "x.svg"
    )
    assert axes.get_ylabel().startswith("waiting time") and "<svg" in (tmp_path / "x.svg").read_text()
