"""How Sphinx builds these pages: see make docs."""

project = "Wattline"
author = "The Wattline authors"
copyright = "The Wattline authors, Apache-2.0"  # noqa: A001

extensions = ["myst_parser"]
exclude_patterns = ["_build", "benchmarks-table.md", "chaos-table.md", "requirements.txt"]
nitpicky = True

# rest.md is generated and links to its own headings.
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

html_theme = "furo"
html_title = "Wattline"
html_copy_source = False
html_show_sphinx = False
# Code blocks are read by people of every trade: no numbers, no prompts.
pygments_style = "default"
pygments_dark_style = "monokai"
