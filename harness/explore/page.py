"""The explorer as one HTML file: page, style, program, drawing library and data, and a policy against all else."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

import matplotlib
from matplotlib.colors import to_hex

from harness.explore.pack import pack, to_json
from harness.explore.points import View, join
from harness.plotting.style import OKABE_ITO

# In this order: each file uses what stands above it.
PROGRAM = ("data", "colours", "filter", "plot", "touch", "legend", "selection", "pointer", "plates", "search", "main")
RAMP = 64  # colours of a continuous scale


def page(views: Sequence[View], *, title: str) -> str:
    """Return the document; a title and names from data are text in it, never markup.

    Raises
    ------
    InputError : see :func:`harness.explore.points.join`.
    """
    description, binary = pack(join(views), views)
    viridis = matplotlib.colormaps["viridis"]
    description["categorical"] = list(OKABE_ITO)
    description["ramp"] = [to_hex(viridis(i / (RAMP - 1))) for i in range(RAMP)]
    home = files("harness.explore")
    library = _script(home.joinpath("vendor", "scatterplot.min.js").read_text("utf-8"))
    sources = "\n".join(home.joinpath("app", f"{name}.js").read_text("utf-8") for name in PROGRAM)
    program = _script(f'"use strict";\n(() => {{\n{sources}\n}})();\n')
    style = home.joinpath("app", "style.css").read_text("utf-8")
    parts = {
        "policy": _policy(scripts=(library, program), style=style),
        "title": html.escape(title),
        "style": style,
        "description": to_json(description),
        "binary": base64.b64encode(binary).decode("ascii"),
        "library": library,
        "program": program,
    }
    return _filled(home.joinpath("app", "page.html").read_text("utf-8"), parts)


def _policy(*, scripts: Sequence[str], style: str) -> str:
    """Nothing may be loaded; only these scripts and this style run.

    ``unsafe-eval`` is for regl, which compiles its draw calls with ``Function``; its input is the library's own.
    """
    allowed = " ".join(_hash(text) for text in scripts)
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _script(source: str) -> str:
    """Return source that cannot end its script element."""
    return re.sub(r"</(script)", r"<\\/\1", source, flags=re.IGNORECASE)


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """Return ``{{name}}`` replaced in one pass: what is filled in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
