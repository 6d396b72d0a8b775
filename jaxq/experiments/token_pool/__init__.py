"""Figures and tables of Chen, Chen and Qian, "Incentivizing Resource Pooling"."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.token_pool import cap, deviation, equilibria, figures, large_markets, unlike, values

EXPERIMENTS: tuple[Experiment, ...] = (
    *figures.EXPERIMENTS,
    values.EXPERIMENT,
    deviation.EXPERIMENT,
    equilibria.EXPERIMENT,
    unlike.EXPERIMENT,
    cap.EXPERIMENT,
    large_markets.EXPERIMENT,
)
