"""Location and scale with fallbacks for zero variance, applied without epsilons and without copies of the plate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask
from harness.numerics.constant_features import CENTRED, LEFT_ALONE
from harness.numerics.moments import Moments

_RUN = 16  # rows: 256 KB at 4,096 features


def location_scale(
    reference: Moments, everything: Moments, constant: Mask | None = None
) -> tuple[Doubles, Doubles, NDArray[np.int8]]:
    """Return mean and sd of the reference; if its sd is 0, of all wells; if that is 0 too, mean 0 and sd 1.

    Parameters
    ----------
    reference : moments of the reference wells, (G,) or (k, G).
    everything : moments of all wells, (G,).
    constant : features that are centred, (G,): mean 0 and an infinite sd, which make 0 of every value, in all rows of
        the reference alike, with no residue of rounding. None: no feature is.

    Returns
    -------
    mean, sd : the shape of ``reference.mean``.
    fallback : int8 of that shape, a code of :data:`FALLBACKS`: 0 reference, 1 all wells, 2 left alone, 4 centred.
    """
    mean, sd = reference.mean, reference.sd
    fallback = np.zeros(sd.shape, dtype=np.int8)
    zero = sd == 0
    if zero.any():
        all_sd = np.broadcast_to(everything.sd, sd.shape)
        mean = np.where(zero, np.where(all_sd == 0, 0.0, everything.mean), mean)
        sd = np.where(zero, np.where(all_sd == 0, 1.0, all_sd), sd)
        fallback[zero] = np.where(all_sd == 0, LEFT_ALONE, 1)[zero]
    if constant is not None and constant.any():
        mean = np.where(constant, 0.0, mean)
        sd = np.where(constant, np.inf, sd)
        fallback[..., constant] = CENTRED
    return mean, sd, fallback


def standardize(X: Floats, mean: Doubles, sd: Doubles, out: Floats) -> None:
    """Write (X - mean) / sd into ``out``: X and out (n, G), mean and sd (G,).

    The float64 mean is subtracted in two float32 steps: a feature of mean 1e6 and sd 1 keeps its precision.
    """
    _standardize(X, np.zeros(len(X), dtype=np.int64), mean[None], sd[None], out)


def standardize_groups(
    X: Floats, group: NDArray[np.int64], mean: Doubles, sd: Doubles, sd_of: NDArray[np.int64] | None = None
) -> Floats:
    """Return (X - mean[group]) / sd[group]: X (n, G), group (n,), mean and sd (k, G).

    Several groups may share a row of sd, (j, G): ``sd_of`` (k,) is the number of each group's.
    """
    out = np.empty(X.shape, dtype=np.float32)
    _standardize(X, group, mean, sd, out, sd_of)
    return out


def _standardize(
    X: Floats,
    group: NDArray[np.int64],
    mean: Doubles,
    sd: Doubles,
    out: Floats,
    sd_of: NDArray[np.int64] | None = None,
) -> None:
    of_row = np.arange(len(mean)) if sd_of is None else sd_of
    high, inverse = mean.astype(np.float32), 1.0 / sd
    offset = np.empty_like(high)
    for i, j in enumerate(of_row):
        offset[i] = (high[i] - mean[i]) * inverse[j]
    affine(X, group, high, inverse.astype(np.float32), offset, out, of_row)


def affine(
    X: Floats,
    group: NDArray[np.int64],
    centre: Floats,
    factor: Floats,
    offset: Floats,
    out: Floats,
    factor_of: NDArray[np.int64] | None = None,
) -> None:
    """Write (X - centre) * factor + offset of each row's group into ``out``: X and out (n, G), the others (k, G).

    ``factor_of`` (k,) is the row of ``factor`` of each group, by default its own. Consecutive rows of one group (the
    sites of a well) at a time, few enough to stay in cache.
    """
    starts = np.flatnonzero(np.diff(group, prepend=-1) | (np.arange(len(group)) % _RUN == 0))
    for start, stop in zip(starts, np.r_[starts[1:], len(group)], strict=True):
        part, g = out[start:stop], group[start]
        np.subtract(X[start:stop], centre[g], out=part)
        part *= factor[g if factor_of is None else factor_of[g]]
        part += offset[g]


FALLBACKS = {1: "all wells", LEFT_ALONE: "left alone", 3: "pooled scale", CENTRED: "centred"}


def fallback_report(name: str, fallback: NDArray[np.int8]) -> pd.DataFrame:
    """Return the zero-variance report: columns ``plate, feature_number, fallback, share``.

    ``share`` is the share of left-one-out references (1 row per reference in ``fallback``, (k, G)) concerned.
    """
    rows = np.atleast_2d(fallback)
    codes, labels = np.array(list(FALLBACKS)), np.array(list(FALLBACKS.values()), dtype=object)
    share = (rows == codes[:, None, None]).mean(axis=1) if rows.any() else np.zeros((len(codes), rows.shape[1]))
    which, number = np.nonzero(share)
    return pd.DataFrame(
        {"plate": name, "feature_number": number, "fallback": labels[which], "share": share[which, number]}
    )


def whole_report(reports: Sequence[pd.DataFrame], features: Sequence[str]) -> pd.DataFrame:
    """Return the reports of all plates and folds as one table, without repetitions, with column ``feature``."""
    table = pd.concat(list(reports), ignore_index=True).drop_duplicates(["plate", "feature_number", "fallback"])
    table["feature"] = np.asarray(features, dtype=object)[table["feature_number"]]
    return table
