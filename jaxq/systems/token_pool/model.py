"""Token-based resource pooling: N servers, each with its own queue and tokens, and one shared first-come-first-served pool.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling". A server asks the pool for help by paying a token, and earns
a token with probability phi whenever it offers an idle capacity unit, whether or not the pool holds a job.

Notation: N servers, arrival rate lambda_i, rate of capacity units (service rate) mu_i, utilisation rho_i = lambda_i/mu_i,
token-earning probability phi, token cap C, own queue q_i, tokens s_i, pool queue Q_0, processing cost c per job.
The holding cost is 1 per job and unit of time; the paper's embedded-chain values are those here over (1 + lambda).
Servers follow policy pi-bar^F of Section 6.1 (Lemma 4.2 with the anticipated wait w), requests only with s > 0 and
offers only with s < C; the offering probability is not raised to make up for tokens lost at the cap.
"""

import math
from typing import Any

import numpy as np

from jaxq import random
from jaxq.checks import FieldError
from jaxq.engine.fields import choice, compound, nonnegative, positive, probability, whole
from jaxq.engine.model import Model
from jaxq.engine.quantity import Quantity
from jaxq.engine.stationarity import Stationarity
from jaxq.engine.tagged import tag_every
from jaxq.systems.token_pool import costs
from jaxq.systems.token_pool.policy import (
    Policy,
    TablePolicy,
    ThresholdPolicy,
    fmfe_policy,
    parse_deviator,
    parse_threshold,
)
from jaxq.systems.token_pool.processes.mechanism import MOST_SERVERS, MOST_TOKENS, Mechanism, alias_table

MOST_KINDS = 8
"""Kinds of servers (unlike rates) up to which costs are reported by kind."""

METRICS = (
    Quantity("own_queue", "jobs in a server's own queue", "jobs per server", primary=True),
    Quantity("pool_queue", "jobs in the pool", "jobs", primary=True),
    Quantity("total_jobs", "jobs in all queues and the pool", "jobs"),
    Quantity("pool_wait", "wait in the pool (Little)", "time"),
    Quantity("tagged_wait", "wait in the pool of single jobs", "time"),
    Quantity("request_rate", "requests of a server", "1/time"),
    Quantity("offer_rate", "offers of a server", "1/time"),
    Quantity("pool_busy_on_offer", "an offer finds a job in the pool", "probability"),
    Quantity("cost", "holding and processing cost of a server", "money/time per server"),
    Quantity("tokens", "tokens of a server", "tokens per server"),
    Quantity("no_tokens", "a server has no token", "probability"),
    Quantity("full_tokens", "a server has as many tokens as it can hold", "probability"),
    Quantity(
        "processing_cost_<kind>",
        "processing cost of a server of a kind",
        "money/time per server",
    ),
    Quantity(
        "cost_<kind>",
        "the same, with the holding of its jobs, in the pool at pool_wait",
        "money/time per server",
    ),
    Quantity("deviator_own_queue", "jobs in the deviator's own queue", "jobs"),
    Quantity("deviator_request_rate", "requests of the deviator", "1/time"),
    Quantity("deviator_offer_rate", "offers of the deviator", "1/time"),
    Quantity("deviator_wait", "wait in the pool of the deviator's jobs, tagged", "time"),
    Quantity("deviator_cost", "holding, in the pool too, and processing cost of the deviator", "money/time"),
    Quantity(
        "deviator_charged_cost",
        "the same where a request costs (q_0 + 1) / sum mu_i (LP (76))",
        "money/time",
    ),
    Quantity("deviator_token_drift", "phi x offers - requests of the deviator: 0 if its tokens balance", "tokens/time"),
    Quantity("others_cost", "cost of each other server", "money/time per server"),
)


