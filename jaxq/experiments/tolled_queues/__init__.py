"""What Shen's paper on tolls and splitting claims, and what it asks."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.tolled_queues import theorem

EXPERIMENTS: tuple[Experiment, ...] = (theorem.EXPERIMENT,)
