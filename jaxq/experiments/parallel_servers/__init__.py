"""Stolyar and Tezcan on networks in overload: the e-companion's numbers, and shadow routing put to the test."""

from jaxq.experiments.experiment import Experiment
from jaxq.experiments.parallel_servers import (
    balance,
    change,
    companion,
    qgym_n,
    random_networks,
    scaling,
    virtual_queues,
)

EXPERIMENTS: tuple[Experiment, ...] = (
    companion.EXPERIMENT,
    scaling.EXPERIMENT,
    virtual_queues.EXPERIMENT,
    balance.EXPERIMENT,
    change.EXPERIMENT,
    random_networks.EXPERIMENT,
    qgym_n.EXPERIMENT,
)
