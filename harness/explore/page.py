"""The explorer as one HTML file with its style, program, drawing library and data; nothing else may be loaded."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files

import matplotlib
from markupsafe import Markup
from matplotlib.colors import to_hex

from harness.explore.pack import pack_views, to_json
from harness.explore.points import View, join_views
from harness.plotting.style import OKABE_ITO
from harness.utils.html_templates import html_templates

# In this order: each file uses names of the files before it.
PROGRAM = ("data", "colours", "filter", "plot", "touch", "legend", "selection", "pointer", "plates", "search", "main")
N_RAMP_COLOURS = 64  # of a continuous scale


def explorer_page(views: Sequence[View], *, title: str) -> str:
    """Return the document; a title and names from data are text in it, never markup.

    Raises
    ------
    InputError : see :func:`harness.explore.points.join_views`.
    """
    description, binary = pack_views(join_views(views), views)
    viridis = matplotlib.colormaps["viridis"]
    description["categorical"] = list(OKABE_ITO)
    description["ramp"] = [to_hex(viridis(i / (N_RAMP_COLOURS - 1))) for i in range(N_RAMP_COLOURS)]
    package = files("harness.explore")
    library = _script(package.joinpath("vendor", "scatterplot.min.js").read_text("utf-8"))
    sources = "\n".join(package.joinpath("app", f"{name}.js").read_text("utf-8") for name in PROGRAM)
    program = _script(f'"use strict";\n(() => {{\n{sources}\n}})();\n')
    style = package.joinpath("app", "style.css").read_text("utf-8")
    # Markup: not escaped, because the policy holds the hashes of the scripts and the style as they are here. The JSON
    # has no character left that would be markup.
    template = html_templates("harness.explore", "app").get_template("page.html.jinja")
    return template.render(
        policy=Markup(_policy(scripts=(library, program), style=style)),
        title=title,
        style=Markup(style),
        description=Markup(to_json(description)),
        binary=base64.b64encode(binary).decode("ascii"),
        library=Markup(library),
        program=Markup(program),
    )


def _policy(*, scripts: Sequence[str], style: str) -> str:
    """Return a content security policy: nothing may be loaded; only these scripts and this style run.

    ``unsafe-eval`` is for regl, which compiles its draw calls with ``Function``; its input is the library's own.
    """
    hashes = " ".join(_source_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src {_source_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _script(source: str) -> str:
    """Return a script without any text that would end its element."""
    return re.sub(r"</(script)", r"<\\/\1", source, flags=re.IGNORECASE)
