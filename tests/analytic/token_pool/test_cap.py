"""The 1/C bounds of Lemmas 6.1 and 6.2 hold, and are sharp where the law is in closed form."""

import pytest

from jaxq.analytic.token_pool.cap import cap_constants, cap_differences


@pytest.mark.parametrize("rho", [0.3, 0.8, 0.9])
@pytest.mark.parametrize("phi", [0.15, 0.4, 0.512, 0.6, 0.64, 0.8, 0.95])
def test_the_constants_bound_the_exact_differences(rho, phi):
    constants = cap_constants(rho, phi)
    for cap in (1, 2, 3, 8, 40, 300):
        for bound, value in zip(constants, cap_differences(rho, phi, cap), strict=True):
            assert -1e-13 <= value <= bound / cap * (1 + 1e-12)


def test_the_bounds_are_reached_under_complete_pooling():
    # C.1.1 and C.2.1 by hand at rho = 1/2: p_00 = 1 / (2 + C), so that 3 p_00, 2 p_00, p_00 and p_00 / phi are exact
    for cap in (1, 10, 1000):
        assert cap_differences(0.5, 0.75, cap) == pytest.approx([x / (2 + cap) for x in (3, 2, 1, 4 / 3)], rel=1e-12)
    assert cap_constants(0.5, 0.75) == pytest.approx((3, 2, 1, 4 / 3), rel=1e-15)
