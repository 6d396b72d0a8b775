"""Very many replicas: their sums are added up in groups on the devices, exactly, and intervals are as honest."""

import jax
import numpy as np
import pytest

import jaxq
from jaxq.engine import group_sums
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.group_sums import added_up, group_size
from jaxq.engine.kernel.choice import VARIABLE
from jaxq.engine.reading import estimated
from jaxq.engine.totals import Quantity

QUEUE = jaxq.MMc(0.8)
RUN = {"events": 900, "warmup": 300, "replicas": 480}


@pytest.fixture
def in_groups(monkeypatch):
    """More than 400 sums are many, of however few replicas, and 40 groups enough."""
    monkeypatch.setattr(group_sums, "FEW", 0)
    monkeypatch.setattr(group_sums, "SINGLE", 400)
    monkeypatch.setattr(group_sums, "LEAST", 40)


def one_by_one(run):
    """The same run with the sums of every replica."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_sums, "SINGLE", 10**9)
        return run()


@pytest.mark.parametrize("replicas", [50_000, 50_001, 2**16, 10**6, 2**20, 2**20 + 1, 1_000_003, 10**8, 2**24])
def test_groups_are_alike_and_enough(replicas):
    size = group_size([QUEUE], 3, replicas)
    assert replicas % size == 0 and size <= group_sums.LARGEST and replicas // size >= group_sums.LEAST
    assert (size == 1) == (replicas in (50_000, 1_000_003))  # the second is a prime


def test_few_replicas_or_sums_are_kept_one_by_one():
    """A run on a CPU with its default replicas, or with sixteen times as many, is never grouped."""
    sizes = {
        (sums, replicas): group_size([QUEUE], sums, replicas) for sums in (2, 9, 81) for replicas in (2**14, 2**16)
    }
    assert sizes == {(2, 2**14): 1, (9, 2**14): 1, (81, 2**14): 1, (2, 2**16): 1, (9, 2**16): 64, (81, 2**16): 64}


def test_a_system_that_changes_by_itself_keeps_its_replicas():
    model = type("Changing", (), {"stationarity": lambda self: jaxq.Stationarity(switches=(5.0,))})()
    assert group_size([model], 3, 2**20) == 1 and group_size([QUEUE], 3, 2**20) == 1024


@pytest.mark.parametrize("group", [1, 2, 7, 200, 2**14])
def test_sums_of_groups_are_exact(group):
    random = np.random.default_rng(group)
    rows = 3 * group
    high, low = random.integers(-(2**31), 2**31, (2, rows)), random.integers(0, 2**16, (2, rows))
    big = random.normal(size=(2, rows)).astype(np.float32) * np.float32(1e6)
    lost = (big * random.uniform(-(2.0**-25), 2.0**-25, big.shape)).astype(np.float32)
    summed = jax.jit(added_up, static_argnums=2)
    words, (a, b) = summed((high.astype(np.int32), low.astype(np.int32)), (big, lost), group)
    found = sum(int(2**k) * np.asarray(x).astype(object) for k, x in zip((32, 16, 0), words, strict=True))
    wanted = (2**16 * high.astype(object) + low).reshape(2, 3, group).sum(-1)
    assert (found == wanted).all()
    real = (big.astype(np.float64) + lost).reshape(2, 3, group)
    error = np.abs(np.asarray(a, np.float64) + b - real.sum(-1))
    assert error.max() <= 2.0**-40 * np.abs(real).sum(-1).max()


@pytest.mark.parametrize(("kind", "batch"), [("scan", 100), ("kernel", None)])
def test_groups_are_the_sums_of_their_replicas(in_groups, monkeypatch, kind, batch):
    monkeypatch.setenv(VARIABLE, kind)
    systems = [jaxq.MMc(load) for load in (0.5, 0.9)]

    def ran():
        layout = {"tile": 16, "blocks": 3, "observations": 16, "batch": batch}
        ensemble = Ensemble(systems, 480, 7, tuple(jax.devices()[:2]), **layout)
        for blocks in (3, 4, 66):
            ensemble.launch(blocks)
            assert ensemble.windows.blocks == ensemble.blocks  # a look on the way changes nothing
        return ensemble

    few, all_of_them = ran(), one_by_one(ran)
    assert (few.groups, few.layout.group, all_of_them.groups) == (40, 12, 480)
    alone = all_of_them.windows.data
    assert np.array_equal(few.windows.data, alone.reshape(*alone.shape[:2], 80, 12).sum(-1))
    one, other = (ensemble.sums(1)["queue_length"] for ensemble in (few, all_of_them))
    assert one.value == pytest.approx(other.value, rel=1e-12) and one.residuals.size == 40


def test_a_result_says_so_and_has_the_same_means(in_groups):
    few, alone = jaxq.simulate(QUEUE, **RUN), one_by_one(lambda: jaxq.simulate(QUEUE, **RUN))
    assert (few.run["groups"], few.run["method"]) == (40, "group-t")
    assert "groups" not in alone.run and alone.run["method"] == "replica-t"
    for name, values in alone.replica_values().items():
        assert few[name].mean == pytest.approx(alone[name].mean, rel=1e-12, abs=1e-300)
        np.testing.assert_allclose(few.replica_values()[name], values.reshape(40, 12).mean(1), rtol=1e-9)
    width, other = (r["queue_length"].half_width for r in (few, alone))
    assert 0.6 < width / other < 1.6 and few.estimates["queue_length"].degrees == 39


def test_controls_regress_groups(in_groups):
    station = jaxq.MMc(12, 1, 10, abandonment_rate=1)
    options = {"replicas": 4800, "events": 600, "warmup": 600, "control": "linear"}
    few, alone = jaxq.simulate(station, **options), one_by_one(lambda: jaxq.simulate(station, **options))
    assert few.run["method"] == "group-t, regressed on controls" and few.run["groups"] == 40
    assert few.run["control"]["freedom"] == 39 - few.run["control"]["controls"]
    mine, other = few["queue_length"], alone["queue_length"]
    assert mine.half_width < 2 * other.half_width and abs(mine.mean - other.mean) < 4 * other.half_width


def test_derivatives_are_those_of_their_replicas(in_groups):
    def run():
        return jaxq.gradient(QUEUE, None, "arrival_rate", method="finite-difference", **RUN)

    few, alone = run(), one_by_one(run)
    assert few.run["groups"] == 40 and "groups" not in alone.run
    mine, other = (found["number_in_system", "arrival_rate"] for found in (few, alone))
    assert mine.mean == pytest.approx(other.mean, rel=1e-9) and 0.6 < mine.half_width / other.half_width < 1.6


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_what_was_hardly_seen_counts_replicas(seen):
    """What one more occurrence would add to a mean is as much in groups as without."""
    data = np.zeros((1, 480))
    data[0, 100] = seen
    grouped = data.reshape(1, 40, 12).sum(-1)
    told = [Quantity("counted", "lost", True)], 1.0, 3, 900, 90.0
    alone, few = estimated(data, *told)["lost"], estimated(grouped, *told, 12)["lost"]
    assert few.value == pytest.approx(alone.value) and alone.grain > 0
    assert (few.grain, few.episode) == pytest.approx((alone.grain, alone.episode))


def test_it_goes_on_from_a_checkpoint(in_groups, tmp_path):
    path = str(tmp_path / "run.npz")
    jaxq.simulate(QUEUE, **RUN, checkpoint=path)
    again = jaxq.simulate(QUEUE, **{**RUN, "events": 1800}, checkpoint=path)
    reopened = jaxq.simulate(QUEUE, **{**RUN, "events": 1800}, checkpoint=path)
    assert again.run["groups"] == reopened.run["groups"] == 40 and again.metrics == reopened.metrics


def test_parts_of_groups_as_large_are_merged(in_groups, tmp_path):
    length = {"events": 900, "warmup": 300}
    files = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz")]
    for path, ends in zip(files, ((0, 480), (480, 960), (960, 1480)), strict=True):
        jaxq.simulate(QUEUE, **length, replica_range=ends, checkpoint=path)
    jaxq.merge(files[:2], tmp_path / "whole.npz")
    whole = jaxq.simulate(QUEUE, **length, replicas=960, checkpoint=tmp_path / "whole.npz")
    assert whole.run["groups"] == 80
    alone = one_by_one(lambda: jaxq.simulate(QUEUE, **length, replicas=960))
    assert whole["queue_length"].mean == pytest.approx(alone["queue_length"].mean, rel=1e-12)
    with pytest.raises(ValueError, match=r"c\.npz: has the sums of 13 replicas together, and .* those of 12"):
        jaxq.merge(files, tmp_path / "all.npz")
