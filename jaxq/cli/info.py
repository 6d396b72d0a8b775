"""``jaxq info``: versions, devices, and what a default run will use."""

import os
from typing import Annotated, Any

import typer

from jaxq.cli.console import stdout_console
from jaxq.cli.delivery import print_json


def info(json: Annotated[bool, typer.Option("--json", help="print JSON and nothing else")] = False) -> None:
    """Show versions, devices, and a default run.

    Example: jaxq info --json
    """
    found = describe_machine()
    if json:
        print_json(found)
        return
    console = stdout_console()
    lines = {
        "versions": "  ".join(f"{name} {version}" for name, version in found["versions"].items()),
        "usable cores": str(found["usable_cores"]),
        "devices": ", ".join(found["devices"]),
        "default run": "{replicas} replicas, tiles of {tile}, {blocks} blocks of {events_per_block} events a launch "
        "(mmc)".format(**found["default_run"]),
        "XLA_FLAGS": found["xla_flags"] or "(none)",
    }
    for name, text in lines.items():
        console.print(f"{name:<13} {text}")


def describe_machine() -> dict[str, Any]:
    """What `info` prints, as JSON values. Starts the devices."""
    from jaxq.cli.run import start_devices
    from jaxq.engine.devices import choose_devices, usable_cores
    from jaxq.engine.layout import choose_layout, default_replicas
    from jaxq.engine.versions import versions
    from jaxq.systems.stations.model import MMc

    start_devices()
    devices = choose_devices(None)
    replicas = default_replicas(devices)
    layout = choose_layout(MMc(arrival_rate=0.8).process(), replicas, devices)
    return {
        "schema": 1,
        "versions": versions(),
        "usable_cores": usable_cores(),
        "devices": [f"{device.platform}:{device.id} {device.device_kind}" for device in devices],
        "default_run": {
            "system": "mmc",
            "replicas": replicas,
            "tile": layout.tile,
            "blocks": layout.blocks,
            "events_per_block": layout.events_per_block,
        },
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
