"""Figures of Bhambay, Bueke and Mukhopadhyay on speed-aware JSQ, and what its theorems say, simulated."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.load_balancing import convergence, figures, policies, response_times

EXPERIMENTS: tuple[Experiment, ...] = (
    *figures.EXPERIMENTS,
    policies.EXPERIMENT,
    convergence.EXPERIMENT,
    response_times.EXPERIMENT,
)
