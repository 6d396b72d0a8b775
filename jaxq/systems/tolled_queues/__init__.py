"""Parallel queues with tolls, whose customers balk (Naor 1969; Shen, on splitting a server)."""
