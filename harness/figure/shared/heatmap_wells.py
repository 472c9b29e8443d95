"""Wells and features that a feature heatmap shows, before and after normalization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.core.profiles import has_role
from harness.core.seeding import generator
from harness.figure.shared.raw_profiles import align_raw_profiles
from harness.plotting.axis_order import order_by_plate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.arrays import Floats, Mask
    from harness.figure.base import FigureContext

MOST_ROWS = 4000  # of control wells, and of treated wells; beyond, fewer a plate
MIN_CONTROLS = 2  # control wells of a plate, for an estimate of its noise


@dataclass(frozen=True)
class HeatmapWells:
    """Sampled wells of a heatmap, controls first, plates by id.

    Attributes
    ----------
    wells : plate, well, batch, role of n wells; ``heldout``: whether the controls are wells that the normalizer
        did not use.
    before, after : (n, n_features) float32.
    features : the n_features names.
    """

    wells: pd.DataFrame
    before: Floats
    after: Floats
    features: tuple[str, ...]


def sample_heatmap_wells(run: FigureContext, *, n: int, max_features: int) -> HeatmapWells:
    """Sample ``n`` control and ``n`` treated wells a plate and ``max_features`` features, by the seed alone.

    Raises NotApplicable without raw profiles, without control wells or without treated wells.
    """
    wells = run.normalized.wells
    order = wells["plate"].unique()[order_by_plate(wells)].tolist()
    heldout = _heldout_controls(run)
    masks = {"negcon": has_role(wells, "negcon") if heldout is None else heldout, "treated": has_role(wells, "treated")}
    if absent := [role for role, mask in masks.items() if not mask.any()]:
        raise NotApplicable(f"no {' or '.join(absent)} wells; the heatmap shows both")
    n = max(MIN_CONTROLS, min(n, MOST_ROWS // len(order)))
    rows = {role: _sample_rows(wells, mask, order, n=n, seed=run.seed) for role, mask in masks.items()}
    total = len(run.normalized.features)
    columns = np.sort(generator(run.seed, "feature heatmap", "features").permutation(total)[:max_features])
    source = run.normalized if heldout is None or run.heldout is None else run.heldout
    at = np.concatenate(list(rows.values()))
    after = [source.X[rows["negcon"]], run.normalized.X[rows["treated"]]]
    described = wells.iloc[at][["plate", "well", "batch"]].reset_index(drop=True)
    return HeatmapWells(
        wells=described.assign(
            role=np.repeat(list(rows), [len(role_rows) for role_rows in rows.values()]), heldout=heldout is not None
        ),
        before=_raw_rows(run, at, columns),
        after=np.concatenate([X[:, columns] for X in after]),
        features=tuple(run.normalized.features[i] for i in columns),
    )


def _heldout_controls(run: FigureContext) -> Mask | None:
    """Return controls that the normalizer did not use, (n_wells,); None if a plate has too few of them."""
    if run.heldout is None:
        return None
    mask = run.heldout.wells["heldout_control"].to_numpy(dtype=bool)
    plate = run.normalized.wells["plate"]
    with_controls = plate[has_role(run.normalized.wells, "negcon")].unique()
    enough = plate[mask].value_counts().reindex(with_controls, fill_value=0) >= MIN_CONTROLS
    return mask if len(enough) and enough.all() else None


def _sample_rows(wells: pd.DataFrame, mask: Mask, order: list[str], *, n: int, seed: int) -> NDArray[np.intp]:
    """Return rows of ``n`` of the wells of ``mask`` on each plate, plates in ``order``."""
    candidates = np.flatnonzero(mask)
    groups = pd.Series(candidates).groupby(wells["plate"].to_numpy()[candidates]).indices
    return np.concatenate(
        [
            np.sort(generator(seed, "feature heatmap", name).permutation(candidates[groups[name]])[:n])
            for name in order
            if name in groups
        ]
    )


def _raw_rows(run: FigureContext, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """Return profiles before normalization in the order of ``rows``."""
    mask = np.zeros(len(run.normalized.wells), dtype=bool)
    mask[rows] = True
    return np.asarray(align_raw_profiles(run, mask, columns=columns.tolist())[np.cumsum(mask)[rows] - 1])