class TokenPool(Model):
    """N servers share their work and pay each other in tokens; all alike, or with rates given one per server.

    With 2 to 8 kinds of servers there are metrics of each kind; with a deviator, who is the first server, metrics of it.
    The optimal deviator plays the best response: the policy of LP (76), in which its tokens balance in the mean only, and
    with a token cap one that depends on the tokens it holds.
    """

    servers: int = whole("servers N", default=10, static=True, high=MOST_SERVERS)
    arrival_rate: Any = positive(
        "arrival rate of jobs at a server, 1/time; one or N", default=0.8, listed=True, momentary=True
    )
    phi: float | None = probability(
        "probability that an offer earns a token; none: the largest utilisation (Theorems 5.2 and 7.1)",
        default=None,
        optional=True,
        momentary=True,
    )
    token_cap: int | None = whole(
        "tokens a server can hold",
        default=None,
        optional=True,
        high=MOST_TOKENS,
        untuned="a whole number has no gradient: sweep it; Lemmas 6.1 and 6.2 say what it costs, like 1/C",
    )
    service_rate: Any = positive(
        "rate of capacity units at a server, 1/time; one or N", default=1.0, listed=True, momentary=True
    )
    wait: float = nonnegative(
        "wait in the pool that servers anticipate, time",
        default=0.0,
        untuned="servers answer it with the threshold of Lemma 4.2, which is constant between the waits m(z) and jumps "
        "there: its gradient is zero; sweep it, or see the equilibria of jaxq theory",
    )
    processing_cost: float = nonnegative("cost c of serving a job", default=1.0)
    policy: ThresholdPolicy | None = compound(
        "what every server plays, threshold[:mix[:offer]]; none: Lemma 4.2",
        parse_threshold,
        ThresholdPolicy,
        default=None,
        optional=True,
        untuned="a threshold jumps, and the mix and the offer that balance the tokens follow from phi (Lemma 4.2): "
        "tune phi, which moves all three; or sweep policies",
    )
    deviator: Policy | None = compound(
        "what the first server plays instead: mean-field (as the others), optimal (best response), threshold[:mix[:offer]]",
        parse_deviator,
        Policy,
        default=None,
        optional=True,
        untuned="its best policy is not found by gradient but by policy iteration, of LP (76): deviator = optimal",
    )
    waits: str = choice("how waits in the pool are measured", ("little", "tagged"), default="little")

    name = "token-pool"
    metric_table = METRICS

    def check_fields(self):
        for field in ("arrival_rate", "service_rate"):
            size = np.size(getattr(self, field))
            if size not in (1, self.servers):
                raise FieldError(
                    field, f"{size} values", f"must be one number or one for each of {self.servers} servers"
                )
        for part, value in vars(self.policy or ThresholdPolicy(0)).items():
            if np.ndim(value) > 0 and np.size(value) != self.servers:
                raise FieldError(f"policy {part}", f"{np.size(value)} values", f"must be one number or {self.servers}")
        rho = np.atleast_1d(self.utilisation)
        if rho.max() >= 1:
            at = int(rho.argmax())
            arrival, service = (x if np.ndim(x) == 0 else x[at] for x in (self.arrival_rate, self.service_rate))
            raise FieldError(
                "arrival_rate",
                arrival,
                f"must be < service_rate = {service:g} at every server (utilisation {rho[at]:g} at server "
                f"{at + 1}, no stationary regime)",
                short=True,
            )
        self._check_drawn()
        if self.deviator is not None:
            self._check_deviator(self.deviator)

    def _check_drawn(self) -> None:
        """ValueError where an event is too rare for its grid: a word and 8 bits; 24 bits, rounded up, for a decision."""
        arrivals, services = (np.broadcast_to(x, self.servers) for x in (self.arrival_rate, self.service_rate))
        total = arrivals.sum() + services.sum()
        for field, rates in (("arrival_rate", arrivals), ("service_rate", services)):
            random.check_drawn(field, rates.min(), rates / total, bits=40, short=True)
        random.check_drawn("phi", self.earning_probability, self.earning_probability, bits=23, short=True)
        for part in ("mix", "offer"):
            chances = getattr(self.policy, part, 0.0)
            random.check_drawn(f"policy {part}", np.min(chances), chances, bits=23, short=True)

    def _check_deviator(self, deviator: Policy) -> None:
        if self.servers < 2:
            raise FieldError("servers", self.servers, f"must be >= 2 where one deviates (deviator = {deviator})")
        if self.waits == "tagged":
            raise FieldError("waits", "tagged", "must be little with a deviator, whose own jobs are tagged then")
        if isinstance(deviator, TablePolicy) and np.ndim(deviator.request) == 5 and self.servers != 2:
            raise FieldError("servers", self.servers, f"must be 2 with a {deviator}, which knows one other server")
        if isinstance(deviator, ThresholdPolicy) and any(np.ndim(x) > 0 for x in vars(deviator).values()):
            raise FieldError("deviator", deviator, "must be the policy of one server, numbers and no lists")
        if str(deviator) == "optimal" and self.policy is not None:
            raise FieldError(
                "deviator",
                "optimal",
                f"LP (76) is the best response to servers that play Lemma 4.2; policy = {self.policy} "
                "must then be none",
            )

    @property
    def utilisation(self):
        """rho_i = lambda_i / mu_i, a number or shape (N,)."""
        return self.arrival_rate / self.service_rate

    @property
    def earning_probability(self):
        """phi, or the largest utilisation where it is none."""
        return np.max(self.utilisation) if self.phi is None else self.phi

    def kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """Unlike servers: rates (lambda, mu) of each kind in the order listed, (K, 2), and each server's kind, (N,)."""
        rates = np.stack([np.broadcast_to(x, self.servers) for x in (self.arrival_rate, self.service_rate)], axis=1)
        _, first, kind = np.unique(rates, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return rates[first[order]].astype(np.float64), np.argsort(order)[np.ravel(kind)]

    @property
    def _by_kind(self) -> bool:
        return np.size(self.utilisation) > 1 and 2 <= len(self.kinds()[0]) <= MOST_KINDS

    def process(self) -> Mechanism:
        heterogeneous = np.size(self.utilisation) > 1
        arrivals = np.broadcast_to(self.arrival_rate, self.servers).astype(np.float64)
        services = np.broadcast_to(self.service_rate, self.servers).astype(np.float64)
        rho = arrivals / services if heterogeneous else arrivals[0] / services[0]
        phi, policy = self.earning_probability, self.policy
        if policy is None:
            policy = fmfe_policy(rho, phi, self.wait * (services if heterogeneous else services[0]))
        deviator = None if self.deviator is None else self._deviator_table(self.deviator, policy, arrivals, services)
        requests = math.log(1e-9) / math.log(phi)
        if deviator is not None:
            requests *= arrivals[0] / arrivals.sum()
        share = arrivals[0] / (arrivals[0] + services[0])
        return Mechanism(
            servers=self.servers,
            token_cap=self.token_cap,
            arrival_rate=arrivals.sum(),
            service_rate=services.sum(),
            arrival_below=None if heterogeneous else np.uint32(round(share * 2**32)),
            picker=alias_table(np.concatenate([arrivals, services])) if heterogeneous else None,
            policy=policy,
            earn=np.asarray(policy.offer) * phi,
            phi=phi,
            tag_every=None if deviator is None and self.waits == "little" else tag_every(requests),
            deviator=deviator,
            kinds=len(self.kinds()[0]) if self._by_kind else 0,
            kind=self.kinds()[1] if self._by_kind else None,
        )

    def _deviator_table(self, deviator: Policy, policy: ThresholdPolicy, arrivals, services) -> TablePolicy:
        if isinstance(deviator, TablePolicy):
            return deviator
        if isinstance(deviator, ThresholdPolicy):
            return deviator.table()
        if str(deviator) == "mean-field":
            return policy.of_one(0).table()
        from jaxq.systems.token_pool.planning import optimal_policy

        phi, c = self.earning_probability, self.processing_cost
        return TablePolicy(*optimal_policy(arrivals, services, phi, self.token_cap, self.wait, c))

    def stationarity(self):
        return Stationarity(chain=self._chain)

    def _chain(self):
        from jaxq.systems.token_pool.processes.chain import MOST_SERVERS, token_chain

        if self.deviator is not None:
            raise FieldError(
                "deviator",
                self.deviator,
                "must be none for exact, whose servers all play one policy; the value of the best "
                "response is the oracle of jaxq run, LP (76)",
            )
        if self.waits == "tagged":
            raise FieldError("waits", "tagged", "must be little for exact, whose states do not tell jobs apart")
        if self.token_cap is None and self.policy is not None:
            raise FieldError(
                "policy",
                self.policy,
                "exact needs a token_cap with it, which bounds the pool; without one only Lemma 4.2, "
                "whose pool is cut where its tail is below 1e-12",
            )
        arrivals, services = (
            np.broadcast_to(x, self.servers).astype(np.float64) for x in (self.arrival_rate, self.service_rate)
        )
        chain = token_chain(self.process(), arrivals, services)
        if self.servers > MOST_SERVERS:
            states = float(min(chain.count_states(), 10**300))
            raise FieldError(
                "servers",
                self.servers,
                f"must be <= {MOST_SERVERS} for exact, which compiles the transitions of each; this "
                f"market has {states:.3g} states or more",
            )
        return chain

    def metrics(self, sums):
        n, time = float(self.servers), sums.time
        own, pool = sums["own"] / time, sums["pool_queue"] / time
        requests, offers = sums["requests"] / time, sums["offers"] / time
        found = {
            "own_queue": own / n,
            "pool_queue": pool,
            "total_jobs": own + pool,
            "pool_wait": pool / requests,
            "request_rate": requests / n,
            "offer_rate": offers / n,
            "pool_busy_on_offer": sums["helped"] / sums["offers"],
            "cost": (own + pool + float(self.processing_cost) * (sums["served"] / time)) / n,
        }
        if self.token_cap is not None:
            found |= {
                "tokens": sums["tokens"] / time / n,
                "no_tokens": sums["empty"] / time / n,
                "full_tokens": sums["full"] / time / n,
            }
        if self.waits == "tagged":
            found["tagged_wait"] = sums["tagged_wait"] / sums["tagged"]
        c = float(self.processing_cost)
        if self._by_kind:
            found |= costs.by_kind(sums, np.bincount(self.kinds()[1]), c, pool / requests)
        if self.deviator is not None:
            capacity = float(np.sum(np.broadcast_to(self.service_rate, self.servers)))
            found |= costs.of_deviator(sums, self.servers, capacity, float(self.earning_probability), c)
        return found

    def theory(self):
        from jaxq.engine.reference import Statement
        from jaxq.systems.token_pool import theory

        alike = len(self.kinds()[0]) == 1
        arrival_rate, service_rate = (np.ravel(x)[0] if alike else x for x in (self.arrival_rate, self.service_rate))
        rest = (self.earning_probability, self.token_cap, self.wait, self.processing_cost)
        found = (theory.of_alike if alike else theory.of_unlike)(self.servers, arrival_rate, service_rate, *rest)
        if str(self.deviator) == "optimal":
            found |= theory.of_best_response(self.servers, self.arrival_rate, self.service_rate, *rest)
        where = {"policy": "every server plays another policy", "deviator": "the first server plays another policy"}
        apart = [words for name, words in where.items() if getattr(self, name) is not None]
        if not apart:
            return found
        note = Statement(
            "of Lemma 4.2 alone", f"what follows is of servers that play it; here {apart[0]}", "Section 3.2"
        )
        return {"equilibrium": note, **found}

    def objectives(self):
        from jaxq.systems.token_pool.objectives import objectives

        return objectives(self)

    def oracle(self):
        from jaxq.systems.token_pool import oracle

        if self.policy is not None:
            return {}
        arguments = (
            self.servers,
            self.arrival_rate,
            self.service_rate,
            self.earning_probability,
            self.token_cap,
            self.wait,
            self.processing_cost,
        )
        if self.deviator is not None:
            return oracle.deviation(str(self.deviator), *arguments)
        found = oracle.token_pool(*arguments)
        if self.waits == "tagged" and "pool_wait" in found:
            found["tagged_wait"] = found["pool_wait"]
        return found | (oracle.by_kind(self.kinds(), *arguments) if self._by_kind else {})
