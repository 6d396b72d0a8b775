"""A resumed run gives the numbers of one that was never interrupted; a checkpoint of another run is refused."""

import numpy as np
import pytest

import jaxq

SYSTEM = jaxq.TokenPool(4, 0.8, 0.6, 3)
OPTIONS = {"replicas": 64, "quantiles": ("own:0.5",), "seed": 3}


def test_resuming_equals_never_stopping(tmp_path):
    file = tmp_path / "run.npz"
    first = jaxq.simulate(SYSTEM, precision=1e-9, max_events=12_000_000, checkpoint=file, **OPTIONS)
    assert "precision_not_reached" in first.flags
    again = jaxq.simulate(SYSTEM, precision=1e-9, max_events=45_000_000, checkpoint=file, **OPTIONS)
    whole = jaxq.simulate(SYSTEM, precision=1e-9, max_events=45_000_000, **OPTIONS)
    assert again.run["events"] == whole.run["events"] > first.run["events"]
    for name in whole.metrics:
        assert again[name].mean == whole[name].mean
        assert again[name].half_width == whole[name].half_width


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "run.npz"
    jaxq.simulate(SYSTEM, events=500, warmup=0, checkpoint=file, **OPTIONS)
    for change in ({"seed": 4}, {"replicas": 65}):
        with pytest.raises(ValueError, match="checkpoint = .*belongs to a run with other"):
            jaxq.simulate(SYSTEM, events=500, warmup=0, checkpoint=file, **{**OPTIONS, **change})
    with pytest.raises(ValueError, match="belongs to a run"):
        jaxq.simulate(SYSTEM.replace(phi=0.5), events=500, warmup=0, checkpoint=file, **OPTIONS)


def test_where_a_checkpoint_may_be(tmp_path):
    for file in (tmp_path / "run.json", tmp_path / "nowhere" / "run.npz"):
        with pytest.raises(ValueError, match=r"checkpoint = .*must be a file ending in \.npz"):
            jaxq.simulate(SYSTEM, events=500, warmup=0, checkpoint=file, **OPTIONS)


def test_the_file_holds_no_pickle(tmp_path):
    file = tmp_path / "run.npz"
    jaxq.simulate(SYSTEM, events=500, warmup=0, checkpoint=file, **OPTIONS)
    with np.load(file, allow_pickle=False) as content:
        assert {"fingerprint", "0/windows", "0/carry/0/0"} <= set(content.files)
        assert all(content[name].dtype != object for name in content.files)
