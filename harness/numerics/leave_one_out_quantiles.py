"""Quantiles and median absolute deviations with one well left out at a time, from one sort of all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.numerics.sorting_network import merge_lowest, sort

MAD_TO_SD = 1.4826  # sd / MAD of a Gaussian
_BLOCK = 1 << 15  # wells x features that are treated at a time, to stay in cache

Codes = NDArray[np.int64]
Values = NDArray[Any]
_BLOCK_BYTES = 1 << 18  # two copies of a block stay in the second-level cache
_NARROWEST = 16  # float32 that are read from memory together


def left_out_quantiles(X: Floats, codes: Codes, probabilities: Sequence[float]) -> Doubles:
    """Return quantiles of the rows without each well, (n_wells, n_probabilities, G), at Hazen's (i - 0.5) / n.

    Parameters
    ----------
    X : (n, G). ``codes`` : (n,) number of each row's well, 0 to n_wells - 1; all -1: one set, nothing left out.
    """
    out = np.empty((max(1, int(codes.max()) + 1), len(probabilities), X.shape[1]))
    for block, ordered, wells, removed in _blocks(X, codes):
        m = len(X) - removed.shape[0]
        for i, p in enumerate(probabilities):
            out[wells, i, block] = _value_at(ordered, removed, p * m - 0.5, m)
    return out


def quantiles(X: Floats, probabilities: Sequence[float]) -> Doubles:
    """Return the quantiles of each column of (n, G), (n_probabilities, G), at Hazen's positions."""
    (whole,) = left_out_quantiles(X, np.full(len(X), -1), probabilities)
    return np.asarray(whole)


def left_out_median_mad(X: Floats, codes: Codes) -> tuple[Doubles, Doubles]:
    """Return median and MAD (about that median, not scaled) of the rows without each well, (n_wells, G) each."""
    shape = max(1, int(codes.max()) + 1), X.shape[1]
    medians, mads = np.empty(shape), np.empty(shape)
    for block, ordered, wells, removed in _blocks(X, codes):
        m = len(X) - removed.shape[0]
        centre = _value_at(ordered, removed, (m - 1) / 2, m)
        medians[wells, block] = centre
        mads[wells, block] = _middle_distance(ordered, removed, centre, m)
    return medians, mads


