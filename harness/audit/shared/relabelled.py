"""Scores of models on wells that were relabelled before normalization, batches held out as the run does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from harness.audit.base import AuditContext
from harness.audit.shared.bounded_interval import auroc_sd, bounded_interval, degrees_of_freedom
from harness.audit.shared.nearest_wells import NearestWells
from harness.audit.shared.well_choice import sample_evenly, sorted_by_name
from harness.baseline.row_norm import RowNorm
from harness.core.arrays import Doubles, Mask
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import derive, generator
from harness.metric.auroc import Auroc
from harness.norm.base import depends_on_training
from harness.numerics.components import components
from harness.scoring.bootstrap import FEWEST_BATCHES, Resamples, weighted_mean
from harness.scoring.evaluate import evaluate
from harness.scoring.score_table import draws_of, weigh
from harness.task.dmso_vs_treated import DmsoVsTreated

MOST_FOLDS, FEWEST_FOLDS = 5, 2
LARGE = 20_000_000  # numbers in a screen whose normalization takes seconds
PER_CLASS = 320  # wells of each class give an AUROC of 0.5 a standard error of 0.023
PER_CLASS_CHEAP = 2000
ONE_SIDED = 0.95  # level at which both quantiles agree
WIDE, N_COMPONENTS = 512, 100
MOST_UNEQUAL = 1.25  # ratios of treated wells to controls, of one plate against another


def models_of(context: AuditContext) -> dict[str, Any]:
    """Return the run's models, the length of the profile and a neighbour model: what a null is tried with."""
    return {**context.models, "row_norm": RowNorm(), "neighbours": NearestWells()}


@dataclass(frozen=True)
class Relabelled:
    """Profiles under other roles, one row per well, and ``tested``: the control and treated wells that are scored."""

    profiles: Profiles
    tested: Mask


@dataclass(frozen=True)
class BootstrappedAuroc:
    """The AUROC of one model, mean over folds: ``value``, ``draws`` (R,) of its bootstrap, the ``wells`` scored."""

    value: float
    draws: Doubles
    wells: pd.DataFrame

    @property
    def miss(self) -> float:
        """What half a misplaced well costs: scores nearer to 0 or 1 cannot be told from these."""
        control = int((self.wells["role"] == "negcon").sum())
        return 1 / (2 * min(control, len(self.wells) - control))

    @property
    def sd(self) -> float:
        """Standard error that independent wells would give, on the logit scale."""
        control = int((self.wells["role"] == "negcon").sum())
        value = float(np.clip(self.value, self.miss, 1 - self.miss))
        return auroc_sd(max(value, 1 - value), len(self.wells) - control, control) / (value * (1 - value))


def score_relabelled(
    context: AuditContext, relabelled: Relabelled, models: Mapping[str, Any], *, axis: object
) -> dict[str, BootstrappedAuroc]:
    """Normalize ``relabelled`` and let each model tell its controls from its treated wells on held-out wells.

    Wells that are scored are sampled evenly over plates: :data:`PER_CLASS` of a class, :data:`PER_CLASS_CHEAP` for the
    length of the profile. More than :data:`MOST_FOLDS` folds are merged to as many, or to :data:`FEWEST_FOLDS` if
    :func:`refit_is_costly`. Of more than :data:`WIDE` features
    models see principal components, the length of the profile reads all.

    Raises
    ------
    NotApplicable : the method needs more controls, or a fold lacks a class.
    """
    normalized = context.normalize(relabelled.profiles)
    # compounds are not kept apart: relabelled controls would be spared it, and the two classes no longer alike
    wells = relabelled.profiles.wells.assign(compound="")
    seed, task = derive(context.seed, axis), DmsoVsTreated()
    relabelled = replace(relabelled, tested=balance_over_plates(relabelled.profiles.wells, relabelled.tested, seed))
    samples = _sample(relabelled, PER_CLASS, seed), _sample(relabelled, PER_CLASS_CHEAP, seed)
    folds: dict[str, list[Evaluation]] = {name: [] for name in models}
    whole: Profiles | None = None
    views: tuple[Profiles, Profiles] | None = None
    try:
        most = FEWEST_FOLDS if refit_is_costly(context, relabelled.profiles) else MOST_FOLDS
        for split in few_folds(list(context.splitter.split(wells)), most):
            before, whole = whole, normalized(split)
            if views is None or whole is not before:
                views = _narrow(_take(whole, samples[0])), _take(whole, samples[1])
            for name, model in models.items():
                long = isinstance(model, RowNorm)
                fold = Split(split.name, split.train[samples[long]], split.test[samples[long]])
                folds[name].append(evaluate(views[long], fold, task, model, seed=context.seed))
    except InputError as reason:
        raise NotApplicable(f"after relabelling: {reason}", code="few_controls") from reason
    draws = resample_units([one for evaluations in folds.values() for one in evaluations], context.n_resamples)
    return {name: bootstrap_auroc(evaluations, draws) for name, evaluations in folds.items()}


