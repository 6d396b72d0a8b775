"""Networks of customer classes and server pools: planning, fluid rest points and exact laws of small instances."""
