"""`jaxq report`: one page that needs nothing else, and a command that gives the same numbers."""

import dataclasses
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import jaxq as package
from jaxq.cli.again import command
from jaxq.plotting.page import page

QUICK = {"replicas": 64, "events": 2000, "warmup": 500}
QUEUE = package.MMc(arrival_rate=0.5)


class Page(HTMLParser):
    """Whether every element is closed, what is loaded from elsewhere, and the text."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.loaded, self.text, self.images = [], [], "", 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.images += tag == "img"
        self.loaded += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "args",
    [
        ["run", "mmc", "--arrival-rate", "0.5", "--servers", "1", "--quantiles", "queue_length:0.9"],
        ["run", "mmc", "--arrival-rate", "0.5", "--servers", "1", "--service-level", "queue_length:0,5"],
        ["sweep", "mmc", "--arrival-rate", "0.3,0.5", "--servers", "1"],
        ["compare", "mmc", "--arrival-rate", "0.5", "--servers", "1,2"],
        ["gradient", "mmc", "--arrival-rate", "0.5", "--parameter", "arrival_rate", "--method", "coupling"],
    ],
)
def test_a_page_and_the_same_numbers_again(args, jaxq, short, tmp_path):
    first, second, written = (str(tmp_path / name) for name in ("a.json", "b.json", "a.html"))
    jaxq(*args, *short, "--seed", "3", "--quiet", "--out", first)
    assert jaxq("report", first, "--out", written) == (0, "", "")
    text = Path(written).read_text(encoding="utf8")
    found = Page(text)
    assert not found.open and not found.loaded and "jaxlib" in found.text
    assert 'name="viewport" content="width=device-width' in text  # a phone shows the page in its own width
    assert ("Quantiles" in found.text) == ("--quantiles" in args)
    assert ("Service levels" in found.text) == ("--service-level" in args)
    assert "url(" not in text and "http" not in re.sub('base64,[^"]*', "", text)
    again = shlex.split(re.search(r"(?m)^(jaxq .*)$", found.text)[1])
    jaxq(*again[1:], "--quiet", "--out", second)
    a, b = (json.loads(Path(path).read_text()) for path in (first, second))
    assert found.images == (len(a["results"][0]["primary"]) if "results" in a else 1)
    for x, y in zip(a.get("results", [a]), b.get("results", [b]), strict=True):
        assert x["metrics"] == y["metrics"] and x["parameters"] == y["parameters"]
    assert a.get("differences") == b.get("differences")


def test_the_command_of_a_transient(jaxq, tmp_path):
    for times in (np.linspace(0, 5, 11), np.array([0.1, 0.25, 3.0])):
        found = package.paths(QUEUE, times, replicas=32, seed=5, keep_paths=2, totals=True)
        jaxq(*shlex.split(command(found))[1:], "--out", str(tmp_path / "x.json"))
        again = package.load(tmp_path / "x.json")
        assert np.array_equal(again.times, found.times) and set(again.mean) == set(found.mean)
        assert all(np.array_equal(again.mean[name], found.mean[name]) for name in found.mean)
        assert again.paths["queue_length"].shape == (2, times.size)


def test_pages_of_a_law_a_tuning_and_a_search(jaxq, tmp_path):
    law, page_file = str(tmp_path / "law.npz"), tmp_path / "x.html"
    jaxq("exact", "mmc", "--arrival-rate", "1.8", "--servers", "2", "--capacity", "20", "--out", law)
    assert jaxq("report", law, "--out", str(page_file)) == (0, "", "")
    found = Page(page_file.read_text(encoding="utf8"))
    assert found.images == 1 and "exact stationary law of 21 states" in found.text
    assert "jaxq exact mmc --arrival-rate 1.8 --service-rate 1 --servers 2 --capacity 20" in found.text
    tuned = package.tune(package.TokenPool(4, 0.8), start=0.3, steps=20, replicas=64, events=2000)
    found = Page(page(tuned, command(tuned)))
    assert found.images == 1 and "Start and best" in found.text and "events of warm-up" in found.text
    assert "rows" not in found.text  # 21 are shown
    many = package.sweep(QUEUE, {"arrival_rate": np.linspace(0.1, 0.5, 21)}, **QUICK)
    assert "<summary>126 rows</summary>" in page(many)
    assert "The same numbers" not in found.text


def test_what_no_command_can_say():
    diagonal = [QUEUE, package.MMc(arrival_rate=0.8, servers=2)]
    assert command(package.compare(diagonal, **QUICK)) is None

    mine = package.simulate(QUEUE, **QUICK)
    assert command(dataclasses.replace(mine, system="Mine")) is None


def test_what_is_wrong_is_on_the_page():
    found = package.simulate(QUEUE, replicas=64, events=2000, warmup=500, precision=1e-6, max_events=10**6)
    assert found.flags and f"FLAG {found.flags[0]}" in page(found) and "jaxq run" not in page(found)


def test_what_is_refused(jaxq, tmp_path):
    for args, message in (
        (["nowhere.json", "--out", "x.html"], "result = nowhere.json: cannot be read"),
        (["nowhere.json", "--out", "x.pdf"], "out = x.pdf: must end in .html"),
    ):
        code, out, err = jaxq("report", *args)
        assert code == 2 and out == "" and message in err and err.count("\n") == 1


def test_systems_that_differ_in_a_list_have_no_command():
    """It was a traceback: a list cannot be hashed, and is one value on the command line."""
    tolled = package.TolledQueues(0.5, 10, 1, [0.5, 0.5], [4, 4])
    found = package.compare([tolled, tolled.replace(tolls=[3, 4])], **QUICK)
    assert command(found) is None and "Paired differences" in Page(page(found)).text
