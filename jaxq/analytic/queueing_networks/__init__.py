"""Open multi-class queueing networks: traffic equations, product forms, totals and priorities that are known exactly."""
