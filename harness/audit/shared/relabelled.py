"""Scores of models on wells that were relabelled before normalization, with batches held out as in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.shared.auroc_bootstrap import BootstrappedAuroc, bootstrap_auroc, resample_units
from harness.audit.shared.nearest_wells import NearestWells
from harness.audit.shared.well_choice import sample_evenly, sorted_by_name
from harness.baseline.row_norm import RowNorm
from harness.core.arrays import Mask
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import derive, generator
from harness.norm.base import depends_on_training
from harness.numerics.components import components
from harness.scoring.evaluate import evaluate
from harness.task.dmso_vs_treated import DmsoVsTreated

MOST_FOLDS, FEWEST_FOLDS = 5, 2
LARGE = 20_000_000  # numbers in a screen whose normalization takes seconds
PER_CLASS = 320  # wells of each class give an AUROC of 0.5 a standard error of 0.023
PER_CLASS_CHEAP = 2000
WIDE, N_COMPONENTS = 512, 100
MOST_UNEQUAL = 1.25  # ratios of treated wells to controls, of one plate against another


def models_of(context: AuditContext) -> dict[str, Any]:
    """Return the models that a null test is made with: the run's, the length of the profile and a neighbour model."""
    return {**context.models, "row_norm": RowNorm(), "neighbours": NearestWells()}


@dataclass(frozen=True)
class Relabelled:
    """Profiles under other roles, one row per well.

    ``tested`` : (n_wells,) the control and treated wells that are scored.
    """

    profiles: Profiles
    tested: Mask


def score_relabelled(
    context: AuditContext, relabelled: Relabelled, models: Mapping[str, Any], *, axis: object
) -> dict[str, BootstrappedAuroc]:
    """Normalize relabelled profiles and score each model on telling their controls from treated wells, held out.

    Scored wells are sampled evenly over plates: :data:`PER_CLASS` of each class, :data:`PER_CLASS_CHEAP` for the length
    of the profile. More than :data:`MOST_FOLDS` folds are merged to as many, or to :data:`FEWEST_FOLDS` if
    :func:`refit_is_costly`. If there are more than :data:`WIDE` features, models see principal components; the length
    of the profile reads all features.

    Raises
    ------
    NotApplicable : the method needs more controls, or a fold lacks a class.
    """
    normalized = context.normalize(relabelled.profiles)
    # folds may share compounds: keeping these apart would spare relabelled controls, and the classes would differ
    wells = relabelled.profiles.wells.assign(compound="")
    seed, task = derive(context.seed, axis), DmsoVsTreated()
    relabelled = replace(relabelled, tested=balance_over_plates(relabelled.profiles.wells, relabelled.tested, seed))
    samples = _sample(relabelled, PER_CLASS, seed), _sample(relabelled, PER_CLASS_CHEAP, seed)
    folds: dict[str, list[Evaluation]] = {name: [] for name in models}
    screen: Profiles | None = None
    views: tuple[Profiles, Profiles] | None = None
    try:
        most_folds = FEWEST_FOLDS if refit_is_costly(context, relabelled.profiles) else MOST_FOLDS
        for split in few_folds(list(context.splitter.split(wells)), most_folds):
            previous, screen = screen, normalized(split)
            if views is None or screen is not previous:
                views = _narrow(_take(screen, samples[0])), _take(screen, samples[1])
            for name, model in models.items():
                is_length = isinstance(model, RowNorm)
                fold = Split(split.name, split.train[samples[is_length]], split.test[samples[is_length]])
                folds[name].append(evaluate(views[is_length], fold, task, model, seed=context.seed))
    except InputError as reason:
        raise NotApplicable(f"after relabelling: {reason}", code="few_controls") from reason
    draws = resample_units(
        [evaluation for evaluations in folds.values() for evaluation in evaluations], context.n_resamples
    )
    return {name: bootstrap_auroc(evaluations, draws) for name, evaluations in folds.items()}


def balance_over_plates(wells: pd.DataFrame, tested: Mask, seed: int) -> Mask:
    """Return the ``tested`` wells, or as many of either class on each plate if their shares differ between plates.

    With unequal shares whatever tells plates apart also tells the classes, without any doing of the normalization.
    """
    role = wells["role"].to_numpy()
    classes = [tested & (role == name) for name in ("negcon", "treated")]
    plate, names = pd.factorize(wells["plate"])
    controls, treated = (np.bincount(plate[mask], minlength=len(names)) for mask in classes)
    present = (controls + treated) > 0
    with np.errstate(divide="ignore"):
        ratio = treated[present] / controls[present]
    if not len(ratio) or ratio.max() <= MOST_UNEQUAL * ratio.min():
        return tested
    fewest = np.minimum(controls, treated)
    balanced = np.zeros(len(tested), dtype=bool)
    for number, name in enumerate(names):
        for mask in classes:
            rows = np.flatnonzero(mask & (plate == number))
            order = generator(seed, "alike in shares", name).permutation(sorted_by_name(rows, wells))
            balanced[order[: fewest[number]]] = True
    return balanced


def _take(profiles: Profiles, sample: Mask) -> Profiles:
    """Return the sampled wells, without anything that is remembered with the profiles."""
    return Profiles(profiles.X[sample], profiles.wells[sample])


def _narrow(profiles: Profiles) -> Profiles:
    """Return the principal components of wide profiles; others are returned as they are."""
    if profiles.X.shape[1] <= WIDE:
        return profiles
    return Profiles(components(profiles.X, N_COMPONENTS), profiles.wells)


def refit_is_costly(context: AuditContext, profiles: Profiles) -> bool:
    """Return whether a large screen is normalized for every fold: null tests then take fewer folds and relabellings."""
    trained = context.normalizer is not None and depends_on_training(context.normalizer)
    return trained and profiles.X.size > LARGE


def few_folds(splits: Sequence[Split], most: int = MOST_FOLDS) -> list[Split]:
    """Merge folds to at most ``most``: wells held out by any of them, trained on the wells of all."""
    if len(splits) <= most:
        return list(splits)
    merged = []
    for group in np.array_split(np.arange(len(splits)), most):
        train = reduce(np.logical_and, [splits[i].train for i in group])
        test = reduce(np.logical_or, [splits[i].test for i in group])
        if train.sum() < len(train) / 3:  # folds that train on few wells share fewer
            return [splits[i] for i in np.linspace(0, len(splits) - 1, most).astype(int)]
        merged.append(Split("+".join(splits[i].name for i in group), train, test & ~train))
    return merged


def _sample(relabelled: Relabelled, n: int, seed: int) -> Mask:
    """Return at most ``n`` tested wells of each class, evenly over plates, (n_wells,)."""
    wells = relabelled.profiles.wells
    classes = [relabelled.tested & (wells["role"] == role).to_numpy() for role in ("negcon", "treated")]
    return np.logical_or(*(sample_evenly(wells, mask, n, seed, i) for i, mask in enumerate(classes)))
