"""The two gates of every statistical test."""


def check_agreement(metric, value, share, error=0.0, k=4.5):
    """The half-width is under ``share`` of the value (the test has power), and the difference under ``k`` standard errors,
    those of the metric and of the value (``error``) together: one false alarm in 150,000; seeds are fixed."""
    assert metric.half_width < share * abs(value), "no power"
    assert abs(metric.mean - value) < k * (metric.standard_error**2 + error**2) ** 0.5
