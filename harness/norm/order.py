"""Quantiles and median absolute deviations with one well left out at a time, from one sort of all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles, Floats

MAD_TO_SD = 1.4826  # sd / MAD of a Gaussian
_BLOCK = 1 << 15  # wells x features that are treated at a time, to stay in cache

Ranked = Callable[[int], NDArray[Any]]


def left_out_quantiles(X: Floats, codes: NDArray[np.int64], probabilities: Sequence[float]) -> Doubles:
    """Quantiles of the rows without each well, (n_wells, n_probabilities, G), at Hazen's positions (i - 0.5) / n.

    Parameters
    ----------
    X : (n, G). ``codes`` : (n,) number of each row's well, 0 to n_wells - 1; all -1: one set, nothing left out.
    """
    out = np.empty((max(1, int(codes.max()) + 1), len(probabilities), X.shape[1]))
    ordered = np.sort(X, axis=0)
    for wells, removed in _by_sites(X, codes):
        m = len(X) - removed.shape[1]
        for i, p in enumerate(probabilities):
            out[wells, i] = _at(ordered.__getitem__, removed, p * m - 0.5, m)
    return out


def left_out_median_mad(X: Floats, codes: NDArray[np.int64]) -> tuple[Doubles, Doubles]:
    """Median and MAD (about that median, not scaled) of the rows without each well, (n_wells, G) each."""
    shape = max(1, int(codes.max()) + 1), X.shape[1]
    medians, mads = np.empty(shape), np.empty(shape)
    ordered = np.sort(X, axis=0)
    edge = np.full((1, X.shape[1]), np.inf, dtype=np.float32)
    padded = np.concatenate([-edge, ordered, edge])
    for wells, removed in _by_sites(X, codes):
        m = len(X) - removed.shape[1]
        centre = _at(ordered.__getitem__, removed, (m - 1) / 2, m)
        walk = _nearest(padded, centre, (m - 1) // 2)
        known: list[Doubles] = []

        def ranked(j: int, first: int = (m - 1) // 2, known: list[Doubles] = known, walk: Any = walk) -> Doubles:
            while len(known) <= j - first:
                known.append(next(walk))
            return known[j - first]

        away = np.sort(np.abs(removed - centre[:, None]), axis=1)
        medians[wells], mads[wells] = centre, _at(ranked, away, (m - 1) / 2, m)
    return medians, mads


def median(X: Floats) -> Doubles:
    """Median of each column of (n, G): sorting contiguous float32 is faster than partitioning a strided axis."""
    ordered = np.sort(np.ascontiguousarray(X.T), axis=1)
    return np.asarray(ordered[:, [(len(X) - 1) // 2, len(X) // 2]].mean(axis=1, dtype=np.float64))


def mad(X: Floats) -> Doubles:
    """Median absolute deviation from the median of each column of (n, G), not scaled."""
    return median(np.abs(X - median(X)).astype(np.float32))


def _by_sites(X: Floats, codes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Blocks of wells with equal numbers of sites: their numbers, and their own rows in order, (wells, sites, G)."""
    if (codes < 0).all():
        yield np.zeros(1, dtype=np.int64), X[:0][None]
        return
    counts = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    for s in np.unique(counts):
        alike = np.flatnonzero(counts == s)
        step = max(1, _BLOCK // X.shape[1])
        for wells in (alike[i : i + step] for i in range(0, len(alike), step)):
            yield wells, np.sort(X[order[starts[wells][:, None] + np.arange(s)]], axis=1)


def _at(ranked: Ranked, removed: NDArray[Any], position: float, m: int) -> Doubles:
    """The value at a (fractional) position, counted from 0, of the m that remain."""
    position = min(max(position, 0.0), m - 1.0)
    below, share = int(position), position - int(position)
    low = _without(ranked, removed, below).astype(np.float64)
    return low if share == 0 else low + share * (_without(ranked, removed, below + 1) - low)


def _without(ranked: Ranked, removed: NDArray[Any], j: int) -> NDArray[Any]:
    """The j-th smallest once ``removed`` (wells, sites, G), ascending, is gone; ``ranked(j)`` is it with all there."""
    value = np.broadcast_to(ranked(j), removed[:, :1].shape[:1] + removed.shape[2:])
    gone = np.ones(value.shape, dtype=bool)
    for q in range(removed.shape[1]):
        gone &= removed[:, q] <= ranked(j + q)
        value = np.where(gone, ranked(j + q + 1), value)
    return value


def _nearest(padded: Floats, centre: Doubles, h: int) -> Iterator[Doubles]:
    """Distances from ``centre`` (wells, G) of the h-th nearest value (from 0), then of the next, and so on.

    The h + 1 nearest of n ordered values are a window of them: the one whose farther end is nearest, by bisection.
    ``padded`` : (n + 2, G), ascending, with -inf before and inf after.
    """
    n, n_features = len(padded) - 2, padded.shape[1]
    column = np.arange(n_features)
    flat = padded.ravel()

    def value(i: NDArray[np.int64]) -> Any:
        return flat.take((i + 1) * n_features + column)

    low = np.zeros(centre.shape, dtype=np.int64)
    high = np.full(centre.shape, n - h)
    for _ in range(int(n - h).bit_length()):
        middle = (low + high) >> 1
        right = (value(middle + h) - centre >= centre - value(middle)) | (low == high)
        high = np.where(right, middle, high)
        low = np.where(right, low, middle + 1)
    above, below = value(low + h) - centre, centre - value(low - 1)
    low -= above > below
    high = low + h
    yield np.minimum(above, below)
    while True:
        above, below = value(high + 1) - centre, centre - value(low - 1)
        low = np.where(below < above, low - 1, low)
        high = np.where(below < above, high, high + 1)
        yield np.minimum(above, below)
