"""jaxq: Monte Carlo for queueing systems on JAX."""

from jaxq import startup as _startup  # noqa: F401 - first: it hears Ctrl-C during the other imports

# isort: split

from importlib.metadata import version as _version
from typing import TYPE_CHECKING as _TYPE_CHECKING

from jaxq.checks import FieldError as FieldError
from jaxq.engine.check import check as check
from jaxq.engine.derivatives import Gradients as Gradients
from jaxq.engine.devices import use_all_cores as use_all_cores
from jaxq.engine.distributed import distributed as distributed
from jaxq.engine.exact import ExactResult as ExactResult
from jaxq.engine.exact import exact as exact
from jaxq.engine.fields import choice as choice
from jaxq.engine.fields import nonnegative as nonnegative
from jaxq.engine.fields import positive as positive
from jaxq.engine.fields import probability as probability
from jaxq.engine.fields import real as real
from jaxq.engine.fields import whole as whole
from jaxq.engine.gradient import gradient as gradient
from jaxq.engine.jump_process import JumpProcess as JumpProcess
from jaxq.engine.jump_process import MarkovProcess as MarkovProcess
from jaxq.engine.merge import merge as merge
from jaxq.engine.metric import Metric as Metric
from jaxq.engine.model import Model as Model
from jaxq.engine.objective import Objective as Objective
from jaxq.engine.options import Options as Options
from jaxq.engine.paths import Paths as Paths
from jaxq.engine.paths import paths as paths
from jaxq.engine.process import Process as Process
from jaxq.engine.process import Scan as Scan
from jaxq.engine.progress import Progress as Progress
from jaxq.engine.quantity import Quantity as Quantity
from jaxq.engine.reference import Reference as Reference
from jaxq.engine.result import Result as Result
from jaxq.engine.result import Results as Results
from jaxq.engine.saved import load as load
from jaxq.engine.simulate import compare as compare
from jaxq.engine.simulate import simulate as simulate
from jaxq.engine.simulate import sweep as sweep
from jaxq.engine.stationarity import Stationarity as Stationarity
from jaxq.engine.sums import Sums as Sums
from jaxq.engine.system import System as System
from jaxq.engine.team import ProcessLost as ProcessLost
from jaxq.laws.empirical import Empirical as Empirical
from jaxq.laws.gamma import Gamma as Gamma
from jaxq.laws.phase_type import PhaseType as PhaseType
from jaxq.laws.standard import Deterministic as Deterministic
from jaxq.laws.standard import Erlang as Erlang
from jaxq.laws.standard import Exponential as Exponential
from jaxq.laws.standard import Hyperexponential as Hyperexponential
from jaxq.laws.standard import Lognormal as Lognormal
from jaxq.laws.standard import Pareto as Pareto
from jaxq.laws.standard import Weibull as Weibull
from jaxq.systems import SYSTEMS as SYSTEMS
from jaxq.systems.load_balancing.model import LoadBalancing as LoadBalancing
from jaxq.systems.load_balancing.speeds import Speeds as Speeds
from jaxq.systems.parallel_servers.diffusion import StaffingDiffusion as StaffingDiffusion
from jaxq.systems.parallel_servers.model import ParallelServers as ParallelServers
from jaxq.systems.parallel_servers.network.network import Network as Network
from jaxq.systems.stations.model import GG1 as GG1
from jaxq.systems.stations.model import MG1 as MG1
from jaxq.systems.stations.model import GGc as GGc
from jaxq.systems.stations.model import MGcc as MGcc
from jaxq.systems.stations.model import MGinf as MGinf
from jaxq.systems.stations.model import MMc as MMc
from jaxq.systems.token_pool.model import TokenPool as TokenPool
from jaxq.systems.token_pool.policy import ThresholdPolicy as ThresholdPolicy
from jaxq.systems.tolled_queues.arrivals import Trace as Trace
from jaxq.systems.tolled_queues.model import TolledQueues as TolledQueues
from jaxq.tuning.outcome import Outcome as Outcome
from jaxq.tuning.result import Tuning as Tuning
from jaxq.tuning.search import search as search
from jaxq.tuning.tune import tune as tune

if _TYPE_CHECKING:
    from jaxq.plotting import plot as plot


def __getattr__(name: str):
    """`jaxq.plot`, imported where it is first used."""
    if name == "plot":
        from jaxq.plotting import plot

        return plot
    raise AttributeError(f"module jaxq has no attribute {name}")


__version__ = _version("jaxq")
