"""Plates whose controls lie far from those of their batch, in raw profiles, whatever named the batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.batch.inference.control_profiles import control_profiles
from harness.batch.inference.outliers import CUTOFF, from_batch, isolated
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles, has_role
from harness.figure.shared.raw_profiles import align_raw_profiles

if TYPE_CHECKING:
    from harness.figure.base import FigureContext

FEWEST = 4  # plates: the median of fewer distances is no yardstick


def outlier_plates(run: FigureContext) -> pd.DataFrame:
    """Return plate, outlier, distance: robust distance of the plate's control medians to its batch, as
    ``batch=inferred``.

    Where ``batch=inferred`` named the batches, its own answer. The distance is NaN for a plate without control
    wells, and for one whose batch holds no two plates that resemble any other: there a plate is an outlier where
    it lies far from every plate. Raises NotApplicable with the reason where plates cannot be compared.
    """
    batch_tables = run.batch_tables
    if "inferred_batches" in batch_tables:
        return batch_tables["inferred_batches"][["plate", "outlier", "distance"]]
    return run.normalized.cached("outlying plates", lambda: _outlying(run))


def _outlying(run: FigureContext) -> pd.DataFrame:
    is_control = has_role(run.normalized.wells, "negcon")
    wells = run.normalized.wells[is_control].reset_index(drop=True)
    if (n := wells["plate"].nunique()) < FEWEST:
        raise NotApplicable(f"{n} plates with control wells; outliers among them need {FEWEST}")
    try:
        controls = control_profiles(Profiles(align_raw_profiles(run, is_control), wells))
    except InputError as same_everywhere:
        raise NotApplicable(str(same_everywhere)) from same_everywhere
    X, batch_of = controls.components, dict(wells[["plate", "batch"]].to_numpy())
    labels = pd.factorize(np.array([batch_of[plate] for plate in controls.plates], dtype=object))[0]
    aside = isolated(X)
    comparable = np.bincount(labels[~aside], minlength=labels.max() + 1)[labels] >= 2
    distance = np.full(len(X), np.nan)
    if comparable.any():
        distance[comparable] = from_batch(X[comparable], labels[comparable], aside[comparable])
    outlier = np.where(comparable, distance > CUTOFF, aside)
    return pd.DataFrame({"plate": controls.plates, "outlier": outlier, "distance": distance})
