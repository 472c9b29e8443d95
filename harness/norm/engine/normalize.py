"""The only loop that fits a normalizer: it, not the method, enforces the fit scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
from sklearn.base import clone

from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import aggregate as to_wells
from harness.data.wells.aggregation import (
    check_method,
    expand,
    middle_sites,
    raw_wells,
    sites_to_wells,
    well_codes,
    well_table,
)
from harness.norm.base import Normalizer, check_scope, permitted
from harness.norm.engine.affine import AffineNormalizer, from_raw_wells
from harness.norm.engine.stage import FittedStage, TransformedProfiles, check_finite
from harness.numerics.median import halfway
from harness.utils.parallel import n_threads, ordered

Result = TypeVar("Result")
Report = Callable[[pd.DataFrame], None]
OnFitted = Callable[[int, str, Normalizer], None]


def fit(
    profiles: Profiles, normalizer: Normalizer, split: Split | None = None, *, report: Report | None = None
) -> Normalizer:
    """Return a clone of ``normalizer``, fitted as far as its scope reaches beyond the batch that is transformed.

    What has scope ``plate`` or ``batch`` stays unfitted, and ``train_and_controls`` unadapted: :func:`stream` does
    that, for any plates. Without a split, TRAIN and TRAIN_AND_CONTROLS read every row: a descriptive view, never one
    that is scored on held-out wells. A stage of a chain reads what the stages before it made of these rows. Of the
    wells a method sees what every normalization may know and the columns that it declares.
    """
    profiles = permitted(profiles, normalizer)
    fitted: list[Normalizer] = []
    steps: list[FittedStage] = []
    for stage in normalizer.stages():
        view = TransformedProfiles(profiles, steps) if steps else profiles
        own = clone(stage)
        match check_scope(stage.scope):
            case FitScope.TRAIN | FitScope.TRAIN_AND_CONTROLS:
                own = own.fit(view if split is None else view.where(expand(split.train, profiles.wells)))
                _report_fit(own, report)
            case FitScope.TRANSDUCTIVE:
                own = own.fit(view)
                _report_fit(own, report)
        fitted.append(own)
        steps.append(FittedStage(own, view))
    return normalizer.staged(fitted)


def stream(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    report: Report | None = None,
    keep: OnFitted | None = None,
    fitted: bool = False,
    reduce: Callable[[Plate], Plate] | None = None,
    finish: Callable[[Plate, Floats], Result],
    workers: int | None = None,
) -> Iterator[tuple[Plate, Result]]:
    """Normalize plate by plate, batch after batch where one is fitted; at most ``workers + 1`` plates in memory.

    Parameters
    ----------
    profiles : sites or wells of a screen; may be larger than memory.
    normalizer : left as it is; a clone is fitted for each view that its scope allows.
    split : the fold whose training rows TRAIN-scoped methods may read.
    report : receives the normalizer's report after each fit, and what an adaptation adds to it.
    keep : receives stage number, plate or batch, and the normalizer fitted or adapted for it.
    fitted : ``normalizer`` comes from :func:`fit`, perhaps on other plates, and is frozen.
    reduce : applied to each plate before its last transform, in the worker thread.
    finish : applied to each normalized plate in the worker thread (e.g. aggregation to wells).
    workers : threads; by default :func:`harness.utils.parallel.n_threads`.

    Raises
    ------
    InputError : the method's needs are not met; the message names the plate.
    """
    profiles = permitted(profiles, normalizer)
    ready = normalizer if fitted else fit(profiles, normalizer, split, report=report)
    steps: list[FittedStage] = []
    for stage in ready.stages():
        steps.append(FittedStage(stage, TransformedProfiles(profiles, steps) if steps else profiles))

    def work(plate: Plate) -> tuple[Plate, Result, list[Normalizer]]:
        used = []
        for step in steps:
            used.append(step.of(plate))
            if step is steps[-1] and reduce is not None:
                plate = reduce(plate)
            Z = step.transform(used[-1], plate)
            before, plate = plate, replace(plate, X=Z)
        return before, finish(before, Z), used

    workers = workers or n_threads()
    told: set[tuple[int, str]] = set()
    with ThreadPoolExecutor(workers) as pool:
        for plate, result, used in ordered(pool, work, _plates_by_batch(profiles, steps[-1]), workers):
            for number, (step, own) in enumerate(zip(steps, used, strict=True)):
                key = step.key(plate)
                if key is not None and (number, key) not in told:
                    told.add((number, key))
                    _report_fit(own, report, before=step.stage if step.scope is FitScope.TRAIN_AND_CONTROLS else None)
                    if keep is not None:
                        keep(number, key, own)
            yield plate, result


def _plates_by_batch(profiles: Profiles, last: FittedStage) -> Iterator[Plate]:
    """Yield the plates, those of a batch together where the last stage is fitted by batch."""
    if last.scope in (FitScope.BATCH, FitScope.TRAIN_AND_CONTROLS):
        for plates in profiles.by_batch().values():
            yield from plates
    else:
        yield from profiles


def _report_fit(fitted: Normalizer, report: Report | None, *, before: Normalizer | None = None) -> None:
    """Pass on the normalizer's report; of an adapted one the rows that the fit ``before`` it has not reported."""
    if report is None or fitted is before:
        return
    table = fitted.report()
    known = None if table is None or before is None else before.report()
    if table is not None and known is not None:
        table = table[~pd.MultiIndex.from_frame(table).isin(pd.MultiIndex.from_frame(known))]
    if table is not None and len(table):
        report(table)


