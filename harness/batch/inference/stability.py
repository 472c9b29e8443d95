"""Stability of an assignment of plates to batches under resampling of the control wells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score

from harness.batch.inference.changepoints import Labels
from harness.core.arrays import Doubles


@dataclass(frozen=True)
class Stability:
    """Agreement of n_draws assignments of resampled control wells with the assignment of all.

    Attributes
    ----------
    adjusted_rand : (n_draws,) adjusted Rand index (Hubert & Arabie 1985); 1 if both hold a single batch.
    plates : (n,) mean Jaccard index of the plate's batch in the assignment and in the draws (after Hennig 2007).
    boundaries : (n - 1,) share of draws in which plates i and i + 1 of the order lie in different batches.
    """

    adjusted_rand: Doubles
    plates: Doubles
    boundaries: Doubles


def stability(labels: Labels, draws: Iterable[Labels]) -> Stability:
    """Return the stability of ``labels`` (n,) over assignments of resampled controls, (n,) each, plates in order."""
    adjusted_rand, jaccard, boundaries = [], [], []
    together = labels[:, None] == labels
    for draw in draws:
        together_in_draw = draw[:, None] == draw
        adjusted_rand.append(adjusted_rand_score(labels, draw))
        jaccard.append((together & together_in_draw).sum(axis=1) / (together | together_in_draw).sum(axis=1))
        boundaries.append(draw[1:] != draw[:-1])
    return Stability(np.array(adjusted_rand), np.mean(jaccard, axis=0), np.mean(boundaries, axis=0))
