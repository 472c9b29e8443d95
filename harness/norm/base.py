"""The normalizer's contract, and the only loop that fits one: it, not the method, enforces the fit scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from harness.aggregate import aggregate as to_wells
from harness.aggregate import check_method, expand, middle_sites, raw_wells, sites_to_wells, well_codes, well_table
from harness.middle import halfway
from harness.norm.step import WORKERS, Step, Stepwise, check_finite, ordered
from harness.types import FitScope, Floats, InputError, Plate, Profiles, Split, has_role

Result = TypeVar("Result")
Report = Callable[[pd.DataFrame], None]
Keep = Callable[[int, str, "Normalizer"], None]


class Normalizer(BaseEstimator):
    """Base of every normalization: ``fit`` learns from the plates of its scope, ``transform`` maps one plate.

    A subclass declares ``scope`` (class attribute, or an ``__init__`` parameter where several make sense).
    ``fit`` reads features and the metadata of wells, never a task's labels; ``transform`` returns float32 of
    the same rows in the same order and does not change its input.

    ``increasing`` declares that ``transform`` maps each feature by an increasing function, one for all sites of a
    well, that ``fit`` and the well's name decide. The median then commutes with it exactly, so that only the middle
    sites of a well need to be transformed. ``identity`` declares that it gives each plate as it is. ``affine`` declares
    that ``transform`` shifts each feature and multiplies it by a positive number, both one for all sites of a well,
    that ``fit``, the well's name and the sites of the plate's control wells decide. Medians and means commute with it,
    so that folds start from raw wells, by :meth:`transform_wells`, and need not read all sites again.
    """

    scope: FitScope | str = FitScope.TRAIN
    increasing: ClassVar[bool] = False
    identity: ClassVar[bool] = False
    affine: ClassVar[bool] = False
    needs_planted: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()  # modules of an optional extra

    def fit(self, plates: Sequence[Plate]) -> Self:  # noqa: ARG002
        """Learn from ``plates``; a method that learns nothing keeps this one."""
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:  # noqa: ARG002
        """A normalizer for one batch, from the control wells of its plates (``train_and_controls`` only, after fit).

        Called once for every batch, also for those that took part in the training; leaves ``self`` as it is and
        returns a shallow copy with the batch's own statistics, or ``self`` where there is nothing to add.
        """
        return self

    def transform(self, plate: Plate) -> Floats:
        """Normalize one plate: (n, n_features) float32, rows in the plate's order."""
        raise NotImplementedError

    def transform_wells(self, wells: Plate, controls: Plate | None) -> Floats:
        """Only where ``affine``: normalize the raw wells of a plate, given the sites of its control wells."""
        raise NotImplementedError

    def glance(self, profiles: Profiles, plate: Plate) -> None:
        """Only where ``affine``: shows a whole plate of ``profiles`` that fit, which comes later, may then not read."""

    def rescales(self) -> bool:
        """After fit, where ``affine``: whether all wells have practically the same shift and factor."""
        return False

    def report(self) -> pd.DataFrame | None:
        """What happened while fitting or adapting, one row per plate and feature number concerned, or None."""
        return None

    def stages(self) -> list[Normalizer]:
        """The methods that are fitted one after the other, each in its own scope: itself, but for a chain."""
        return [self]

    def staged(self, stages: Sequence[Normalizer]) -> Normalizer:
        """The same with other ``stages``, in which those that read more than a batch have been fitted."""
        (only,) = stages
        return only


def check_scope(scope: FitScope | str) -> FitScope:
    """The scope as a :class:`FitScope`; InputError lists the allowed ones."""
    try:
        return FitScope(scope)
    except ValueError:
        raise InputError(f"norm: scope {scope!r} is unknown; choose one of {[s.value for s in FitScope]}") from None


def fit(
    profiles: Profiles, normalizer: Normalizer, split: Split | None = None, *, report: Report | None = None
) -> Normalizer:
    """A clone of ``normalizer``, fitted as far as its scope reaches beyond the batch that is transformed.

    What has scope ``plate`` or ``batch`` stays unfitted, and ``train_and_controls`` unadapted: :func:`stream` does
    that, for any plates. Without a split, TRAIN and TRAIN_AND_CONTROLS read every row: a descriptive view, never one
    that is scored on held-out wells. A stage of a chain reads what the stages before it made of these rows.
    """
    fitted: list[Normalizer] = []
    steps: list[Step] = []
    for stage in normalizer.stages():
        view = Stepwise(profiles, steps) if steps else profiles
        own = clone(stage)
        match check_scope(stage.scope):
            case FitScope.TRAIN | FitScope.TRAIN_AND_CONTROLS:
                own = own.fit(view if split is None else view.where(expand(split.train, profiles.wells)))
                _tell(own, report)
            case FitScope.TRANSDUCTIVE:
                own = own.fit(view)
                _tell(own, report)
        fitted.append(own)
        steps.append(Step(own, view))
    return normalizer.staged(fitted)


