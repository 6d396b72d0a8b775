"""Plain simulations, in NumPy and without jaxq, whose means stand in tests and experiments as values to agree with.

``python benchmarks/witnesses.py [WORD ...]`` prints each mean with its 95 % half-width over independent replicas, seed 1.
All are embedded chains weighted by 1/total rate (shadow routing: by sampled holding times), from a warm start.
"""

import sys

import numpy as np

LAMBDA, MU, GAIN = (250.0, 600.0), ((4.0, 1.0), (4.0, 4.0)), (1.0, 1.9)
"""The X-model, set A: classes 1, 2 and pools 3, 4 of 100 servers; theta = 1."""


def means(numbers: dict, time: np.ndarray) -> dict[str, tuple[float, float]]:
    """Ratios of sums over replicas with their half-widths; ``numbers``: sums by replica."""
    found = {}
    for name, total in numbers.items():
        ratio = total.sum() / time.sum()
        error = np.std(total - ratio * time, ddof=1) / np.sqrt(len(time)) / time.mean()
        found[name] = float(ratio), float(1.96 * error)
    return found


def pick(rng, rates: list, total: np.ndarray) -> np.ndarray:
    """Which of the rates comes first, by replica."""
    return (rng.random(len(total)) * total >= np.cumsum(rates, axis=0)).sum(axis=0)


def x_model(mu=MU, replicas=2000, warm=12.0, length=12.0, seed=1) -> dict:
    """c-mu/theta: class 2 first at both pools, arrivals to the fastest idle server (ties: pool 3), nobody preempted."""
    rng = np.random.default_rng(seed)
    busy = np.array([[[13.0], [38]], [[87], [62]]]).repeat(replicas, axis=2)
    queue = np.array([[158.0], [6]]).repeat(replicas, axis=1)
    rates = np.asarray(mu)[:, :, None]
    time, sums = np.zeros(replicas), np.zeros((7, replicas))
    steps = round((warm + length) * 1750)
    for step in range(steps):
        flows = [*np.full((2, replicas), np.array(LAMBDA)[:, None]), *(rates * busy).reshape(4, -1), *queue]
        total = np.sum(flows, axis=0)
        if step >= steps * warm / (warm + length):
            sums += (
                np.stack(
                    [
                        *busy[0],
                        *queue,
                        queue[0] / LAMBDA[0],
                        queue[1] / LAMBDA[1],
                        np.einsum("i,ij,ijr->r", GAIN, np.asarray(mu), busy),
                    ]
                )
                / total
            )
            time += 1 / total
        event = pick(rng, flows, total)
        idle = 100 - busy.sum(axis=0)
        for i in (0, 1):
            comes = event == i
            third, fourth = comes & (idle[0] > 0), comes & (idle[0] == 0) & (idle[1] > 0)
            busy[i, 0] += third
            busy[i, 1] += fourth
            queue[i] += comes & ~third & ~fourth
            queue[i] -= event == 6 + i
        for j in (0, 1):
            freed = [event == 2 + j, event == 4 + j]
            done = freed[0] | freed[1]
            second = done & (queue[1] > 0)
            first = done & ~second & (queue[0] > 0)
            for i, taken in ((0, first), (1, second)):
                busy[i, j] += taken * 1.0 - freed[i]
                queue[i] -= taken
    names = ("busy_1_3", "busy_1_4", "queue_1", "queue_2", "abandonment_1", "abandonment_2", "reward_rate")
    return means(dict(zip(names, sums, strict=True)), time)


