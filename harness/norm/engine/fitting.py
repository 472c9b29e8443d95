"""The only loop that fits a normalizer: it, not the method, enforces the fit scope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import pandas as pd
from sklearn.base import clone

from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.plate import Plate
from harness.core.plate_sequence import PlateSequence
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import expand
from harness.norm.base import Normalizer, check_scope, permitted
from harness.norm.engine.stage import FittedStage, TransformedProfiles
from harness.utils.parallel import ordered

Result = TypeVar("Result")
Report = Callable[[pd.DataFrame], None]
OnFitted = Callable[[int, str, Normalizer], None]


def fit(
    profiles: Profiles, normalizer: Normalizer, split: Split | None = None, *, report: Report | None = None
) -> Normalizer:
    """Return a clone of ``normalizer``, fitted as far as its scope reaches beyond the batch that is transformed.

    A method of scope ``plate`` or ``batch`` stays unfitted, and ``train_and_controls`` unadapted: :func:`stream` does
    that, for any plates. Without a split, TRAIN and TRAIN_AND_CONTROLS read every row: a descriptive view, never one
    that is scored on held-out wells. A stage of a chain reads these rows as the stages before it have transformed
    them. Of the wells a method sees the columns that every normalization may read and those that it declares.
    """
    profiles = permitted(profiles, normalizer)
    stages: list[FittedStage] = []
    for stage in normalizer.stages():
        plates = _plates_after(stages, profiles)
        fitted: Normalizer = clone(stage)
        match check_scope(stage.scope):
            case FitScope.TRAIN | FitScope.TRAIN_AND_CONTROLS:
                fitted = fitted.fit(plates if split is None else plates.where(expand(split.train, profiles.wells)))
                _report_fit(fitted, report)
            case FitScope.TRANSDUCTIVE:
                fitted = fitted.fit(plates)
                _report_fit(fitted, report)
        stages.append(FittedStage(fitted, plates))
    return normalizer.with_stages([stage.stage for stage in stages])


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
    workers: int = 2,
) -> Iterator[tuple[Plate, Result]]:
    """Normalize plate by plate, batch after batch if one is fitted; at most ``workers + 1`` plates in memory.

    Parameters
    ----------
    profiles : sites or wells of a screen; may be larger than memory.
    normalizer : stays unchanged; a clone is fitted for each view that its scope allows.
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
    profiles = permitted(profiles, normalizer)
    ready = normalizer if fitted else fit(profiles, normalizer, split, report=report)
    stages: list[FittedStage] = []
    for normalizer_of_stage in ready.stages():
        stages.append(FittedStage(normalizer_of_stage, _plates_after(stages, profiles)))

    def work(plate: Plate) -> tuple[Plate, Result, list[Normalizer]]:
        normalizers = []
        for stage in stages:
            normalizers.append(stage.normalizer_for(plate))
            if stage is stages[-1] and reduce is not None:
                plate = reduce(plate)
            Z = stage.transform(normalizers[-1], plate)
            before, plate = plate, replace(plate, X=Z)
        return before, finish(before, Z), normalizers

    passed_on: set[tuple[int, str]] = set()
    with ThreadPoolExecutor(workers) as pool:
        for plate, result, normalizers in ordered(pool, work, _plates_by_batch(profiles, stages[-1]), workers):
            for number, (stage, of_plate) in enumerate(zip(stages, normalizers, strict=True)):
                key = stage.statistics_key(plate)
                if key is not None and (number, key) not in passed_on:
                    passed_on.add((number, key))
                    adapted = stage.scope is FitScope.TRAIN_AND_CONTROLS
                    _report_fit(of_plate, report, before=stage.stage if adapted else None)
                    if keep is not None:
                        keep(number, key, of_plate)
            yield plate, result


def _plates_after(stages: Sequence[FittedStage], profiles: Profiles) -> PlateSequence:
    return TransformedProfiles(profiles, stages) if stages else profiles


def _plates_by_batch(profiles: Profiles, last: FittedStage) -> Iterator[Plate]:
    """Yield the plates, those of a batch together if the last stage is fitted by batch."""
    if last.scope in (FitScope.BATCH, FitScope.TRAIN_AND_CONTROLS):
        for plates in profiles.by_batch().values():
            yield from plates
    else:
        yield from profiles


def _report_fit(fitted: Normalizer, report: Report | None, *, before: Normalizer | None = None) -> None:
    """Pass on the normalizer's report; of one adapted from ``before`` only the rows that ``before`` did not report."""
    if report is None or fitted is before:
        return
    table = fitted.report()
    earlier = None if table is None or before is None else before.report()
    if table is not None and earlier is not None:
        table = table[~pd.MultiIndex.from_frame(table).isin(pd.MultiIndex.from_frame(earlier))]
    if table is not None and len(table):
        report(table)
