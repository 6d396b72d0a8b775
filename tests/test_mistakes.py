"""What users get wrong, by hand and in models of their own: each is refused in one line that names it, or flagged, or right.

A row begins with the finding of the reviews of November 2026 that it comes from: A to E (statistics, faults, input), N (a
newcomer), F (reports from the field), M (the papers), R (the code). Findings that need a long simulation, signals or files
of results are elsewhere:

A1   engine/test_check.py: a jump may change its state in place
A4   engine/test_check.py: whole numbers that move far, a large step, a counter that wraps
A5-7 engine/test_check.py: rates that go wrong on the way; A7 too: one replica that is not a number
A8   engine/test_quantiles.py: a long warm-up of many points
A9   engine/test_quantiles.py: no warm-up uses all events; stats/test_histogram.py: an atom is exact
A10  engine/test_simulate.py: what was never seen, a transition that hardly happens
A11  engine/test_result.py: a constant that is wrong; engine/test_simulate.py: a mean that disagrees
A12  test_random.py: below beyond 16 bits; systems/load_balancing/test_model.py: more servers than 16 bits
A13  test_random.py: probabilities that a grid cannot have; systems/tolled_queues/test_model.py: a rare class
A14  engine/test_range.py: rates inside only set the unit
A15  engine/test_exact.py: a slow switch of many states, a chain that float64 does not hold
A17  engine/test_checkpoint.py: a resumed run is the same bit for bit
B    engine/test_simulate.py: few replicas, too few events; stats/test_correlation.py, test_estimate.py: intervals cover
C1   engine/test_checkpoint.py: a resumed run; C4: a run outlives its checkpoint; C7: damage; C8: code and content
C2-3 cli/test_interrupt.py; C11 too, and stdout that takes nothing: cli/test_delivery.py
C5   cli/test_delivery.py: a full disk; C6: files are tried before the run
C9   engine/test_simulate.py: a time limit truncates; engine/test_compile_time.py
C10  engine/test_memory.py; C12 engine/test_files.py: the target of a link is written
D    cli/test_fuzz.py: whatever is typed; engine/test_host_numbers.py, test_options.py, test_fields.py
E    engine/test_invariance.py, test_random.py
N    engine/test_simulate.py: growth ends a run, events bound a run; engine/test_files.py: what is loaded
F1   systems/stations/test_by_customer.py: customers who come together
F2   engine/test_simulate.py: a difference of long sums
F3   engine/test_paths.py: averages and counts over a terminating run; test_simulate.py: events are rounded up
F4   systems/parallel_servers/test_model.py; F7 systems/parallel_servers/test_changes.py; F14 engine/test_transitions.py
F5   cli/test_parallel_servers.py: bad networks; engine/test_compile_time.py: five hundred single servers
F6   engine/test_rarity.py
F8   engine/test_check.py: a closed period loses no replica
F9   engine/test_check.py: rates that go wrong on the way, a state that nothing leaves
F10  engine/test_check.py: rates that go wrong on the way; F11: whole numbers that move far
F13  engine/test_simulate.py: a process that falls without end
F15  cli/test_data_files.py, laws/test_laws.py, laws/test_column.py; F16 too, and systems/tolled_queues/test_arrivals.py
F17  engine/test_simulate.py: few replicas; F18: a run too short for its load, a slow relaxation
F19  systems/stations/test_by_customer.py: tails that intervals do not bear
F20  engine/test_quantiles.py: waits in nanoseconds, service level; stats/test_histogram.py: the unit does not matter
F21  engine/test_simulate.py: a time limit truncates, events bound a run that does not warm up
F24  systems/tolled_queues/test_objectives.py: the best toll is reached
F25  engine/test_invariance.py: a replica does not depend on how many there are
F26  engine/test_host_numbers.py; engine/test_simulate.py: a point that is infeasible
F27  engine/test_checkpoint.py: more events go on; engine/test_files.py: other files are refused
M    analytic/token_pool/test_mean_field_equilibrium.py: minimum servers; systems/tolled_queues/test_split_search.py:
     the printed design; experiments/load_balancing/test_experiments.py: convergence
R0   engine/test_quantiles.py: 0.1, 0.2; test_layering.py: 0.6; engine/test_simulate.py: 0.7, a ratio of nothing;
     0.8: what is no system, below
"""

import math
import random
import shlex
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import jaxq
from tests.agreement import check_agreement
from tests.own_systems import Customers, Station

SHORT = "--replicas 64 --events 2e3 --warmup 500"
SMALL = {"replicas": 64, "events": 2000}
MMC = jaxq.MMc(arrival_rate=0.5)
FILES = {
    "list.toml": 'system = ["mmc"]\n',
    "table.toml": "[system]\n",
    "deep.toml": "system = 'mmc'\n[parameters]\nservers = " + "[" * 5000 + "]" * 5000,
    "network.yaml": "mu: 1\n",
    "comma.txt": "1,5\n2,5\n",
    "two.txt": "1 2\n3 4\n",
    "clock.txt": "08:00:01\n08:00:05\n",
}
"""Where the commands run."""

