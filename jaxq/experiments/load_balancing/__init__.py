"""Figures of Bhambay, Bueke and Mukhopadhyay on speed-aware JSQ, and what its theorems say, simulated."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.load_balancing import convergence, coupling, figures, fluid, policies, response_times, tails

EXPERIMENTS: tuple[Experiment, ...] = (
    *figures.EXPERIMENTS,
    fluid.EXPERIMENT,
    policies.EXPERIMENT,
    convergence.EXPERIMENT,
    response_times.EXPERIMENT,
    tails.EXPERIMENT,
    coupling.EXPERIMENT,
)
