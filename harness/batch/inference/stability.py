"""How much of an assignment of plates to batches rests on which control wells there happened to be."""

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
    rand : (n_draws,) adjusted Rand index (Hubert & Arabie 1985); 1 where both hold a single batch.
    plates : (n,) mean Jaccard index of the plate's batch in the assignment and in the draws (after Hennig 2007).
    boundaries : (n - 1,) share of draws in which plates i and i + 1 of the order lie in different batches.
    """

    rand: Doubles
    plates: Doubles
    boundaries: Doubles


def stability(labels: Labels, draws: Iterable[Labels]) -> Stability:
    """Return stability of ``labels`` (n,) over assignments of resampled controls, (n,) each, plates in order."""
    rand, jaccard, parted = [], [], []
    own = labels[:, None] == labels
    for drawn in draws:
        other = drawn[:, None] == drawn
        rand.append(adjusted_rand_score(labels, drawn))
        jaccard.append((own & other).sum(axis=1) / (own | other).sum(axis=1))
        parted.append(drawn[1:] != drawn[:-1])
    return Stability(np.array(rand), np.mean(jaccard, axis=0), np.mean(parted, axis=0))
