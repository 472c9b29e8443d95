"""Shrinkage of the covariance of controls: by Ledoit and Wolf, or by the likelihood of controls left out.

Nothing here reads a label or a treated well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.arrays import Doubles, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.seeding import derive
from harness.numerics.covariance import Codes, Groups, gather, pooled, union
from harness.numerics.eigen import Spectrum

INTENSITIES = np.logspace(-4, -0.05, 17)  # up to 0.89 of the identity
_PLATE_FOLDS = 3


@dataclass(frozen=True)
class HeldOut:
    """A covariance, and mean squares of rows that it was not computed from: ``along`` its axes (r,) and ``total``."""

    fitted: Spectrum
    along: Doubles
    total: float

    def log_likelihood(self, model: Spectrum) -> float:
        """Return the mean Gaussian log-likelihood, up to a constant, under ``model``, whose axes lead ``fitted``.

        Minus infinity where the model leaves directions without any variance.
        """
        along = self.along[: len(model.values)]
        value = np.log(model.values).sum() + (along / model.values).sum()
        others = model.size - len(along)
        if others and model.rest <= 0:
            return -np.inf
        if others:
            value += others * np.log(model.rest) + (self.total - along.sum()) / model.rest
        return -0.5 * float(value)


def plate_folds(plates: Sequence[Plate], controls: Codes, k: int, seed: int) -> tuple[Codes, int]:
    """Return folds of whole plates for the rows that ``controls`` marks; on a single plate its k folds of wells."""
    names = [plate.name for plate in plates if (controls(plate) >= 0).any()]
    if len(names) < 2:
        return controls, k
    ordered = sorted(names, key=lambda name: derive(seed, "plate fold", name))
    fold = {name: i % _PLATE_FOLDS for i, name in enumerate(ordered)}
    return lambda plate: np.where(controls(plate) >= 0, fold.get(plate.name, 0), -1), min(_PLATE_FOLDS, len(names))


def held_out(
    plates: Sequence[Plate], folds: tuple[Codes, int], scale: Doubles, unit: Doubles, active: Mask, setting: str
) -> list[HeldOut]:
    """Return, for each fold, the covariance of the others, in units of ``unit``, and the fold's mean squares.

    ``folds`` is what :func:`plate_folds` gives, ``setting`` the name of what is chosen, for the message.

    Folds without rows, and those that leave fewer than two rows or none that differ, say nothing and are passed over.

    Raises
    ------
    InputError : no fold says anything.
    """
    codes, k = folds
    groups = gather(plates, codes, pooled(plates, codes, k), scale, active)
    n = groups.moments.n[:, 0]
    parts = []
    for fold in range(k):
        others = [g for g in range(k) if g != fold]
        if n[fold] == 0 or n[others].sum() < 2:
            continue
        fitted = groups.spectrum(others, unit)
        if not len(fitted.values):
            continue
        along, total = groups.variances(fold, union(groups.moments, others).mean, fitted.axes, unit)
        parts.append(HeldOut(fitted, along, total))
    if not parts:
        raise InputError(
            f"{setting}=auto compares controls that are left out with the other training controls, which are too few "
            "or do not differ; set a number, or choose a norm that needs no controls, e.g. all_within"
        )
    return parts


def best(parts: Sequence[HeldOut], models: Sequence[Callable[[Spectrum], Spectrum]]) -> int:
    """Return the index of the model of highest mean log-likelihood over folds; the first of equals."""
    scores = [[part.log_likelihood(model(part.fitted)) for part in parts] for model in models]
    return int(np.mean(scores, axis=1).argmax())


def ledoit_wolf(plates: Sequence[Plate], codes: Codes, groups: Groups, unit: Doubles, active: Mask) -> float:
    """Return the weight of the identity (Ledoit & Wolf 2004, J. Multivariate Analysis 88) for rows in ``groups``."""
    whole = union(groups.moments, range(len(groups.moments.mean)))
    fourth = 0.0
    for plate in plates:
        Z = (plate.X[codes(plate) >= 0][:, active].astype(np.float64) - whole.mean) / unit
        fourth += float((np.einsum("ij,ij->i", Z, Z) ** 2).sum())
    n, size = float(whole.n[0]), len(unit)
    trace, square = groups.norms(unit)
    distance = square - trace**2 / size
    error = (fourth / n - square) / n
    return min(1.0, error / distance) if distance > 0 else 1.0