COMMANDS = {
    "negative rate": ("run mmc --arrival-rate -1", 2, ["arrival_rate", "-1", "> 0"]),
    "probability of one": ("run token-pool --servers 3 --arrival-rate 0.5 --phi 1", 2, ["phi = 1", "> 0 and < 1"]),
    "probability of zero": ("run token-pool --servers 3 --arrival-rate 0.5 --phi 0", 2, ["phi = 0", "> 0 and < 1"]),
    "two and a half servers": ("run mmc --arrival-rate 0.5 --servers 2.5", 2, ["servers = 2.5", "a whole number >= 1"]),
    "no server": ("run mmc --arrival-rate 0.5 --servers 0", 2, ["servers = 0", ">= 1"]),
    "nan": ("run mmc --arrival-rate nan", 2, ["arrival_rate = nan", "a number > 0"]),
    "infinity": ("run mmc --arrival-rate inf", 2, ["arrival_rate = inf", "a number > 0"]),
    "F26 no number": ("run mmc --arrival-rate fast", 2, ["arrival_rate = fast", "a number > 0"]),
    "unstable": ("run mmc --arrival-rate 2", 2, ["arrival_rate = 2", "must be <", "stationary"]),
    "F26 unstable in a sweep": ("sweep mmc --arrival-rate 1.5:2.5:3", 2, ["arrival_rate", "must be <"]),
    "F26 fields that disagree": (
        "run mmc --arrival-rate 0.5 --servers 5 --capacity 3",
        2,
        ["capacity = 3", ">= servers"],
    ),
    "unknown law": ("run mg1 --arrival-rate .5 --service-law x", 2, ["service_law", "x", "lognormal"]),
    "unknown batches": ("run gg1 --batch-law geometrik:3", 2, ["batch_law = geometrik:3", "did you mean geometric?"]),
    "batches of none": ("run ggc --batch-law fixed:0", 2, ["batch_law", "fixed size = 0", "a whole number >= 1"]),
    "batches of less than one": ("run mg1 --batch-law geometric:0.5", 2, ["geometric mean = 0.5", ">= 1"]),
    "sizes of a batch": ("run gg1 --batch-law sizes:0.5,0.3", 2, ["batch_law", "0.5,0.3", "sum to 1"]),
    "unknown option": ("run mmc --arrival-rate 0.5 --servrs 3", 2, ["--servrs", "did you mean --servers"]),
    "unknown system": ("run tokn-pool", 2, ["unknown system tokn-pool; did you mean token-pool?"]),
    "unknown verb": ("rnu mmc", 2, ["rnu", "run"]),
    "no system": ("run", 2, ["mmc", "token-pool", ".toml"]),
    "option before the system": ("run --replicas 5 mmc", 2, ["--replicas", "after the system"]),
    "D an option twice": ("run mmc --arrival-rate 0.5 --servers 3 --servers=5", 2, ["--servers", "2 times (3, 5)"]),
    "D an option of the run twice": ("run mmc --arrival-rate 0.5 --seed 1 --seed 1", 2, ["--seed", "2 times (1, 1)"]),
    "D an option of another verb twice": ("staffing --n=1 --n 2", 2, ["--n", "2 times (1, 2)"]),
    "option without value": ("run mmc --arrival-rate", 2, ["--arrival-rate", "value"]),
    "stray argument": ("run mmc --arrival-rate 0.5 7", 2, ["7"]),
    "backwards": ("sweep mmc --arrival-rate 0.9:0.1:5", 2, ["arrival_rate = 0.9:0.1:5", "backwards", "<="]),
    "broken sweep": ("sweep mmc --arrival-rate 0.1:0.9", 2, ["arrival_rate = 0.1:0.9", "start:stop:count"]),
    "count of a half": ("sweep mmc --arrival-rate .1:.9:2.5", 2, ["arrival_rate", "whole count >= 1"]),
    "servers between": (
        "sweep mmc --arrival-rate 0.5 --servers 1:10:5",
        2,
        ["servers = 1:10:5", "whole numbers", "3.25"],
    ),
    "swept out of bounds": ("sweep mmc --arrival-rate -1:0.9:3", 2, ["arrival_rate = -1", "> 0"]),
    "swept law": ("sweep mg1 --arrival-rate .5 --service-law erlang:2", 2, ["no field is swept"]),
    "nothing swept": ("sweep mmc --arrival-rate 0.9", 2, ["no field is swept", "arrival_rate"]),
    "nothing compared": ("compare mmc --arrival-rate 0.9", 2, ["nothing to compare"]),
    "a range in a run": ("run mmc --arrival-rate 0.1:0.9:5", 2, ["arrival_rate = 0.1:0.9:5", "sweep"]),
    "replicas in words": ("run mmc --arrival-rate 0.5 --replicas many", 2, ["replicas = many", "a whole number >= 1"]),
    "half an event": ("run mmc --arrival-rate 0.5 --events 0.5", 2, ["events = 0.5", "a whole number >= 1"]),
    "precision of zero": ("run mmc --arrival-rate 0.5 --precision 0", 2, ["precision = 0", "> 0"]),
    "level of two": ("run mmc --arrival-rate 0.5 --level 2", 2, ["level = 2", "< 1"]),
    "seed of a half": ("run mmc --arrival-rate 0.5 --seed 0.5", 2, ["seed = 0.5", "whole number"]),
    "warm-up in words": ("run mmc --arrival-rate 0.5 --warmup long", 2, ["warmup = long", "auto"]),
    "unknown metric": ("run mmc --arrival-rate 0.5 --metric wait", 2, ["metric = wait", "waiting_time"]),
    "metric of nothing": ("run mmc --arrival-rate 0.5 --metric waiting_time:0", 2, ["metric = waiting_time:0", "> 0"]),
    "R0.1 unknown quantity": ("run mmc --arrival-rate 0.5 --quantiles wait", 2, ["quantiles = wait"]),
    "quantile of two": ("run mmc --arrival-rate 0.5 --quantiles queue:2", 2, ["quantiles = queue:2", "< 1"]),
    "service level of an unknown quantity": (
        "run mmc --arrival-rate 0.5 --service-level waiting_time:20",
        2,
        ["service_level = waiting_time: mmc has", "number_in_system"],
    ),
    "service level of no threshold": (
        "run mg1 --arrival-rate 0.5 --service-level waiting_time",
        2,
        ["service_level = waiting_time: must be name:x,x,..."],
    ),
    "service level of a word": (
        "sweep mg1 --arrival-rate 0.4,0.5 --service-level waiting_time:20,soon",
        2,
        ["service_level = waiting_time:20,soon", "thresholds that are numbers"],
    ),
    "service level of a gradient": (
        "gradient mmc --arrival-rate 0.5 --parameter arrival_rate --service-level number_in_system:2",
        2,
        ["--service-level"],
    ),
    "too many devices": ("run mmc --arrival-rate 0.5 --devices 99", 2, ["devices = 99", "between 1 and"]),
    "few replicas": ("run mmc --arrival-rate 0.5 --replicas 5", 2, ["replicas = 5", "30"]),
    "C10 replicas that do not fit": (
        "run mmc --arrival-rate 0.5 --replicas 1e9",
        2,
        ["replicas = 1000000000: ", "GB of memory, and there"],
    ),
    "C10 points that do not fit": ("sweep mmc --arrival-rate .1:.9:1e12", 2, ["arrival_rate = .1:.9:1e12: ", "GB of"]),
    "C10 their product": (
        "sweep mmc --arrival-rate .1:.9:1000 --service-rate 1:2:1000 --replicas 1e6",
        2,
        ["arrival_rate, service_rate = 1000000 points: ", "GB of memory"],
    ),
    "C10 points that nobody waits for": ("sweep mmc --arrival-rate .1:.9:1e7", 2, ["at most 1000000 values, not"]),
    "C10 times that do not fit": (
        "paths mmc --arrival-rate 0.5 --times 0:10:1e12",
        2,
        ["times = 0:10:1e12: ", "GB of memory"],
    ),
    "C10 times of replicas that do not fit": (
        "paths mmc --arrival-rate 0.5 --times 0,1 --replicas 1e10",
        2,
        ["times = 2 times: 10000000000 replicas seen at each", "GB of memory"],
    ),
    "out without ending": ("run mmc --arrival-rate 0.5 --out x", 2, ["out = x", ".json"]),
    "out in no folder": ("run mmc --arrival-rate 0.5 --out no/such/x.json", 2, ["out = no/such/x.json", "folder"]),
    "plot of another ending": ("run mmc --arrival-rate 0.5 --plot x.gif", 2, ["plot = x.gif", ".png"]),
    "plot in no folder": ("run mmc --arrival-rate 0.5 --plot no/such/x.png", 2, ["plot = no/such/x.png", "folder"]),
    "checkpoint of another ending": (
        "run mmc --arrival-rate 0.5 --checkpoint x.json",
        2,
        ["checkpoint = x.json", ".npz"],
    ),
    "no such file": ("run none.toml", 2, ["none.toml", "No such file"]),
    "list of nothing": ("list mcm", 2, ["mcm", "mmc"]),
    "validate nothing": ("validate mcm", 2, ["mcm", "mmc"]),
    "paths without times": ("paths mmc --arrival-rate 0.5", 2, ["--times"]),
    "times that are none": ("paths mmc --arrival-rate 0.5 --times ,", 2, ["times = ,: must be increasing numbers"]),
    "times backwards": ("paths mmc --arrival-rate 0.5 --times 3,2", 2, ["times = 3,2", "increasing"]),
    "more paths than replicas": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --replicas 5 --keep-paths 9",
        2,
        ["keep_paths = 9", "<= replicas = 5"],
    ),
    "a schedule of no field": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --schedule server:0=1",
        2,
        ["schedule = server: mmc has no such field; did you mean servers?"],
    ),
    "a schedule that is none": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --schedule servers:0",
        2,
        ["schedule = servers:0: must be FIELD:TIME=VALUE"],
    ),
    "a field on two schedules": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --schedule servers:0=1 --schedule servers:1=2",
        2,
        ["schedule = servers:1=2: servers is given twice"],
    ),
    "a value that a schedule may not have": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --schedule servers:0=1.5",
        2,
        ["servers = 1.5: must be a whole number >= 1"],
    ),
    "a schedule of what has a memory": (
        "paths mg1 --arrival-rate 0.5 --times 1,2 --schedule arrival-rate:1=0.6",
        2,
        ["schedule: mg1 is no Markov chain here"],
    ),
    "a schedule without what the system has": (
        "paths mmc --arrival-rate 0.5 --capacity 9 --times 1,2 --schedule capacity:0=none --replicas 64",
        0,
        ["schedule  capacity:0=none", "queue_length"],
    ),
    "a service level of what has no distribution": (
        "run mgcc --arrival-rate 0.5 --service-level number_in_system:1",
        2,
        ["service_level = number_in_system: mgcc has no such quantity"],
    ),
    "too many service levels": (
        f"run mg1 --arrival-rate 0.5 --service-level waiting_time:{','.join(map(str, range(1001)))}",
        2,
        ["service_level = 1001 of waiting_time: must be at most 1000"],
    ),
    "a period of nothing": (
        "paths mmc --arrival-rate 0.5 --times 1,2 --period 24",
        2,
        ["period = 24: is that of a schedule, and there is none"],
    ),
    "N exact of no chain": ("exact mg1 --arrival-rate 0.5", 2, ["MG1", "JumpProcess"]),
    # findings
    "A10 what was never seen": (
        "run mmc --arrival-rate 0.1 --servers 1 --capacity 12 --metric probability_block:0.1 --replicas 64 --max-events 2e6",
        3,
        ["FLAG precision_not_reached", "FLAG not_seen", "probability_block           0   < "],
    ),
    "A11 a scv beyond the words": (
        "run mg1 --arrival-rate .5 --service-law hyperexponential:1e8",
        2,
        ["hyperexponential scv = 100000000.0", "<= 1e+07"],
    ),
    "A13 another scv": (
        "run mg1 --arrival-rate .5 --service-law lognormal:1e6",
        2,
        ["lognormal scv = 1000000.0", "<= 100000"],
    ),
    "A12 servers that are all kept": (
        "run load-balancing --policy pod2 --servers 3e6 --load .5",
        2,
        ["servers = 3000000", "<= 1048576"],
    ),
    "A13 a server too rare to be drawn": (
        "run token-pool --servers 3 --arrival-rate 1e-12,.5,.5 --phi .8",
        2,
        ["arrival_rate = 1e-12", "2.5e-13", ">= 4.5e-11 to be drawn"],
    ),
    "A14 a rate beyond 32 bits": (
        "run mmc --arrival-rate 8e38 --service-rate 1e39",
        2,
        ["arrival_rate = 8e+38", "1e+37", "change the unit"],
    ),
    "A14 a derivative of it": (
        "gradient mmc --arrival-rate 8e38 --service-rate 1e39 --parameter arrival_rate",
        2,
        ["arrival_rate = 8e+38", "1e+37", "change the unit"],
    ),
    "A14 a start beyond it": (
        "tune mmc --arrival-rate 0.5 --parameter service_rate --objective simulated:queue_length --start 1e300",
        2,
        ["service_rate = 1e+300", "1e+37", "change the unit"],
    ),
    "A14 paths of it": ("paths mmc --arrival-rate 1e39 --times 1", 2, ["arrival_rate = 1e+39", "1e+37"]),
    "B a variance that is infinite": (
        f"run mg1 --arrival-rate .5 --service-law pareto:2.1 {SHORT}",
        3,
        ["FLAG heavy_tail"],
    ),
    "C10 a list that nobody can mean": (
        "run token-pool --servers 3 --arrival-rate 0.5*300000000",
        2,
        ["arrival_rate = 0.5*300000000: must be a list of at most 1000000 numbers, not of 3e+08"],
    ),
    "C10 servers that nobody has": (
        "run mmc --arrival-rate .5 --servers 1e9",
        2,
        ["total_rate_bound = 1e+09", "next to nothing would happen"],
    ),
    "D a file with a list as system": ("run list.toml", 2, ["list.toml: system: unknown system ['mmc']"]),
    "D a file with a table as system": ("run table.toml", 2, ["table.toml: system: unknown system {}"]),
    "D a file that is nested deeply": ("run deep.toml", 2, ["deep.toml", "nested too deeply"]),
    "D servers of 400 digits": (f"run mmc --arrival-rate .5 --servers {'9' * 400}", 2, ["servers = inf", "< 2**63"]),
    "D capacity of 30 digits": (
        f"compare mmc --arrival-rate .5 --capacity 5,{'1' * 30}",
        2,
        ["capacity = 1.11", "< 2**63"],
    ),
    "D capacity beyond 32 bits": ("run mmc --arrival-rate .5 --capacity 3e9", 2, ["capacity = 3e+09", "under 2**31"]),
    "D threshold beyond 64 bits": (
        "tune token-pool --servers 3 --arrival-rate .5 --deviator 1e39",
        2,
        ["deviator", "1e+39", "< 2**63"],
    ),
    "D times of 1e39": ("paths mmc --arrival-rate .5 --times 1e39", 2, ["times[0] = 1e+39", "at most 1e+29"]),
    "D times of 30 digits": (
        f"paths mmc --arrival-rate .5 --times {'1' * 30}",
        2,
        ["times[0] = 1.11", "at most 1e+29"],
    ),
    "D horizon without end": ("run mmc --arrival-rate .5 --horizon 1e308", 2, ["horizon = 1e+308", "<= 1e+30"]),
    "D a word of 5000 letters": (
        f"run mmc --arrival-rate {'x' * 5000}",
        2,
        ["error: arrival_rate = xxx", "a number > 0"],
    ),
    "N a policy for a system": ("list priority", 0, ["parallel-servers", "policy"]),
    "N a system of one's own, no file": ("run polling.py:Polling", 2, ["polling.py: No such file or directory"]),
    "N a verb that does not exist": ("draw mg1.json", 2, ["unknown command draw"]),
    "plot of no file": ("plot mg1.json --out mg1.png", 2, ["result = mg1.json: cannot be read"]),
    "merge of one part": ("merge a.npz --out b.npz", 2, ["parts = ", "must be two checkpoint files or more"]),
    "derivative by nothing": ("gradient mmc --arrival-rate .5", 2, ["parameter: must be one or more", "arrival_rate"]),
    "derivative by a whole number": (
        "gradient mmc --arrival-rate .5 --parameter servers",
        2,
        ["parameter = servers: is a whole number"],
    ),
    "derivative by what is misspelt": (
        "gradient mmc --arrival-rate .5 --parameter arival_rate",
        2,
        ["parameter = arival_rate: mmc has no such field; it has arrival_rate"],
    ),
    "derivative at the edge": (
        "gradient mmc --arrival-rate .99 --parameter arrival_rate --method finite-difference",
        2,
        ["no system at 1.0098", "no stationary regime", "give side=left, or a smaller step"],
    ),
    "derivative of an unknown metric": (
        "gradient mmc --arrival-rate .5 --parameter arrival_rate --metric wait",
        2,
        ["metric = wait: mmc has number_in_system"],
    ),
    "derivative on no side": (
        "gradient mmc --arrival-rate .5 --parameter arrival_rate --side up",
        2,
        ["side = up: must be one of left, right"],
    ),
    "derivative with a step of all": (
        "gradient mmc --arrival-rate .5 --parameter arrival_rate --step 1",
        2,
        ["step = 1: must be a number >= 0.0001 and <= 0.25"],
    ),
    "derivative of no formula": (
        "gradient mmc --arrival-rate .5 --parameter arrival_rate --method fluid",
        2,
        ["method = fluid: mmc has no objective"],
    ),
    "derivative where the formula ends": (
        "gradient token-pool --servers 60 --arrival-rate .5 --phi .1 --parameter phi --method fluid --metric finite",
        2,
        ["phi = 0.1", "phases"],
    ),
    "N nothing to tune": ("tune mmc", 2, ["mmc has no objective for this configuration"]),
    "simulated objective misspelt": (
        "tune mmc --arrival-rate 0.5 --objective simulated:queue_lenght --parameter arrival_rate",
        2,
        ["objective = simulated:queue_lenght: must be simulated: and one of", "did you mean queue_length?"],
    ),
    "simulated objective without a parameter": (
        "tune mmc --arrival-rate 0.5 --objective simulated:queue_length",
        2,
        ["parameter: must be one or more fields, each once; mmc has arrival_rate"],
    ),
    "N a quantile that there is not": (
        "run mmc --arrival-rate .5 --quantiles waiting_time",
        2,
        ["quantiles = waiting_time", "number_in_system"],
    ),
    "a control of what is no jump process": (
        "run gg1 --arrival-rate .5 --control generator",
        2,
        ["control = generator: must be none for gg1, which is no jump process"],
    ),
    "a control that does not exist": ("run mmc --arrival-rate .5 --control quad", 2, ["control = quad", "generator"]),
    "N a product of long ranges": (
        "sweep mmc --arrival-rate 0.1:1:1000000 --service-rate 1:2:1000000",
        2,
        ["arrival_rate, service_rate = 1000000000000 points", "GB of memory"],
    ),
    "F1 as fast as they come": (
        "run gg1 --arrival-rate 1 --arrival-law deterministic --service-law deterministic",
        2,
        ["arrival_rate = 1: must be < service_rate = 1"],
    ),
    "F2 overload with abandonment": (
        "run mmc --arrival-rate 20 --servers 10 --abandonment-rate .1 --replicas 64 --events 2e4",
        0,
        ["agrees"],
    ),
    "F3 one event": (
        "run mmc --arrival-rate .5 --events 1 --warmup 0 --replicas 64",
        3,
        ["FLAG disagrees", "DISAGREES"],
    ),
    "F5 a network in YAML": (
        "run parallel-servers --network network.yaml",
        2,
        ["network = network.yaml", "or a .toml file"],
    ),
    "F15 two columns": (
        "run mg1 --arrival-rate .2 --service-law empirical:two.txt",
        2,
        ["2 columns without names", "FILE#COLUMN"],
    ),
    "F15 decimal commas": (
        "run mg1 --arrival-rate .2 --service-law empirical:comma.txt",
        2,
        ["not for a decimal point"],
    ),
    "F16 times of day": (
        "run tolled-queues --arrivals trace:clock.txt --arrival-rates 1 --rewards 5 --waiting-costs 1",
        2,
        ["line 1 has 08:00:01", "times of day"],
    ),
    "F17 one short replica": (
        "run mmc --arrival-rate .9 --replicas 1 --events 2000 --warmup 2000",
        3,
        ["FLAG no_interval"],
    ),
    "F19 a mean that is infinite": (
        f"run mg1 --arrival-rate .5 --service-law pareto:1.5 {SHORT}",
        3,
        ["FLAG infinite_mean", "withheld"],
    ),
    "F22 a policy that there is not": (
        "run load-balancing --policy least-connections --servers 9 --load .5",
        2,
        ["policy = least-connections", "jsq"],
    ),
    "F22 the limit of a policy": (
        "run load-balancing --policy pod500 --servers 9",
        2,
        ["policy = pod500", "from 1 to 99"],
    ),
    "F26 one point without a regime": (
        f"sweep mmc --arrival-rate 95 --servers 90,130 {SHORT}",
        3,
        ["FLAG infeasible", "servers=90: arrival_rate = 95: must be < servers x service_rate = 90"],
    ),
    "F28 servers by customer": ("run ggc --arrival-rate 1500 --servers 2000", 2, ["servers = 2000", "<= 1024"]),
    "F28 a load that does not fit": ("run mginf --arrival-rate 5000", 2, ["arrival_rate = 5000", "4096 customers"]),
    "F28 the diffusion of a network that is not critical": (
        "staffing --network qgym-n --diffusion",
        2,
        ["left over", "the load must be critical"],
    ),
    "M an exact chain": ("exact token-pool --servers 4 --token-cap 10", 2, ["max_states", "5.69417e+08 states"]),
    "M an exact chain of many": (
        "exact token-pool --servers 100 --token-cap 9",
        2,
        ["servers = 100: must be <= 8", "states"],
    ),
    "M an exact chain with a deviator": ("exact token-pool --servers 2 --deviator optimal", 2, ["LP (76)"]),
    "M the best response to a policy of one's own": (
        "run token-pool --servers 3 --policy 1 --deviator optimal",
        2,
        ["deviator = optimal", "Lemma 4.2", "policy = 1:0:1"],
    ),
    "M routing of a policy that has none": (
        "run load-balancing --policy jiq --routing .5,.5 --servers 10 --load .5",
        2,
        ["routing = [0.5, 0.5]"],
    ),
    "M buffers of more types than there are": (
        "run load-balancing --speeds 2:0.5,1:0.5 --servers 10 --load .5 --buffer 2,1,1",
        2,
        ["buffer = 2,1,1: must be one number, or 2, one a type"],
    ),
    "M unlike sizes where lengths are seen": (
        "run tolled-queues --arrival-rates .2,.3 --rewards 5,4 --waiting-costs 1,1 --mean-sizes 1,6 --information lengths",
        2,
        ["mean_sizes = [1.0, 6.0]", "must be equal where only lengths are visible"],
    ),
    "M rates that tolls stand for": (
        "tune tolled-queues --arrival-rates .8 --rewards 5 --waiting-costs 1 --tolls 1 "
        "--parameter service_rates --objective smooth_revenue",
        2,
        ["parameter = service_rates", "smooth_revenue depends on tolls"],
    ),
    "R0.1 quantiles of no metric": (
        f"run tolled-queues --arrival-rates .8 --rewards 5 --waiting-costs 1 --tolls 1 --quantiles sojourn_1:.5 {SHORT}",
        0,
        ["sojourn_1, quantile 0.5"],
    ),
}
"""Line, exit code, what is printed: on stderr where the code is 2, else on stdout."""


