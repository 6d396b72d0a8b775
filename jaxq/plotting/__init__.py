"""Figures of results. Every function takes a result and an Axes and returns the Axes; matplotlib is imported inside."""
