"""Names that are not known, and the nearest of those that are."""

import difflib
from collections.abc import Iterable


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