def but(base=Station, **methods):
    """A class with other methods."""
    return type("Mistake", (base,), methods)


def drawn(self, state, k):
    return [state + random.randrange(10**6), state - 1][k]


def decides(self, state):
    return self.arrival_rate, 1.0 if state > 0 else 0.0


def chosen_in_jump(self, state, k):
    if k == 0:
        return min(state + 1, self.limit)
    return state - 1


def in_place(self, state, k):
    state[0] = state[0] + 1 - 2 * k
    return state


def mean_number(rate):
    return jaxq.simulate(jaxq.MMc(rate), **SMALL)["number_in_system"].mean


def scaled(c):
    """M/M/1 of load .8 in other units."""
    return jaxq.MMc(arrival_rate=0.8 * c, service_rate=c)


def mean_from_empty(load, end):
    """Average of E N over [0, end] in M/M/1 from empty, cut at 200 customers: the corner of exp(t [[Q, n], [0, 0]]) is the
    integral of exp(Q s) n over [0, t]."""
    size = 201
    rates = np.diag(np.full(size - 1, load), 1) + np.diag(np.ones(size - 1), -1)
    block = np.zeros((size + 1, size + 1))
    block[:size, :size] = rates - np.diag(rates.sum(axis=1))
    block[:size, size] = np.arange(size)
    return expm(end * block)[0, size] / end


