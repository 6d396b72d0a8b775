"""How a run is cut into launches, on CPU and on a GPU, without one."""

from types import SimpleNamespace

import pytest

import jaxq
from jaxq.engine.layout import GPU_LAUNCH_EVENTS, LAUNCH_EVENTS, ROOM, choose_layout
from jaxq.engine.outline import summed

CPU, GPU = SimpleNamespace(platform="cpu"), SimpleNamespace(platform="gpu")
QUEUE = jaxq.MMc(0.8).process()


@pytest.mark.parametrize(("device", "most"), [(CPU, LAUNCH_EVENTS), (GPU, GPU_LAUNCH_EVENTS)])
@pytest.mark.parametrize("replicas", [1024, 65536, 2**20])
def test_a_launch_fills_its_room_and_no_more(device, most, replicas):
    layout = choose_layout(QUEUE, replicas, (device,))
    a_block, sums = layout.replicas * layout.events_per_block, layout.replicas * len(summed(QUEUE))
    assert layout.blocks == 1 or (layout.blocks * a_block <= most and layout.blocks * sums <= ROOM)
    assert layout.blocks == 32 or 2 * layout.blocks * a_block > most or 2 * layout.blocks * sums > ROOM


def test_on_a_gpu_a_tile_is_all_that_a_device_has():
    assert choose_layout(QUEUE, 65536, (GPU, GPU)).tile == 32768
    assert choose_layout(QUEUE, 65536, (CPU, CPU)).tile == 128


@pytest.mark.parametrize("observations", [16, 100, 1024, 4096, 2**17])
def test_stretches_are_powers_of_two_that_two_words_hold(observations):
    stretch = choose_layout(QUEUE, 64, (CPU,), observations=observations).stretch
    assert stretch & (stretch - 1) == 0
    assert stretch == 1 or stretch * observations <= 2**16 < 2 * stretch * observations


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("replicas", [1, 37, 101, 1024, 1025])
def test_whole_tiles_have_room_for_every_replica(replicas, devices):
    layout = choose_layout(QUEUE, replicas, (CPU,) * devices)
    unit = layout.tile * devices
    assert layout.replicas % unit == 0 and replicas <= layout.replicas < replicas + unit
