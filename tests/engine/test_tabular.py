"""Results as tables in notebooks and in pandas: all rows, the same numbers, what is wrong in words."""

import builtins
import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas
import pytest

import jaxq
from jaxq.engine.flags import Flag
from jaxq.engine.plain import value_text, whole_text
from jaxq.engine.tabular import MOST_ROWS

SMALL = {"replicas": 32, "events": 500, "warmup": 100}
QUEUE = jaxq.MMc(0.5)


@pytest.fixture(scope="module")
def found():
    market = jaxq.TokenPool(2, 0.5, 0.4, 3)
    return {
        "result": jaxq.simulate(QUEUE, quantiles="queue_length:0.5", **SMALL),
        "sweep": jaxq.sweep(QUEUE, {"arrival_rate": [0.5, 0.6]}, **SMALL),
        "comparison": jaxq.compare([QUEUE, QUEUE.replace(servers=2)], **SMALL),
        "paths": jaxq.paths(QUEUE, np.linspace(0, 9, 100), replicas=32),
        "exact": jaxq.exact(market),
        "gradients": jaxq.gradient(QUEUE, None, "arrival_rate", method="finite-difference", **SMALL),
        "tuning": jaxq.tune(market, "phi", steps=3, verify=False),
    }


def test_a_value_is_written_in_one_way(found):
    assert [value_text(x) for x in (2.0, 2, 0.1 + 0.2, None, [1.0, 0.5])] == ["2", "2", "0.3", "none", "1,0.5"]
    assert value_text([1.0] * 9) == "1,1,1,1,1,1,... (9 values)" and len(value_text("x" * 500)) < 120
    assert whole_text([1.0] * 8 + [2.0]) != whole_text([1.0] * 9) and whole_text(2.0) == "2" != whole_text(2.0 + 1e-12)
    assert str(found["result"]).startswith("mmc  arrival_rate=0.5  service_rate=1  servers=1")
    for name in ("result", "sweep", "comparison", "paths", "exact", "gradients"):
        assert not re.search(r"=(\d+\.0\b|None|\[)", str(found[name])), name


KINDS = "result", "sweep", "comparison", "paths", "exact", "gradients", "tuning"


class Cells(HTMLParser):
    """The cells of a table by row, and the text outside of it."""

    def __init__(self, text: str):
        super().__init__()
        self.rows, self.outside, self._open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif data.strip():
            self.outside.append(data)


@pytest.mark.parametrize("kind", KINDS)
def test_pandas_has_the_numbers_of_the_records(found, kind):
    rows, frame = found[kind].records(), found[kind].to_pandas()
    for short, long in zip(found[kind].rows(), rows, strict=False):
        assert short.items() <= long.items()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(rows) > 0
    for name in frame.columns:
        for value, row in zip(frame[name], rows, strict=True):
            mine = row.get(name)
            assert pandas.isna(value) if mine is None else value == mine


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_a_row_each(found, kind):
    rows, seen = found[kind].rows(), Cells(found[kind]._repr_html_())
    if kind == "comparison":  # below is the table of the differences
        seen.rows = seen.rows[: -1 - len(found[kind].differences)]
    assert seen.rows[0] == list(dict.fromkeys(name for row in rows for name in row))
    assert len(seen.rows) - 1 == min(len(rows), MOST_ROWS)
    assert all(len(row) == len(seen.rows[0]) for row in seen.rows)
    assert (f"the first {MOST_ROWS} of {len(rows)} rows" in seen.outside) == (len(rows) > MOST_ROWS)
    above = {"sweep": "mmc  service_rate=1  ", "comparison": "mmc  arrival_rate=0.5  "}.get(kind) or str(
        found[kind]
    ).splitlines()[0]
    assert seen.outside[0].startswith(above)


def test_what_is_wrong_is_shown_in_words(found):
    bad = dataclasses.replace(found["result"], flags=(Flag.NAN,), system="<a>")
    text = bad._repr_html_()
    assert any(line.startswith("FLAG nan: ") for line in Cells(text).outside) and "<a>" not in text


def test_a_sweep_is_long_with_a_column_for_what_varies(found):
    frame = found["sweep"].to_pandas()
    assert sorted(set(frame["arrival_rate"])) == [0.5, 0.6]
    picked = frame[(frame["metric"] == "queue_length") & (frame["arrival_rate"] == 0.6)]
    assert picked["mean"].item() == found["sweep"][1]["queue_length"].mean


@pytest.mark.parametrize("package", ["pandas", "xarray"])
def test_without_the_package_there_is_a_sentence(found, monkeypatch, package):
    real = builtins.__import__

    def without(name, *args, **named):
        if name == package:
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=rf"to_{package} needs {package} \(pip install {package}\)"):
        getattr(found["exact"], f"to_{package}")()


@pytest.mark.parametrize("kind", ["result", "sweep", "comparison", "gradients", "paths"])
def test_a_record_says_how_it_was_run(found, kind):
    for record in found[kind].records():
        assert record["replicas"] == 32 and record["level"] == 0.95 and record["seed"] == 0
        assert kind == "paths" or "standard_error" in record or ":" in record["metric"]


