"""Plate-by-plate correlation of plate medians, before and after: batches show as light squares on the diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.data.wells.plate_medians import correlate, plate_medians, within_minus_between
from harness.figure.base import FigureContext, FigureMember
from harness.figure.shared.outlier_plates import outlier_plates
from harness.figure.shared.raw_profiles import align_raw_profiles
from harness.plotting.axis_order import order_by_correlation, order_by_plate
from harness.plotting.batch_bar import batch_bar, places_per_line, thin_labels
from harness.plotting.style import MEDIUM, SMALL, add_headline, batch_colours, label, new_figure
from harness.settings.annotated_types import Count
from harness.settings.limits import OneOf

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from harness.core.arrays import Doubles

PANEL_SIDE = 4.3  # inches
OUTLIER_COLOUR = "#D55E00"
ORDERS = ("plate", "cluster")
STAGES = {"correlation_before": "before: raw", "correlation": "after: {norm}"}


class PlateCorrelation(FigureMember):
    """Heatmaps of the Pearson correlation between plates before and after normalization.

    A plate is described by its feature-wise median over control wells that the normalizer did not use:
    medians of the controls that it did use are about 0 by construction, and their correlations mean nothing.
    Without such wells (no held-out pass, or a plate with fewer than ``min_heldout`` of them) all plates
    are described by the median of their treated wells; the title says which. Both heatmaps describe
    the same wells. Outlier plates are those of :func:`harness.figure.shared.outlier_plates.outlier_plates`.

    Parameters
    ----------
    order : ``plate`` by plate id, or ``cluster`` by hierarchical clustering of the correlation before
        normalization, the same order in both heatmaps.
    min_heldout : wells.

    Raises
    ------
    InputError : unknown order.
    """

    def __init__(self, *, order: Annotated[str, OneOf(*ORDERS)] = "plate", min_heldout: Count = 2) -> None:
        if order not in ORDERS:
            raise InputError(f"figure.plate_correlation.order={order!r} is unknown; choose one of {list(ORDERS)}")
        self.order = order
        self.min_heldout = min_heldout

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the correlations of all pairs of plates, and the plates.

        ``plate_correlation``: every ordered pair of plates, row by row in the order drawn (plate_a, plate_b,
        batch_a, batch_b, correlation and, if raw profiles were kept, correlation_before);
        ``plate_correlation_plates``: plate, batch, medians_of, n_wells, outlier, distance (of the plate's controls to
        its batch, robust sd), outliers_unknown (why there are none, or "") in the same order.

        Raises NotApplicable with fewer than 3 plates, or if fewer than 2 features vary over plates.
        """
        after, plates = self._medians(run)
        correlations = {"correlation": correlate(after)}
        if run.raw is not None:
            correlations["correlation_before"] = correlate(_medians_before(run, plates))
        order = self._plate_order(correlations, run)
        plates = _add_outliers(plates, run).iloc[order].reset_index(drop=True)
        first, second = (grid.ravel() for grid in np.indices((len(plates), len(plates))))
        pairs = {
            f"{column}_{side}": pd.Categorical(plates[column].to_numpy()[at], categories=plates[column].unique())
            for column in ("plate", "batch")
            for side, at in (("a", first), ("b", second))
        }
        values_by_stage = {stage: matrix[np.ix_(order, order)].ravel() for stage, matrix in correlations.items()}
        return {"plate_correlation": pd.DataFrame(pairs | values_by_stage), "plate_correlation_plates": plates}

    def _medians(self, run: FigureContext) -> tuple[Doubles, pd.DataFrame]:
        if run.heldout is not None:
            medians, plates = plate_medians(run.heldout, heldout=True)
            if (plates["n_wells"] >= self.min_heldout).all():
                return medians, plates.assign(heldout=True)
        medians, plates = plate_medians(run.normalized, heldout=False)
        return medians, plates.assign(heldout=False)

    def _plate_order(self, correlations: dict[str, Doubles], run: FigureContext) -> NDArray[np.intp]:
        if self.order == "cluster":
            return order_by_correlation(correlations.get("correlation_before", correlations["correlation"]))
        return order_by_plate(run.normalized.wells)

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return heatmaps on a fixed scale from -1 to 1, so that normalizations compare."""
        pairs, plates = tables["plate_correlation"], tables["plate_correlation_plates"]
        stages = [stage for stage in STAGES if stage in pairs]
        figure, panels = new_figure(PANEL_SIDE, PANEL_SIDE, panels=len(stages), gap=0.45)
        for axes, stage in zip(panels, stages, strict=True):
            _draw_heatmap(axes, pairs[stage].to_numpy(), plates, run, named=axes is panels[0])
            title = f"{STAGES[stage].format(norm=label(run.norm))}\n{_describe_contrast(pairs, stage)}"
            axes.set_title(title, fontsize=MEDIUM, pad=15)
        bar = figure.colorbar(panels[-1].images[0], cax=panels[-1].inset_axes((1.07, 0.15, 0.04, 0.85)))
        bar.set_label("Pearson correlation of plate medians", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
        if pairs[stages].isna().to_numpy().any():
            patch = Patch(facecolor="0.92", edgecolor="0.6", hatch="////")
            panels[-1].legend([patch], ["undefined"], loc=(1.055, 0.0), fontsize=SMALL, frameon=False, handlelength=1.0)
        wells, batches = plates["n_wells"].sum(), plates["batch"].nunique()
        counts = f"n = {wells:,} wells on {len(plates):,} plates in {batches:,} batches · {_describe_order(self.order)}"
        what = f"Correlation between plates: medians of {plates['medians_of'].iloc[0]}"
        add_headline(figure, what, run, f"{counts}\n{_describe_outliers(plates)}")
        return {"plate_correlation": figure}


def _medians_before(run: FigureContext, plates: pd.DataFrame) -> Doubles:
    """Return medians before normalization (n_plates, n_features) of the wells that describe the plates after it."""
    source = run.heldout if plates["heldout"].all() else None
    wells = run.normalized.wells
    describing = (wells["role"] == "treated" if source is None else source.wells["heldout_control"]).to_numpy(
        dtype=bool
    )
    described = Profiles(align_raw_profiles(run, describing), wells[describing].assign(role="treated"))
    medians, present = plate_medians(described, heldout=False)
    everywhere = np.full((len(plates), medians.shape[1]), np.nan)
    everywhere[plates["plate"].isin(present["plate"]).to_numpy()] = medians
    return everywhere


def _add_outliers(plates: pd.DataFrame, run: FigureContext) -> pd.DataFrame:
    plates = plates.drop(columns="heldout")
    try:
        outliers = outlier_plates(run)
    except NotApplicable as undefined:
        return plates.assign(outlier=False, distance=np.nan, outliers_unknown=undefined.reason)
    together = plates.merge(outliers, on="plate", how="left", validate="1:1")
    return together.assign(outlier=together["outlier"].eq(True), outliers_unknown="")


def _draw_heatmap(axes: Axes, values: Doubles, plates: pd.DataFrame, run: FigureContext, *, named: bool) -> None:
    n = len(plates)
    matrix = np.ma.masked_invalid(values.reshape(n, n))
    axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.patch.set(facecolor="0.92", edgecolor="0.6", hatch="////")
    axes.set_yticks([])
    batch, colours = plates["batch"].tolist(), batch_colours(run.normalized.wells["batch"].unique().tolist())
    batch_bar(axes, batch, colours, along="y", named=named)
    batch_bar(axes, batch, colours, along="x")
    outliers = np.flatnonzero(plates["outlier"]).tolist()
    ticks = thin_labels(n, outliers, places_per_line(axes, n, along="x"))
    axes.set_xticks(ticks, [label(plates["plate"].iloc[i], 16) for i in ticks], rotation=90, fontsize=SMALL)
    for i, text in zip(ticks, axes.get_xticklabels(), strict=True):
        if i in outliers:
            text.set(color=OUTLIER_COLOUR, fontweight="bold")
    if outliers:
        side = [1.02] * len(outliers)
        axes.plot(
            side, outliers, "<", color=OUTLIER_COLOUR, ms=5, mew=0, clip_on=False, transform=axes.get_yaxis_transform()
        )


def _describe_contrast(pairs: pd.DataFrame, stage: str) -> str:
    try:
        value = within_minus_between(pairs.assign(correlation=pairs[stage]))
    except NotApplicable as absent:
        return absent.reason
    return f"within minus between batches {value:+.2f}"


def _describe_order(order: str) -> str:
    return {"plate": "ordered by plate id", "cluster": "ordered by clustering before"}[order]


def _describe_outliers(plates: pd.DataFrame) -> str:
    if unknown := plates["outliers_unknown"].iloc[0]:
        return f"outlier plates not sought: {label(unknown, 60)}"
    names = plates.loc[plates["outlier"], "plate"]
    if names.empty:
        return "no outlier plate"
    listed = ", ".join(label(name, 16) for name in names[:4]) + (", …" if len(names) > 4 else "")
    return f"◂ {len(names):,} outlier plate{'s' * (len(names) > 1)}, controls far from their batch: {listed}"
