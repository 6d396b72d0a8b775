"""Whether controls explain a metric in every state, or only in those that were seen.

With slopes b on the controls Q phi, a mean of f is known without error where f - b Q phi is the same in every state: b phi
solves Poisson's equation. In a run that sees few states it may be the same in all of these, and another elsewhere.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxq.engine.controls import PREFIX, WithControls, of_states
from jaxq.engine.leaves import compute_leaf
from jaxq.engine.sums import Sums
from jaxq.engine.walk import states_met
from jaxq.stats.estimate import Estimate

ALIKE = 1e-4
"""Share of its terms by which f - b Q phi may differ from state to state, float32 and the error of b included."""


def everywhere(
    process: WithControls, metrics: Callable[[Sums], dict[str, Estimate]], sums: Sums
) -> Callable[[str, np.ndarray], bool]:
    """A function of the name of a metric and its slopes: whether these solve Poisson's equation in all states of a walk. Of
    sums that are not those of the process alone, which derivatives come from, nothing is told but that they do.

    Args:
        process: with controls.
        metrics: the metrics of sums, to be linearised at the means of the run.
        sums: of the run.
    """

    alone = not any("|" in name for name in sums if name.startswith(PREFIX))

    @functools.cache
    def in_states() -> tuple[dict[str, Estimate], np.ndarray]:
        leaves, structure = jax.tree.flatten(process)
        seen = of_states(structure, "observe")([compute_leaf(leaf) for leaf in leaves], states_met(process.process))
        columns = {name: np.asarray(x, np.float64) for name, x in seen.items()}
        drifts = np.stack([columns.pop(name) for name in sorted(columns) if name.startswith(PREFIX)], axis=1)
        time, unknown = sums.time.value, np.full(len(drifts), np.nan)

        def mean(x: Any, residuals: np.ndarray) -> Estimate:
            return Estimate(x.value / time, residuals)

        observed = {name: mean(sums[name], x - sums[name].value / time) for name, x in columns.items()}
        others = [{name: mean(sums[name], unknown) for name in part} for part in (sums.tallied, sums.counted)]
        found = metrics(Sums(Estimate(1.0, np.zeros(len(drifts))), mean(sums.events, unknown), observed, *others))
        return found, drifts

    def solved(name: str, slopes: np.ndarray) -> bool:
        if not alone:
            return True
        found, drifts = in_states()
        terms = drifts * slopes
        left = found[name].residuals - terms.sum(axis=1)
        size = np.abs(found[name].residuals) + np.abs(terms).sum(axis=1)
        return bool(np.all(np.abs(left - np.median(left)) <= ALIKE * np.maximum(size, np.median(size))))

    return solved
