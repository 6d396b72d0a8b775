"""Functions of two halves: all that can be wrong with a call is checked first, then what it asks for is run."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Found = TypeVar("Found")


def run_by(run: Callable[..., Found]) -> Callable[[Callable[Asked, Any]], Callable[Asked, Found]]:
    """A decorator of a function that checks its arguments and returns a plan of a run: called, it returns what ``run``
    makes of the plan, and of ``meter`` if that is given. Its arguments, their defaults and their text stand in one place,
    and the half that checks can be called by itself (`plan_of`)."""

    def decorate(plan: Callable[Asked, Any]) -> Callable[Asked, Found]:
        @functools.wraps(plan)
        def both(*args: Asked.args, **given: Asked.kwargs) -> Found:
            watch = {"meter": given["meter"]} if "meter" in given else {}
            return run(plan(*args, **given), **watch)

        result = inspect.signature(run).return_annotation
        both.__dict__["__signature__"] = inspect.signature(plan).replace(return_annotation=result)
        return both

    return decorate


def plan_of(function: Callable) -> Callable[..., Any]:
    """The half of a function that checks: it returns the plan, and nothing is compiled or simulated."""
    return inspect.unwrap(function)
