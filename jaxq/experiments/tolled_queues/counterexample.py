"""One instance in exact fractions: replayed customer by customer in plain Python, shortened, printed."""

import dataclasses
import math
from fractions import Fraction


@dataclasses.dataclass(frozen=True)
class Customer:
    """Time of arrival, class, size, and the order in which it prefers servers that are equally good (largest first)."""

    time: Fraction
    kind: int
    size: Fraction
    priorities: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Instance:
    """m servers against one of their total rate at the smallest toll, on the same customers.

    ``classes``: (reward, waiting cost) of each. ``strict``, ``strict_pool``: whether a utility of 0 is too little;
    ``any_acceptable``: whether every acceptable server is as good; ``lengths``: whether customers see lengths, not work.
    """

    rates: tuple[Fraction, ...]
    tolls: tuple[Fraction, ...]
    classes: tuple[tuple[Fraction, Fraction], ...]
    customers: tuple[Customer, ...]
    strict: bool = False
    strict_pool: bool = False
    any_acceptable: bool = False
    lengths: bool = False

    def decisions(self, pooled: bool = False) -> list[tuple[int | None, Fraction]]:
        """For each customer the server it joins, from 0 (None: it balks), and the utility of the best one."""
        rates = (sum(self.rates, Fraction()),) if pooled else self.rates
        tolls = (min(self.tolls),) if pooled else self.tolls
        strict = self.strict_pool if pooled else self.strict
        work, now, found = [Fraction()] * len(rates), Fraction(), []
        for customer in self.customers:
            passed, now = customer.time - now, customer.time
            work = [max(w - r * passed, Fraction()) for w, r in zip(work, rates, strict=True)]
            reward, cost = self.classes[customer.kind]
            seen = [Fraction(math.ceil(w) + 1) if self.lengths else w + customer.size for w in work]
            values = [reward - t - cost * w / r for t, w, r in zip(tolls, seen, rates, strict=True)]
            good = [j for j, u in enumerate(values) if u > 0 or (u == 0 and not strict)]
            if not self.any_acceptable:
                good = [j for j in good if values[j] == max(values)]
            server = max(good, key=lambda j: customer.priorities[j]) if good else None
            if server is not None:
                work[server] += customer.size
            found.append((server, max(values)))
        return found

    def violation(self) -> int | None:
        """The first prefix with more joiners in the split system, as its number of customers; None if there is none."""
        ahead = 0
        for k, (ours, theirs) in enumerate(zip(self.decisions(), self.decisions(pooled=True), strict=True)):
            ahead += (ours[0] is not None) - (theirs[0] is not None)
            if ahead > 0:
                return k + 1
        return None

    def __str__(self) -> str:
        total = sum(self.rates, Fraction())
        present = sorted({customer.kind for customer in self.customers})
        classes = "; ".join(f"class {i + 1}: R = {self.classes[i][0]}, c = {self.classes[i][1]}" for i in present)
        rules = [f"{name} {'strict' if strict else 'weak'}" for name, strict in self._rules()]
        lines = [
            f"  rates {_listed(self.rates)} against {total}; tolls {_listed(self.tolls)} against {min(self.tolls)}; "
            f"{classes}; {', '.join(rules)}"
        ]
        both = zip(self.customers, self.decisions(), self.decisions(pooled=True), strict=True)
        for customer, ours, theirs in both:
            server = "balks" if ours[0] is None else f"joins {ours[0] + 1}"
            pool = "balks" if theirs[0] is None else "joins"
            size = "" if all(c.size == 1 for c in self.customers) else f" size {customer.size}"
            lines.append(
                f"  t = {customer.time} class {customer.kind + 1}{size}: split {server} (best utility {ours[1]}), "
                f"pool {pool} ({theirs[1]})"
            )
        return "\n".join(lines)

    def _rules(self):
        return ("split", self.strict), ("pool", self.strict_pool)


def _listed(values) -> str:
    return " ".join(map(str, values))


def shortest_path(instance: Instance) -> Instance:
    """Drop customers, the latest first, as long as the split stays ahead at some prefix; cut after that prefix.

    Raises:
        RuntimeError: the split system is never ahead, so that whatever claimed it was wrong.
    """
    if instance.violation() is None:
        raise RuntimeError(f"no prefix with more joiners in the split system:\n{instance}")
    k = len(instance.customers)
    while k:
        k -= 1
        kept = instance.customers[:k] + instance.customers[k + 1 :]
        shorter = dataclasses.replace(instance, customers=kept)
        found = shorter.violation()
        if found is not None:
            instance = dataclasses.replace(shorter, customers=kept[:found])
            k = min(k, found)
    return instance