SNIPPETS = {
    # shapes, types and names
    "A2 float into an int": (
        but(jump=lambda self, n, k: [n + 0.5, n - 0.5][k]),
        TypeError,
        r"^Mistake.jump\(state, 0\) makes the state a real number, but init returns 0 \(a whole number\): start it as 0.0$",
    ),
    "A2 float into one of two": (
        but(
            init=lambda self, words: (0, 7),
            rates=lambda self, x: (self.arrival_rate, 1.0 * (x[0] > 0)),
            jump=lambda self, x, k: [(x[0] + 1, x[1]), (x[0] - 1, 1.1 * x[1])][k],
            observe=lambda self, x: {"number": x[0]},
        ),
        TypeError,
        r"^Mistake.jump\(state, 1\) makes component 1 of the state a real number, but init returns 7 .*: start it as 7.0$",
    ),
    "whole number into a flag": (
        but(init=lambda self, words: True),
        TypeError,
        r"jump\(state, 0\) makes the state a whole number, but init returns True \(true or false\): must be the same$",
    ),
    "A2 float into an int by update": (
        but(Customers, init=lambda self, words: 0),
        TypeError,
        r"^Mistake.update makes the state a real number, but init returns 0 \(a whole number\): start it as 0.0$",
    ),
    "N another shape": (
        but(jump=lambda self, n, k: jnp.stack([n, n])),
        TypeError,
        r"^Mistake.jump\(state, 0\) gives the state the shape \(2,\): must be \(\), as in init$",
    ),
    "N another structure": (
        but(jump=lambda self, n, k: [n + 1, (n - 1, 0)][k]),
        TypeError,
        r"^Mistake.jump\(state, 1\) returns \(\*, \*\), init returns \*: the state must keep its structure$",
    ),
    "a misspelt tally": (
        but(talley=lambda self, n, k: {"arrivals": 1.0 * (k == 0)}),
        TypeError,
        r"^Mistake.talley: is never called; did you mean tally\? If not, name it otherwise$",
    ),
    "a name of before": (
        but(stride=5),
        TypeError,
        r"^Mistake.stride: is never read; it is now a field of scan = jaxq.Scan\(...\)$",
    ),
    "a method of before": (
        but(check_stationary=lambda self: None),
        TypeError,
        "^Mistake.check_stationary: is never read; it is now stationarity, which returns a jaxq.Stationarity$",
    ),
    "a misspelt overflow": (
        but(overflows=lambda self, n: n > 9),
        TypeError,
        "^Mistake.overflows: is never called; did you",
    ),
    "complex state": (but(init=lambda self, words: 1j), TypeError, "init returns the state as a complex number"),
    "F13 no return from jump": (
        but(jump=lambda self, n, k: None),
        TypeError,
        r"^Mistake.jump\(state, 0\) returns None: is a return missing\?$",
    ),
    "no return from init": (but(init=lambda self, words: None), TypeError, "^Mistake.init returns None: is a return"),
    "no return from rates": (but(rates=lambda self, n: None), TypeError, "^Mistake.rates returns None: is a return"),
    "no return from observe": (
        but(observe=lambda self, n: None),
        TypeError,
        "^Mistake.observe returns None: is a return",
    ),
    "no return from next_event": (
        but(Customers, next_event=lambda self, x, w: None),
        TypeError,
        "next_event returns None: is a return",
    ),
    "no return from update": (
        but(Customers, update=lambda self, x, e: None),
        TypeError,
        "update returns None: is a return",
    ),
    "a text in the state": (
        but(init=lambda self, words: (0, "up")),
        TypeError,
        r"init returns 'up' as 1: must be numbers",
    ),
    "init without words": (
        but(init=lambda self: 0),
        TypeError,
        r"^Mistake.init: must be defined as init\(self, words\)$",
    ),
    "N no init": (
        but(jaxq.System),
        TypeError,
        r"^Mistake must define init\(words\) and next_event\(state, words\) and update\(state, event\)$",
    ),
    "N fewer jumps than rates": (
        but(rates=lambda self, n: (self.arrival_rate, 0.5 * (n > 0), 0.5 * (n > 0))),
        TypeError,
        r"^Mistake.jump\(state, 2\) raises IndexError .*: rates\(state\) gives 3 rates, .* the transitions 0 to 2$",
    ),
    "more jumps than rates": (
        but(rates=lambda self, n: (self.arrival_rate,)),
        TypeError,
        r"^Mistake.jump lists 2 states, but rates\(state\) gives 1 rates: one a transition$",
    ),
    "one rate, no tuple": (
        but(rates=lambda self, n: self.arrival_rate),
        TypeError,
        "^Mistake.rates must return a tuple of rates, one a transition, not one number$",
    ),
    "no rates": (but(rates=lambda self, n: ()), TypeError, "rates must return a tuple of rates, .* not an empty one$"),
    "a rate that is a list": (
        but(rates=lambda self, n: (self.arrival_rate, jnp.ones(2))),
        TypeError,
        r"^Mistake.rates: the rate of transition 1 has the shape \(2,\): must be one number",
    ),
    "complex rate": (but(rates=lambda self, n: (1j, 1.0)), TypeError, "the rate of transition 0 is of type complex64"),
    "A3 observed vector": (
        but(observe=lambda self, n: {"q": jnp.stack([n, n])}),
        TypeError,
        r"^Mistake.observe: q has the shape \(2,\): must be one number; give each entry a name of its own, or their sum$",
    ),
    "A3 tallied vector": (
        but(Customers, tally=lambda self, x, e: {"wait": jnp.stack([x, x])}),
        TypeError,
        r"^Mistake.tally: wait has the shape \(2,\)",
    ),
    "observed tuple": (but(observe=lambda self, n: {"q": (n, n)}), TypeError, r"observe: q is \(\*, \*\): must be one"),
    "A16 complex observation": (
        but(observe=lambda self, n: {"number": n * 1j}),
        TypeError,
        "^Mistake.observe: number is of type complex64: must be a real number$",
    ),
    "N observed list": (
        but(observe=lambda self, n: [n]),
        TypeError,
        r"^Mistake.observe must return a dict of names and numbers, such as {\"queue\": state}, not a list$",
    ),
    "counter that is real": (
        but(counters=lambda self, n: {"moves": 1.0 * n}),
        TypeError,
        "^Mistake.counters: moves is a real number: must be a whole number$",
    ),
    "A16 one name twice": (
        but(tally=lambda self, n, e: {"number": 7.0}),
        ValueError,
        "^Mistake: observe and tally both give number: one name, once$",
    ),
    "N nothing observed": (
        but(observe=lambda self, n: {}),
        ValueError,
        "^Mistake defines neither observe nor tally nor counters, so there is nothing to report: return a dict from observe",
    ),
    "no weight": (
        but(Customers, next_event=lambda self, x, words: ((1.0, 1.0), None)),
        TypeError,
        r"^Mistake.next_event gives no weight, so that step_time\(\) must say how long an event takes$",
    ),
    "one thing chosen": (
        but(Customers, next_event=lambda self, x, words: 1.0),
        TypeError,
        "^Mistake.next_event must return two things, the event and its weight",
    ),
    "step time 0": (
        but(Customers, next_event=lambda self, x, words: ((1.0, 1.0), None), step_time=lambda self: 0.0),
        ValueError,
        r"^Mistake.step_time = 0.0: must be a finite number > 0, or None$",
    ),
    # what cannot be traced
    "N if": (
        but(rates=decides),
        TypeError,
        r"^Mistake.rates \(return self.arrival_rate, 1.0 if state > 0 else 0.0\): decides in Python \(if, .* "
        r"use jnp.where\(condition, a, b\), .* rate \* \(n > 0\)",
    ),
    "F13 min": (
        but(jump=chosen_in_jump),
        TypeError,
        r"^Mistake.jump\(state, 0\) \(return min\(.*\): decides in Python",
    ),
    "N numpy": (
        but(rates=lambda self, n: (self.arrival_rate, 1.0 * np.minimum(n, 1))),
        TypeError,
        "calls a function of NumPy on a value that is known at run time only: use that of jax.numpy",
    ),
    "D float of a field": (
        but(rates=lambda self, n: (float(self.arrival_rate), 1.0 * (n > 0))),
        TypeError,
        r"makes a Python number \(float, .*\) of a value that is known at run time only: leave it as it is",
    ),
    "math": (but(observe=lambda self, n: {"root": math.sqrt(n)}), TypeError, "makes a Python number"),
    "range": (but(observe=lambda self, n: {"sum": sum(range(n))}), TypeError, "makes a Python number"),
    "A1 array in place": (
        but(
            init=lambda self, words: jnp.zeros(1, jnp.int32),
            rates=lambda self, x: (0.5, 1.0 * (x[0] > 0)),
            jump=in_place,
        ),
        TypeError,
        r"changes an array in place: use x.at\[i\].set\(value\)",
    ),
    "D random numbers of Python": (
        but(jump=drawn),
        TypeError,
        r"jump\(state, 0\) gives something else each time it is traced",
    ),
    "F13 random numbers of NumPy": (
        but(Customers, update=lambda self, x, e: x + np.random.default_rng().random()),
        TypeError,
        "update gives something else each time it is traced, such as a random number of NumPy or Python",
    ),
    # rates, bounds and counts in the states that can be reached
    "A5 bound too low": (
        but(total_rate_bound=lambda self: 1.2),
        ValueError,
        r"^Mistake.total_rate_bound = 1.2: the total rate is 1.5 in state 1; must be >= the total rate of every state",
    ),
    "F9 bound too low far away": (
        but(rates=lambda self, n: (0.5, 0.25 * n), total_rate_bound=lambda self: 5.0),
        ValueError,
        r"total_rate_bound = 5: the total rate is 5.25 in state 19;",
    ),
    "A5 bound far too large": (
        but(total_rate_bound=lambda self: 1e9),
        ValueError,
        r"^Mistake.total_rate_bound = 1e\+09: is more than 1e\+06 times the total rate of every state met \(1.5 at most\)",
    ),
    "A5 bound negative": (
        but(total_rate_bound=lambda self: -1.0),
        ValueError,
        r"total_rate_bound = -1.0: must be a finite",
    ),
    "D bound nan": (
        but(total_rate_bound=lambda self: math.nan),
        ValueError,
        r"total_rate_bound = nan: must be a finite",
    ),
    "D bound infinite": (
        but(total_rate_bound=lambda self: math.inf),
        ValueError,
        r"total_rate_bound = inf: must be a finite",
    ),
    "A6 negative rate": (
        but(rates=lambda self, n: (self.arrival_rate, (1.0 - 0.25 * n) * (n > 0))),
        ValueError,
        r"^Mistake.rates: transition 1 has rate -0.25 in state 5: must be finite and >= 0$",
    ),
    "A7 nan rate": (
        but(rates=lambda self, n: (self.arrival_rate, 0.0 * n / n)),
        ValueError,
        r"^Mistake.rates: transition 1 has rate nan in state 0: must be finite and >= 0$",
    ),
    "F10 whole rate that wraps": (
        but(init=lambda self, words: 50_000, rates=lambda self, n: (n * n * 1e-6, 1e-3 * (50_000 - n))),
        ValueError,
        r"^Mistake.rates: transition 0 has a whole number beyond 32 bits in state 50000: multiply real numbers instead, ",
    ),
    "N a bound of 0": (
        but(total_rate_bound=lambda self: 0),
        ValueError,
        r"^Mistake.total_rate_bound = 0: must be a finite number > 0, or None$",
    ),
    "N a sum that is not there": (
        but(metrics=lambda self, sums: {"number": sums["numbers"] / sums.time}),
        KeyError,
        r"^'there is no sum numbers; there are number'$",
    ),
    "N a count below 0": (
        but(rates=lambda self, n: (self.arrival_rate, 1.0)),
        ValueError,
        r"^Mistake: transition 1 \(rate 1\) takes the state below 0, from state 0 to -1: its rate must be 0 there, such as "
        r"rate \* \(n > 0\); .* signed = True$",
    ),
    "F13 one of two counts below 0": (
        but(
            init=lambda self, words: {"queue": 0, "lost": 0},
            rates=lambda self, x: (self.arrival_rate, 1.0),
            jump=lambda self, x, k: {**x, "queue": x["queue"] + 1 - 2 * k},
            observe=lambda self, x: x,
        ),
        ValueError,
        r"^Mistake: transition 1 \(rate 1\) takes component queue of the state below 0, from state {'lost': 0, 'queue': 0}",
    ),
    # what a system that steps itself adds up, in the states that random words lead to
    "a weight below 0": (
        but(Customers, next_event=lambda self, x, words: ((1.0, 1.0), jaxq.random.uniform(words[0]) - 0.5)),
        ValueError,
        r"^Mistake.next_event: the weight is -0\.\d+ in state 0.0: must be finite and >= 0$",
    ),
    "a tally that is not finite": (
        but(Customers, tally=lambda self, x, e: {"share": e[0] / x}),
        ValueError,
        r"^Mistake.tally: share is inf in state 0.0: must be finite$",
    ),
    "an observation that is not finite": (
        but(Customers, observe=lambda self, x: {"root": jnp.sqrt(2.0 - x)}),
        ValueError,
        r"^Mistake.observe: root is nan in state 2\.\d+: must be finite$",
    ),
    "a whole number that wraps": (
        but(Customers, observe=lambda self, x: {"square": (50_000 * (x > 1) * 1) ** 2}),
        ValueError,
        r"^Mistake.observe: square has a whole number beyond 32 bits in state 1\.\d+: multiply real numbers instead, ",
    ),
    # what is no system
    "N a list of one": (lambda: jaxq.simulate([MMC]), TypeError, r"^\[MMc\(.*\] is not a jaxq system$"),
    "N a name": (lambda: jaxq.simulate("mmc"), TypeError, "^mmc is not a jaxq system$"),
    "N one system compared": (
        lambda: jaxq.compare(MMC),
        ValueError,
        "^systems: 1 given; a comparison needs at least two$",
    ),
    # a run is a loop on the host
    "N a gradient": (
        lambda: jax.grad(mean_number)(0.5),
        TypeError,
        r"^MMc.arrival_rate is traced by JAX \(jit, grad, vmap\): .* use jaxq.sweep for many values, jaxq.gradient for",
    ),
    "N a jitted run": (lambda: jax.jit(mean_number)(0.5), TypeError, "^MMc.arrival_rate is traced by JAX"),
    "N a mapped run": (
        lambda: jax.vmap(mean_number)(jnp.array([0.5, 0.6])),
        TypeError,
        "^MMc.arrival_rate is traced by JAX",
    ),
    "N a swept value in jit": (
        lambda: jax.jit(lambda x: jaxq.sweep(MMC, {"arrival_rate": [x]})[0]["queue_length"].mean)(0.5),
        TypeError,
        r"^arrival_rate is traced by JAX \(jit, grad, vmap\): a run is a loop on the host",
    ),
    "N keys as seed": (
        lambda: jaxq.simulate(MMC, seed=jax.random.split(jax.random.key(0))),
        ValueError,
        r"^seed = keys of shape \(2, 2\): must be a whole number or one Threefry key$",
    ),
    "N a key of another generator": (
        lambda: jaxq.simulate(MMC, seed=jax.random.key(0, impl="rbg")),
        ValueError,
        r"^seed = keys of shape \(4,\): must be a whole number or one Threefry key$",
    ),
    "N a seed in jit": (
        lambda: jax.jit(lambda seed: jaxq.simulate(MMC, seed=seed)["queue_length"].mean)(3),
        ValueError,
        "^seed = traced by JAX: must be a number on the host",
    ),
    "N an array as seed": (
        lambda: jaxq.simulate(MMC, seed=np.array([1.0, 2.0])),
        ValueError,
        r"^seed = .*: must be a whole number >= 0 and < 2\*\*64, or a key of jax.random$",
    ),
    "N a number as meter": (
        lambda: jaxq.simulate(MMC, meter=3),
        TypeError,
        "^meter = 3: must be a function of a jaxq.Progress, or have start, update and close",
    ),
    "F25 cores that come too late": (
        lambda: (jax.devices(), jaxq.use_all_cores(3)),
        RuntimeError,
        r"^use_all_cores\(3\): JAX has already started with 2 device",
    ),
    # arguments of another kind
    "a number as parameter": (
        lambda: jaxq.gradient(MMC, with_respect_to=3),
        ValueError,
        "^parameter = 3: must be a text or a list of texts$",
    ),
    "no parameter": (
        lambda: jaxq.gradient(MMC, with_respect_to=None),
        ValueError,
        "^parameter: must be one or more, each once; mmc has arrival_rate",
    ),
    "a number as metric": (
        lambda: jaxq.gradient(MMC, 3, "arrival_rate"),
        ValueError,
        "^metric = 3: must be a text or a list of texts$",
    ),
    "no replicas": (
        lambda: jaxq.paths(MMC, [1.0], replicas=None),
        ValueError,
        "^replicas = None: must be a whole number >= 1$",
    ),
    "a number as keep": (lambda: jaxq.exact(MMC, keep=3), ValueError, "^keep = 3: must be a function of a state"),
    "no parts": (lambda: jaxq.merge(None, "x.npz"), ValueError, "^parts = None: must be two checkpoint files or more$"),
    "cores as text": (lambda: jaxq.use_all_cores("2"), ValueError, "^cores = '2': must be a whole number >= 1$"),
    "a file without a name": (lambda: jaxq.load(None), ValueError, r"^path = None: must end in \.json or \.npz$"),
    # names that do not exist
    **{
        f"N an option of {name}": (
            call,
            TypeError,
            r"^presicion: a run has no such option; did you mean precision\? there is repl",
        )
        for name, call in {
            "simulate": lambda: jaxq.simulate(MMC, presicion=0.1),
            "sweep": lambda: jaxq.sweep(MMC, {"arrival_rate": [0.5]}, presicion=0.1),
            "compare": lambda: jaxq.compare([MMC, MMC], presicion=0.1),
        }.items()
    },
    **{
        f"N an argument of {name}": (
            call,
            TypeError,
            f"^{given}: {name} has no such argument; did you mean {nearest}\\? there is {names}",
        )
        for name, call, given, nearest, names in [
            ("paths", lambda: jaxq.paths(MMC, [1.0], replicsa=8), "replicsa", "replicas", "system, times, replicas"),
            ("exact", lambda: jaxq.exact(MMC, max_state=8), "max_state", "max_states", "system, keep, max_states"),
            ("check", lambda: jaxq.check(sytem=MMC), "sytem", "system", "system"),
            ("tune", lambda: jaxq.tune(MMC, stepz=8), "stepz", "steps", "system, parameters, start, bounds, objective"),
            ("search", lambda: jaxq.search(MMC, presicion=8), "presicion", "precision", "system, objective, starts"),
        ]
    },
    "N a field": (
        lambda: jaxq.MMc(arival_rate=0.5),
        TypeError,
        r"arival_rate: MMc has no such field; did you mean arrival_rate\? there is arr",
    ),
    "N a field by its symbol": (
        lambda: jaxq.MMc(lam=0.5),
        TypeError,
        "lam: MMc has no such field; there is arrival_rate, service_rate, servers, ab",
    ),
    # grids
    "D no grid": (lambda: jaxq.sweep(MMC, {}), ValueError, r"^grid = \{\}: a sweep needs values"),
    "D a list as grid": (
        lambda: jaxq.sweep(MMC, [0.5]),
        TypeError,
        r"^grid = \[0.5\]: must be a dict of fields and their values$",
    ),
    "F26 a number as values": (
        lambda: jaxq.sweep(MMC, {"arrival_rate": 0.5}),
        TypeError,
        "^arrival_rate = 0.5: must be a list of values$",
    ),
    "F26 a generator as values": (
        lambda: jaxq.sweep(MMC, {"arrival_rate": (x for x in [0.5])}),
        TypeError,
        "^arrival_rate = .*: must be a list of values$",
    ),
    "D an array as grid": (
        lambda: jaxq.sweep(MMC, np.array([0.5, 0.6])),
        TypeError,
        r"^grid = \[0.5, 0.6\]: must be a dict of fields and their values$",
    ),
    # numbers that make no sense, or that 32 bits do not hold
    **{
        f"D {option} of {name}": (
            lambda option=option, value=value: jaxq.Options(**{option: value}),
            ValueError,
            f"^{option} = 1.*: must be",
        )
        for option in ("horizon", "events", "max_events", "warmup")
        for name, value in (("1e308", 1e308), ("400 digits", 10**400))
    },
    **{
        f"A14 rates of {c:g} in {name}": (lambda c=c, call=call: call(c), ValueError, sentence)
        for c in (1e-30, 1e-39, 1e39, 1e200)
        for name, call, sentence in [
            (
                "simulate",
                lambda c: jaxq.simulate(scaled(c), **SMALL),
                r"^arrival_rate = 8e[-+0-9]*: must be 0, or from 1e-28 to 1e\+37 in absolute value",
            ),
            ("paths", lambda c: jaxq.paths(scaled(c), times=[1.0]), "^arrival_rate = 8e"),
            ("mg1", lambda c: jaxq.simulate(jaxq.MG1(0.8 * c, c), **SMALL), "^arrival_rate = 8e"),
        ]
    },
    "A14 rates of a sweep": (
        lambda: jaxq.sweep(MMC, {"service_rate": [1.0, 1e39]}, **SMALL),
        ValueError,
        r"^service_rate = 1e\+39: must be 0, or from",
    ),
    "D a capacity": (
        lambda: jaxq.simulate(jaxq.MMc(0.8, capacity=3e9), **SMALL),
        ValueError,
        r"^capacity = 3e\+09: must be under 2\*\*31, in 32 bits",
    ),
    "D a capacity of paths": (
        lambda: jaxq.paths(jaxq.MMc(0.8, capacity=3e9), times=[1.0]),
        ValueError,
        r"^capacity = 3e\+09: must be under",
    ),
    "A14 rates that a system derives": (
        lambda: jaxq.simulate(
            jaxq.ParallelServers(jaxq.Network([1e38], [[2e38]], [1]), "priority", priorities="1"), **SMALL
        ),
        ValueError,
        r"rates = 1e\+38: must be 0, or from",
    ),
    "A14 a total of rates": (
        lambda: jaxq.simulate(jaxq.MMc(8e36, 1e36, servers=100), **SMALL),
        ValueError,
        r"^total rate = 1\.08e\+38: must be at most 1e\+37",
    ),
    # what runs
    "N a load above 1 in a model of one's own": (
        lambda: jaxq.simulate(Station(arrival_rate=1.2), replicas=256, events=3000),
        ("unstable",),
        {"number": None},
    ),
    "F3 a horizon from empty without warm-up": (
        lambda: jaxq.simulate(jaxq.MMc(0.95), replicas=1024, horizon=100.0, warmup=0),
        ("disagrees",),
        {"number_in_system": mean_from_empty(0.95, 100.0)},
    ),
}
"""What is done, or the class of a system to check; the exception and its sentence, or the flags of the result and its right
values (None: withheld)."""