def normalize(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    aggregate: str = "median",
    report: Report | None = None,
) -> Profiles:
    """Normalize a screen and aggregate it to wells; no normalized copy of the images is ever made.

    Parameters
    ----------
    profiles : sites or wells, (n_rows, n_features).
    split : the fold whose training rows TRAIN-scoped methods may read; None reads all (descriptive only).
    aggregate : ``median`` or ``mean`` of the sites of a well, or ``none`` to keep sites.

    Returns
    -------
    Profiles : one row per well, in order of first appearance (per site with ``none``), ``X`` float32.

    Raises
    ------
    InputError : the method's needs are not met, or ``profiles`` is a view that hides rows.
    """
    if normalizer.identity and profiles._mask is None and aggregate != "none" and profiles.level == "image":
        return to_wells(profiles.replace(planted=None), aggregate)  # which a packed screen keeps
    wells = output_table(profiles, aggregate)
    X = np.empty((len(wells), len(profiles.features)), dtype=np.float32)
    result = profiles.replace(X=X, wells=wells, planted=None)
    raw = None
    if isinstance(normalizer, AffineNormalizer):
        raw = raw_wells(profiles, aggregate, glance=partial(normalizer.glance, profiles))
    if raw is None:
        parts = stream_wells(profiles, normalizer, split, aggregate=aggregate, report=report)
    else:
        fitted = fit(profiles, normalizer, split, report=report)
        assert isinstance(fitted, AffineNormalizer)
        parts = from_raw_wells(permitted(raw, normalizer), permitted(profiles, normalizer), fitted)
        result.rescaled = raw if fitted.rescales() else None
    for rows, Z in parts:
        X[rows] = Z
    return result


def output_table(profiles: Profiles, aggregate: str) -> pd.DataFrame:
    """Return the rows that :func:`stream_wells` gives: of wells, or of sites where these are kept."""
    return profiles.wells if aggregate == "none" else well_table(profiles.wells)


def stream_wells(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    aggregate: str = "median",
    report: Report | None = None,
    keep: OnFitted | None = None,
    fitted: bool = False,
) -> Iterator[tuple[slice, Floats]]:
    """Yield normalized wells plate by plate: rows of :func:`output_table` and their profiles; see :func:`stream`.

    Raises
    ------
    InputError : as for :func:`normalize`.
    """
    check_method(aggregate)
    if profiles._mask is not None:
        raise InputError("normalize: got a view made by where or by_batch; expected whole profiles: use take(mask)")
    sites = aggregate != "none" and profiles.level != "well"
    codes = well_codes(profiles.wells) if sites else np.arange(len(profiles.wells))
    early = normalizer.increasing and aggregate == "median" and sites

    def middle(plate: Plate) -> Plate:
        own = codes[plate.rows]
        pairs = middle_sites(plate.X, own - own.min())
        first = np.unique(own, return_index=True)[1]
        twice = plate.wells.iloc[np.repeat(first, 2)].reset_index(drop=True)
        return replace(plate, X=pairs.reshape(len(twice), -1), wells=twice, planted=None)

    def finish(plate: Plate, Z: Floats) -> tuple[slice, Floats]:
        own = codes[plate.rows]
        rows = slice(int(own.min()), int(own.max()) + 1)
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite names the feature
            if early:
                Z = halfway(Z.reshape(rows.stop - rows.start, 2, -1))
            elif sites:
                Z = sites_to_wells(Z, own - rows.start, aggregate)
        check_finite(Z, plate, profiles.features)
        return rows, Z

    reduce = middle if early else None
    results = stream(profiles, normalizer, split, report=report, keep=keep, fitted=fitted, reduce=reduce, finish=finish)
    for _, (rows, Z) in results:
        yield rows, Z
