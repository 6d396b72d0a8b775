"""Names that are not known, and the nearest of those that are."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def suggestion(word: str, names: Iterable[str]) -> str:
    """``; did you mean x?`` for the nearest of ``names``, or the list of them."""
    names = list(names)
    close = difflib.get_close_matches(word, names, 1, 0.5)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(names)}"


def refuse_unknown(given: Iterable[str], known: Iterable[str], owner: str, kind: str) -> None:
    """TypeError if one of the ``given`` keywords is not among the ``known`` ones: the nearest name, and all of them."""
    known = list(known)
    for name in given:
        if name not in known:
            close = [f"did you mean {x}? " for x in difflib.get_close_matches(name, known, 1, 0.5)]
            raise TypeError(f"{name}: {owner} has no such {kind}; {''.join(close)}there is {', '.join(known)}")


def known_keywords(further: Iterable[str] = ()) -> Callable[[Function], Function]:
    """A decorator: a keyword that the function does not have is refused as `refuse_unknown` does.

    ``further``: the keywords that its ``**options`` stand for.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function).parameters.values()
        names = (parameter.name for parameter in own if parameter.kind is not parameter.VAR_KEYWORD)
        known = tuple(dict.fromkeys([*names, *further]))

        @functools.wraps(function)
        def checked(*args, **given):
            refuse_unknown(given, known, function.__name__, "argument")
            return function(*args, **given)

        return cast(Function, checked)

    return decorate
