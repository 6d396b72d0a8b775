"""Safety staffing of tree networks: what a network can bear, and the theorem of Hmedi, Arapostathis and Pang, simulated."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.staffing import diffusion, theorem

EXPERIMENTS: tuple[Experiment, ...] = (theorem.EXPERIMENT, diffusion.EXPERIMENT)
