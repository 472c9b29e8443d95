"""Plates whose raw control profiles lie far from those of their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.batch.inference.control_profiles import control_profiles
from harness.batch.inference.outliers import CUTOFF, distance_from_batch, isolated_plates
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles, has_role
from harness.figure.shared.raw_profiles import align_raw_profiles

if TYPE_CHECKING:
    from harness.figure.base import FigureContext

MIN_PLATES = 4  # the median of fewer distances means little


def outlier_plates(run: FigureContext) -> pd.DataFrame:
    """Return plate, outlier, distance: robust distance of the plate's control medians to its batch.

    These are the values of ``batch=inferred`` if it named the batches, else they are computed as there. The distance
    is NaN for a plate without control wells, and if the plate's batch holds no two plates that resemble any other: such
    a plate is an outlier if it lies far from every plate. Raises NotApplicable with the reason if plates cannot be
    compared.
    """
    batch_tables = run.batch_tables
    if "inferred_batches" in batch_tables:
        return batch_tables["inferred_batches"][["plate", "outlier", "distance"]]
    return run.normalized.cached("outlying plates", lambda: _find_outliers(run))


def _find_outliers(run: FigureContext) -> pd.DataFrame:
    is_control = has_role(run.normalized.wells, "negcon")
    wells = run.normalized.wells[is_control].reset_index(drop=True)
    if (n := wells["plate"].nunique()) < MIN_PLATES:
        raise NotApplicable(f"{n} plates with control wells; outliers among them need {MIN_PLATES}")
    try:
        controls = control_profiles(Profiles(align_raw_profiles(run, is_control), wells))
    except InputError as same_everywhere:
        raise NotApplicable(str(same_everywhere)) from same_everywhere
    X, batch_of = controls.components, dict(wells[["plate", "batch"]].to_numpy())
    labels = pd.factorize(np.array([batch_of[plate] for plate in controls.plates], dtype=object))[0]
    aside = isolated_plates(X)
    comparable = np.bincount(labels[~aside], minlength=labels.max() + 1)[labels] >= 2
    distance = np.full(len(X), np.nan)
    if comparable.any():
        distance[comparable] = distance_from_batch(X[comparable], labels[comparable], aside[comparable])
    outlier = np.where(comparable, distance > CUTOFF, aside)
    return pd.DataFrame({"plate": controls.plates, "outlier": outlier, "distance": distance})
