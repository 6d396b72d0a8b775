"""How programs are compiled: what runs once in the least time, the loops over events to run fast."""

from typing import Any

from jaxq.engine.versions import installed

ONCE: dict[str, Any] = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
if tuple(map(int, installed("jaxlib").split(".")[:2])) == (0, 10):  # later ones do not know the older emitter of loops
    ONCE |= {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
LOOPS: dict[str, Any] = {}
"""As XLA does by default."""
