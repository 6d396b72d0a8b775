"""Exact tails of waits and of numbers in the system: M/M/c/K+M, GI/M/c, M/D/c and M/M/c+G."""
