"""A design matrix from columns of the wells table, and least squares with one intercept per batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate

LABELS = ("role", "compound", "moa")
_COLLINEAR = 1e-6


@dataclass(frozen=True)
class Design:
    """Columns of the design: numeric ones standardized, categorical ones as indicators of all levels but the first.

    ``levels`` holds the levels of the categorical columns; ``centre`` and ``scale`` belong to the p columns.
    """

    columns: list[str]
    levels: dict[str, list[str]]
    centre: Doubles
    scale: Doubles

    def matrix(self, wells: pd.DataFrame) -> Doubles:
        """Return the design (n, p) in float64; rows of empty wells may lack values, which are set to the mean.

        Raises
        ------
        InputError : a missing value or a level that the training rows do not have, naming column, plate and well.
        """
        raw = _encode(self.columns, self.levels, wells)
        C = (raw - self.centre) / self.scale
        missing = np.isnan(C)
        bad = np.flatnonzero(missing.any(axis=1) & (wells["role"] != "empty").to_numpy())
        if len(bad):
            row = wells.iloc[bad[0]]
            values = {c: row[c] for c in self.columns}
            raise InputError(
                f"covariates: plate {row['plate']!r} well {row['well']!r} has {values}: a missing value, or a level "
                "that no training row has; drop that covariate (norm.covariates) or the wells"
            )
        C[missing] = 0.0
        return C


def learn(columns: Sequence[str], wells: pd.DataFrame) -> Design:
    """Return the design of ``columns`` from the filled training rows.

    Raises
    ------
    InputError : a column is a label or tells controls from other wells, is absent, or lacks values.
    """
    for column in columns:
        _check_column(column, wells)
    levels = {c: sorted(wells[c].astype(str).unique()) for c in columns if not _numeric(wells[c])}
    C = _encode(columns, levels, wells)
    sd = C.std(axis=0)
    return Design(list(columns), levels, C.mean(axis=0), np.where(sd == 0, 1.0, sd))


def coefficients(design: Design, tables: Sequence[pd.DataFrame], plates: Iterable[Plate]) -> Doubles:
    """Return the least-squares coefficients (p, G) of the features on the design and an intercept per batch; one pass.

    ``tables`` holds the filled rows of each plate's wells.

    Intercepts are eliminated by centring the design within batches (Frisch-Waugh-Lovell). Empty wells are not read.

    Raises
    ------
    InputError : a covariate is a linear combination of the batches and the covariates before it.
    """
    within = _within_batches(design, tables)
    gram = np.sum([C.T @ C for C in within], axis=0)
    origin: Doubles | None = None
    cross: Doubles = np.zeros((len(gram), 1))
    for plate, C in zip(plates, within, strict=True):
        if not len(C):
            continue
        Y = plate.X[plate.filled].astype(np.float64)
        origin = Y.mean(axis=0) if origin is None else origin  # a constant drops out: any near the features' level
        cross = cross + C.T @ (Y - origin)
    return np.asarray(np.linalg.solve(gram, cross))


def _within_batches(design: Design, tables: Sequence[pd.DataFrame]) -> list[Doubles]:
    """Return the design of each plate's filled rows minus the mean of its batch; refuses collinear covariates."""
    codes = np.concatenate([t["batch"].astype(str).to_numpy() for t in tables])
    C = np.concatenate([design.matrix(t) for t in tables])
    C = C - pd.DataFrame(C).groupby(codes).transform("mean").to_numpy()
    left = np.abs(np.diag(np.linalg.qr(C, mode="r"))) if len(C) >= C.shape[1] else np.zeros(C.shape[1])
    if (left <= _COLLINEAR * np.sqrt(len(C))).any():
        names = [c for c in design.columns for _ in design.levels.get(c, [c, c])[1:]]
        culprit = names[int(np.argmax(left <= _COLLINEAR * np.sqrt(len(C))))]
        raise InputError(
            f"covariates: {culprit!r} is collinear with the batches (or with the covariates before it), so its effect "
            "and theirs cannot be told apart; drop it from norm.covariates"
        )
    return np.split(C, np.cumsum([len(t) for t in tables])[:-1])


def _check_column(column: str, wells: pd.DataFrame) -> None:
    leaks = (
        "a normalization that is told the label writes it into the profiles of every well (on pure noise that alone "
        "gives a held-out AUROC of 0.675); drop it from norm.covariates"
    )
    if column in LABELS:
        raise InputError(f"covariates: {column!r} is a task's label, or decides it: {leaks}")
    if column not in wells:
        raise InputError(f"covariates: {column!r} is not a column of the wells table; it has {list(wells.columns)}")
    missing = wells[column].isna().to_numpy()
    if missing.any():
        row = wells.loc[missing].iloc[0]
        raise InputError(
            f"covariates: {column!r} has no value for plate {row['plate']!r} well {row['well']!r} ({missing.sum()} "
            "rows in all); expected one for every filled well: drop the covariate or the wells"
        )
    control = (wells["role"] == "negcon").to_numpy()
    if control.any() and not control.all() and _separates(wells.loc[control, column], wells.loc[~control, column]):
        raise InputError(f"covariates: {column!r} tells the negative controls from all other wells: {leaks}")


def _separates(controls: pd.Series, others: pd.Series) -> bool:
    """Return whether batches share no level of a column, or no part of its range if it holds numbers."""
    if _numeric(controls):
        return bool(controls.max() < others.min() or others.max() < controls.min())
    return set(controls.astype(str)).isdisjoint(others.astype(str))


def _numeric(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _encode(columns: Sequence[str], levels: dict[str, list[str]], wells: pd.DataFrame) -> Doubles:
    """Return the raw design (n, p), NaN if a value is missing or a level is unknown."""
    parts = [np.empty((len(wells), 0))]
    for column in columns:
        if column not in wells:
            raise InputError(f"covariates: {column!r} is not a column of the wells table; it has {list(wells.columns)}")
        if column not in levels:
            parts.append(wells[column].to_numpy(dtype=np.float64, na_value=np.nan)[:, None])
            continue
        code = pd.Index(levels[column]).get_indexer(pd.Index(wells[column].astype(str)))
        indicator = (code[:, None] == np.arange(1, len(levels[column]))).astype(np.float64)
        indicator[code < 0] = np.nan
        parts.append(indicator)
    return np.concatenate(parts, axis=1)
