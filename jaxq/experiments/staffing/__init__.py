"""Safety staffing of tree networks: what a network can bear, and the theorem of Hmedi, Arapostathis and Pang, simulated."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.staffing import any_control, critical, diffusion, tails, theorem

EXPERIMENTS: tuple[Experiment, ...] = (
    theorem.EXPERIMENT,
    diffusion.EXPERIMENT,
    critical.EXPERIMENT,
    tails.EXPERIMENT,
    any_control.EXPERIMENT,
)
