"""Stationary laws of Markov chains: birth and death, banded, sparse."""