def depends_on_training(normalizer: Normalizer) -> bool:
    """Whether something in it is fitted on training rows, so that another split gives another result."""
    trained = (FitScope.TRAIN, FitScope.TRAIN_AND_CONTROLS)
    return any(check_scope(s.scope) in trained and type(s).fit is not Normalizer.fit for s in normalizer.stages())


def stream(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    report: Report | None = None,
    keep: Keep | None = None,
    fitted: bool = False,
    reduce: Callable[[Plate], Plate] | None = None,
    finish: Callable[[Plate, Floats], Result],
    workers: int = 2,
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

    Raises
    ------
    InputError : the method's needs are not met; the message names the plate.
    """
    ready = normalizer if fitted else fit(profiles, normalizer, split, report=report)
    steps: list[Step] = []
    for stage in ready.stages():
        steps.append(Step(stage, Stepwise(profiles, steps) if steps else profiles))

    def work(plate: Plate) -> tuple[Plate, Result, list[Normalizer]]:
        used = []
        for step in steps:
            used.append(step.of(plate))
            if step is steps[-1] and reduce is not None:
                plate = reduce(plate)
            Z = step.transform(used[-1], plate)
            before, plate = plate, replace(plate, X=Z)
        return before, finish(before, Z), used

    told: set[tuple[int, str]] = set()
    with ThreadPoolExecutor(workers) as pool:
        for plate, result, used in ordered(pool, work, _in_order(profiles, steps[-1]), workers):
            for number, (step, own) in enumerate(zip(steps, used, strict=True)):
                key = step.key(plate)
                if key is not None and (number, key) not in told:
                    told.add((number, key))
                    _tell(own, report, before=step.stage if step.scope is FitScope.TRAIN_AND_CONTROLS else None)
                    if keep is not None:
                        keep(number, key, own)
            yield plate, result


def _in_order(profiles: Profiles, last: Step) -> Iterator[Plate]:
    """The plates, those of a batch together where the last stage is fitted by batch."""
    if last.scope in (FitScope.BATCH, FitScope.TRAIN_AND_CONTROLS):
        for plates in profiles.by_batch().values():
            yield from plates
    else:
        yield from profiles


def _tell(fitted: Normalizer, report: Report | None, *, before: Normalizer | None = None) -> None:
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
    glance = partial(normalizer.glance, profiles)
    raw = raw_wells(profiles, aggregate, glance=glance) if normalizer.affine else None
    if raw is not None:
        fitted = fit(profiles, normalizer, split, report=report)
        parts = _from_wells(raw, profiles, fitted)
        result.rescaled = raw if fitted.rescales() else None
    else:
        parts = stream_wells(profiles, normalizer, split, aggregate=aggregate, report=report)
    for rows, Z in parts:
        X[rows] = Z
    return result


def _from_wells(raw: Profiles, profiles: Profiles, fitted: Normalizer) -> Iterator[tuple[slice, Floats]]:
    """As :func:`stream_wells`, from raw wells and the sites of control wells: a fraction of what all sites are."""
    negcon = profiles.replace(planted=None).where(has_role(profiles.wells, "negcon"))

    def part(number: int) -> tuple[slice, Floats]:
        wells = raw[number]
        Z = fitted.transform_wells(wells, negcon._select(profiles._plates[number]))
        check_finite(Z, wells, profiles.features)
        return wells.rows, Z

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from ordered(pool, part, range(len(raw)), WORKERS)


def output_table(profiles: Profiles, aggregate: str) -> pd.DataFrame:
    """The rows that :func:`stream_wells` gives: of wells, or of sites where these are kept."""
    return profiles.wells if aggregate == "none" else well_table(profiles.wells)


def stream_wells(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    aggregate: str = "median",
    report: Report | None = None,
    keep: Keep | None = None,
    fitted: bool = False,
) -> Iterator[tuple[slice, Floats]]:
    """Normalized wells plate by plate: rows of :func:`output_table` and their profiles; see :func:`stream`.

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
