"""What the experiments of the paper share."""

PAPER = "Chen, Chen and Qian, Incentivizing Resource Pooling"
REPLICAS = 1024
"""On any machine, so that a seed gives the same figure."""
