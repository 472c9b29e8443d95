"""The wells of a normalization as they were before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.aggregate import kept_wells, sites_to_wells, well_codes
from harness.types import InputError, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.figure.base import FigureContext
    from harness.types import Floats, Mask


def before(run: FigureContext, chosen: Mask, *, columns: Sequence[int] | None = None) -> Floats:
    """Profiles before normalization of the wells ``chosen`` (n_wells,) of ``run.normalized.wells``.

    Sites of a well count as one well, by their median. Read plate by plate; only the chosen rows, and ``columns``
    (default: all features), are kept.

    Returns
    -------
    (n_chosen, n_columns) float32, in the order of ``run.normalized.wells``.

    Raises
    ------
    NotApplicable : profiles before normalization were not kept. InputError : they hold other wells.
    """
    if run.raw is None:
        raise NotApplicable("profiles before normalization were not kept")
    wells = run.normalized.wells
    per_row = len(run.raw.wells) == len(wells)
    codes = np.arange(len(wells)) if per_row else well_codes(run.raw.wells)
    if len(chosen) != len(wells) or codes.max(initial=-1) != len(wells) - 1:
        raise InputError(
            f"figure: {codes.max(initial=-1) + 1} wells before normalization and {len(wells)} after, {len(chosen)} of "
            "them chosen or not; expected the same number: draw figures on profiles of the same wells"
        )
    kept = np.arange(len(run.raw.features)) if columns is None else np.asarray(columns)
    raw = kept_wells(run.raw, "median")
    if raw is not None:
        codes = np.arange(len(wells))
    out = np.empty((int(chosen.sum()), len(kept)), dtype=np.float32)
    place = np.cumsum(chosen) - 1
    for plate in run.raw if raw is None else raw:
        own = codes[plate.rows]
        rows = np.flatnonzero(chosen[own])
        if len(rows):
            at = place[own[rows]]
            out[at.min() : at.max() + 1] = sites_to_wells(plate.X[rows[:, None], kept], at - at.min(), "median")
    return out
