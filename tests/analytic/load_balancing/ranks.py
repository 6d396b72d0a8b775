"""Ranks of servers and the policies that they make, written apart from those that are simulated."""

from jaxq.analytic.load_balancing.policies import Policy, Rank


def shortest(jobs: int, service_rate: float) -> Rank:
    """Rank by the number of jobs; ties at random (JSQ)."""
    return (jobs,)


def shortest_fastest(jobs: int, service_rate: float) -> Rank:
    """Rank by the number of jobs, ties to the fastest (SA-JSQ)."""
    return (jobs, -service_rate)


def least_delay(jobs: int, service_rate: float) -> Rank:
    """Rank by the expected delay (jobs + 1) / rate, ties to the fastest."""
    return ((jobs + 1) / service_rate, -service_rate)


def idle_first(jobs: int, service_rate: float) -> Rank:
    """Idle servers first; all busy servers tie (JIQ)."""
    return (min(jobs, 1),)


def fastest_idle_first(jobs: int, service_rate: float) -> Rank:
    """Idle servers first, the fastest of them; all busy servers tie (speed-aware JIQ)."""
    return (0, -service_rate) if jobs == 0 else (1, 0)


def indifferent(jobs: int, service_rate: float) -> Rank:
    """All servers tie (random routing)."""
    return (0,)


def shortest_slowest(jobs: int, service_rate: float) -> Rank:
    """Rank by the number of jobs, ties to the slowest."""
    return (jobs, service_rate)


SA_JSQ = Policy(shortest_fastest)
JSQ = Policy(shortest)
LEAST_DELAY = Policy(least_delay)
JIQ = Policy(idle_first)
SA_JIQ = Policy(fastest_idle_first)
RANDOM = Policy(indifferent, draws=1)