def median(X: Floats) -> Doubles:
    """Return the median of each column of (n, G)."""
    out = np.empty(X.shape[1])
    for block, values in by_feature(X):
        values.sort(axis=1)
        out[block] = values[:, [(len(X) - 1) // 2, len(X) // 2]].mean(axis=1, dtype=np.float64)
    return out


def median_mad(X: Floats) -> tuple[Doubles, Doubles]:
    """Return median and median absolute deviation from it, not scaled, of each column of (n, G)."""
    medians, mads = left_out_median_mad(X, np.full(len(X), -1))
    return medians[0], mads[0]


def mad(X: Floats) -> Doubles:
    """Return the median absolute deviation from the median of each column of (n, G), not scaled."""
    return median_mad(X)[1]


def _blocks(X: Floats, codes: Codes) -> Iterator[tuple[slice, Floats, Codes, Floats]]:
    """Yield features in blocks, all their values in order, (G, n), and for each number of sites that a well may have:

    the numbers of these wells, and their own values in order, (sites, wells, G).
    """
    groups = list(_by_sites(codes))
    n_wells = max(len(wells) for wells, _ in groups)
    for block, ordered in by_feature(X, None if n_wells == 1 else max(16, _BLOCK // n_wells)):
        ordered.sort(axis=1)
        for wells, rows in groups:
            values = X[rows, block] if len(rows) else np.empty((0, 1, len(ordered)), dtype=np.float32)
            yield block, ordered, wells, np.stack(sort(values)) if len(rows) else values


def _by_sites(codes: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Yield wells with equal numbers of sites: their numbers, (wells,), and their rows, (sites, wells)."""
    if (codes < 0).all():
        yield np.zeros(1, dtype=np.int64), np.empty((0, 1), dtype=np.int64)
        return
    counts = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    for s in np.unique(counts):
        alike = np.flatnonzero(counts == s)
        yield alike, order[starts[alike] + np.arange(s)[:, None]]


def _value_at(ordered: Floats, removed: Floats, position: float, m: int) -> Doubles:
    """Return the value at a (fractional) position, counted from 0, of the m that remain: (wells, G)."""
    position = min(max(position, 0.0), m - 1.0)
    below, share = int(position), position - int(position)
    near = np.ascontiguousarray(ordered[:, below : below + len(removed) + 2].T)
    low = _value_after_removal(near, removed).astype(np.float64)
    return low if share == 0 else low + share * (_value_after_removal(near[1:], removed) - low)


def _value_after_removal(ranked: Values, removed: Values) -> Values:
    """Return the smallest of ``ranked``, (> sites, ...) ascending, without ``removed``, (sites, ...) ascending.

    What is removed may lie before the first one too: for each such value the answer is one place further.
    """
    passed = np.ones(removed.shape[1:], dtype=bool)
    further = np.zeros(removed.shape[1:], dtype=np.int8)
    for removed_value, ranked_value in zip(removed, ranked, strict=False):
        passed &= removed_value <= ranked_value
        further += passed
    size = ranked[0].size
    place = further.astype(np.int64)
    place *= size
    place += np.arange(size).reshape(ranked.shape[1:])
    return ranked.ravel().take(place)


def _middle_distance(ordered: Floats, removed: Floats, centre: Doubles, m: int) -> Doubles:
    """Return the median distance from ``centre`` (wells, G) of the m values that remain."""
    sites, h = len(removed), (m - 1) // 2
    both = 2 - m % 2
    distances = _nearest_distances(ordered, centre, h, sites + both)
    away = np.stack(sort(np.abs(removed - centre))) if sites else removed
    low = _value_after_removal(distances, away)
    return low if both == 1 else (low + _value_after_removal(distances[1:], away)) / 2


def _nearest_distances(ordered: Floats, centre: Doubles, h: int, count: int) -> Doubles:
    """Return the distances from ``centre`` (wells, G) of the h-th nearest value (from 0) and of those that follow.

    At least ``count`` of them, (count, wells, G), ascending.

    Values before ``low`` are too far below to be among the nearest h, and so are those from ``low`` + h on above it:
    these two ascend, and the lowest of them together are needed.
    """
    n_features, n = ordered.shape
    count = 1 << (count - 1).bit_length()
    padded = np.full((n_features, n + 2 * count), np.inf)
    padded[:, :count] = -np.inf
    padded[:, count : count + n] = ordered
    flat, base = padded.ravel(), count + np.arange(n_features) * (n + 2 * count)
    widest = np.stack([centre.min(axis=0), centre.max(axis=0)])
    low, last = base + _window_start(flat, widest, base, n - h, h)
    low = low + _window_start(flat, centre, low, last - low, h)
    above, below = np.empty((2, count, *centre.shape))
    for i in range(count):
        np.subtract(flat[h + i :].take(low), centre, out=above[i])
        np.subtract(centre, flat.take(low - (1 + i)), out=below[i])
    return np.stack(merge_lowest(above, below))


def _window_start(flat: Doubles, centre: Doubles, start: Codes, most: Codes | int, h: int) -> Codes:
    """Return the largest shift of ``start``, up to ``most``, before which the value h places on is the nearer end."""
    steps = np.zeros(centre.shape, dtype=np.int64)
    for bit in reversed(range(int(np.max(most)).bit_length())):
        at = np.minimum(steps + ((1 << bit) - 1), most)
        at += start
        nearer = flat[h:].take(at) - centre < centre - flat.take(at)
        steps += nearer.astype(np.int64) << bit
    return steps


def by_feature(X: Floats, width: int | None = None) -> Iterator[tuple[slice, Floats]]:
    """Yield blocks of at most ``width`` columns of X (n, G), (width, n) each, contiguous copies, and their columns.

    ``width`` is by default what stays in cache. In two steps: at row lengths of a power of two, such as 4,096 features,
    the values of one column compete for the same few places of the cache, and a plain transposition takes several times
    as long.
    """
    if width is None:
        width = max(_NARROWEST, _BLOCK_BYTES // (4 * max(1, len(X))))
    for start in range(0, X.shape[1], width):
        block = slice(start, min(start + width, X.shape[1]))
        yield block, np.ascontiguousarray(X[:, block]).T.copy()
