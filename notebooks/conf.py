"""The site: the pages of the repository as they are, and the public names with their docstrings.

Build it with ``python -m sphinx -W -c notebooks . build/site`` from the root of the repository.
"""

import re
from dataclasses import fields
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

import jaxq
from jaxq.cli.about import describe_class

project = "jaxq"
author = "The jaxq authors"
copyright = author
release = version = jaxq.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "notebooks/index"
include_patterns = [
    "README.md",
    "CITATION.cff",
    "notebooks/**",
    "benchmarks/*.md",
    "jaxq/CHANGELOG.md",
    ".github/CONTRIBUTING.md",
]
exclude_patterns = [".venv*", ".git", "build", "dist", "**/.ipynb_checkpoints"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the outputs are stored, tests/test_notebooks.py executes them

add_module_names = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
autodoc_preserve_defaults = True
default_role = "py:obj"  # a name that the reference has is a link, another one is code
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"jaxq {release}"
html_copy_source = False
html_static_path = html_css_files = ["site.css"]
html_math_renderer = "mathml"  # needs no script from elsewhere


def source(app, what, name, kind, options, lines) -> None:
    """The lines of a formula or a source that go on, indented, belong to it: they are no list of definitions."""
    inside = False
    for i, line in enumerate(lines):
        inside = line.startswith(("Formula: ", "Source: ")) or (inside and line.startswith("    "))
        if inside:
            lines[i] = line.strip()


def fields_and_metrics(app, what, name, kind, options, lines) -> None:
    """What a system declares besides its docstring: its fields with their rules, its metrics with their units."""
    if what == "class" and kind in jaxq.SYSTEMS.values():
        told = describe_class(kind)
        lines += ["", "Metrics:", ""]
        lines += [f"* ``{x['name']}``: {x['meaning']}, {x['unit']}" for x in told["metric_table"]]
        lines += [
            "",
            *(f":param {x}: {y['doc']} ({y['rule']}; {y['default_text']})" for x, y in told["fields"].items()),
        ]


def without_fields(app, what, name, kind, skip, options) -> bool | None:
    """A field of a named tuple that has no text of its own is told by its class."""
    return True if (getattr(kind, "__doc__", None) or "").startswith("Alias for field number") else None


def short_defaults(app, what, name, kind, options, signature, returned) -> tuple[str, str] | None:
    """A system is called with its fields by name; what they are by default is told beside them."""
    if what == "class" and issubclass(kind, jaxq.Model) and fields(kind):
        return f"({', '.join(field.name for field in fields(kind))})", returned
    return None


SPACES = (  # of a formula, as TeX sets them
    (r"(<mo[^>]*>(?:&#x0003D;|&#x00028;|&#x0002C;)</mo><mo)(>&#x02212;</mo>)", r'\1 form="prefix"\2'),  # a sign
    (r"<mo>&#x0002F;</mo>", r'<mo lspace="0" rspace="0">&#x0002F;</mo>'),
    (r"(<mi>(?:exp|log|ln)</mi>)(?!<mo)", r'\1<mspace width="0.17em"/>'),
    (r"(</m[insu]\w*>)(<mi>(?:exp|log|ln)</mi>)", r'\1<mspace width="0.17em"/>\2'),
    (r"<msup>(<mi>[^<]*</mi>)<mi>&#x02032;</mi></msup>", r'<mrow>\1<mo lspace="0" rspace="0">&#x02032;</mo></mrow>'),
)


def mathml(display: str):
    """A visitor that writes a formula as MathML, which browsers draw by themselves."""

    def visit(translator, node):
        formula = convert(node.astext(), display=display)
        for pattern, instead in SPACES:
            formula = re.sub(pattern, instead, formula)
        translator.body.append(formula)
        raise nodes.SkipNode

    return visit, None


def typography(app, doctree) -> None:
    """A line ends neither within an interval, nor between a number and its per cent; a power is set as one."""
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal | nodes.FixedTextElement | nodes.math):
            words = re.sub(r" \+- (?=[\d.])", "\xa0±\xa0", text)
            words = re.sub(r"(?<=\d) %", "\xa0%", words)
            words = re.sub(r"(?<=\d)\^(\d+)", lambda found: found[1].translate(POWER), words)
            if words != text:
                text.parent.replace(text, nodes.Text(words))
    for node in [*doctree.findall(nodes.math), *doctree.findall(nodes.literal)]:
        if isinstance(node, nodes.math) or " " not in node.astext():
            together(node)


def together(node) -> None:
    """A formula or a word of code stays on the line of the bracket before it and of the full stop after it."""
    place = node.parent.index(node)
    before, after = ([*node.parent, ""][i] if i >= 0 else "" for i in (place - 1, place + 1))
    opening = re.search(r"[(]*$", before)[0] if isinstance(before, nodes.Text) else ""
    closing = re.match(r"[.,;:)]*", after)[0] if isinstance(after, nodes.Text) else ""
    if opening:
        node.parent[place - 1] = nodes.Text(before[: -len(opening)])
    if closing:
        node.parent[place + 1] = nodes.Text(after[len(closing) :])
    if opening or closing:
        parent, parts = node.parent, [nodes.Text(opening), node, nodes.Text(closing)]
        parent[place] = nodes.inline("", "", *parts, classes=["together"])


POWER = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def front_page(app, exception) -> None:
    """The address of the site itself leads to its first page."""
    if exception is None:
        Path(app.outdir, "index.html").write_text('<meta http-equiv="refresh" content="0; url=notebooks/index.html">\n')


def setup(app) -> None:
    app.add_html_math_renderer("mathml", mathml("inline"), mathml("block"))
    app.connect("autodoc-process-docstring", source)
    app.connect("autodoc-process-docstring", fields_and_metrics)
    app.connect("autodoc-skip-member", without_fields)
    app.connect("autodoc-process-signature", short_defaults)
    app.connect("doctree-read", typography)
    app.connect("build-finished", front_page)
