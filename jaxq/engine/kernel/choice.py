"""Which program a run gets: one kernel a launch on an accelerator, where the process lifts, else a scan."""

import os
from typing import NamedTuple

from jaxq.checks import one_of
from jaxq.engine.kernel.cells import NotLifted
from jaxq.engine.kernel.program import KernelProgram
from jaxq.engine.launch_layout import Layout
from jaxq.engine.program import Program, program

VARIABLE = "JAXQ_PROGRAM"
"""The environment variable that names the program: ``scan``, or ``kernel``, which a CPU interprets, slowly."""


class Chosen(NamedTuple):
    """A program, and why it is no kernel where one was wanted."""

    program: Program
    reason: str | None


def kernel_wanted(devices: tuple) -> bool:
    """Whether launches on these devices should be kernels. FieldError for a value of the variable that is none."""
    asked = os.environ.get(VARIABLE, "")
    if asked:
        one_of(VARIABLE, asked, ("scan", "kernel"))
    return asked == "kernel" or (not asked and devices[0].platform != "cpu")


def choose_program(structure, shapes: tuple, own: tuple[bool, ...], layout: Layout) -> Chosen:
    """The compiled program of a structure and layout."""
    reason = None
    if layout.kernel:
        try:
            if layout.histograms and layout.sampling == 1:
                raise NotLifted("quantiles are of a value at every observation")
            return Chosen(program(structure, shapes, own, layout, KernelProgram), None)
        except NotLifted as error:
            reason = str(error)
        except Exception as error:  # what a version of JAX cannot compile for a GPU has many names
            if layout.devices[0].platform == "cpu":
                raise
            reason = f"it does not compile ({type(error).__name__}: {str(error).splitlines()[0]})"
    return Chosen(program(structure, shapes, own, layout), reason)
