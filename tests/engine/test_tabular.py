"""Results as tables in notebooks and in pandas: all rows, the same numbers, what is wrong in words."""

import builtins
import dataclasses
from html.parser import HTMLParser

import numpy as np
import pandas
import pytest

import jaxq
from jaxq.engine.flags import Flag
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
def test_pandas_has_the_numbers_of_the_rows(found, kind):
    rows, frame = found[kind].rows(), found[kind].to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == len(rows) > 0
    for name in frame.columns:
        for value, row in zip(frame[name], rows, strict=True):
            mine = row.get(name)
            assert pandas.isna(value) if mine is None else value == mine


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_a_row_each(found, kind):
    rows, seen = found[kind].rows(), Cells(found[kind]._repr_html_())
    assert seen.rows[0] == list(dict.fromkeys(name for row in rows for name in row))
    assert len(seen.rows) - 1 == min(len(rows), MOST_ROWS)
    assert all(len(row) == len(seen.rows[0]) for row in seen.rows)
    assert (f"the first {MOST_ROWS} of {len(rows)} rows" in seen.outside) == (len(rows) > MOST_ROWS)
    assert seen.outside[0] == str(found[kind]).splitlines()[0]


def test_what_is_wrong_is_shown_in_words(found):
    bad = dataclasses.replace(found["result"], flags=(Flag.NAN,), system="<a>")
    text = bad._repr_html_()
    assert any(line.startswith("FLAG nan: ") for line in Cells(text).outside) and "<a>" not in text


def test_a_sweep_is_long_with_a_column_for_what_varies(found):
    frame = found["sweep"].to_pandas()
    assert sorted(set(frame["arrival_rate"])) == [0.5, 0.6]
    picked = frame[(frame["metric"] == "queue_length") & (frame["arrival_rate"] == 0.6)]
    assert picked["mean"].item() == found["sweep"][1]["queue_length"].mean


def test_without_pandas_there_is_a_sentence(found, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **named):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"to_pandas needs pandas \(pip install pandas\)"):
        found["exact"].to_pandas()