def test_a_csv_is_long(found, tmp_path):
    found["sweep"].save(tmp_path / "x.csv")
    frame = pandas.read_csv(tmp_path / "x.csv")
    assert {"arrival_rate", "metric", "mean", "standard_error", "replicas", "level", "seed"} <= set(frame.columns)
    told = found["sweep"][0]["queue_length"].standard_error
    assert frame[frame["metric"] == "queue_length"]["standard_error"].iloc[0] == pytest.approx(told, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_xarray_has_the_records(found, kind):
    pytest.importorskip("xarray")
    data, result = found[kind].to_xarray(), found[kind]
    assert set(data.dims) <= set(result.index)
    for row in result.records():
        one = data.sel({name: "" if row[name] is None else row[name] for name in data.dims})
        for name in set(row) - set(result.index):
            cell = one[name].item()
            assert cell in ("", None) or np.isnan(cell) if row[name] is None else cell == row[name]


def test_a_grid_has_a_dimension_a_field(found):
    pytest.importorskip("xarray")
    data = found["sweep"].to_xarray()
    assert data.sizes["arrival_rate"] == 2 and "system" not in data.dims
    told = found["sweep"][1]["queue_length"].mean
    assert data["mean"].sel(arrival_rate=0.6, metric="queue_length").item() == told
    twice = jaxq.Results([found["result"], found["result"]]).to_xarray()
    assert tuple(twice.dims) == ("row",)  # nothing tells them apart


@pytest.mark.parametrize("kind", KINDS)
def test_latex_has_a_row_each(found, kind):
    lines = found[kind].to_latex(label="tab:x").splitlines()
    body = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert len(body) == len(found[kind].rows()) and r"\label{tab:x}" in lines
    columns = next(line for line in lines if "begin{tabular}" in line).rpartition("{")[2].rstrip("}")
    assert all(line.count(" & ") == len(columns) - 1 and line.endswith(r" \\") for line in body)
    assert not re.search(r"(?<!\\)[_#%]", "".join(lines).replace(r"\label{tab:x}", ""))


def test_latex_rounds_and_escapes(found):
    metric = jaxq.Metric(1.23456, 0.0123, 0.95, oracle=1.2, kind="exact", z=2.0)
    told = dataclasses.replace(found["result"], metrics={"a_b": metric}, quantiles={}).to_latex("Ours")
    assert r"a b & $1.235$ & $0.012$ & $1.2$ & exact & $2.00$ \\" in told and r"\caption{Ours}" in told
    assert r"50\%" in dataclasses.replace(found["result"], system="50%").to_latex()


def test_sample_paths_are_tidy_records(found):
    kept = jaxq.paths(QUEUE, [0, 1, 2], replicas=8, keep_paths=2)
    frame = pandas.DataFrame(kept.path_rows())
    assert list(frame.columns) == ["replica", "time", "observable", "value"] and len(frame) == 2 * 3 * len(kept.mean)
    picked = frame[(frame["replica"] == 1) & (frame["observable"] == "queue_length")]
    assert list(picked["value"]) == list(kept.paths["queue_length"][1]) and found["paths"].path_rows() == []


def test_differences_are_shown_and_written(found, tmp_path):
    """A notebook and a CSV had the means alone."""
    told, seen = found["comparison"].differences, Cells(found["comparison"]._repr_html_())
    assert "paired differences" in seen.outside and seen.rows[-1][0] == told[-1]["metric"]
    found["comparison"].save(tmp_path / "x.csv")
    frame = pandas.read_csv(tmp_path / "x.csv")
    paired = frame[frame["minus"].notna()]
    assert list(paired["mean"]) == pytest.approx([row["mean"] for row in told], rel=1e-12)
    assert len(frame) == len(found["comparison"].records()) + len(told)


def test_a_field_that_is_a_list_tells_results_apart():
    """A list cannot be hashed: a traceback."""
    pytest.importorskip("xarray")
    tolled = jaxq.TolledQueues(0.5, 10, 1, [0.5, 0.5], [4, 4])
    data = jaxq.compare([tolled, tolled.replace(tolls=[3, 4])], **SMALL).to_xarray()
    assert list(data["tolls"].values) == ["[4.0, 4.0]", "[3.0, 4.0]"]


def test_a_law_that_was_cut_says_so_everywhere(tmp_path):
    """Only its text did."""
    cut = jaxq.exact(QUEUE, keep=lambda n: n <= 3)
    assert cut.edge_mass == pytest.approx(1 / 15)  # of 8 : 4 : 2 : 1
    cut.save(tmp_path / "x.csv")
    for shown in (cut._repr_html_(), cut.to_latex(), (tmp_path / "x.csv").read_text()):
        assert "0.0666667" in shown or str(cut.edge_mass) in shown
    assert "edge" not in jaxq.exact(QUEUE.replace(capacity=3))._repr_html_()
