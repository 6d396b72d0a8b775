"""Differentiable building blocks in jnp that know no queueing system."""
