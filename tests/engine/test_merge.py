"""Parts of a run put together are the run of all their replicas, bit for bit; what does not belong together is refused."""

import itertools
import json

import numpy as np
import pytest

import jaxq
from jaxq.engine.files import read_npz, write_npz

QUEUE = jaxq.MMc(0.8)
LENGTH = {"events": 2000, "warmup": 500}
RUNS = {
    "station": lambda **more: jaxq.simulate(QUEUE, **LENGTH, **more),
    "token pool": lambda **more: jaxq.simulate(jaxq.TokenPool(4, 0.8, 0.6, 3), **LENGTH, **more),
    "customer by customer": lambda **more: jaxq.simulate(jaxq.MG1(0.7, 1, "hyperexponential:3"), **LENGTH, **more),
    "sweep": lambda **more: jaxq.sweep(QUEUE, {"arrival_rate": [0.5, 0.6, 0.7]}, **LENGTH, **more),
    "two programs": lambda **more: jaxq.compare([QUEUE, jaxq.MG1(0.7)], **LENGTH, **more),
    "quantiles": lambda **more: jaxq.simulate(
        jaxq.MG1(0.7, 1, "lognormal:3"), **LENGTH, quantiles="waiting_time", service_level="waiting_time:0,1", **more
    ),
    "quantiles of a sweep": lambda **more: jaxq.sweep(
        QUEUE, {"arrival_rate": [0.5, 0.6, 0.7]}, **LENGTH, quantiles="number_in_system", **more
    ),
}


def numbers(found):
    results = found if isinstance(found, jaxq.Results) else [found]
    kept = ("events", "events_per_replica", "time", "warmup")
    counted = [(r.quantiles, r.service_levels, r.histograms) for r in results]
    return [(r.metrics, r.flags, [r.run[name] for name in kept]) for r in results], counted


def parts(folder, run, *edges):
    """The checkpoint files of the replicas between these edges."""
    files = []
    for first, end in itertools.pairwise(edges):
        files.append(folder / f"{first}.npz")
        run(replica_range=(first, end), checkpoint=files[-1])
    return files


UNEVEN, EVEN = (40, 100, 131), (32, 64, 96)
"""Where parts end; those of one size are one program."""


@pytest.mark.parametrize(
    ("kind", "ends"), [(kind, UNEVEN if kind in ("station", "two programs") else EVEN) for kind in RUNS]
)
def test_parts_are_the_whole(tmp_path, kind, ends):
    run, whole = RUNS[kind], tmp_path / "whole.npz"
    first, _, last = ends
    one, two, three = parts(tmp_path, run, 0, *ends)
    assert jaxq.merge([three, one, two], whole) == (0, last)
    before = read_npz(whole)
    merged = run(replicas=last, checkpoint=whole)
    assert numbers(merged) == numbers(run(replicas=last))
    assert all(np.array_equal(x, before[n]) for n, x in read_npz(whole).items() if n != "checkpoint")  # nothing was run
    assert jaxq.merge([two, three], tmp_path / "late.npz") == (first, last)
    assert jaxq.merge([tmp_path / "late.npz", one], tmp_path / "again.npz") == (0, last)
    again = read_npz(tmp_path / "again.npz")
    assert json.loads(str(again.pop("checkpoint"))) == json.loads(str(before.pop("checkpoint")))
    assert again.keys() == before.keys() and all(np.array_equal(again[name], x) for name, x in before.items())


def test_what_is_merged_goes_on_and_grows(tmp_path):
    run, whole = RUNS["station"], tmp_path / "whole.npz"
    jaxq.merge(parts(tmp_path, run, 0, 40, 80), whole)
    more = jaxq.simulate(QUEUE, events=6000, warmup=500, replicas=80, checkpoint=whole)
    assert more.run["events_per_replica"] >= 6000 and not more.flags
    # a run that was never a part is one as well: replicas are added to it
    run(replicas=60, checkpoint=tmp_path / "first.npz")
    run(replica_range="60:90", checkpoint=tmp_path / "60.npz")
    jaxq.merge([tmp_path / "first.npz", tmp_path / "60.npz"], tmp_path / "both.npz")
    assert numbers(run(replicas=90, checkpoint=tmp_path / "both.npz")) == numbers(run(replicas=90))


def test_a_part_is_the_replicas_it_says(tmp_path):
    (part,) = parts(tmp_path, RUNS["station"], 60, 90)
    RUNS["station"](replicas=100, checkpoint=tmp_path / "whole.npz")
    found, whole = read_npz(part), read_npz(tmp_path / "whole.npz")
    assert found["0/windows"].shape[-1] == 30 and found["0/windows"].any()
    np.testing.assert_array_equal(found["0/windows"], whole["0/windows"][..., 60:90])
    np.testing.assert_array_equal(found["0/carry/0"], whole["0/carry/0"][60:90])


