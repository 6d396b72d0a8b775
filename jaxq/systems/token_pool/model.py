"""Token-based resource pooling: N servers, each with its own queue and tokens, and one shared first-come-first-served pool.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling". A server asks the pool for help by paying a token, and earns
a token with probability phi whenever it offers an idle capacity unit, whether or not the pool holds a job.

Notation: N servers, arrival rate lambda_i, rate of capacity units (service rate) mu_i, utilisation rho_i = lambda_i/mu_i,
token-earning probability phi, token cap C, own queue q_i, tokens s_i, pool queue Q_0, processing cost c per job.
The holding cost is 1 per job and unit of time; the paper's embedded-chain values are those here over (1 + lambda).
Servers follow policy pi-bar^F of Section 6.1 (Lemma 4.2 with the anticipated wait w), requests only with s > 0 and
offers only with s < C; the offering probability is not raised to make up for tokens lost at the cap.
"""

from typing import Any

import numpy as np

from jaxq.engine.fields import compound, nonnegative, positive, probability, whole
from jaxq.engine.system import System
from jaxq.systems.token_pool.mechanism import MOST_SERVERS, MOST_TOKENS, Mechanism, alias_table
from jaxq.systems.token_pool.policy import ThresholdPolicy, fmfe_policy


def _parse_policy(text: str) -> ThresholdPolicy:
    """``threshold``, ``threshold:mix`` or ``threshold:mix:offer``."""
    try:
        return ThresholdPolicy(*[float(x) for x in text.split(":")])
    except (TypeError, ValueError) as error:
        raise ValueError(f"policy = {text}: must be threshold[:mix[:offer]] ({error})") from None


class TokenPool(System):
    """The token mechanism with N servers, homogeneous or (rates given one per server) heterogeneous.

    Metrics, means per server except pool_queue and total_jobs: own_queue, pool_queue, total_jobs, pool_wait (Little),
    request_rate, offer_rate, pool_busy_on_offer (share of offers that find a job), cost (holding plus processing);
    with a cap also tokens, no_tokens = P[s = 0], full_tokens = P[s = C].
    """

    servers: int = whole("servers N", default=10, static=True, high=MOST_SERVERS)
    arrival_rate: Any = positive("arrival rate of jobs at a server, 1/time; one or N", default=0.8, listed=True)
    phi: float = probability("probability that an offer earns a token", default=0.8)
    token_cap: int | None = whole("tokens a server can hold", default=None, optional=True, high=MOST_TOKENS)
    service_rate: Any = positive("rate of capacity units at a server, 1/time; one or N", default=1.0, listed=True)
    wait: float = nonnegative("wait in the pool that servers anticipate, time", default=0.0)
    processing_cost: float = nonnegative("cost c of serving a job", default=1.0)
    policy: ThresholdPolicy | None = compound(
        "what every server plays, threshold[:mix[:offer]]; none: Lemma 4.2",
        _parse_policy,
        ThresholdPolicy,
        default=None,
        optional=True,
    )

    name = "token-pool"
    headline = ("own_queue", "pool_queue")

    def check_fields(self):
        for field in ("arrival_rate", "service_rate"):
            size = np.size(getattr(self, field))
            if size not in (1, self.servers):
                raise ValueError(
                    f"{field} = {size} values: must be one number or one for each of {self.servers} servers"
                )
        for part, value in vars(self.policy or ThresholdPolicy(0)).items():
            if np.ndim(value) > 0 and np.size(value) != self.servers:
                raise ValueError(f"policy {part} = {np.size(value)} values: must be one number or {self.servers}")
        rho = np.atleast_1d(self.utilisation)
        if rho.max() >= 1:
            raise ValueError(
                f"arrival_rate = {np.max(self.arrival_rate):g}: must be < service_rate at every server "
                f"(utilisation {rho.max():g}, no stationary regime)"
            )

    @property
    def utilisation(self):
        """rho_i = lambda_i / mu_i, a number or shape (N,)."""
        return self.arrival_rate / self.service_rate

    def prepare(self) -> Mechanism:
        heterogeneous = np.size(self.utilisation) > 1
        arrivals = np.broadcast_to(self.arrival_rate, self.servers).astype(np.float64)
        services = np.broadcast_to(self.service_rate, self.servers).astype(np.float64)
        rho = arrivals / services if heterogeneous else arrivals[0] / services[0]
        policy = self.policy
        if policy is None:
            policy = fmfe_policy(rho, self.phi, self.wait * (services if heterogeneous else services[0]))
        share = arrivals[0] / (arrivals[0] + services[0])
        return Mechanism(
            servers=self.servers,
            token_cap=self.token_cap,
            total_rate=arrivals.sum() + services.sum(),
            arrival_below=None if heterogeneous else np.uint32(round(share * 2**32)),
            picker=alias_table(np.concatenate([arrivals, services])) if heterogeneous else None,
            policy=policy,
            earn=np.asarray(policy.offer) * self.phi,
        )

    def metrics(self, sums):
        n, time = float(self.servers), sums.time
        own, pool = sums["own"] / time, sums["pool_queue"] / time
        requests, offers = sums["requests"] / time, sums["offers"] / time
        return {
            "own_queue": own / n,
            "pool_queue": pool,
            "total_jobs": own + pool,
            "pool_wait": pool / requests,
            "request_rate": requests / n,
            "offer_rate": offers / n,
            "pool_busy_on_offer": sums["helped"] / sums["offers"],
            "cost": (own + pool + float(self.processing_cost) * (sums["served"] / time)) / n,
            **(
                {}
                if self.token_cap is None
                else {
                    "tokens": sums["tokens"] / time / n,
                    "no_tokens": sums["empty"] / time / n,
                    "full_tokens": sums["full"] / time / n,
                }
            ),
        }

    def oracle(self):
        from jaxq.systems.token_pool.oracle import token_pool

        if self.policy is not None:
            return {}
        return token_pool(
            self.servers,
            self.arrival_rate,
            self.service_rate,
            self.phi,
            self.token_cap,
            self.wait,
            self.processing_cost,
        )