USES = {
    "check": jaxq.check,
    "simulate": lambda system: jaxq.simulate(system, **SMALL),
    "sweep": lambda system: jaxq.sweep(system, {"arrival_rate": [0.5, 0.4]}, **SMALL),
    "compare": lambda system: jaxq.compare([system, system], **SMALL),
    "paths": lambda system: jaxq.paths(system, [1.0], replicas=8),
    "exact": jaxq.exact,
}


def refuse_runs(monkeypatch):
    monkeypatch.setattr("jaxq.engine.ensemble.Ensemble.__init__", lambda *_, **__: pytest.fail("a run was started"))


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_command(jaxq, monkeypatch, tmp_path, mistake):
    line, code, words = COMMANDS[mistake]
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    if code == 2:
        refuse_runs(monkeypatch)
    found, out, err = jaxq(*shlex.split(line))
    assert found == code
    if code == 2:
        assert out == "" and err.startswith("error: ") and err.endswith("\n")
        assert err.count("\n") == 1 and len(err) < 320
    for word in words:
        assert word in (err if code == 2 else out)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("mistake", ["negative rate", "unknown system", "unstable"])
def test_a_command_in_a_process_of_its_own(mistake):
    line, code, words = COMMANDS[mistake]
    command = [sys.executable, "-m", "jaxq", *shlex.split(line)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == code and done.stdout == "" and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr and all(word in done.stderr for word in words)


@pytest.mark.parametrize("mistake", SNIPPETS)
def test_a_snippet(monkeypatch, mistake):
    snippet, wanted, said = SNIPPETS[mistake]
    if isinstance(wanted, tuple):
        result = snippet()
        assert result.flags == wanted
        for name, value in said.items():
            if value is None:
                assert result[name].mean is None
            else:
                check_agreement(result[name], value, 0.1)
        return
    refuse_runs(monkeypatch)
    with pytest.raises(wanted, match=said) as caught:
        jaxq.check(snippet()) if isinstance(snippet, type) else snippet()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("mistake", ["A2 float into an int", "N if", "N a count below 0", "A5 bound too low"])
def test_everything_that_runs_a_system_checks_it_first(use, mistake):
    kind, error, sentence = SNIPPETS[mistake]
    with pytest.raises(error, match=sentence):
        USES[use](kind())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Station, r"^system = Station: is a class; give a system, Station\(...\)$"),
        (3, "^3 is not a jaxq system$"),
        (
            jaxq.TokenPool(2, 0.5, 0.4, 3).process(),
            r"^system = Mechanism: is a process, which a model's process\(\) makes .* give the model itself$",
        ),
    ],
)
@pytest.mark.parametrize("use", USES)
def test_what_is_no_system_is_refused(use, given, sentence):
    with pytest.raises(TypeError, match=sentence):
        USES[use](given)
