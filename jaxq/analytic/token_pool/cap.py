"""What a token cap C costs one server: the 1/C bounds of Lemmas 6.1 and 6.2 with the constants of their proofs.

Paper: Chen, Chen and Qian, "Incentivizing Resource Pooling": Section 6.1, Appendices C.1 and C.2. Notation as in
`jaxq.analytic.token_pool.server_chain`, time unit 1 / mu, w <= 1.
"""

from typing import NamedTuple

from jaxq.analytic.token_pool.server_chain import best_response, token_server


class CapConstants(NamedTuple):
    """Constants M such that M / C bounds a difference between the capped and the unconstrained server, for every C.

    Attributes:
        limits: M_2, of P[S = 0] + P[S = C].
        own_queue: M_3, of E[q] capped less unconstrained, jobs.
        request_rate: M_4, of the request rate unconstrained less capped.
        offer_rate: M_5, of the offer rate unconstrained less capped.
    """

    limits: float
    own_queue: float
    request_rate: float
    offer_rate: float


def cap_constants(rho: float, phi: float) -> CapConstants:
    """M_2 to M_5 of Lemmas 6.1 and 6.2; sharp as C grows for phi >= rho, far from it where servers keep jobs.

    Formula: phi >= rho: M_2 = (2 - rho) / (1 - rho), M_3 = rho / (1 - rho)^2, M_4 = rho / (1 - rho), from the law in
    closed form. Otherwise, with a = (1 + rho) / rho and p_kC >= c p_k0 from Eq. (51), so that p_k0 <= 1 / (c C):
    sum_q p_q0 <= p_k0 (sum_{j<=k} a^j + rho / (1 - rho)); sum_q p_qC <= p_k0 a (1 + sum_{1<=j<=k} a^j / (1 - p));
    M_3 = M_2 (k + rho - k rho) / (1 - rho)^2, M_4 = M_2 (rho + R / (1 - rho)). Always M_5 = M_4 / phi. (The print of
    C.1.2 has p_k0 <= 1/C^2, k for the k + 1 states q = 0..k and rho / (1 + rho); these are corrected here.)

    Args:
        rho: utilisation lambda / mu, in (0, 1).
        phi: probability that an offer earns a token, in (0, 1).

    Raises:
        ValueError: as `best_response`.

    Source: Chen, Chen and Qian, Appendices C.1.1 to C.1.3, C.2.1 and C.2.2.
    """
    k, mix, _ = best_response(rho, phi)
    if k == 0:
        requests = rho / (1 - rho)
        return CapConstants((2 - rho) / (1 - rho), requests / (1 - rho), requests, requests / phi)
    if mix == 0.0:
        least = (1 - rho) / (1 - rho ** (k + 1))
    else:
        ratio = phi * (rho ** (2 * k + 2) + rho * phi + rho**k * (1 - rho - rho**2 - phi))
        ratio /= rho * (phi - rho ** (k + 1)) * (rho * phi + rho**k * (1 - rho - phi))
        least = (rho**k - phi) / (rho**k * (1 - phi)) * (1 - 1 / ratio)
    step = (1 + rho) / rho
    empty = sum(step**j for j in range(k + 1)) + rho / (1 - rho)
    full = step * (1 + sum(step**j for j in range(1, k + 1)) / (1 - mix))
    limits = (empty + full) / least
    requests = limits * (rho + token_server(rho, phi, None)["request_rate"] / (1 - rho))
    return CapConstants(limits, limits * (k + rho - k * rho) / (1 - rho) ** 2, requests, requests / phi)


def cap_differences(rho: float, phi: float, token_cap: int) -> CapConstants:
    """The differences that `cap_constants` over C bounds, exact, from the chains of both servers.

    Args:
        rho, phi: as `cap_constants`.
        token_cap: C, 1 or more.

    Raises:
        ValueError: as `token_server`.
    """
    capped, free = token_server(rho, phi, token_cap), token_server(rho, phi, None)
    return CapConstants(
        capped["no_tokens"] + capped["full_tokens"],
        capped["own_queue"] - free["own_queue"],
        free["request_rate"] - capped["request_rate"],
        free["offer_rate"] - capped["offer_rate"],
    )
