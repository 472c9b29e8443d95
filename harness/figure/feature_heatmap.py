"""Wells in plate order by features in clustered order, before and after: what the batch does to which features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.figure.bars import batch_bar, gap
from harness.figure.before import before
from harness.figure.control_units import in_control_units, spread
from harness.figure.order import by_correlation, by_plate
from harness.figure.style import MEDIUM, SMALL, batch_colours, headline, label, new_grid, spaced
from harness.seeding import generator
from harness.types import Doubles, Floats, Mask, NotApplicable, Profiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext

WIDTH, HEIGHT = 4.4, 2.9  # inches of a panel
MOST_ROWS = 4000  # of a panel; beyond, fewer wells a plate
ROLES = {"negcon": "control wells", "treated": "treated wells"}
QUANTILE = 0.98  # of all values lies within the colour scale
"""Rows of a panel are finer than a pixel from here on, and the picture averages them."""


class FeatureHeatmap:
    """Four heatmaps: control and treated wells, before and after.

    The same sampled wells stand in all columns, plates by id, the same features in all panels, by hierarchical
    clustering of their correlation before normalization. Controls that the normalizer did not use are shown where
    every plate has them, else any.

    Values are in robust sd of control wells within plates, at that stage, about the median of all controls shown:
    a step of 3 between two batches is three times the noise between wells, before as after. (In units of the
    controls before, a method whose output is a z-score would show nothing but the change of units.)

    Parameters
    ----------
    wells : controls and treated wells a plate, as many as there are; fewer beyond 4,000 rows.
    max_features : drawn at random, the same for all normalizations.
    """

    def __init__(self, *, wells: int = 5, max_features: int = 1000) -> None:
        self.wells = wells
        self.max_features = max_features

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """``feature_heatmap_before`` and ``feature_heatmap_after``: plate, well, batch, role, heldout and a column per
        feature, in the order drawn, float32, robust sd; controls first.

        Raises NotApplicable where raw profiles were not kept, no plate has two of the controls shown, or no feature
        varies within plates both before and after.
        """
        wells = run.normalized.wells
        controls, heldout = _controls(run)
        treated = (wells["role"] == "treated").to_numpy(dtype=bool)
        rows = {
            "negcon": self._sample(wells, controls, seed=run.seed),
            "treated": self._sample(wells, treated, seed=run.seed),
        }
        after = run.heldout if heldout and run.heldout is not None else run.normalized
        columns = _chosen(run.normalized.features, self.max_features, run.seed)
        stages: dict[str, dict[str, Floats]] = {
            "before": {role: _before(run, at)[:, columns] for role, at in rows.items()},
            "after": {
                "negcon": after.X[rows["negcon"]][:, columns],
                "treated": run.normalized.X[rows["treated"]][:, columns],
            },
        }
        plate = wells["plate"].iloc[rows["negcon"]]
        sd = {stage: spread(X["negcon"], plate) for stage, X in stages.items()}
        known = np.isfinite(sd["before"]) & np.isfinite(sd["after"])
        if not known.any():
            raise NotApplicable("control wells do not vary within plates in any feature, before or after")
        place = np.flatnonzero(known)[_order(stages["before"]["negcon"][:, known])]
        described = wells.iloc[np.r_[rows["negcon"], rows["treated"]]][["plate", "well", "batch"]]
        described = described.assign(
            role=np.repeat(list(rows), [len(at) for at in rows.values()]), heldout=heldout
        ).reset_index(drop=True)
        names = [run.normalized.features[columns[i]] for i in place]
        tables = {}
        for stage, X in stages.items():
            centre = np.median(X["negcon"].astype(np.float64), axis=0)
            Z = in_control_units(np.concatenate(list(X.values())), centre=centre, sd=sd[stage])[:, place]
            tables[f"feature_heatmap_{stage}"] = pd.concat([described, pd.DataFrame(Z, columns=names)], axis=1)
        return tables

    def _sample(self, wells: pd.DataFrame, chosen: Mask, *, seed: int) -> Any:
        """Rows of the sampled wells, plates by id, wells of a plate as they were."""
        n_plates = wells["plate"].nunique()
        n = max(1, min(self.wells, MOST_ROWS // n_plates))
        plate = pd.Series(wells["plate"].to_numpy()[chosen])
        own = np.flatnonzero(chosen)
        groups = plate.groupby(plate, sort=False).indices
        names = wells["plate"].unique()[by_plate(wells)]
        drawn = [
            np.sort(generator(seed, "feature heatmap", name).permutation(own[groups[name]])[:n])
            for name in names
            if name in groups
        ]
        if not drawn:
            raise NotApplicable("a heatmap of control and treated wells needs both")
        return np.concatenate(drawn)
