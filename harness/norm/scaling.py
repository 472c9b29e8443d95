"""Location and scale with the zero-variance chain, applied without epsilons and without copies of the plate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.norm.moments import Moments
from harness.types import Doubles, Floats


def location_scale(reference: Moments, everything: Moments) -> tuple[Doubles, Doubles, NDArray[np.int8]]:
    """Mean and sd of the reference; where its sd is 0, of all wells; where that is 0 too, mean 0 and sd 1.

    Parameters
    ----------
    reference : moments of the reference wells, (G,) or (k, G).
    everything : moments of all wells, (G,).

    Returns
    -------
    mean, sd : the shape of ``reference.mean``.
    fallback : int8 of that shape: 0 reference, 1 all wells, 2 feature left alone.
    """
    mean, sd = reference.mean, reference.sd
    fallback = np.zeros(sd.shape, dtype=np.int8)
    zero = sd == 0
    if zero.any():
        all_sd = np.broadcast_to(everything.sd, sd.shape)
        mean = np.where(zero, np.where(all_sd == 0, 0.0, everything.mean), mean)
        sd = np.where(zero, np.where(all_sd == 0, 1.0, all_sd), sd)
        fallback[zero] = np.where(all_sd == 0, 2, 1)[zero]
    return mean, sd, fallback


def standardize(X: Floats, mean: Doubles, sd: Doubles, out: Floats) -> None:
    """Write (X - mean) / sd into ``out``, all (n, G) or broadcastable to it.

    The float64 mean is subtracted in two float32 steps: a feature of mean 1e6 and sd 1 keeps its precision.
    """
    high = mean.astype(np.float32)
    inverse = 1.0 / sd
    np.subtract(X, high, out=out)
    out *= inverse.astype(np.float32)
    out -= ((mean - high) * inverse).astype(np.float32)


def standardize_groups(X: Floats, group: NDArray[np.int64], mean: Doubles, sd: Doubles) -> Floats:
    """(X - mean[group]) / sd[group]: X (n, G), group (n,), mean and sd (k, G)."""
    out = np.empty_like(X, dtype=np.float32)
    order = np.argsort(group, kind="stable")
    numbers, starts = np.unique(group[order], return_index=True)
    for number, rows in zip(numbers, np.split(order, starts[1:]), strict=True):
        part = X[rows]
        standardize(part, mean[number], sd[number], part)
        out[rows] = part
    return out


FALLBACKS = {1: "all wells", 2: "left alone"}


def fallback_report(name: str, fallback: NDArray[np.int8]) -> pd.DataFrame:
    """Zero-variance report: columns ``plate, feature_number, fallback, share``.

    ``share`` is the share of left-one-out references (1 row per reference in ``fallback``, (k, G)) concerned.
    """
    rows = np.atleast_2d(fallback)
    tables = []
    for code, label in FALLBACKS.items():
        share = (rows == code).mean(axis=0)
        number = np.flatnonzero(share)
        found = {"plate": name, "feature_number": number, "fallback": label, "share": share[number]}
        tables.append(pd.DataFrame(found))
    return pd.concat(tables, ignore_index=True)