def test_a_checkpoint_fits_another_batch(tmp_path):
    file, options = tmp_path / "run.npz", {**LENGTH, "replicas": 100}
    jaxq.simulate(QUEUE, **options, checkpoint=file)
    more = {**options, "events": 4000}
    found = jaxq.simulate(QUEUE, **more, batch=64, checkpoint=file)
    jaxq.simulate(QUEUE, **options, checkpoint=tmp_path / "same.npz")
    assert numbers(found) == numbers(jaxq.simulate(QUEUE, **more, checkpoint=tmp_path / "same.npz"))


def test_what_does_not_belong_together_is_named(tmp_path):
    one, two, late = parts(tmp_path, RUNS["station"], 0, 40, 80, 110)
    out = tmp_path / "out.npz"

    def refused(match, *files, out=out):
        with pytest.raises(ValueError, match=match):
            jaxq.merge(files, out)
        assert not (tmp_path / "out.npz").exists()

    refused(r"parts = .*: must be two checkpoint files or more", one)
    refused(r"0.npz: has replica 0, which .*0.npz has too", one, one)
    refused(r"0.npz: is one of the parts; must be another file", one, two, out=one)
    refused(r"80.npz: begins at replica 80; no part has 40 to 79", one, late)
    refused(r"out = out.json: must", one, two, out="out.json")
    refused(r"nowhere.npz: cannot be read", one, tmp_path / "nowhere.npz")
    jaxq.simulate(jaxq.MMc(0.7), **LENGTH, replica_range=(40, 80), checkpoint=tmp_path / "other.npz")
    refused(r"other.npz: belongs to a run with other systems", one, tmp_path / "other.npz")
    jaxq.simulate(QUEUE, **LENGTH, seed=1, replica_range=(40, 80), checkpoint=tmp_path / "seed.npz")
    refused(r"seed.npz: belongs to a run with other seed", one, tmp_path / "seed.npz")
    jaxq.simulate(QUEUE, events=9000, warmup=500, replica_range=(40, 80), checkpoint=tmp_path / "long.npz")
    refused(r"long.npz: is longer or shorter", one, tmp_path / "long.npz")
    jaxq.simulate(QUEUE, **LENGTH, replicas=40, quantiles="queue_length", checkpoint=tmp_path / "quantiles.npz")
    refused(r"40.npz: belongs to a run with other quantities", tmp_path / "quantiles.npz", two)
    jaxq.simulate(QUEUE, **LENGTH, replicas=10, checkpoint=tmp_path / "few.npz")
    refused(r"few.npz: has 10 replicas; a part must have 30 or more", tmp_path / "few.npz", two)
    (tmp_path / "damaged.npz").write_bytes(two.read_bytes()[:1000])
    refused(r"damaged.npz: is damaged", one, tmp_path / "damaged.npz")
    arrays = read_npz(two)
    arrays["0/windows"] = arrays["0/windows"][..., 1:]
    write_npz(tmp_path / "short.npz", arrays)
    refused(r"short.npz: is damaged", one, tmp_path / "short.npz")
    arrays = read_npz(tmp_path / "quantiles.npz")
    arrays["0/histogram/queue_length/data"] = arrays["0/histogram/queue_length/data"][:, 1:]
    write_npz(tmp_path / "short.npz", arrays)
    refused(r"short.npz: is damaged", tmp_path / "quantiles.npz", tmp_path / "short.npz")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"replica_range": (4, 4)}, r"replica_range = \(4, 4\): must be a:b"),
        ({"replica_range": "0:29"}, r"replica_range = 0:29: a part must have 30 replicas or more"),
        ({"replica_range": "4"}, r"replica_range = '4': must be a:b"),
        ({"replica_range": "1:2:3"}, r"replica_range = 1:2:3: must be a:b"),
        ({"replica_range": "0:4.5"}, r"replica_range = 0:4.5: must be a:b"),
        ({"replica_range": "0:50", "replicas": 10}, r"replicas = 10: replica_range = 0:50 says how many"),
        ({"replica_range": "0:50", "warmup": "auto"}, r"replica_range = 0:50: needs events and a number for warmup"),
        ({"replica_range": "0:50", "events": None, "horizon": 5.0}, r"replica_range = 0:50: needs events"),
        ({"replica_range": "0:50", "checkpoint": None}, r"replica_range = 0:50: needs a checkpoint"),
        ({"replica_range": "0:50", "precision": 0.1}, r"replica_range = 0:50: a part has no precision"),
        ({"replica_range": "0:50", "control": "linear"}, r"replica_range = 0:50: a part has no control"),
    ],
)
def test_options_of_a_part(options, match):
    with pytest.raises(ValueError, match=match):
        jaxq.Options(**{**LENGTH, "checkpoint": "part.npz", **options})
