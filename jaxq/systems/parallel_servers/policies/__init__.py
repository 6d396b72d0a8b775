"""Who is served where: rules, routers, preemptive allocations, shadow routing, and all of them by name."""
