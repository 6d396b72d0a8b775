"""What Shen's paper on tolls and splitting claims, and what it asks."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.tolled_queues import conjecture, slopes, split, theorem

EXPERIMENTS: tuple[Experiment, ...] = (
    theorem.EXPERIMENT,
    split.EXPERIMENT,
    conjecture.EXPERIMENT,
    slopes.EXPERIMENT,
)
