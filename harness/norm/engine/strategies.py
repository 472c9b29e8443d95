"""The three ways to normalize a screen and aggregate it to wells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.plate import Plate
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import aggregate as to_wells
from harness.data.wells.aggregation import (
    check_method,
    middle_sites,
    raw_wells,
    sites_to_wells,
    well_codes,
    wells_of,
)
from harness.norm.base import Normalizer, permitted
from harness.norm.engine.affine import AffineNormalizer
from harness.norm.engine.fitting import OnFitted, Report, fit, stream
from harness.norm.engine.stage import check_finite
from harness.numerics.median import halfway
from harness.utils.parallel import n_threads, ordered

WellRows = Iterator[tuple[slice, Floats]]


def aggregate_unchanged(profiles: Profiles, aggregate: str) -> Profiles:
    """Aggregate a screen of images that the method does not change.

    The numbers are those of :func:`normalize_sites`: the same sites are aggregated by the same function. A packed
    screen keeps its raw wells on the disk, so that the images are read once for all runs.
    """
    return to_wells(profiles.replace(planted=None), aggregate)


def normalize_raw_wells(
    profiles: Profiles, normalizer: AffineNormalizer, split: Split | None, aggregate: str, report: Report | None
) -> Profiles:
    """Aggregate raw sites to wells, once for all folds, then normalize these wells; ``rescaled`` is set if possible.

    The numbers are those of :func:`normalize_sites` up to rounding: the method shifts each feature of a well's sites
    by one number and multiplies it by one positive number, and so do median and mean of the sites change. The shift
    and the factor depend on the fit and on the sites of the plate's control wells, and these are read for every fold.
    """
    wells = raw_wells(profiles, aggregate, observe=partial(normalizer.observe_plate, profiles))
    assert wells is not None
    fitted = fit(profiles, normalizer, split, report=report)
    assert isinstance(fitted, AffineNormalizer)
    raw, sites = permitted(wells, normalizer), permitted(profiles, normalizer)
    controls = sites.replace(planted=None).where(sites.facts.has_role("negcon"))

    def transform(number: int) -> tuple[slice, Floats]:
        plate = raw[number]
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite names the feature
            Z = fitted.transform_wells(plate, controls.plate_at(sites.plate_slices[number]))
        check_finite(Z, plate, profiles.features)
        return plate.rows, Z

    with ThreadPoolExecutor(n_threads()) as pool:
        result = _collected(ordered(pool, transform, range(len(raw)), n_threads()), profiles, aggregate)
    result.rescaled = wells if fitted.is_global_rescaling() else None
    return result


def normalize_sites(
    profiles: Profiles, normalizer: Normalizer, split: Split | None, aggregate: str, report: Report | None
) -> Profiles:
    """Normalize the sites plate by plate and aggregate each plate to wells: what the two other ways must agree with.

    Of a method that maps each feature by an increasing function, and the median, only the two middle sites of a well
    are normalized, feature by feature: an increasing function keeps the order of the sites, so that the same sites
    stay in the middle, and the numbers are the same to the bit.
    """
    return _collected(
        stream_wells(profiles, normalizer, split, aggregate=aggregate, report=report), profiles, aggregate
    )


def _collected(parts: Iterable[tuple[slice, Floats]], profiles: Profiles, aggregate: str) -> Profiles:
    """Return profiles of the normalized rows that ``parts`` hold, plate by plate."""
    check_method(aggregate)
    wells = profiles.facts if aggregate == "none" else wells_of(profiles)
    X = np.empty((len(wells.table), len(profiles.features)), dtype=np.float32)
    for rows, Z in parts:
        X[rows] = Z
    return profiles.replace(X=X, wells=wells, planted=None)


def output_table(profiles: Profiles, aggregate: str) -> pd.DataFrame:
    """Return the rows that :func:`stream_wells` gives: of wells, or of sites if these are kept."""
    return profiles.wells if aggregate == "none" else wells_of(profiles).table


def stream_wells(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    aggregate: str = "median",
    report: Report | None = None,
    keep: OnFitted | None = None,
    fitted: bool = False,
) -> WellRows:
    """Yield normalized wells plate by plate: rows of :func:`output_table` and their profiles; see :func:`stream`.

    Raises
    ------
    InputError : as for :func:`normalize`.
    """
    check_method(aggregate)
    if profiles.hides_rows:
        raise InputError("normalize: got a view made by where or by_batch; expected whole profiles: use take(mask)")
    sites = aggregate != "none" and profiles.level != "well"
    codes = well_codes(profiles.wells) if sites else np.arange(len(profiles.wells))
    median_first = normalizer.is_monotone and aggregate == "median" and sites

    def middle(plate: Plate) -> Plate:
        well = codes[plate.rows]
        pairs = middle_sites(plate.X, well - well.min())
        first = np.unique(well, return_index=True)[1]
        twice = plate.wells.iloc[np.repeat(first, 2)].reset_index(drop=True)
        return replace(plate, X=pairs.reshape(len(twice), -1), wells=twice, planted=None)

    def finish(plate: Plate, Z: Floats) -> tuple[slice, Floats]:
        well = codes[plate.rows]
        rows = slice(int(well.min()), int(well.max()) + 1)
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite names the feature
            if median_first:
                Z = halfway(Z.reshape(rows.stop - rows.start, 2, -1))
            elif sites:
                Z = sites_to_wells(Z, well - rows.start, aggregate)
        check_finite(Z, plate, profiles.features)
        return rows, Z

    reduce = middle if median_first else None
    results = stream(profiles, normalizer, split, report=report, keep=keep, fitted=fitted, reduce=reduce, finish=finish)
    for _, (rows, Z) in results:
        yield rows, Z
