"""How programs are compiled: what runs once in the least time, the loops over events to run fast."""

from collections.abc import Callable
from typing import Any

import jax

from jaxq.engine.versions import installed

ONCE: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
if tuple(map(int, installed("jaxlib").split(".")[:2])) == (0, 10):  # later ones do not know the older emitter of loops
    ONCE |= {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
LOOPS: dict[str, Any] = {}
"""As XLA does by default."""


class Compiled:
    """A function, compiled where it can be traced, and called as it is where it needs to know its arguments."""

    def __init__(self, function: Callable):
        # a method of a system has no hash, which jax.jit asks for
        self.plain, self.chosen = lambda *at: function(*at), None

    def __call__(self, *at):
        if self.chosen is None:
            compiled = jax.jit(self.plain)
            try:
                found = compiled(*at)
            except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
                self.chosen = self.plain
            else:
                self.chosen = compiled
                return found
        return self.chosen(*at)
