"""Positions of controls and treated wells on plates, and how well position alone tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.shared.auroc_bootstrap import BootstrappedAuroc, bootstrap_auroc, resample_units
from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable

PLACES = {"position": "well", "row": "row", "column": "column", "edge": "edge"}
STRENGTH = 2.0  # wells that a prior counts for


def with_edge(wells: pd.DataFrame, *, extent: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``edge``: whether a well lies in an outermost row or column of the plates in ``extent``.

    A table without complete rows and columns is returned unchanged.
    """
    if not has_positions(extent):
        return wells
    edge = np.zeros(len(wells), dtype=bool)
    for name in ("row", "column"):
        values = wells[name].to_numpy(dtype=float)
        edge |= (values == extent[name].min()) | (values == extent[name].max())
    return wells.assign(edge=np.where(edge, "edge", "inside"))


def has_positions(wells: pd.DataFrame) -> bool:
    """Return whether every well has a numeric row and column."""
    return all(
        name in wells and pd.api.types.is_numeric_dtype(wells[name]) and bool(wells[name].notna().all())
        for name in ("row", "column")
    )


def score_position_alone(
    wells: pd.DataFrame, splits: Sequence[Split], *, seed: int, n_resamples: int
) -> BootstrappedAuroc:
    """Score held-out wells by nothing but how often controls stand at their position on the training plates.

    The frequency at a well is shrunk towards those of its row and column, and these towards that of all wells.

    Raises
    ------
    NotApplicable : no fold has controls and treated wells on both sides.
    """
    y: Doubles = np.asarray(wells["role"].map({"treated": 1.0, "negcon": 0.0}), dtype=np.float64)
    evaluations = []
    for split in splits:
        train, test = split.train & ~np.isnan(y), split.test & ~np.isnan(y)
        if len(np.unique(y[train])) < 2 or len(np.unique(y[test])) < 2:
            continue
        frequencies = treated_frequency(wells[train], y[train], wells[test])
        held_out_wells = wells.loc[test, ["plate", "well", "batch", "role"]].reset_index(drop=True)
        evaluations.append(Evaluation(y[test].astype(np.int8), frequencies, 0.5, held_out_wells, split, seed))
    if not evaluations:
        raise NotApplicable("no fold has controls and treated wells on both sides", code="one_role")
    return bootstrap_auroc(evaluations, resample_units(evaluations, n_resamples))


def treated_frequency(train: pd.DataFrame, y: Doubles, test: pd.DataFrame) -> Doubles:
    """Return the share of treated wells at the positions of ``test``, (n_test,), among training wells labelled y."""
    overall = float(y.mean())
    prior_train, prior_test = np.full(len(train), overall), np.full(len(test), overall)
    if has_positions(train) and has_positions(test):
        for name in ("row", "column"):
            frequency = _shrunken(train[name], y, np.full(len(train), overall))
            prior_train += train[name].map(frequency).to_numpy() - overall
            prior_test += test[name].map(frequency).fillna(overall).to_numpy() - overall
    frequency = _shrunken(train["well"], y, prior_train)
    by_well = test["well"].map(frequency).to_numpy(dtype=np.float64)
    return np.where(np.isnan(by_well), prior_test, by_well)


def _shrunken(place: pd.Series[Any], y: Doubles, prior: Doubles) -> pd.Series[Any]:
    """Return the frequency by place, as if it had :data:`STRENGTH` more wells with the frequency of the prior."""
    table = pd.DataFrame({"y": y, "prior": prior}).groupby(place.to_numpy()).agg(["sum", "size"])
    n = table["y", "size"]
    mean_prior = table["prior", "sum"] / n
    frequency: pd.Series[Any] = (table["y", "sum"] + STRENGTH * mean_prior) / (n + STRENGTH)
    return frequency
