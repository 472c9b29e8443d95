"""Parts of the report as its templates read them: sections, table cells, pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.compare.formatting import format_interval, format_number
from harness.compare.plots import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : of its template, ``templates/sections/<name>.html.jinja``, and of its anchor.
    title : its heading.
    values : what its template reads.
    """

    name: str
    title: str
    values: Mapping[str, object]


@dataclass(frozen=True)
class Cell:
    """A cell of a table, with small print below the text; ``is_verdict`` gives it the colour of that verdict."""

    text: str
    small_print: str = ""
    is_verdict: bool = False

    @classmethod
    def from_estimate(cls, value: float, lower: float, upper: float, sign: str = "") -> Self:
        """Write a number above its interval, if it has one."""
        return cls(format_number(value, sign), format_interval(lower, upper, sign))


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture whose content stands inside the page; ``media_type`` is ``image/png`` or ``image/svg+xml``."""

    content: bytes
    media_type: str
    caption: str = ""
    alt: str = ""

    @classmethod
    def from_figure(cls, figure: Figure, *, caption: str = "", alt: str = "") -> Self:
        """Draw a figure as SVG."""
        return cls(svg(figure), "image/svg+xml", caption, alt)

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.content).decode()}"
