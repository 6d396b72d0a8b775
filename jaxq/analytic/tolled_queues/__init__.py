"""Queues with tolls whose customers may balk: Naor's model, several classes, several servers."""
