"""The normalizer's contract, and the only loop that fits one: it, not the method, enforces the fit scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from harness.aggregate import check_method, expand, middle_sites, sites_to_wells, well_codes, well_table
from harness.middle import halfway
from harness.types import FitScope, Floats, InputError, Plate, Profiles, Split

if TYPE_CHECKING:
    from collections.abc import Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")
Report = Callable[[pd.DataFrame], None]


class Normalizer(BaseEstimator):
    """Base of every normalization: ``fit`` learns from the plates of its scope, ``transform`` maps one plate.

    A subclass declares ``scope`` (class attribute, or an ``__init__`` parameter where several make sense).
    ``fit`` reads features and the metadata of wells, never a task's labels; ``transform`` returns float32 of
    the same rows in the same order and does not change its input.

    ``increasing`` declares that ``transform`` maps each feature by an increasing function, one for all sites of a
    well, that ``fit`` and the well's name decide. The median then commutes with it exactly, so that only the middle
    sites of a well need to be transformed.
    """

    scope: FitScope | str = FitScope.TRAIN
    increasing: ClassVar[bool] = False
    needs_planted: ClassVar[bool] = False

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

    def report(self) -> pd.DataFrame | None:
        """What happened while fitting, one row per plate and feature number concerned, or None."""
        return None


def views(
    profiles: Profiles, scope: FitScope, split: Split | None
) -> Iterator[tuple[Sequence[Plate], Sequence[Plate]]]:
    """Pairs (plates that may be read while fitting, plates to transform) for a scope.

    Without a split, TRAIN and TRAIN_AND_CONTROLS read every row: a descriptive view, never one that is scored on
    held-out wells.
    """
    match scope:
        case FitScope.PLATE:
            for plate in profiles:
                yield [plate], [plate]
        case FitScope.BATCH:
            for batch in profiles.by_batch().values():
                yield batch, batch
        case FitScope.TRAIN | FitScope.TRAIN_AND_CONTROLS:
            train = profiles if split is None else profiles.where(expand(split.train, profiles.wells))
            yield train, profiles
        case FitScope.TRANSDUCTIVE:
            yield profiles, profiles


def check_scope(scope: FitScope | str) -> FitScope:
    """The scope as a :class:`FitScope`; InputError lists the allowed ones."""
    try:
        return FitScope(scope)
    except ValueError:
        raise InputError(f"norm: scope {scope!r} is unknown; choose one of {[s.value for s in FitScope]}") from None


def stream(
    profiles: Profiles,
    normalizer: Normalizer,
    split: Split | None = None,
    *,
    report: Report | None = None,
    reduce: Callable[[Plate], Plate] | None = None,
    finish: Callable[[Plate, Floats], Result],
    workers: int = 2,
) -> Iterator[tuple[Plate, Result]]:
    """Normalize plate by plate, in plate order within each fitted view; at most ``workers + 1`` plates in memory.

    Parameters
    ----------
    profiles : sites or wells of a screen; may be larger than memory.
    normalizer : left as it is; a clone is fitted for each view that its scope allows.
    split : the fold whose training rows TRAIN-scoped methods may read.
    report : receives the normalizer's report after each fit.
    reduce : applied to each plate between fit and transform, in the worker thread.
    finish : applied to each normalized plate in the worker thread (e.g. aggregation to wells).

    Raises
    ------
    InputError : the method's needs are not met; the message names the plate.
    """

    def jobs() -> Iterator[tuple[Normalizer | None, Plate]]:
        scope = check_scope(normalizer.scope)
        for seen, targets in views(profiles, scope, split):
            if scope is FitScope.PLATE:  # fitted beside the others, in the worker
                yield None, targets[0]
            else:
                fitted = clone(normalizer).fit(seen)
                _tell(fitted, report)
                for own, plates in _adapted(fitted, scope, targets):
                    for plate in plates:
                        yield own, plate

    def work(job: tuple[Normalizer | None, Plate]) -> tuple[Plate, Result, Normalizer | None]:
        fitted, plate = job
        own = None
        if fitted is None:
            own = fitted = clone(normalizer).fit([plate])
        if reduce is not None:
            plate = reduce(plate)
        Z = fitted.transform(plate)
        if Z.shape != plate.X.shape or Z.dtype != np.float32:
            raise TypeError(f"{type(normalizer).__name__}: got {Z.dtype} {Z.shape}, expected float32 {plate.X.shape}")
        return plate, finish(plate, Z), own

    with ThreadPoolExecutor(workers) as pool:
        for plate, result, own in _ordered(pool, work, jobs(), workers):
            if own is not None:
                _tell(own, report)
            yield plate, result


def _adapted(
    fitted: Normalizer, scope: FitScope, targets: Sequence[Plate]
) -> Iterator[tuple[Normalizer, Sequence[Plate]]]:
    """The fitted normalizer for each batch of ``targets``, from that batch's controls where the scope allows it."""
    if scope is not FitScope.TRAIN_AND_CONTROLS:
        yield fitted, targets
        return
    assert isinstance(targets, Profiles)
    controls = targets.where((targets.wells["role"] == "negcon").to_numpy())
    by_batch = controls.by_batch()
    for batch, plates in targets.by_batch().items():
        yield fitted.adapt(by_batch.get(batch, [])), plates


def _tell(fitted: Normalizer, report: Report | None) -> None:
    table = fitted.report()
    if report is not None and table is not None and len(table):
        report(table)


def _ordered(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """``map`` that keeps the order and never runs more than ``ahead`` items in front of the consumer."""
    source = iter(items)
    waiting = [pool.submit(work, item) for item in islice(source, ahead)]
    while waiting:
        done = waiting.pop(0).result()
        waiting.extend(pool.submit(work, item) for item in islice(source, 1))
        yield done


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
    check_method(aggregate)
    if profiles._mask is not None:
        raise InputError("normalize: got a view made by where or by_batch; expected whole profiles: use take(mask)")
    keep = aggregate == "none" or profiles.level == "well"
    codes = np.arange(len(profiles.wells)) if keep else well_codes(profiles.wells)
    wells = profiles.wells if keep else well_table(profiles.wells)
    X = np.empty((len(wells), len(profiles.features)), dtype=np.float32)

    early = normalizer.increasing and aggregate == "median" and not keep

    def middle(plate: Plate) -> Plate:
        own = codes[plate.rows]
        pairs = middle_sites(plate.X, own - own.min())
        first = np.unique(own, return_index=True)[1]
        twice = plate.wells.iloc[np.repeat(first, 2)].reset_index(drop=True)
        return replace(plate, X=pairs.reshape(len(twice), -1), wells=twice, planted=None)

    def finish(plate: Plate, Z: Floats) -> None:
        own = codes[plate.rows]
        low, high = int(own.min()), int(own.max()) + 1
        if early:
            X[low:high] = halfway(Z.reshape(high - low, 2, -1))
        else:
            X[low:high] = Z if keep else sites_to_wells(Z, own - low, aggregate)

    for _ in stream(profiles, normalizer, split, report=report, reduce=middle if early else None, finish=finish):
        pass
    return profiles.replace(X=X, wells=wells, planted=None)
