"""Retrieval of labels by nearest neighbours, under the true and permuted labels. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.audit.replicate.labelled_profiles import LabelledProfiles
from harness.core.arrays import Doubles, Floats, Mask

BLOCK = 128  # queries at a time
Excluded = Callable[[LabelledProfiles, slice], Mask]


@dataclass(frozen=True)
class LabelRetrieval:
    """Scores of n queries under L labellings, (L, n) each; NaN for a query without candidates of its label.

    Attributes
    ----------
    average_precision : mean over the candidates with the label of the share of candidates as near that have it too.
    recall : share of the candidates with the label that are among the k nearest, of k at most.
    nearest : whether the nearest candidate has the label; NaN for a query without candidates.
    """

    average_precision: Doubles
    recall: Doubles
    nearest: Doubles


def retrieve_labels(
    U: Floats, data: LabelledProfiles, labellings: NDArray[np.int32], excluded: Excluded, k: int
) -> LabelRetrieval:
    """Rank, for each row, the rows that are not ``excluded`` by their product with it, and score every labelling.

    Parameters
    ----------
    U : (n, p), of unit length. labellings : (L, n) labels; the first is the true one.
    k : of recall; 0 if only the nearest row is needed, which takes no sorting.
    """
    n = len(U)
    scores = np.full((3, len(labellings), n), np.nan)
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        similarity = U[rows] @ U.T
        not_candidates = excluded(data, rows)
        not_candidates[np.arange(len(not_candidates)), np.arange(start, rows.stop)] = True
        similarity[not_candidates] = -np.inf
        if not k:
            nearest, without_candidates = similarity.argmax(axis=1), not_candidates.all(axis=1)
            is_alike = np.equal(labellings[:, nearest], labellings[:, rows])
            scores[2, :, rows] = np.where(without_candidates, np.nan, is_alike)
            continue
        order = np.argsort(-similarity, axis=1, kind="stable")
        allowed = ~np.take_along_axis(not_candidates, order, axis=1)
        for number, label in enumerate(labellings):
            hit = (label[order] == label[rows][:, None]) & allowed
            scores[:, number, rows] = _scores(hit, allowed, k)
    return LabelRetrieval(*scores)


def _scores(hit: Mask, allowed: Mask, k: int) -> Doubles:
    """Return average precision, recall among the first k and whether the first is a hit, (3, n_rows)."""
    positives, candidates = hit.sum(axis=1), allowed.sum(axis=1)
    row, place = np.nonzero(hit)
    number = np.arange(len(row)) - (np.cumsum(positives) - positives)[row]
    precision = np.bincount(row, (number + 1) / (place + 1), minlength=len(hit))
    scores = np.stack(
        [precision / np.maximum(positives, 1), hit[:, :k].sum(axis=1) / np.clip(positives, 1, k), hit[:, 0]]
    )
    scores[:2, positives == 0] = np.nan
    scores[2, candidates == 0] = np.nan
    return np.asarray(scores)
