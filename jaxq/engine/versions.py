"""Versions of the packages that a result depends on, each read once a process: a file is parsed for every one."""

import functools
import platform
from importlib.metadata import version

installed = functools.cache(version)
"""The version of a package by its name."""


def versions() -> dict[str, str]:
    """Of Python and the packages that a result depends on."""
    names = ("jaxq", "jax", "jaxlib", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: installed(name) for name in names}}
