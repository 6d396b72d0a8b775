"""The Lyapunov function of Lemma 6.2 (Bhambay, Bueke and Mukhopadhyay, arXiv 2312.10497), from hitting times."""

import math

from jaxq.analytic.load_balancing.fluid import entry_curve, hitting_time


def lyapunov(
    x1: float, x2: float, kappa: float, beta: float, fast: float, slow: float, servers: int = 1
) -> tuple[float, float, float]:
    """f*(x) = int_0^inf (v_2^x(t) - kappa / sqrt(n))^+ dt and its derivatives in x_1 and in x_2, for fast > slow.

    With k = kappa / sqrt(n), b = beta / sqrt(n), tau = tau(x) and e = x_2 e^{-mu_1 tau} - k: zero for x_2 <= k;
    (x_2 - k - k log(x_2 / k)) / mu_1 up to the curve; (x_2 - x_2 e^{-mu_1 tau}) / mu_1 - k tau + e^2 / (2 b) above.

    Source: Eq. 6.60 and Eqs. F.7-F.9. A printed slip is corrected: the second integral for f* ends at
    (sqrt(n) / beta) (x_2 exp(-mu_1 tau) - kappa / sqrt(n)).
    """
    level, b = kappa / math.sqrt(servers), beta / math.sqrt(servers)
    if x2 <= level:
        return 0.0, 0.0, 0.0
    if x2 <= entry_curve(x1, kappa, beta, fast, slow, servers)[0]:
        ratio = level / x2
        return (x2 - level + level * math.log(ratio)) / fast, 0.0, (1 - ratio) / fast
    tau = hitting_time(x1, x2, beta, fast, slow, servers)
    decayed = math.exp(-fast * tau)
    excess = x2 * decayed - level
    theta = fast * math.exp(-slow * tau) * math.expm1((slow - fast) * tau) / (slow - fast) + decayed
    return (
        x2 * (1 - decayed) / fast - level * tau + excess**2 / (2 * b),
        math.exp(-slow * tau) * excess / b,
        (1 - decayed) / fast + excess * theta / b,
    )
