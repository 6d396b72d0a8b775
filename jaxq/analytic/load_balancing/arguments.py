"""Arguments of the limits in the Halfin-Whitt regime, checked."""

from jaxq.checks import FieldError, positive


def limit_rates(beta: float, fastest_rate: float, slowest_rate: float) -> tuple[float, float, float]:
    """beta, mu_1, mu_M. ValueError unless all are positive and finite and mu_M <= mu_1."""
    found = positive("beta", beta), positive("fastest_rate", fastest_rate), positive("slowest_rate", slowest_rate)
    _, fast, slow = found
    if slow > fast:
        raise FieldError("slowest_rate", slow, f"must be at most fastest_rate = {fast}")
    return found
