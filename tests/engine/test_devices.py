"""What is said where a GPU is missing, or its memory full; there is none here, so the answers of JAX are made up."""

import jax
import pytest

import jaxq
from jaxq.engine import devices
from jaxq.engine.ensemble import Ensemble
from jaxq.engine.memory import TooLarge


def test_a_gpu_that_jax_does_not_find_is_missed(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(devices, "find_spec", lambda name: name == "jax_cuda13_plugin")
    monkeypatch.setattr(devices, "_warned", False)
    with pytest.warns(UserWarning, match="jax-cuda13-plugin is installed, but JAX finds no GPU") as warned:
        jaxq.simulate(jaxq.MMc(0.8), replicas=64, events=100, warmup=0)
    assert [warning.filename for warning in warned] == [__file__]  # of the user's line
    devices.choose_devices(1)  # once
    assert devices.no_gpu("gpu") is None
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert devices.no_gpu("cpu") is None


def test_a_full_device_says_what_to_set(monkeypatch):
    def full(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2.50GiB.")

    monkeypatch.setattr(Ensemble, "launch", full)
    with pytest.raises(
        TooLarge,
        match=r"replicas = 64: the memory of the devices is full \(2.50GiB.* MB of memory\. Fewer replicas, or batch",
    ):
        jaxq.simulate(jaxq.MMc(0.8), replicas=64, events=100, warmup=0)


def test_other_errors_of_a_device_stay_what_they_are(monkeypatch):
    def broken(*_):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    monkeypatch.setattr(Ensemble, "launch", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        jaxq.simulate(jaxq.MMc(0.8), replicas=64, events=100, warmup=0)


def test_a_forked_process_does_not_wait_for_ever(monkeypatch):
    """JAX has no threads there: a run hung without a word."""
    devices.choose_devices(None)
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(
        RuntimeError, match=r'^this process was forked after JAX had started, .*get_context\("spawn"\)$'
    ):
        devices.choose_devices(None)