def balance_over_plates(wells: pd.DataFrame, tested: Mask, seed: int) -> Mask:
    """Return the ``tested`` wells, or as many of either class on each plate if their shares differ between plates.

    Where they do, what tells plates apart tells the classes too, with nothing made by a normalization.
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
    return Profiles(profiles.X[sample], profiles.wells[sample])


def _narrow(profiles: Profiles) -> Profiles:
    """Return principal components of wide profiles."""
    if profiles.X.shape[1] <= WIDE:
        return profiles
    return Profiles(components(profiles.X, N_COMPONENTS), profiles.wells)


def refit_is_costly(context: AuditContext, profiles: Profiles) -> bool:
    """Return whether a large screen is normalized anew for every fold: nulls then take fewer folds and one
    relabelling.
    """
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


def resample_units(evaluations: Sequence[Evaluation], n_resamples: int) -> Resamples:
    """Return resamples of batches, or of plates if there are fewer than 4 batches.

    Plates are not drawn within batches that are drawn: how much batches vary holds how much their plates do, and both
    together would count it twice (Davison & Hinkley 1997, section 3.8), which matters if batches are alike.
    """
    draws = draws_of(evaluations, n_resamples=n_resamples)
    if len(set(draws.batch)) < FEWEST_BATCHES:
        return draws
    return replace(draws, within=np.ones_like(draws.within))


def bootstrap_auroc(evaluations: Sequence[Evaluation], draws: Resamples) -> BootstrappedAuroc:
    """Return the mean over folds and how it varies over the :func:`resample_units`."""
    folds = weigh(evaluations, draws)
    metric = Auroc()
    pairs = zip(folds.evaluations, folds.weights, strict=True)
    by_fold = np.column_stack([metric.values(e, w) for e, w in pairs])
    value = float(np.mean([metric(e) for e in evaluations]))
    return BootstrappedAuroc(value, weighted_mean(by_fold, folds.above), folds.together.wells)


def mean_auroc_interval(repeats: Sequence[BootstrappedAuroc]) -> tuple[float, float, float]:
    """Return value, lower and upper bound of the mean AUROC of some relabellings of a screen.

    Student's quantile is due to the spread between batches, or plates, which is estimated. What wells alone would give
    is computed and is held to the normal quantile: the wider of the two covers either case.
    """
    value, miss = (float(np.mean([getattr(one, name) for one in repeats])) for name in ("value", "miss"))
    inside = float(np.clip(value, miss, 1 - miss))  # else draws of exactly 1 lie far from all others on the logit scale
    draws = np.clip(np.mean([one.draws for one in repeats], axis=0), miss, 1 - miss)
    freedom = degrees_of_freedom(repeats[0].wells)
    sd = float(np.mean([one.sd for one in repeats]) / np.sqrt(len(repeats))) * inside * (1 - inside)
    sd *= norm.ppf(ONE_SIDED) / t.ppf(ONE_SIDED, freedom) if freedom else 1.0
    lower, upper = bounded_interval(inside, draws, freedom=freedom, least_sd=sd)
    return value, float(np.minimum(lower, value)), float(np.maximum(upper, value))


def _sample(relabelled: Relabelled, n: int, seed: int) -> Mask:
    wells = relabelled.profiles.wells
    classes = [relabelled.tested & (wells["role"] == role).to_numpy() for role in ("negcon", "treated")]
    return np.logical_or(*(sample_evenly(wells, mask, n, seed, i) for i, mask in enumerate(classes)))
