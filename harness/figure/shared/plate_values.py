"""One value per well, before and after: a feature, a column of the wells, or the held-out score of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import has_role
from harness.core.seeding import generator
from harness.figure.shared.position_effect import center_by_plate, position_effect
from harness.figure.shared.raw_profiles import align_raw_profiles
from harness.plotting.control_units import control_spread
from harness.utils.text import preview

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.arrays import Doubles
    from harness.figure.base import FigureContext

MOST_PLATES = 24  # plates, drawn by the seed, on which the feature with the strongest effect is sought


@dataclass(frozen=True)
class PlateValues:
    """Values of all wells by stage.

    ``stages``: before and after, or score alone, each (n_wells,) centred by plate; ``unit`` of all of them; ``why`` the
    feature ``name`` is shown."""

    name: str
    why: str
    unit: str
    stages: dict[str, Doubles]


def plate_values(run: FigureContext, feature: str | None) -> PlateValues:
    """Return values of all wells of ``run.normalized``; NaN for empty wells and unknown scores.

    A feature comes in robust sd of control wells within plates, at its stage, so that before and after compare; a
    column of the wells and a score as they are. ``feature=None`` is the feature that rows and columns explain best
    before normalization, see :func:`strongest_feature`.

    Raises InputError for an unknown name, NotApplicable if the value has no spread or raw profiles were not kept.
    """
    wells = run.normalized.wells
    filled = ~has_role(wells, "empty")
    plate = wells["plate"].to_numpy()
    if feature is None or feature in run.normalized.features:
        column = strongest_feature(run) if feature is None else run.normalized.features.index(feature)
        name = run.normalized.features[column]
        stages = {
            "before": align_raw_profiles(run, np.ones(len(wells), dtype=bool), columns=[column])[:, 0],
            "after": run.normalized.X[:, column],
        }
        why = "strongest row and column effect before" if feature is None else "chosen"
        scaled = {stage: _in_control_sd(x.astype(np.float64), run, filled) for stage, x in stages.items()}
        return PlateValues(name, why, "robust sd of control wells within plates, from the plate's median", scaled)
    scores = _heldout_scores(run, feature)
    if scores is None and feature in wells and pd.api.types.is_numeric_dtype(wells[feature]):
        scores = wells[feature].to_numpy(dtype=np.float64)
    if scores is None:
        scored = [f"{task}/{model}" for task, model in run.evaluations]
        raise InputError(
            f"figure.plate_view.feature={feature!r} is no feature, numeric column of the wells, or score; scores are "
            f"{scored}, features {preview(run.normalized.features)}"
        )
    return PlateValues(
        feature, "chosen", "difference from the plate's median", {"score": _centred(scores, plate, filled)}
    )


def strongest_feature(run: FigureContext) -> int:
    """Return the feature with the largest mean :func:`position_effect` over up to 24 plates, before normalization.

    If no plate has enough wells for that, the effect is over all wells of these plates together.
    """
    wells = run.normalized.wells
    names = wells["plate"].unique()
    sampled = names[np.sort(generator(run.seed, "plate view").permutation(len(names))[:MOST_PLATES])]
    searched = wells["plate"].isin(sampled).to_numpy() & ~has_role(wells, "empty")
    X, well_rows = align_raw_profiles(run, searched).astype(np.float64), wells[searched].reset_index(drop=True)
    by_plate = [
        position_effect(X[at], well_rows.iloc[at]) for at in well_rows.groupby("plate", sort=False).indices.values()
    ]
    if all(np.isnan(effect).all() for effect in by_plate):
        by_plate = [position_effect(X, well_rows)]
    effects = pd.DataFrame(by_plate).mean().to_numpy()
    if np.isnan(effects).all():
        raise NotApplicable("too few wells to tell rows from columns, or no feature varies; name one by feature")
    return int(np.nanargmax(effects))


def _in_control_sd(x: Doubles, run: FigureContext, filled: NDArray[np.bool_]) -> Doubles:
    wells = run.normalized.wells
    controls = has_role(wells, "negcon")
    sd = control_spread(x[controls][:, None].astype(np.float32), wells["plate"][controls])[0]
    if not np.isfinite(sd):
        raise NotApplicable("the feature does not vary between control wells of a plate, before or after")
    return np.asarray(_centred(x, wells["plate"].to_numpy(), filled) / sd, dtype=np.float64)


def _centred(x: Doubles, plate: NDArray[np.object_], filled: NDArray[np.bool_]) -> Doubles:
    return np.asarray(center_by_plate(np.where(filled, x, np.nan)[:, None], pd.factorize(plate)[0])[:, 0])


def _heldout_scores(run: FigureContext, name: str) -> Doubles | None:
    """Return held-out scores of ``task/model`` for each well, the mean if several folds held it out."""
    evaluations_by_name = {f"{task}/{model}": evaluations for (task, model), evaluations in run.evaluations.items()}
    if name not in evaluations_by_name:
        return None
    parts = [e.wells[["plate", "well"]].assign(score=e.score) for e in evaluations_by_name[name] if "well" in e.wells]
    if not parts:
        raise NotApplicable(f"scores of {name} are of compounds, not of wells")
    mean = pd.concat(parts).groupby(["plate", "well"])["score"].mean()
    keys = pd.MultiIndex.from_frame(run.normalized.wells[["plate", "well"]])
    return np.asarray(mean.reindex(keys), dtype=np.float64)