def shadow(servers=100, keep=False, eta=0.1, replicas=1000, warm=12.0, length=16.0, seed=1) -> dict:
    """SHADOW-RM on set A with ``servers`` in each pool: the tagged dropped, or kept in a line served last."""
    rng = np.random.default_rng(seed)
    scale, mu, gain = servers / 100, np.asarray(MU), np.asarray(GAIN)
    busy = np.round(scale * np.array([[[48.0], [2]], [[50], [98]]])).repeat(replicas, axis=2)
    busy[1, 0] = servers - busy[0, 0]
    line = np.zeros((2, 2, 2, replicas))  # tagged, class, pool
    price = 4 / eta + rng.random((2, replicas))
    time, sums, tagged = np.zeros(replicas), np.zeros((4, replicas)), np.zeros(replicas)
    arrivals, every = scale * np.array(LAMBDA), np.arange(replicas)
    steps = round((warm + length) * 1750 * scale)
    for step in range(steps):
        flows = [
            *np.full((2, replicas), arrivals[:, None]),
            *(mu[:, :, None] * busy).reshape(4, -1),
            *line.reshape(8, -1),
        ]
        total = np.sum(flows, axis=0)
        elapsed = rng.exponential(size=replicas) / total
        if step >= steps * warm / (warm + length):
            sums += elapsed * np.stack([np.einsum("i,ij,ijr->r", gain, mu, busy), busy[0, 0], busy[1, 0], busy[1, 1]])
            time += elapsed
        event = pick(rng, flows, total)
        price = np.maximum(price - servers * elapsed, 0)
        for i in (0, 1):
            comes = event == i
            pool = np.argmin(price / mu[i][:, None], axis=0)
            admitted = gain[i] >= eta * price[pool, every] / mu[i][pool]
            if i == 0 and step >= steps * warm / (warm + length):
                tagged += comes & ~admitted
            np.add.at(price, (pool, every), comes * admitted / mu[i][pool])
            enters = comes if keep else comes & admitted
            idle = servers - busy.sum(axis=0)[pool, every] > 0
            np.add.at(busy, (i, pool, every), 1.0 * (enters & idle))
            np.add.at(line, (1 - admitted.astype(int), i, pool, every), 1.0 * (enters & ~idle))
        for k in range(8):
            line.reshape(8, -1)[k] -= event == 6 + k
        for j in (0, 1):
            left = np.zeros(replicas, bool)
            for i in (0, 1):
                busy[i, j] -= event == 2 + 2 * i + j
                left |= event == 2 + 2 * i + j
            for again, i in ((0, 1), (0, 0), (1, 1), (1, 0)):
                taken = left & (line[again, i, j] > 0)
                line[again, i, j] -= taken
                busy[i, j] += taken
                left &= ~taken
    names = ("reward_rate", "busy_1_3", "busy_2_3", "busy_2_4")
    return means(dict(zip(names, sums, strict=True)) | {"tagged_1": tagged / arrivals[0]}, time)


def shortest(servers, arrival_rate, fastest: bool, replicas=2000, warm=15.0, length=40.0, levels=6, seed=1) -> dict:
    """A fifth of the servers of rate 2.5, the others of .625; the shortest queue, ties to the fastest or at random."""
    rng = np.random.default_rng(seed)
    size, mu = np.array([servers // 5, servers - servers // 5]), np.array([2.5, 0.625])
    held = np.zeros((2, levels, replicas))  # type-j servers with at least 1, 2, ... jobs
    held[0, 0], held[1, 0] = size[0], size[1] - (servers - arrival_rate) / mu[1]
    held = np.round(held)
    time, sums = np.zeros(replicas), np.zeros((5, replicas))
    steps = round((warm + length) * 2 * arrival_rate)
    for step in range(steps):
        more = np.concatenate([held[:, 1:], np.zeros((2, 1, replicas))], axis=1)
        flows = [np.full(replicas, arrival_rate), *(mu[:, None, None] * (held - more)).reshape(2 * levels, -1)]
        total = np.sum(flows, axis=0)
        if step >= steps * warm / (warm + length):
            busy = held[:, 0]
            sums += (
                np.stack([*(busy - size[:, None]), held[0, 1], held.sum(axis=(0, 1)), busy.sum(axis=0) == servers])
                / total
            )
            time += 1 / total
        event = pick(rng, flows, total)
        todo = event == 0
        fewer = np.concatenate([np.broadcast_to(size[:, None, None], (2, 1, replicas)), held[:, :-1]], axis=1) - held
        coin = rng.random(replicas)
        for i in range(levels):
            first = fewer[0, i] > 0 if fastest else coin * fewer[:, i].sum(axis=0) < fewer[0, i]
            fast, slow = todo & first, todo & ~first & (fewer[1, i] > 0)
            held[0, i] += fast
            held[1, i] += slow
            todo = todo & ~fast & ~slow
        assert not todo.any(), "more levels are needed"
        held.reshape(2 * levels, -1)[:] -= event - 1 == np.arange(2 * levels)[:, None]
    root, found = np.sqrt(servers), means(dict(zip(range(5), sums, strict=True)), time)
    scaled = {name: tuple(x / root for x in found[k]) for k, name in enumerate(("y_1_1", "y_2_1", "y_1_2"))}
    jobs, error = found[3]
    scaled["y_plus_1"] = (jobs - servers) / root, error / root
    return scaled | {"all_busy": found[4], "response_time": (jobs / arrival_rate, error / arrival_rate)}


WITNESSES = {
    "x-model": x_model,
    "shadow-rm": shadow,
    "shadow-rm-tag": lambda: shadow(keep=True),
    "shadow-rm 25": lambda: shadow(25, replicas=4000),
    "shadow-rm 400": lambda: shadow(400, replicas=400, length=8),
    "sa-jsq 50": lambda: shortest(50, 50 - 2 * 50**0.5, True, length=200),
    "sa-jsq 400": lambda: shortest(400, 360, True, replicas=1000, length=20),
    "jsq 400": lambda: shortest(400, 360, False, replicas=1000, length=20),
}

if __name__ == "__main__":
    for name, witness in WITNESSES.items():
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            found = witness()
            print(name, {key: f"{value:.6g} +- {half:.2g}" for key, (value, half) in found.items()}, flush=True)
