"""Tolled queues: customers see parallel queues with tolls, join the best one or balk.

Papers: Naor, Econometrica 37 (1969); Shen, on splitting a server. Notation: m first-come-first-served servers of rates
mu_j that sum to mu_s, tolls theta_j; class i has arrival rate lambda_i, reward R_i, waiting cost c_i per unit of time in
the system; a customer of size S that finds work W_j before server j leaves it after (W_j + S)/mu_j.
"""

from typing import Any

import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.fields import choice, compound, nonnegative, positive
from jaxq.engine.model import Model
from jaxq.engine.quantity import Quantity
from jaxq.laws.lattice import tick
from jaxq.laws.law import Law
from jaxq.laws.standard import USAGE, Deterministic, Exponential, parse_law
from jaxq.systems.tolled_queues.arrivals import Arrivals, Renewal, parse_arrivals
from jaxq.systems.tolled_queues.policy import SAME, most_customers, thresholds
from jaxq.systems.tolled_queues.processes.lengths import Lengths
from jaxq.systems.tolled_queues.processes.sequences import Sequences, longest, words_for
from jaxq.systems.tolled_queues.processes.workloads import Workloads

MOST_CLASSES, MOST_SERVERS = 16, 16
INFORMATION = "workload", "workload-only", "lengths", "classes"
MOST_IN_LINE = 512
"""Customers at a server whose classes differ in mean size and are kept in order."""
LONG = 400
"""Customers at one server, times classes, up to which the best single toll is found within some two seconds."""
SLACK = 1e-6
"""How far the sum of the service rates may be from the capacity, relatively."""

METRICS = (
    Quantity("revenue", "tolls paid", "money/time", primary=True),
    Quantity("throughput", "customers who join", "1/time", primary=True),
    Quantity("welfare", "rewards less waiting costs of those who join", "money/time"),
    Quantity("customer_utility", "rewards less tolls and waiting costs of those who join", "money/time"),
    Quantity("join_<class>_<server>", "a customer of a class joins a server", "probability"),
    Quantity("join_<class>", "a customer of a class joins", "probability"),
    Quantity("sojourn_time", "time in the system of those who join", "time"),
    Quantity("sojourn_time_<class>", "time in the system of those of a class who join", "time"),
    Quantity("waiting_time", "wait of those who join", "time"),
    Quantity("utilisation_<server>", "share of time that a server is busy", "share"),
    Quantity("number_in_system", "customers in the system", "customers"),
    Quantity("workload", "work before all servers", "work"),
)


