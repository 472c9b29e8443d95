"""Heatmap of wells in plate order by features in clustered order, before and after normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.figure.shared.heatmap_wells import sample_heatmap_wells
from harness.plotting.axis_order import order_by_correlation
from harness.plotting.batch_bar import batch_bar, places_per_line
from harness.plotting.control_units import control_spread, in_control_units
from harness.plotting.panels import new_grid
from harness.plotting.style import MEDIUM, SMALL, add_headline, batch_colours, label, spaced_labels
from harness.settings.annotated_types import Count
from harness.settings.limits import Between

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.arrays import Doubles

WIDTH, HEIGHT = 4.4, 2.9  # inches of a panel
DESCRIBED = ["plate", "well", "batch", "role", "heldout"]
STAGES = {"before": "before: raw", "after": "after: {norm}"}
ROLES = {"negcon": "control wells", "treated": "treated wells"}
LIMIT_QUANTILE, MIN_LIMIT = 0.95, 3.0  # share of all values within the colour scale; smallest half-width of the scale


class FeatureHeatmap(FigureMember):
    """Four heatmaps: control and treated wells, before and after.

    The same sampled wells stand before and after, plates by id; the same features in all panels, by hierarchical
    clustering of their correlation over the controls before. Controls are wells that the normalizer did not use if
    every plate has them, else any; the title says which.

    Values are in robust sd of control wells within plates at that stage, about the median of the controls shown: a
    step of 3 between two batches is three times the noise between wells, before as after. In units of the controls
    *before*, a method whose output is a z-score would show nothing but its change of units.

    Parameters
    ----------
    wells : control wells and treated wells a plate; fewer on screens of many plates.
    max_features : drawn at random if there are more, the same for all normalizations.
    """

    def __init__(self, *, wells: Count = 5, max_features: Annotated[int, Between(2, 1_000_000)] = 1000) -> None:
        self.wells = wells
        self.max_features = max_features

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the values of both stages.

        ``feature_heatmap_before`` and ``feature_heatmap_after``: plate, well, batch, role, heldout and a
        column per feature, all in the order drawn, controls first; robust sd, float32.

        Raises NotApplicable without raw profiles, controls or treated wells, or if no feature of the controls shown
        varies within plates.
        """
        sampled = sample_heatmap_wells(run, n=self.wells, max_features=self.max_features)
        controls = (sampled.wells["role"] == "negcon").to_numpy()
        stages = {"before": sampled.before, "after": sampled.after}
        plate = sampled.wells["plate"][controls]
        sd = {stage: control_spread(X[controls], plate) for stage, X in stages.items()}
        defined = np.flatnonzero(np.isfinite(sd["before"]) & np.isfinite(sd["after"]))
        if not len(defined):
            raise NotApplicable("no feature varies between control wells of a plate, both before and after")
        with np.errstate(invalid="ignore"):
            order = defined[order_by_correlation(np.atleast_2d(np.corrcoef(sampled.before[controls][:, defined].T)))]
        names = [sampled.features[i] for i in order]
        tables = {}
        for stage, X in stages.items():
            centre = np.median(X[controls].astype(np.float64), axis=0)
            Z = in_control_units(X[:, order], centre=centre[order], sd=sd[stage][order])
            tables[f"feature_heatmap_{stage}"] = pd.concat([sampled.wells, pd.DataFrame(Z, columns=names)], axis=1)
        return tables

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return rows of panels: control and treated wells; columns: before and after; one scale of colours."""
        values = {stage: tables[f"feature_heatmap_{stage}"] for stage in STAGES}
        wells = values["before"][DESCRIBED]
        numbers = {stage: table.drop(columns=DESCRIBED).to_numpy() for stage, table in values.items()}
        limit = max(MIN_LIMIT, float(np.ceil(np.quantile(np.abs(np.stack(list(numbers.values()))), LIMIT_QUANTILE))))
        figure, panels = new_grid(2, 2, width=WIDTH, height=HEIGHT, gaps=(0.4, 0.3))
        for row, role in zip(panels, ROLES, strict=True):
            of_role = (wells["role"] == role).to_numpy()
            for axes, stage in zip(row, STAGES, strict=True):
                _draw_panel(axes, numbers[stage][of_role], wells[of_role], run, limit, named=axes is row[0])
                if role == "negcon":
                    axes.set_title(STAGES[stage].format(norm=label(run.norm)), fontsize=MEDIUM)
            offset = -30 - 4.8 * max(len(label(batch, 16)) for batch in wells["batch"].unique())
            row[0].annotate(
                f"{ROLES[role]} (n = {of_role.sum():,})", (0.0, 0.5), xycoords="axes fraction", xytext=(offset, 0),
                textcoords="offset points", rotation=90, ha="center", va="center", fontsize=MEDIUM,
            )  # fmt: skip
        features = values["before"].columns[len(DESCRIBED) :].tolist()
        for axes in panels[1]:
            _name_features(axes, features)
        bar = figure.colorbar(
            panels[0][1].images[0], cax=panels[0][1].inset_axes((1.03, 0.0, 0.03, 1.0)), extend="both"
        )
        bar.set_label("robust sd of control wells within plates", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
        kind = (
            "controls held out from the normalizer"
            if wells["heldout"].all()
            else "controls as the normalizer used them"
        )
        plates, batches = wells["plate"].nunique(), wells["batch"].nunique()
        counts = f"n = {len(wells):,} wells on {plates:,} plates in {batches:,} batches · {kind}"
        what = "Features of sampled wells, plates by id, features by clustering before"
        add_headline(figure, what, run, counts)
        return {"feature_heatmap": figure}


def _draw_panel(
    axes: Axes, values: Doubles, wells: pd.DataFrame, run: FigureContext, limit: float, *, named: bool
) -> None:
    axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set(xticks=[], yticks=[])
    colours = batch_colours(run.normalized.wells["batch"].unique().tolist())
    batch_bar(axes, wells["batch"].tolist(), colours, along="y", named=named)


def _name_features(axes: Axes, features: list[str]) -> None:
    ticks = spaced_labels(range(len(features)), places_per_line(axes, len(features), along="x"))
    axes.set_xticks(ticks, [label(features[i], 28) for i in ticks], rotation=90, fontsize=SMALL - 1)
    axes.set_xlabel(
        f"{len(features):,} features" + (", some named" if len(ticks) < len(features) else ""), fontsize=SMALL
    )
