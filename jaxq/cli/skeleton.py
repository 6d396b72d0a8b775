"""A desk with one clerk and room for a few who wait: who finds it full goes away.

Change it into your own system. From the folder of this file, with its name in place of FILE.py:

    jaxq run FILE.py --arrival-rate 0.8                    means with intervals, beside `oracle`
    jaxq sweep FILE.py --arrival-rate 0.5:1.5:11 --plot sweep.png
    jaxq exact FILE.py --arrival-rate 0.8                  the stationary law, if there are not too many states
    jaxq gradient FILE.py --arrival-rate 0.8 --parameter service_rate
    jaxq run FILE.py --help                                fields and options
"""

import jaxq


class Desk(jaxq.JumpProcess):
    """A desk with one clerk and a waiting room."""

    # Fields: numbers with a rule and a line of help. They are options of the command line.
    arrival_rate: float = jaxq.positive("arrival rate, 1/time", default=0.8)
    service_rate: float = jaxq.positive("service rate, 1/time", default=1.0)
    room: int = jaxq.whole("customers that may wait", low=0, default=4)

    def init(self, words):
        """The state at time 0: whole numbers, real numbers, arrays, in tuples if you like."""
        return 0

    def rates(self, state):
        """The rate of each jump in this state, 1/time. `state` is traced by JAX: no `if`, but arithmetic as here."""
        return self.arrival_rate * (state <= self.room), self.service_rate * (state > 0)

    def jump(self, state, k):
        """The state after jump `k`, in the order of `rates`."""
        arrival, departure = state + 1, state - 1
        return (arrival, departure)[k]

    def total_rate_bound(self):
        """A bound of the sum of all rates in every state; leave it out if there is none."""
        return self.arrival_rate + self.service_rate

    def observe(self, state):
        """Quantities of the state whose averages over time are wanted."""
        return {"customers": state, "full": state > self.room}

    def metrics(self, sums):
        """What is reported, from the sums of what was observed; leave it out for the averages alone."""
        full = sums["full"] / sums.time
        return {"customers": sums["customers"] / sums.time, "loss_rate": self.arrival_rate * full}

    def oracle(self):
        """Exact values where you have them, so that every run is compared with them; leave it out if not."""
        weights = [(self.arrival_rate / self.service_rate) ** n for n in range(int(self.room) + 2)]
        total = sum(weights)
        law = [weight / total for weight in weights]
        return {"customers": sum(n * p for n, p in enumerate(law)), "loss_rate": self.arrival_rate * law[-1]}
