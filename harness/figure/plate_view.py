"""One value on the layout of the plate, before and after: shows effects of edges, rows and columns."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.figure.shared.plate_values import plate_values
from harness.figure.shared.position_effect import position_effect
from harness.plotting.panels import new_grid
from harness.plotting.style import SMALL, add_headline, label
from harness.settings.annotated_types import Count, Name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


WIDTH = 2.5  # inches of a panel
LIMIT_QUANTILE = 0.97  # of all values shown lies within the colour scale
STAGES = {"before": "before", "after": "after", "score": "score"}


class PlateView(FigureMember):
    """Medians over the plates of a batch, and single plates, on rows and columns of the plate.

    Every value is relative to the median of its plate. Batches and plates shown are those on which rows and columns
    explain most before normalization (adjusted R^2 of :func:`harness.figure.shared.position_effect.position_effect`,
    written above each panel). All panels have one scale of colours. Compounds that lie in the same well on every
    plate look like an effect of the position: on a fixed layout nothing can tell them apart.

    Parameters
    ----------
    feature : a feature, a numeric column of the wells such as ``cell_count``, or ``task/model`` for held-out scores;
        None: the feature that rows and columns explain best before normalization.
    batches, plates : how many are shown.
    """

    def __init__(self, *, feature: Name | None = None, batches: Count = 3, plates: Count = 3) -> None:
        self.feature = feature
        self.batches = batches
        self.plates = plates

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the panels, the position effects and the value shown.

        ``plate_view``: one row per position of each panel, panels in the order drawn: kind (batch, plate),
        name, stage (before, after, score), row, column, value (median over plates), n (plates with a value there).
        ``plate_view_effects``: kind, name, n_plates, n_wells, stage, effect (adjusted R^2, NaN if undefined) of all
        batches and plates, strongest first. ``plate_view_value``: feature, why, unit.

        Raises NotApplicable if rows and columns are not known; InputError for an unknown feature.
        """
        wells = run.normalized.wells
        if not {"row", "column"} <= set(wells):
            raise NotApplicable("rows and columns of the wells are not known")
        values = plate_values(run, self.feature)
        positioned = pd.DataFrame(values.stages).join(wells[["plate", "batch", "row", "column"]])
        positioned = positioned.dropna().astype({"row": int, "column": int})
        if positioned.empty:
            raise NotApplicable(f"no well has both a position and a value of {values.name}")
        stages = list(values.stages)
        effects = pd.concat([_effects(positioned, kind, stages) for kind in ("batch", "plate")], ignore_index=True)
        first = effects[effects["stage"] == stages[0]]
        parts = []
        for kind, n in (("batch", self.batches), ("plate", self.plates)):
            for name in first.loc[first["kind"] == kind, "name"].head(n):
                part = positioned[positioned[kind] == name]
                for stage in stages:
                    at = part.groupby(["row", "column"])[stage].agg(value="median", n="size").reset_index()
                    parts.append(at.assign(kind=kind, name=name, stage=stage))
        columns = ["kind", "name", "stage", "row", "column", "value", "n"]
        about = pd.DataFrame({"feature": [values.name], "why": [values.why], "unit": [values.unit]})
        view = pd.concat(parts, ignore_index=True)[columns]
        return {"plate_view": view, "plate_view_effects": effects, "plate_view_value": about}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return batches at the left, plates at the right, one a row; stages side by side."""
        view, effects, about = tables["plate_view"], tables["plate_view_effects"], tables["plate_view_value"].iloc[0]
        stages = view["stage"].unique().tolist()
        names_by_kind = {
            kind: panel_values["name"].unique().tolist() for kind, panel_values in view.groupby("kind", sort=False)
        }
        rows = max(map(len, names_by_kind.values()))
        shape = (int(view["row"].max()), int(view["column"].max()))
        height = float(np.clip(WIDTH * shape[0] / shape[1], 0.6, 2 * WIDTH))
        figure, grid = new_grid(rows, len(stages) * len(names_by_kind), width=WIDTH, height=height, gaps=(0.3, 0.62))
        limit = _colour_limit(view["value"])
        strength = effects.set_index(["kind", "name", "stage"])["effect"].to_dict()
        n_plates = effects.set_index(["kind", "name"])["n_plates"].to_dict()
        for i, axes in enumerate(axes for row in grid for axes in row):
            row, column = divmod(i, len(stages) * len(names_by_kind))
            kind, stage = list(names_by_kind)[column // len(stages)], stages[column % len(stages)]
            if row >= len(names_by_kind[kind]):
                axes.remove()
                continue
            name = names_by_kind[kind][row]
            panel_values = view[(view["kind"] == kind) & (view["name"] == name) & (view["stage"] == stage)]
            median = f"{label(name, 16)}, median of {n_plates[kind, name]:,} plates"
            who = median if kind == "batch" else f"plate {label(name, 24)}"
            title = f"{who}\n{STAGES[stage]}: R² {_format_effect(strength[kind, name, stage])}"
            _draw_panel(axes, panel_values, shape, limit)
            axes.set_title(title, fontsize=SMALL, pad=3)
        panels = [axes for axes in figure.axes if axes.images]
        bar = figure.colorbar(panels[0].images[0], cax=_colour_bar_axes(panels), extend="both")
        bar.set_label(textwrap.fill(about["unit"], 27), fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
        wells = run.normalized.wells
        counts = (
            f"n = {len(wells):,} wells on {wells['plate'].nunique():,} plates in {wells['batch'].nunique():,} batches"
            " · strongest first · R²: of rows and columns, adjusted"
        )
        what = f"{label(about['feature'], 40)} on the plate ({about['why']})"
        add_headline(figure, what, run, counts)
        return {"plate_view": figure}


def _effects(positioned: pd.DataFrame, kind: str, stages: list[str]) -> pd.DataFrame:
    """Return position effects of all batches or plates, strongest at the first stage first, undefined last."""
    rows = []
    for name, part in positioned.groupby(kind, sort=False):
        effect = position_effect(part[stages].to_numpy(dtype=np.float64), part)
        base = {"kind": kind, "name": name, "n_plates": part["plate"].nunique(), "n_wells": len(part)}
        rows += [{**base, "stage": stage, "effect": value} for stage, value in zip(stages, effect, strict=True)]
    table = pd.DataFrame(rows)
    first = table["effect"].where(table["stage"] == stages[0]).groupby(table["name"]).transform("first")
    return table.iloc[np.argsort(-first.to_numpy(), kind="stable")]


def _colour_limit(values: pd.Series[float]) -> float:
    limit = float(values.abs().quantile(LIMIT_QUANTILE))
    if limit == 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(limit))
    return math.ceil(limit / step * 2) / 2 * step


def _draw_panel(axes: Axes, values: pd.DataFrame, shape: tuple[int, int], limit: float) -> None:
    plate = np.full(shape, np.nan)
    plate[values["row"].to_numpy() - 1, values["column"].to_numpy() - 1] = values["value"]
    axes.patch.set_facecolor("0.82")
    axes.imshow(
        np.ma.masked_invalid(plate), cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    every = [math.ceil(n / most) for n, most in zip(shape, (8, 8), strict=True)]
    rows, columns = (list(range(0, n, step)) for n, step in zip(shape, every, strict=True))
    axes.set_yticks(rows, [_row_name(i) for i in rows], fontsize=SMALL - 1)
    axes.set_xticks(columns, [str(i + 1) for i in columns], fontsize=SMALL - 1)
    axes.tick_params(length=2, pad=1.5)


def _row_name(row: int) -> str:
    """Return the name of a row, counted from 0: A to Z, then AA."""
    return chr(65 + row) if row < 26 else _row_name(row // 26 - 1) + chr(65 + row % 26)


def _colour_bar_axes(panels: list[Axes]) -> Axes:
    """Return axes for the colour bar at the right of the last panel of the first row."""
    top = max(axes.get_position().y1 for axes in panels)
    last = max(
        (axes for axes in panels if axes.get_position().y1 > top - 1e-6), key=lambda axes: axes.get_position().x1
    )
    return last.inset_axes((1.05, 0.0, 0.05, 1.0))


def _format_effect(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "undefined"