class TolledQueues(Model):
    """Parallel queues with tolls: a customer joins the best one, or none (balks).

    `jaxq.systems.tolled_queues.model` has the notation.

    A customer joins the server of greatest utility ``R_i - theta_j - c_i x (expected time in the system)`` if that is
    >= 0 (``rule`` weak) or > 0 (strict), and balks otherwise. What it knows (``information``): ``workload``, the work
    before each server and its own size; ``workload-only``, its size at the mean of its class; ``lengths``, the number
    n_j at each server and the mean s_i of its class, (n_j a + s_i)/mu_j being the time it expects, with a (``size_ahead``)
    the mean size of all who come; ``classes``, the class of everyone there, so that it adds up their means. The last has
    exponential sizes, of any means (Section 1 of Shen); lengths have these, or unit sizes. ``ties`` go to the first server
    or to one at random.

    Customers are of class i with probability lambda_i / sum lambda, independently; a size is the class's mean times a
    draw from ``size_law``. ``arrivals`` is scaled in time to the rate sum lambda: ``poisson``, the name of a law of the
    gaps, ``modulated:RATES;ROW;ROW`` (`Modulated`) or ``trace:FILE`` (`Trace`, repeated). Systems with the same classes,
    laws and tie rule see the same customers, whatever their servers: `jaxq.compare` is paired.
    """

    arrival_rates: Any = positive(
        "arrival rate of each class, 1/time", default=0.9, listed=True, observed="arrivals.rate", momentary=True
    )
    rewards: Any = nonnegative("reward of each class", default=10.0, listed=True)
    waiting_costs: Any = positive("waiting cost of each class, 1/time", default=1.0, listed=True)
    service_rates: Any = positive("service rate of each server, work/time", default=1.0, listed=True, momentary=True)
    tolls: Any = nonnegative("toll of each server", default=4.0, listed=True, momentary=True)
    capacity: float | None = positive("what the service rates must sum to; none: anything", default=None, optional=True)
    size_law: Law = compound("law of the sizes over their mean", parse_law, Law, default=Deterministic(), usage=USAGE)
    mean_sizes: Any = positive(
        "mean size of each class, work; none: 1", default=None, optional=True, listed=True, observed="size_law.mean"
    )
    arrivals: Arrivals = compound(
        "poisson, a law of the gaps, modulated:RATES;ROW;ROW or trace:FILE[#COLUMN], scaled to the arrival rates",
        parse_arrivals,
        Arrivals,
        default=Renewal(),
    )
    information: str = choice("what customers know", INFORMATION, default="workload")
    size_ahead: float | None = positive(
        "mean size that a customer expects of each one before it, work; none: the mean of all who come",
        default=None,
        optional=True,
    )
    ties: str = choice("which of equally good servers is joined", ("first", "random"), default="first")
    rule: str = choice("whether a utility of 0 is enough to join", ("weak", "strict"), default="weak")

    name = "tolled-queues"
    metric_table = METRICS

    def check_fields(self):
        for of, names, most in (
            ("arrival_rates", ("rewards", "waiting_costs", "mean_sizes"), MOST_CLASSES),
            ("service_rates", ("tolls",), MOST_SERVERS),
        ):
            count = np.size(getattr(self, of))
            if count > most:
                raise FieldError(of, f"{count} of them", f"must be at most {most}")
            for name in names:
                value = getattr(self, name)
                if value is not None and np.size(value) != count:
                    raise FieldError(
                        name,
                        np.asarray(value),
                        f"must have one entry for each of {of} = {np.asarray(getattr(self, of)).tolist()}, "
                        f"which has {count}",
                    )
        if not self._markov:
            arriving = np.atleast_1d(self.arrival_rates)
            random.check_drawn("arrival_rates", arriving, arriving / arriving.sum())
        if self.capacity is not None:
            total = float(np.sum(self.service_rates))
            if abs(total - self.capacity) > SLACK * self.capacity:
                raise FieldError(
                    "service_rates",
                    np.asarray(self.service_rates),
                    f"must sum to capacity = {self.capacity:g}, not {total:g}",
                )
        if self.size_ahead is not None and self.information != "lengths":
            raise FieldError("size_ahead", self.size_ahead, "must be none unless information = lengths", short=True)
        if self.information in ("lengths", "classes"):
            self._check_visible()

    def _check_visible(self):
        seen = "only lengths are" if self.information == "lengths" else "the class of everyone ahead is"
        if not isinstance(self.size_law, Exponential):
            if self.information == "classes":
                raise FieldError("size_law", self.size_law, f"must be exponential where {seen} visible")
            if not isinstance(self.size_law, Deterministic):
                raise FieldError(
                    "size_law", self.size_law, f"must be deterministic or exponential where {seen} visible"
                )
            if not self._alike:
                name = "mean_sizes" if self.size_ahead is None else "size_ahead"
                value, wanted = (self._mean_sizes, "equal") if self.size_ahead is None else (self.size_ahead, "none")
                rule = f"must be {wanted} where {seen} visible and sizes are not exponential"
                raise FieldError(name, value, rule, short=self.size_ahead is not None)
            return
        if not self._poisson:
            raise FieldError("arrivals", self.arrivals, f"must be poisson where {seen} visible and sizes exponential")
        if not self._alike and self._longest() > MOST_IN_LINE:
            raise FieldError(
                "rewards",
                np.asarray(self.rewards),
                f"must leave at most {MOST_IN_LINE} customers at a server where mean sizes differ and "
                f"{seen} visible, not {self._longest():.0f}; raise waiting_costs or tolls",
            )

    @property
    def _poisson(self) -> bool:
        return isinstance(self.arrivals, Renewal) and isinstance(self.arrivals.law, Exponential)

    @property
    def _markov(self) -> bool:
        """Whether who is at the servers is a jump process, and simulated as such."""
        return self.information in ("lengths", "classes") and isinstance(self.size_law, Exponential)

    @property
    def by_numbers(self) -> bool:
        """Whether the numbers at the servers alone are a jump process."""
        return self._markov and self._alike

    @property
    def _alike(self) -> bool:
        """Whether numbers at the servers say all of who is there."""
        return bool(np.ptp(self._mean_sizes) == 0) and self.size_ahead is None

    @property
    def _mean_sizes(self) -> np.ndarray:
        return np.ones(self.classes) if self.mean_sizes is None else np.atleast_1d(self.mean_sizes)

    @property
    def expected_ahead(self) -> float | None:
        """Mean size that a customer expects of each one before it, work; None where it sees the class of each."""
        if self.information != "lengths":
            return None
        arriving = np.atleast_1d(self.arrival_rates)
        mean = float(arriving @ self._mean_sizes / arriving.sum())
        return mean if self.size_ahead is None else float(self.size_ahead)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return np.size(self.arrival_rates)

    @property
    def servers(self) -> int:
        """Number of servers, m."""
        return np.size(self.service_rates)

    @property
    def _thresholds(self) -> np.ndarray:
        who = np.atleast_1d(self.rewards), np.atleast_1d(self.waiting_costs)
        return thresholds(*who, np.atleast_1d(self.service_rates), np.atleast_1d(self.tolls))

    def _in_line(self):
        """Distinct mean sizes, the one of each class, what each is taken for, and thresholds up to rounding."""
        kinds, own = np.unique(self._mean_sizes, return_inverse=True)
        seen = kinds if self.expected_ahead is None else np.full(kinds.size, self.expected_ahead)
        return kinds, own, seen, self._up_to_rounding(self._thresholds)

    def _longest(self) -> float:
        _, _, seen, accepted = self._in_line()
        return longest(accepted, self._mean_sizes, seen)

    def _sequences(self) -> Sequences:
        kinds, own, seen, accepted = self._in_line()
        return Sequences(
            np.atleast_1d(self.arrival_rates),
            np.atleast_1d(self.waiting_costs),
            np.atleast_1d(self.service_rates),
            np.atleast_1d(self.tolls),
            self.ties == "random",
            kinds,
            seen,
            accepted,
            tuple(own.tolist()),
            words_for(kinds.size, max(1, int(self._longest()))),
        )

    def process(self):
        if self._markov and not self._alike:
            return self._sequences()
        arriving, costs = np.atleast_1d(self.arrival_rates), np.atleast_1d(self.waiting_costs)
        rates, tolls = np.atleast_1d(self.service_rates), np.atleast_1d(self.tolls)
        sizes, most = self._mean_sizes, self._thresholds
        if self.information in ("lengths", "classes"):  # in units of one mean size
            rates, most, sizes = rates / sizes[0], most / sizes[0], np.ones(self.classes)
            most = most_customers(most, self.rule == "strict")
        if self.by_numbers:
            return Lengths(arriving, costs, rates, tolls, self.ties == "random", most)
        grain = self._grain(sizes, rates / arriving.sum())
        if grain is not None and self.information != "lengths":
            most = self._up_to_rounding(most)
        return Workloads(
            mean_gap=1 / arriving.sum(),
            shares=random.edges(arriving[:-1] / arriving.sum()),
            costs=costs,
            mean_sizes=sizes,
            rates=rates,
            slownesses=1 / rates,
            tolls=tolls,
            thresholds=most,
            size_law=self.size_law,
            arrivals=self.arrivals,
            information=self.information,
            random_ties=self.ties == "random",
            strict=self.rule == "strict" and self.information != "lengths",
            grains=None if grain is None else 1 / grain,
        )

    def _grain(self, sizes: np.ndarray, served: np.ndarray) -> float | None:
        """The largest work of which sizes, and what is served between two customers, are whole multiples, where both the
        sizes and the gaps are of a lattice: then a utility is 0 time and again. ``served``: in a mean gap."""
        ticks = self.size_law.tick, self.arrivals.tick
        return None if None in ticks else tick(np.concatenate([ticks[0] * sizes, ticks[1] * served]))

    def _up_to_rounding(self, most: np.ndarray) -> np.ndarray:
        """Thresholds such that rounding does not decide whether a utility is 0."""
        return most * (1 - SAME if self.rule == "strict" else 1 + SAME)

    def _market(self):
        """Who comes, for the oracle; None where arrivals are not Poisson."""
        from jaxq.systems.tolled_queues.oracle import market

        sizes, law = self._mean_sizes, self.size_law.name
        who = self.arrival_rates, self.rewards, self.waiting_costs
        return market(*who, sizes, law, self.information, self.expected_ahead) if self._poisson else None

    def oracle(self):
        from jaxq.systems.tolled_queues.oracle import tolled_queues

        market = self._market()
        if market is None:
            return {}
        return tolled_queues(market, self.service_rates, self.tolls, self.rule, self.ties)

    def single_toll(self) -> tuple[float, float] | None:
        """(toll, revenue) of the best single toll of one server of all service rates together (weak rule); None where no
        formula is known."""
        from jaxq.systems.tolled_queues.oracle import single_toll

        market = self._market()
        return None if market is None else single_toll(market, float(np.sum(self.service_rates)))

    def theory(self):
        from jaxq.systems.tolled_queues import theory

        arriving, gains, costs = map(np.atleast_1d, (self.arrival_rates, self.rewards, self.waiting_costs))
        rates, tolls, sizes = np.atleast_1d(self.service_rates), np.atleast_1d(self.tolls), self._mean_sizes
        strict, by_number = self.rule == "strict", self.information == "lengths"
        constant = isinstance(self.size_law, Deterministic)
        found = theory.of_naor(
            arriving, gains, costs, sizes, float(rates.sum()), self.by_numbers and self.classes == self.servers == 1
        )
        found |= theory.best_single_toll(self._single_toll_in_time())
        found |= theory.thresholds(
            gains, costs, sizes, rates, tolls, self.information, self.expected_ahead if by_number else None, strict
        )
        if by_number and not self._alike:
            who = arriving, gains, costs, sizes, rates, tolls
            found |= theory.expectations(*who, self.expected_ahead or 0.0, strict, self.ties == "random")
        return found | theory.theorem(
            self.servers,
            constant and np.ptp(sizes) == 0,
            np.ptp(tolls) == 0,
            self.information == "workload" or (constant and self.information == "workload-only"),
        )

    def _single_toll_in_time(self) -> tuple[float, float] | str:
        """`single_toll`, or a sentence where it is not known or takes long."""
        longest = np.max(self.rewards / self.waiting_costs) * np.sum(self.service_rates) / np.min(self._mean_sizes)
        if not self.by_numbers and longest * self.classes > LONG:
            return f"not computed: customers would accept {longest:.6g} at one server, more than {LONG} in all classes"
        known = self.single_toll()
        if known is not None:
            return known
        return "not known for these laws" if self._poisson else "not known unless arrivals are poisson"

    def objectives(self):
        from jaxq.systems.tolled_queues.objectives import objectives
        from jaxq.systems.tolled_queues.split_search import searches

        return {**objectives(self), **searches(self)}

    def metrics(self, sums):
        classes, servers = range(self.classes), range(self.servers)
        arriving, tolls = np.atleast_1d(self.arrival_rates), np.atleast_1d(self.tolls)
        if self._markov:
            customers = {i: sums.time * float(arriving[i]) for i in classes}
            per_time = 1.0 / sums.time
        else:
            everyone = sums.get("customers", sums.events)
            customers = {i: everyone * float(arriving[i] / arriving.sum()) for i in classes}
            per_time = float(arriving.sum()) / everyone
        joins = {(i, j): sums[f"joins_{i + 1}_{j + 1}"] for i in classes for j in servers}
        of_class = [sum(joins[i, j] for j in servers) for i in classes]
        sojourn = [sums[f"sojourn_{i + 1}"] for i in classes]
        joined, stayed = sum(of_class), sum(sojourn)
        revenue = sum(joins[i, j] * float(tolls[j]) for i, j in joins) * per_time
        rewards, costs = np.atleast_1d(self.rewards), np.atleast_1d(self.waiting_costs)
        welfare = sum(of_class[i] * float(rewards[i]) - sojourn[i] * float(costs[i]) for i in classes) * per_time
        busy = [sums[f"busy_{j + 1}"] for j in servers]
        found = {
            "revenue": revenue,
            "throughput": joined * per_time,
            "welfare": welfare,
            "customer_utility": welfare - revenue,
            **{f"join_{i + 1}": of_class[i] / customers[i] for i in classes},
            **{f"join_{i + 1}_{j + 1}": joins[i, j] / customers[i] for i, j in joins},
            "sojourn_time": stayed / joined,
            "waiting_time": (stayed - sum(busy)) / joined,
            **{f"sojourn_time_{i + 1}": sojourn[i] / of_class[i] for i in classes},
            **{f"utilisation_{j + 1}": busy[j] * per_time for j in servers},
            "number_in_system": stayed * per_time,
        }
        if "workload" in sums:
            unit = float(self._mean_sizes[0]) if self.information == "lengths" else 1.0
            found["workload"] = sums["workload"] * per_time * unit
        return found
