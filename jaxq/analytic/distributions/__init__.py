"""Distributions of interarrival and service times: their forms, moments and Laplace transforms."""
