"""Counts of a run so long that float32, or 32 bits, would have lost them.

    python -m benchmarks.long_run --events 1e12          # some 400 s of CPU

An M/M/1 at .8 from empty, which counts arrivals and departures. Both must come out whole, and what they differ by is what is
in the systems at the end: 4 a replica on average, give or take 4.5 over the root of their number. The mean number must be 4.
"""

import argparse
import math
import time

import jaxq

REPLICAS = 4096


class Counted(jaxq.JumpProcess):
    """M/M/1; the state is the number in system, arrivals and departures so far."""

    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.8)

    def init(self, words):
        return 0, 0, 0

    def rates(self, state):
        return self.arrival_rate, 1.0 * (state[0] > 0)

    def jump(self, state, k):
        number, came, left = state
        return [(number + 1, came + 1, left), (number - 1, came, left + 1)][k]

    def observe(self, state):
        return {"number": state[0]}

    def counters(self, state):
        return {"arrivals": state[1], "departures": state[2]}

    def total_rate_bound(self):
        return self.arrival_rate + 1.0

    def oracle(self):
        return {"number": self.arrival_rate / (1 - self.arrival_rate), "arrivals": self.arrival_rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=float, default=1e12, help="of all replicas together")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    jaxq.use_all_cores()
    began = time.process_time()
    options = {"events": int(given.events / REPLICAS), "warmup": 0, "max_events": 2 * int(given.events)}
    result = jaxq.simulate(Counted(), replicas=REPLICAS, seed=given.seed, **options)
    print(f"{result}\n{result.run['events']:,} events, {time.process_time() - began:.0f} s of CPU")
    came, left = (result.metrics[name].mean * result.run["time"] * REPLICAS for name in ("arrivals", "departures"))
    inside = came - left
    print(
        f"{came:,.3f} arrivals, {left:,.3f} departures, {inside:,.3f} in the systems, {inside / REPLICAS:.3f} in each"
    )
    assert abs(came - round(came)) < 1e-3 and abs(left - round(left)) < 1e-3
    assert abs(inside / REPLICAS - 4) < 4 * math.sqrt(20 / REPLICAS)


if __name__ == "__main__":
    main()
