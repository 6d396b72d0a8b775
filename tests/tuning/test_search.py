"""Searches on landscapes whose summits are known."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxq
from jaxq.engine.objective import Landscape, Search
from jaxq.tuning.search import climb, finish


class Hills(jaxq.System):
    """A reward of mean height(place): two hills, at 0.2 (height 1) and 0.8 (height 2), and a cliff behind the second."""

    place: Any = jaxq.real("where to stand", default=0.2, low=0.0, high=1.0, listed=True)
    flat: float = jaxq.nonnegative("height of what must be beaten", default=1.0)
    name = "hills"

    def init(self, words):
        return 0.0

    def choose(self, state, words):
        return words[0].astype("float32") * 2.0**-32, 1.0

    def apply(self, state, event):
        return event

    def tally(self, state, event):
        return {"reward": event - 0.5 + _height(jnp.ravel(self.place)[0]), "noise": event}

    def searches(self):
        def landscape(seed):
            return Landscape(
                decode=lambda z: {"place": 1 / (1 + jnp.exp(-z))},
                start=lambda rng: rng.normal(size=1),
                smooth=lambda z, temperature: _smooth(1 / (1 + jnp.exp(-z[0])), temperature),
                hard=lambda fields: _height(jnp.ravel(fields["place"])[0]),
                temperatures=(0.2, 0.01),
            )

        beaten = self.replace(place=[0.2 if self.flat == 1 else 0.8])
        return {"summit": Search("reward", "the higher hill", ("place",), lambda: beaten, landscape)}


def _height(x):
    hills = jnp.maximum(1 - 8 * jnp.abs(x - 0.2), 0) + jnp.maximum(2 - 8 * jnp.abs(x - 0.8), 0)
    return jnp.where(x <= 0.8, hills, 0.0)


def _smooth(x, width):
    return jnp.exp(-((x - 0.2) ** 2) / (0.01 + width**2)) + 2 * jnp.exp(-((x - 0.75) ** 2) / (0.03 + width**2))


def test_a_gain_is_found_at_the_edge_of_the_cliff():
    found = jaxq.search(Hills(), starts=6, steps=200, rate=0.1, replicas=64, events=2000, seed=4)
    best = found.climbs[found.best]
    assert found.found and 1 <= found.sure < 6
    assert best.end["place"][0] == pytest.approx(0.8, abs=1e-3)
    assert abs(best.gain.mean - 1) < 0.01 and best.gain.level == pytest.approx(1 - 0.01 / 6)
    assert best.searched == max(c.searched for c in found.climbs)
    assert "gain in reward" in found.verdict() and f"{found.sure} of 6" in str(found)
    assert found.tuned.place[0] == best.end["place"][0]


def test_no_gain_is_claimed_over_the_summit():
    found = jaxq.search(Hills(flat=2.0), starts=4, steps=100, replicas=64, events=2000)
    assert not found.found and found.sure == 0 and "no gain found" in found.verdict()


def test_the_same_seed_gives_the_same_search_and_another_other_starts():
    first, again, other = (
        jaxq.search(Hills(), starts=2, steps=5, replicas=64, events=1000, seed=seed).rows() for seed in (1, 1, 2)
    )
    assert first == again and first != other


def test_climbing_and_finishing_apart():
    landscape = Hills().searches()["summit"].landscape(0)
    ends = climb(landscape, np.array([[-3.0], [1.0]]), 300, 0.1)
    assert 1 / (1 + np.exp(-ends[:, 0])) == pytest.approx([0.2, 0.75], abs=0.02)
    value = finish(landscape, ends[1], Hills())[1]
    assert value == pytest.approx(2.0, abs=1e-3) and value <= 2


def test_files_and_figure(tmp_path):
    found = jaxq.search(Hills(), starts=2, steps=5, replicas=64, events=1000)
    found.save(tmp_path / "s.json")
    data = json.loads((tmp_path / "s.json").read_text())
    assert data["best"] == found.best + 1 and len(data["climbs"]) == 2 and data["baseline"]["fields"]["place"] == [0.2]
    again = jaxq.load(tmp_path / "s.json")
    assert again.to_dict() == data and again.verdict() == found.verdict() and again.rows() == found.rows()
    found.save(tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().startswith("start,place_1,smooth,searched,reward,gain,half_width")
    ax = jaxq.plot(found)
    assert "of 2 gain" in ax.get_xlabel() and "hills" in ax.figure.get_suptitle()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "valley"}, "objective = valley: hills has summit"),
        ({"starts": 0}, "starts = 0: must be a whole number >= 1"),
        ({"steps": 1.5}, "steps = 1.5"),
        ({"rate": -1}, "rate = -1: must be a number > 0"),
        ({"level": 1}, "level = 1"),
        ({"replicas": 4}, "replicas = 4: a paired comparison needs"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        jaxq.search(Hills(), **options)
    with pytest.raises(ValueError, match="nothing to search for"):
        jaxq.search(jaxq.MMc(arrival_rate=0.5, service_rate=1.0))
