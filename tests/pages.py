"""Pages as programs: their code blocks are run in order, and what they say that is printed must be printed."""

import ast
import re
import sys
from typing import NamedTuple


class Step(NamedTuple):
    """A block of a page. ``kind``: its language, or what the comment before it says, ``<!-- kind: what -->``."""

    kind: str
    what: str
    text: str


def steps(page: str) -> list[Step]:
    """The code blocks of a page, in order."""
    blocks = re.finditer(r"(?:<!-- (\w+): ?(\S+) -->\n)?^```(\w+)\n(.*?)^```", page, re.S | re.M)
    return [Step(kind or language, what, text) for kind, what, language, text in (m.groups() for m in blocks)]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"


def agree(printed: str, told: str) -> None:
    """The words are the same; a number with an interval is as near as two such intervals may be, others to .1 %."""
    assert re.sub(NUMBER, "#", printed) == re.sub(NUMBER, "#", told), (printed, told)
    for pattern in (rf"({NUMBER}) \+- ({NUMBER})", rf"()({NUMBER})"):
        for (here, width), (there, told_width) in zip(
            re.findall(pattern, printed), re.findall(pattern, told), strict=True
        ):
            if here:
                assert abs(float(here) - float(there)) <= 2 * (float(width) + float(told_width)), (printed, told)
                assert 0.5 < float(width) / float(told_width) < 2, (printed, told)
            else:
                assert abs(float(width) - float(told_width)) <= 1e-3 * abs(float(told_width)), (printed, told)
        printed, told = re.sub(pattern, "", printed), re.sub(pattern, "", told)


def execute(block: str, names: dict) -> int:
    """Run a block of Python; every ``print(...)  # text`` must print the text. Returns how many of these there are."""
    lines, reached = block.splitlines(), set()
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    ends = {node.lineno: node.end_lineno for node in calls if getattr(node.func, "id", "") == "print"}

    def checked(*values) -> None:
        line = ends[sys._getframe(1).f_lineno]
        told = lines[line - 1].partition("  # ")[2]
        if told:
            agree(" ".join(map(str, values)), told)
            reached.add(line)

    names["print"] = checked
    exec(compile(block, "page", "exec"), names)
    assert reached == {line for line in ends.values() if "  # " in lines[line - 1]}, "a print that is never reached"
    return len(reached)
