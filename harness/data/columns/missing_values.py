"""Missing, infinite and oversized values of features: refuse, drop the features, or impute the plate's median."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.utils.text import preview

CHOICES = ("error", "drop_features", "impute_plate_median")
LARGEST = 1e37  # differences and quotients of larger numbers leave float32; 3.4e38 means "missing" in some files


def is_known(X: Floats) -> Mask:
    """Return which values of X are neither NaN nor beyond :data:`LARGEST`, same shape."""
    return (X >= -LARGEST) & (X <= LARGEST)


def usable(parts: Sequence[Floats], features: Sequence[str], *, on_missing: str, source: str) -> Mask:
    """Return the features to keep, (n_features,). ``parts``: arrays (n, n_features) that together hold every row.

    Raises
    ------
    InputError : an unknown choice; such values under ``error``; no feature remains under ``drop_features``.
    """
    if on_missing not in CHOICES:
        raise InputError(f"on_missing: got {on_missing!r}; expected one of {list(CHOICES)}")
    count = np.zeros(len(features), dtype=np.int64)
    for part in parts:
        count += len(part) - np.count_nonzero(is_known(part), axis=0)
    keep = count == 0
    if keep.all() or on_missing == "impute_plate_median":
        return np.ones(len(features), dtype=bool)
    worst = [i for i in np.argsort(-count, kind="stable")[:5] if count[i]]
    listed = ", ".join(f"{features[i]} ({count[i]})" for i in worst)
    if on_missing == "error":
        raise InputError(
            f"{source}: {count.sum()} NaN or infinite values (or beyond 1e37) in {np.count_nonzero(count)} of "
            f"{len(features)} features, most in {listed}; set on_missing to drop_features or impute_plate_median, or "
            "correct the input (error)"
        )
    if not keep.any():
        raise InputError(
            f"{source}: on_missing=drop_features leaves no feature: all {len(features)} hold NaN or infinity, most "
            f"in {listed}; use on_missing=impute_plate_median"
        )
    return cast(Mask, keep)


def impute(X: Floats, features: Sequence[str], *, plate: str, source: str) -> Floats:
    """Replace NaN and infinity in ``X`` (n, n_features) of one plate by the feature's median on the plate.

    Raises
    ------
    InputError : a feature without any finite value on the plate.
    """
    finite = is_known(X)
    gaps = np.flatnonzero(~finite.all(axis=0))
    if not len(gaps):
        return X
    empty = gaps[~finite[:, gaps].any(axis=0)]
    if len(empty):
        raise InputError(
            f"{source}: plate {plate!r} has no finite value of {preview(features[i] for i in empty)}, so there is no "
            "median to impute; use on_missing=drop_features"
        )
    filled = X.copy()
    for i in gaps:
        has_value = finite[:, i]
        filled[~has_value, i] = np.median(X[has_value, i].astype(np.float64))
    return filled
