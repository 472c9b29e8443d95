"""Style of all figures: canvas, titles, labels that survive any name, colours of batches.

Names of data sets, plates and batches come from users. Every one passes through :func:`label` on its way into
a picture: ``$`` would start mathematics and a leading underscore would vanish from a legend.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes


DPI = 200
MARGIN = 0.12  # inches
SMALL, MEDIUM = 8, 9  # points

# Okabe and Ito, Color Universal Design (2008), without yellow (faint on white; grey in its place).
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#999999")
CONTROL_COLOUR, TREATED_COLOUR = OKABE_ITO[3], OKABE_ITO[0]


def new_figure(width: float, height: float, *, panels: int = 1, gap: float = 0.0) -> tuple[Figure, list[Axes]]:
    """Return a figure outside pyplot's global state, with axes of ``width`` x ``height`` inches in a row.

    :func:`add_headline` then makes room for everything that was drawn around them.
    """
    total = panels * width + (panels - 1) * gap
    figure = Figure(figsize=(total, height), dpi=DPI)
    FigureCanvasAgg(figure)
    lefts = [i * (width + gap) / total for i in range(panels)]
    return figure, [figure.add_axes((left, 0.0, width / total, 1.0)) for left in lefts]


def label(text: object, limit: int = 24) -> str:
    """Return one line of at most ``limit`` characters: the middle becomes an ellipsis, ``$`` is escaped.

    The middle goes because names of plates and batches tend to differ at their ends. Invisible characters go too:
    one that turns the direction of writing would turn the numbers behind the name around.
    """
    plain = "".join(filter(str.isprintable, " ".join(str(text).split())))
    if len(plain) > limit:
        tail = (limit - 1) // 2
        plain = f"{plain[: limit - 1 - tail]}…{plain[-tail:]}"
    return plain.replace("$", r"\$")


def percent_range(low: float, high: float) -> str:
    """Return a percentage without decimals, or the range if two shares differ."""
    first, last = f"{100 * low:.0f}", f"{100 * high:.0f}"
    return f"{first}%" if first == last else f"{first} to {last}%"


class RunNames(Protocol):
    """Names of a run in the title of a figure."""

    @property
    def norm(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def split(self) -> str: ...


def add_headline(figure: Figure, what: str, run: RunNames, counts: str) -> None:
    """Write the title of a finished figure: ``what`` it shows, then norm, scope, data, split and n.

    The figure is resized around its axes, which keep their size in inches, so that nothing is cut off and the
    panels of two normalizations match.
    """
    norm, data, split = label(run.norm, 28), label(run.data, 28), label(run.split, 22)
    names = f"norm {norm} ({run.scope}) · data {data} · split {split}"
    title = figure.suptitle(f"{what}\n{names}\n{counts}", fontsize=MEDIUM, linespacing=1.35, va="top")
    inches = figure.dpi_scale_trans.inverted()
    boxes_of_axes = [axes.get_tightbbox() for axes in figure.axes]
    content = Bbox.union([box for box in boxes_of_axes if box is not None]).transformed(inches)
    heading = title.get_window_extent().transformed(inches)
    width = max(content.width, heading.width) + 2 * MARGIN
    height = content.height + heading.height + 3 * MARGIN
    left, bottom = (width - content.width) / 2 - content.x0, MARGIN - content.y0
    boxes = [axes.get_window_extent().transformed(inches) for axes in figure.axes]
    figure.set_size_inches(width, height)
    for axes, box in zip(figure.axes, boxes, strict=True):
        axes.set_position(((box.x0 + left) / width, (box.y0 + bottom) / height, box.width / width, box.height / height))
    title.set_position((0.5, 1 - MARGIN / height))


def faint_grid(axes: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Draw a faint grid behind everything else."""
    axes.grid(axis=axis, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def plain_axes(axes: Axes) -> None:
    """Write small numbers, draw a faint grid and leave out the frame at the top and at the right."""
    axes.tick_params(labelsize=SMALL)
    faint_grid(axes)
    axes.spines[["top", "right"]].set_visible(False)


def batch_colours(batches: Sequence[str]) -> dict[str, Any]:
    """Return one colour per distinct batch, in order of appearance.

    Up to 8 batches have colours that colour-blind readers can tell apart; more lie in order on viridis.
    """
    names = list(dict.fromkeys(batches))
    if len(names) <= len(OKABE_ITO):
        return dict(zip(names, OKABE_ITO, strict=False))
    ramp = matplotlib.colormaps["viridis"]
    return {name: ramp(i / (len(names) - 1)) for i, name in enumerate(names)}


def legend_below(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], *, drop: float, **options: Any) -> None:
    """Draw a legend ``drop`` inches under ``axes``, in as many columns as its longest label allows."""
    inches = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    characters = inches.width * 72 / (0.58 * SMALL)
    columns = max(1, min(4, len(labels), int(characters / (max(map(len, labels)) + 6))))
    rows = math.ceil(len(labels) / columns)
    legend = axes.legend(
        handles,
        [str(i) for i in range(len(labels))],
        loc="upper center",
        bbox_to_anchor=(0.5, -drop / inches.height),
        ncols=math.ceil(len(labels) / rows),
        fontsize=SMALL,
        title_fontsize=SMALL,
        frameon=False,
        handlelength=1.6,
        columnspacing=1.2,
        borderaxespad=0.0,
        **options,
    )
    for text, name in zip(legend.get_texts(), labels, strict=True):
        text.set_text(name)  # given to legend() itself, a label with a leading underscore would be dropped


def spaced_labels(positions: Sequence[float], gap: float) -> list[int]:
    """Return indices of ``positions`` (ascending) that can be labelled so that labels are at least ``gap`` apart."""
    labelled: list[int] = []
    for i, position in enumerate(positions):
        if not labelled or position - positions[labelled[-1]] >= gap:
            labelled.append(i)
    return labelled
