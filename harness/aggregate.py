"""From sites to wells: median or mean of the images of a well, plate by plate.

The median drops the lowest and the highest of a few sites again and again, by ``np.minimum`` and ``np.maximum``: at
6 images x 4,096 features a streaming pass would otherwise spend more time in ``np.median`` than in reading from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.types import Floats, InputError, Mask, Profiles

_BLOCK_BYTES = 1 << 19  # sites of one block stay in the second-level cache
_NETWORK_LIMIT = 24  # beyond this many sites a partition is faster than the network


def well_codes(wells: pd.DataFrame) -> NDArray[np.int64]:
    """For each row the number of its well, (n_rows,), wells counted in order of first appearance."""
    plate, well = (pd.factorize(wells[column])[0].astype(np.int64) for column in ("plate", "well"))
    return np.asarray(pd.factorize(plate * (well.max(initial=0) + 1) + well)[0], dtype=np.int64)


def well_table(wells: pd.DataFrame) -> pd.DataFrame:
    """One row per well: first value of every column, mean of ``cell_count`` (cells per image), no ``site``."""
    codes = well_codes(wells)
    if len(codes) == 0 or codes[-1] == len(codes) - 1:
        return wells.drop(columns="site", errors="ignore").reset_index(drop=True)
    first = np.unique(codes, return_index=True)[1]
    table = wells.iloc[first].drop(columns="site", errors="ignore").reset_index(drop=True)
    if "cell_count" in table:
        table["cell_count"] = wells["cell_count"].groupby(codes).mean().to_numpy()
    return table


def expand(mask: Mask, wells: pd.DataFrame) -> Mask:
    """A mask over wells, (n_wells,), or over rows, (n_rows,), as a mask over the rows of ``wells``.

    Raises
    ------
    InputError : the mask has neither length.
    """
    if len(mask) == len(wells):
        return mask
    codes = well_codes(wells)
    if len(codes) and len(mask) == codes.max() + 1:
        return np.asarray(mask[codes], dtype=bool)
    raise InputError(f"split: masks have {len(mask)} entries; expected one per well or one per row ({len(wells)})")


def _comparators(n: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs of n inputs to be ordered one after the other, and the one or two positions that then hold the middle.

    Forgetful selection: of n // 2 + 2 values the lowest and the highest are not in the middle of n; they are replaced
    by the next input until none is left (McGuire 2008, "A fast, small-radius GPU median filter", ShaderX6).
    """
    pairs = []
    window, rest = list(range(n // 2 + 2))[:n], list(range(n // 2 + 2, n))
    while len(window) > 2 - n % 2:
        m = len(window)
        pairs += [(window[i], window[m - 1 - i]) for i in range(m // 2)]
        pairs += [(window[0], window[i]) for i in range(1, (m + 1) // 2)]
        pairs += [(window[i], window[-1]) for i in range(m // 2, m - 1)]
        window = window[1:-1] + rest[:1]
        rest = rest[1:]
    return pairs, window


def _network(n: int) -> tuple[list[tuple[int, int, bool, bool]], list[int]]:
    """:func:`_comparators`, each with whether its lower and its higher output are ever needed."""
    pairs, middle = _comparators(n)
    needed, network = set(middle), []
    for i, j in reversed(pairs):
        network.append((i, j, i in needed, j in needed))
        needed |= {i, j}
    return network[::-1], middle


def _median(stack: Floats) -> Floats:
    """Median over axis 1 of (n_wells, n_sites, n_features)."""
    n_wells, n, n_features = stack.shape
    if n > _NETWORK_LIMIT:
        return np.median(stack, axis=1).astype(np.float32)
    out = np.empty((n_wells, n_features), dtype=np.float32)
    network, middle = _network(n)
    step = max(1, _BLOCK_BYTES // (n * n_features * 4))
    work = np.empty((n + 1, step, n_features), dtype=np.float32)
    for start in range(0, n_wells, step):
        block = stack[start : start + step]
        work[:n, : len(block)] = block.transpose(1, 0, 2)
        *site, free = work[:, : len(block)]
        for i, j, lower, higher in network:
            if lower and higher:
                np.minimum(site[i], site[j], out=free)
                np.maximum(site[i], site[j], out=site[j])
                site[i], free = free, site[i]
            elif lower:
                np.minimum(site[i], site[j], out=site[i])
            else:
                np.maximum(site[i], site[j], out=site[j])
        part = out[start : start + step]
        np.add(site[middle[0]], site[middle[-1]], out=part)
        part *= np.float32(0.5)
    return out


def _mean(stack: Floats) -> Floats:
    """Mean over axis 1, accumulated in float64."""
    return np.asarray(stack.mean(axis=1, dtype=np.float64), dtype=np.float32)


METHODS: dict[str, Callable[[Floats], Floats]] = {"median": _median, "mean": _mean}


def sites_to_wells(Z: Floats, codes: NDArray[Any], how: str) -> Floats:
    """Aggregate the rows of a plate to its wells.

    Parameters
    ----------
    Z : (n_rows, n_features) float32.
    codes : (n_rows,) number of the well of each row, 0..n_wells-1.
    how : ``median`` or ``mean``.

    Returns
    -------
    (n_wells, n_features) float32, wells in the order of their codes.
    """
    method = METHODS[how]
    counts = np.bincount(codes)
    if (counts == 1).all():
        out = np.empty_like(Z)
        out[codes] = Z
        return out
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    ordered = bool((np.diff(codes) >= 0).all())
    if ordered and (counts == counts[0]).all():
        return method(Z.reshape(len(counts), counts[0], Z.shape[1]))
    out = np.empty((len(counts), Z.shape[1]), dtype=np.float32)
    for n in np.unique(counts):
        chosen = np.flatnonzero(counts == n)
        rows = order[starts[chosen][:, None] + np.arange(n)]
        out[chosen] = method(Z[rows])
    return out


def check_method(how: str) -> None:
    """Refuse an unknown aggregation, listing the known ones."""
    if how != "none" and how not in METHODS:
        raise InputError(f"aggregate={how!r} is unknown; choose one of {[*METHODS, 'none']}")


def aggregate(profiles: Profiles, how: str) -> Profiles:
    """Profiles aggregated to wells (``median``, ``mean``) or as they are (``none``)."""
    check_method(how)
    if how == "none" or profiles.level == "well":
        return profiles
    codes = well_codes(profiles.wells)
    table = well_table(profiles.wells)

    def reduce(X: Floats) -> Floats:
        out = np.empty((len(table), X.shape[1]), dtype=np.float32)
        for plate in profiles:
            own = codes[plate.rows]
            out[own.min() : own.max() + 1] = sites_to_wells(X[plate.rows], own - own.min(), how)
        return out

    planted = None if profiles.planted is None else reduce(profiles.planted)
    return profiles.replace(X=reduce(profiles.X), wells=table, planted=planted)
