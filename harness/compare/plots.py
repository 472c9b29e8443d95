"""Pictures of a comparison: batch removed against biology kept, and paired differences to raw."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from harness.audit.verdict import Call
from harness.compare.group import ANCHORS, Group
from harness.compare.table import PROBE, REFERENCE
from harness.figure.style import OKABE_ITO, SMALL, label, legend_below, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

    from harness.types import Doubles

STYLE = {  # colour and marker: a verdict is read without colour, too
    Call.SOUND.value: ("#009E73", "o"),
    Call.UNDER.value: ("#0072B2", "s"),
    Call.INCONCLUSIVE.value: ("#777777", "D"),
    Call.OVER.value: ("#D55E00", "v"),
    Call.LEAKS.value: ("#A0307A", "X"),
    Call.NO_SIGNAL.value: ("#000000", "P"),
}
OTHER = ("#777777", "o")
MOST_NAMES = 30


def svg(figure: Figure) -> bytes:
    """The figure as a picture that is the same whenever it is drawn."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.06)
    return buffer.getvalue()


def removed(probe: Doubles, null: Doubles) -> Doubles:
    """Share of the batch removed: 1 where the probe scores as its null does on average, 0 where it is always right."""
    return np.asarray((1 - probe) / (1 - null), dtype=np.float64)


def tradeoff(group: Group, model: str) -> tuple[Figure, list[str]] | None:
    """Batch removed against AUROC of ``model``, (figure, norms without room for a name); None without a probe."""
    key = f"{model}/auroc"
    columns = ["norm", "verdict", key, f"{key}_lower", f"{key}_upper", PROBE, f"{PROBE}_null_mean"]
    table = group.table[columns].dropna(subset=[key, PROBE, f"{PROBE}_null_mean"])
    if table.empty:
        return None
    figure, (axes,) = new_figure(5.2, 3.9)
    x = removed(table[PROBE].to_numpy(float), table[f"{PROBE}_null_mean"].to_numpy(float))
    y = table[key].to_numpy(float)
    for at, row in zip(x, table.to_dict("records"), strict=True):
        colour, marker = STYLE.get(row["verdict"], OTHER)
        hollow = group.runs[row["norm"]].name in ANCHORS
        axes.vlines(at, row[f"{key}_lower"], row[f"{key}_upper"], color=colour, linewidth=1, alpha=0.7)
        axes.plot(at, row[key], marker, color=colour, markerfacecolor="white" if hollow else colour, markersize=7)
    axes.axhline(0.5, color="0.5", linestyle=":", linewidth=1)
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1)
    axes.margins(0.12, 0.08)
    axes.set_xlabel("batch removed (1: the probe is at chance, 0: it is always right)", fontsize=SMALL + 1)
    axes.set_ylabel(f"AUROC, {label(model, 40)}", fontsize=SMALL + 1)
    _plain(axes)
    handles, names = _verdict_legend(table["verdict"])
    legend_below(axes, handles, names, drop=0.55)
    return figure, _name_points(axes, x, y, table["norm"].tolist())


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _verdict_legend(verdicts: pd.Series) -> tuple[list[Line2D], list[str]]:
    found = [name for name in STYLE if (verdicts == name).any()]
    other = ["no verdict"] if (~verdicts.isin(list(STYLE))).any() else []
    styles = [STYLE.get(name, OTHER) for name in [*found, *other]]
    return [Line2D([], [], linestyle="", marker=m, color=c, markersize=6) for c, m in styles], [*found, *other]


def _name_points(axes: Axes, x: Doubles, y: Doubles, names: Sequence[str]) -> list[str]:
    """Write each name beside its point where it covers neither point nor name; the names that found no room."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.canvas.draw()
    points = axes.transData.transform(np.column_stack([x, y]))
    half = 5 * figure.dpi / 72
    taken = [Bbox.from_extents(*(p - half), *(p + half)) for p in points]
    frame, left = axes.get_window_extent(), []
    for i, name in enumerate(names):
        if i >= MOST_NAMES or not any(_fits(text, frame, taken) for text in _places(axes, (x[i], y[i]), name)):
            left.append(name)
    return left


def _places(axes: Axes, at: tuple[float, float], name: str) -> Iterator[Annotation]:
    """The name at one place after another around ``at``; each is taken away when the next is asked for."""
    sides = [(1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1)]
    for far, (dx, dy) in product((9, 20, 34, 50), sides):
        written = axes.annotate(
            label(name),
            at,
            xytext=(dx * far, dy * far),
            textcoords="offset points",
            fontsize=SMALL,
            ha={1: "left", -1: "right", 0: "center"}[dx],
            va={1: "bottom", -1: "top", 0: "center"}[dy],
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 5} if far > 9 else None,
        )
        yield written
        written.remove()


def _fits(written: Annotation, frame: Bbox, taken: list[Bbox]) -> bool:
    box = type(written).__mro__[1].get_window_extent(written)
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 60 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    if not inside or any(box.overlaps(other) for other in taken):
        return False
    taken.append(box)
    return True


def forest(group: Group, *, order: Sequence[str]) -> Figure | None:
    """Paired differences of AUROC to raw with their intervals, a row per norm, a colour per model; None without any."""
    names = {model: f"{model}/auroc_minus_{REFERENCE}" for model in group.models}
    names = {model: key for model, key in names.items() if key in group.table}
    rows = group.table.set_index("norm").loc[list(order)]
    rows = rows[[group.runs[label].name != REFERENCE for label in rows.index]]
    rows = rows.dropna(subset=list(names.values()), how="all") if names else rows.iloc[:0]
    if rows.empty:
        return None
    figure, (axes,) = new_figure(4.4, 0.45 + len(rows) * (0.16 + 0.16 * len(names)))
    handles, words = [], []
    for j, (model, key) in enumerate(names.items()):
        at = np.arange(len(rows)) + 0.55 * ((j + 0.5) / len(names) - 0.5)
        colour, marker = OKABE_ITO[j % len(OKABE_ITO)], "osDv^"[j % 5]
        axes.hlines(at, rows[f"{key}_lower"], rows[f"{key}_upper"], color=colour, linewidth=1.5)
        axes.plot(rows[key], at, linestyle="", marker=marker, color=colour, markersize=5)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5))
        words.append(label(model, 40))
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_yticks(range(len(rows)), [label(name, 28) for name in rows.index])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"AUROC minus {REFERENCE}, same wells and resamples", fontsize=SMALL + 1)
    _plain(axes)
    legend_below(axes, handles, words, drop=0.5)
    return figure


def panel_styles(names: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """A colour and a marker for each of a few norms."""
    return {name: (OKABE_ITO[i % len(OKABE_ITO)], "osDv^P*X"[i % 8]) for i, name in enumerate(names)}
