"""From sites to wells: median or mean of the images of a well, plate by plate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.aggregate_cache import ArrayName
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.well_facts import WellFacts
from harness.numerics.median import halfway, middle
from harness.utils.parallel import n_threads, ordered


def well_codes(wells: pd.DataFrame) -> NDArray[np.int64]:
    """Return the number of the well of each row, (n_rows,), wells counted in order of first appearance."""
    plate, well = (pd.factorize(wells[column])[0].astype(np.int64) for column in ("plate", "well"))
    return np.asarray(pd.factorize(plate * (well.max(initial=0) + 1) + well)[0], dtype=np.int64)


def well_table(wells: pd.DataFrame) -> pd.DataFrame:
    """Return one row per well: first value of every column, mean of ``cell_count`` (cells per image), no ``site``."""
    codes = well_codes(wells)
    if len(codes) == 0 or codes[-1] == len(codes) - 1:
        return wells.drop(columns="site", errors="ignore").reset_index(drop=True)
    first = np.unique(codes, return_index=True)[1]
    table = wells.iloc[first].drop(columns="site", errors="ignore").reset_index(drop=True)
    if "cell_count" in table:
        table["cell_count"] = wells["cell_count"].groupby(codes).mean().to_numpy()
    return table


def wells_of(profiles: Profiles) -> WellFacts:
    """Return :func:`well_table` of profiles: the same object for all profiles of the same rows."""
    return profiles.facts.cached("well table", lambda: WellFacts(well_table(profiles.wells)))


def expand(mask: Mask, wells: pd.DataFrame) -> Mask:
    """Expand a mask over wells, (n_wells,), to the rows of ``wells``; a mask over rows, (n_rows,), stays as it is.

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


def _median(stack: Floats) -> Floats:
    """Return median over axis 1 of (n_wells, n_sites, n_features)."""
    return halfway(middle(stack))


def _mean(stack: Floats) -> Floats:
    """Return mean over axis 1, accumulated in float64."""
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
    counts = np.bincount(codes)
    if (counts == 1).all():
        out = np.empty_like(Z)
        out[codes] = Z
        return out
    return _by_count(Z, codes, METHODS[how])


def middle_sites(X: Floats, codes: NDArray[Any]) -> Floats:
    """Return the two middle values of each well's sites, feature by feature; the same one twice if their number is odd.

    Parameters
    ----------
    X, codes : as for :func:`sites_to_wells`.

    Returns
    -------
    (n_wells, 2, n_features) float32: the median is :func:`halfway` between them, also after an increasing map.
    """
    return _by_count(X, codes, middle)


def _by_count(Z: Floats, codes: NDArray[Any], method: Callable[[Floats], Floats]) -> Floats:
    """Apply ``method`` to (n, n_sites, n_features), all wells with one number of sites at once; in order of codes."""
    counts = np.bincount(codes)
    if (counts == counts[0]).all() and (np.diff(codes) >= 0).all():
        return method(Z.reshape(len(counts), counts[0], Z.shape[1]))
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    groups = [np.flatnonzero(counts == n) for n in np.unique(counts)]
    results = [method(Z[order[starts[wells][:, None] + np.arange(counts[wells[0]])]]) for wells in groups]
    out = np.empty((len(counts), *results[0].shape[1:]), dtype=np.float32)
    for wells, result in zip(groups, results, strict=True):
        out[wells] = result
    return out


def check_method(how: str) -> None:
    """Refuse an unknown aggregation, listing the known ones."""
    if how != "none" and how not in METHODS:
        raise InputError(f"aggregate={how!r} is unknown; choose one of {[*METHODS, 'none']}")


def aggregate(profiles: Profiles, how: str, *, observe: Callable[[Plate], None] | None = None) -> Profiles:
    """Return profiles aggregated to wells (``median``, ``mean``) or as they are (``none``).

    ``observe`` is called with every plate whose images are read for that: with none if the wells were cached.
    """
    check_method(how)
    if how == "none" or profiles.level == "well":
        return profiles
    codes = well_codes(profiles.wells)
    wells = wells_of(profiles)
    key = f"{how} of {hashlib.sha256(codes.tobytes()).hexdigest()}"

    def reduce(X: Floats, array: ArrayName) -> Floats:
        def aggregate_plate(plate: Plate) -> Floats:
            if observe is not None:
                observe(plate)
            plate_codes = codes[plate.rows]
            return sites_to_wells(plate.X, plate_codes - plate_codes.min(), how)

        def plates() -> Iterator[Floats]:
            with ThreadPoolExecutor(n_threads()) as pool:
                yield from ordered(pool, aggregate_plate, profiles.replace(X=X, planted=None), n_threads())

        n_features = X.shape[1]
        if profiles.well_cache is not None:
            return profiles.well_cache.load_or_compute(
                plates, array=array, wells=wells.table, n_features=n_features, key=key
            )
        out = np.empty((len(wells.table), n_features), dtype=np.float32)
        end = 0
        for plate_wells in plates():
            out[end : end + len(plate_wells)] = plate_wells
            end += len(plate_wells)
        return out

    planted = None if profiles.planted is None else reduce(profiles.planted, "planted")
    return profiles.replace(X=reduce(profiles.X, "features"), wells=wells, planted=planted)


def raw_wells(profiles: Profiles, how: str, *, observe: Callable[[Plate], None] | None = None) -> Profiles | None:
    """Return :func:`aggregate`, computed once and the same object each time; None of a view, or if sites are kept."""
    if how == "none" or profiles.hides_rows:
        return None
    return profiles.cached(("wells", how), lambda: aggregate(profiles.replace(planted=None), how, observe=observe))
