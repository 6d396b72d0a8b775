"""The stationary law of a small network by global balance, cut to a box: plain Python, one server a customer at most.

Written from the definitions of the policies; shares no code with the package."""

import itertools

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve


def served(policy, numbers, mu, cost, routing, station, servers, order=None):
    """Busy servers by class; ``order``: of a priority, the smallest first, of softmax b_k, its w_k being the costs."""
    classes, busy = range(len(numbers)), np.zeros(len(numbers))
    pressure = [
        mu[k] * (cost[k] * numbers[k] - sum(routing[k][m] * cost[m] * numbers[m] for m in classes)) for k in classes
    ]
    rank = {
        "priority": lambda k: order[k],
        "longest-queue": lambda k: -numbers[k],
        "max-pressure": lambda k: -pressure[k],
    }
    for j, c in enumerate(servers):
        here = [k for k in classes if station[k] == j]
        there = sum(numbers[k] for k in here)
        if policy == "sharing":
            for k in here:
                busy[k] = min(there, c) * numbers[k] / max(there, 1)
            continue
        if policy == "softmax":
            scores = [pressure[k] / mu[k] + order[k] for k in classes]
            for chance, first in lots(here, scores):
                free = c
                for k in first:
                    busy[k] += chance * min(free, numbers[k])
                    free -= min(free, numbers[k])
            continue
        free = c
        for k in sorted(here, key=rank[policy]):
            if policy == "max-pressure" and pressure[k] < 0:
                continue
            busy[k] = min(free, numbers[k])
            free -= busy[k]
    return busy


def lots(left, scores):
    """(probability, order) of each order in which ``left`` are drawn one by one, in proportion to exp(score)."""
    if not left:
        return [(1.0, [])]
    found = []
    for k in left:
        chance = 1 / sum(np.exp(scores[m] - scores[k]) for m in left)
        found += [(chance * p, [k, *rest]) for p, rest in lots([m for m in left if m != k], scores)]
    return found


def means(policy, alpha, mu, station, servers, routing, most, cost=None, order=None, lost=False):
    """(mean numbers by class, mean busy servers by class); ``most``: the box, by class, out of which no customer goes; who
    becomes one of a class that is full does not, or is ``lost``."""
    size, cost = len(alpha), np.ones(len(alpha)) if cost is None else cost
    states = list(itertools.product(*(range(m + 1) for m in most)))
    index = {state: i for i, state in enumerate(states)}
    rows, columns, rates, busy_in = [], [], [], np.zeros((len(states), size))
    for i, state in enumerate(states):
        busy = busy_in[i] = served(policy, state, mu, cost, routing, station, servers, order)
        jumps = [(None, m, alpha[m]) for m in range(size)]
        for k in range(size):
            jumps += [(k, m, mu[k] * busy[k] * routing[k][m]) for m in range(size) if m != k]
            jumps.append((k, None, mu[k] * busy[k] * (1 - sum(routing[k]))))
        for k, m, rate in jumps:
            after = list(state)
            if k is not None:
                after[k] -= 1
            if m is not None:
                after[m] += after[m] < most[m] if lost else 1
            if rate > 0 and tuple(after) in index:
                rows += [index[tuple(after)], i]
                columns += [i, i]
                rates += [rate, -rate]
    balance = coo_matrix((rates, (rows, columns)), shape=(len(states), len(states))).tocsc()
    law = np.append(1.0, spsolve(balance[1:, 1:], -balance[1:, 0].toarray().ravel()))
    law /= law.sum()
    return law @ np.array(states), law @ busy_in
