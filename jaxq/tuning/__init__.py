"""Tuning by gradient. Takes callables and systems, and names none."""
