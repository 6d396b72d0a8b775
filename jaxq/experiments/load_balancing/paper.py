"""What the experiments of the paper share."""

from jaxq.systems.load_balancing.speeds import Speeds

PAPER = "Bhambay, Bueke and Mukhopadhyay, Asymptotic Optimality of the Speed-Aware JSQ"
REPLICAS = 256
"""On any machine, so that a seed gives the same figure."""
RATES, FRACTIONS = (2.5, 0.625), (0.2, 0.8)
SPEEDS = Speeds(RATES, FRACTIONS)
"""Of Figures 3.1 and 3.2: M = 2, capacity n."""
