"""Raw profiles of the wells of a normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.core.exceptions import InputError, NotApplicable
from harness.data.wells.aggregation import raw_wells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.core.arrays import Floats, Mask
    from harness.figure.base import FigureContext


def align_raw_profiles(run: FigureContext, selected: Mask, *, columns: Sequence[int] | None = None) -> Floats:
    """Return profiles before normalization of the wells ``selected`` (n_wells,) of ``run.normalized.wells``.

    Sites of a well count as one well, by their median. Read plate by plate; only the selected rows, and ``columns``
    (default: all features), are kept.

    Returns
    -------
    (n_selected, n_columns) float32, in the order of ``run.normalized.wells``.

    Raises
    ------
    NotApplicable : profiles before normalization were not kept. InputError : they hold other wells.
    """
    if run.raw is None:
        raise NotApplicable("profiles before normalization were not kept")
    n_wells = len(run.normalized.wells)
    raw = run.raw if len(run.raw.wells) == n_wells else raw_wells(run.raw, "median")
    if raw is None or len(raw.wells) != n_wells or len(selected) != n_wells:
        raw_size = "a view" if raw is None else f"{len(raw.wells)} wells"
        raise InputError(
            f"figure: {raw_size} before normalization and {n_wells} after, {len(selected)} of them chosen or not; "
            "expected the same number: draw figures on profiles of the same wells"
        )
    features = np.arange(len(raw.features)) if columns is None else np.asarray(columns)
    parts = [plate.X[np.flatnonzero(selected[plate.rows])[:, None], features] for plate in raw]
    return np.concatenate(parts)
