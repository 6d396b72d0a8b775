"""Closed forms and exact chains in NumPy/SciPy float64: the witness the simulator is held against, without JAX."""
