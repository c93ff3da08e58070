"""Sphinx builds the pages of this folder: `make docs`."""

import sys
from pathlib import Path

import pytensor_stabilize

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import generate  # noqa: E402

project = "pytensor-stabilize"
author = "The pytensor-stabilize developers"
copyright = f"2026, {author}"
release = version = pytensor_stabilize.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
# The tables of docs/accuracy.md stand below headings of the third level.
suppress_warnings = ["myst.header"]

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": False, "show_toc_level": 2}
html_extra_path = ["figures/demo-report.html"]

generate.write_pages(HERE)
