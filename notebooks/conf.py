"""The site: the pages of the repository as they are, and the public names with their docstrings.

Build it with ``python -m sphinx -W -c notebooks . build/site`` from the root of the repository.
"""

from pathlib import Path

from docutils.nodes import SkipNode
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
    "benchmarks/README.md",
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


def mathml(display: str):
    """A visitor that writes a formula as MathML, which browsers draw by themselves."""

    def visit(translator, node):
        translator.body.append(convert(node.astext(), display=display))
        raise SkipNode

    return visit, None


def front_page(app, exception) -> None:
    """The address of the site itself leads to its first page."""
    if exception is None:
        Path(app.outdir, "index.html").write_text('<meta http-equiv="refresh" content="0; url=notebooks/index.html">\n')


def setup(app) -> None:
    app.add_html_math_renderer("mathml", mathml("inline"), mathml("block"))
    app.connect("autodoc-process-docstring", fields_and_metrics)
    app.connect("build-finished", front_page)
