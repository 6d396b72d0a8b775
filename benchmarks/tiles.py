"""What hand-tuning would gain over the engine's rule: ns per event by tile, blocks and observations, one core.

    python benchmarks/tiles.py

Each row times bare launches (no host statistics); ``*`` marks what `jaxq.engine.layout` chooses by itself.
"""

import statistics
import time

import jaxq

jaxq.use_all_cores(1)

import jax  # noqa: E402

from jaxq.engine.ensemble import Ensemble  # noqa: E402

CASES = {
    "mm1": (jaxq.MMc(0.8), 8192, (64, 128, 256, 512)),
    "mmc+m": (jaxq.MMc(120, 1, 100, abandonment_rate=0.5), 8192, (64, 128, 256, 512)),
    "mg1": (jaxq.MG1(0.8, 1.0, "erlang:2"), 8192, (64, 128, 256, 512)),
    "token-pool-100": (jaxq.TokenPool(100, 0.8, 0.8, 50), 4096, (64, 128, 256, 512)),
    "token-pool-10000": (jaxq.TokenPool(10_000, 0.8, 0.8, 50), 1024, (16, 32, 64, 128)),
}


def measure(system, replicas: int, repeats: int = 5, **layout) -> tuple[float, Ensemble]:
    """Median ns per event of a launch."""
    ensemble = Ensemble([system], replicas, 0, tuple(jax.devices()), **layout)
    ensemble.launch()
    figures = []
    for _ in range(repeats):
        began = time.perf_counter()
        ensemble.launch()
        figures.append(
            (time.perf_counter() - began)
            / (ensemble.layout.blocks * ensemble.layout.events_per_block)
            / ensemble.rows
            * 1e9
        )
    return statistics.median(figures), ensemble


def main() -> None:
    """Print a row a case."""
    for name, (system, replicas, tiles) in CASES.items():
        chosen, ensemble = measure(system, replicas)
        row = [f"* tile {ensemble.layout.tile}, blocks {ensemble.layout.blocks}: {chosen:.3g}"]
        row += [f"tile {tile}: {measure(system, replicas, tile=tile)[0]:.3g}" for tile in tiles]
        row.append(f"one block a launch: {measure(system, replicas, blocks=1)[0]:.3g}")
        row.append(f"blocks of 4096 observations: {measure(system, replicas, observations=4096, blocks=8)[0]:.3g}")
        print(f"{name:18}", "   ".join(row), flush=True)


if __name__ == "__main__":
    main()
