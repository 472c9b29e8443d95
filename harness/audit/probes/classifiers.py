"""Four probes that predict the batch of a well: linear and quadratic discriminants, neighbours and trees.

A probe is prepared once for a set of wells and then predicts for any way to deal their plates into batches and folds:
the slow parts (distances, sums of products, trees) do not depend on batches.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.ensemble import ExtraTreesClassifier

from harness.audit.probes.partitions import Codes
from harness.audit.probes.reduced_wells import ReducedWells
from harness.audit.shared.group_sums import group_sums
from harness.core.arrays import Doubles, Floats, Mask

N_NEIGHBOURS = 15
N_TREES = 40
RIDGE = 0.1  # of unit variance

ProbePrediction = Callable[[Codes, Mask], Codes]
"""``predict(batch, test)`` returns the predicted batch of each well of the held-out plates, in the order of the rows.

``batch`` : (Q,) of each plate. ``test`` : (Q,) the plates that are held out.
"""


def neighbours(wells: ReducedWells) -> ProbePrediction:
    """Prepare a vote of the 15 nearest training wells on large components, weighted so that batches count alike.

    Wells of one group (a compound) do not vote for each other.
    """
    Z = wells.large
    square = np.einsum("ij,ij->i", Z, Z)
    distance = square[:, None] + square[None] - 2 * (Z @ Z.T)
    if (wells.group >= 0).any():
        distance[(wells.group[:, None] == wells.group[None]) & (wells.group >= 0)[:, None]] = np.inf

    def predict(batch: Codes, test: Mask) -> Codes:
        rows = test[wells.plate]
        label = batch[wells.plate[~rows]]
        n_wells = np.maximum(np.bincount(label, minlength=int(batch.max()) + 1), 1)
        k = int(min(N_NEIGHBOURS, n_wells.min()))
        nearest = np.argpartition(distance[np.ix_(rows, ~rows)], k - 1, axis=1)[:, :k]
        vote = np.eye(len(n_wells))[label[nearest]].sum(axis=1) / n_wells
        return np.asarray(np.argmax(vote, axis=1))

    return predict


def linear(wells: ReducedWells) -> ProbePrediction:
    """Prepare a linear discriminant with a pooled covariance and a ridge, for equally frequent batches."""
    Z, plate = wells.scaled, wells.plate
    n = np.bincount(plate, minlength=wells.n_plates).astype(np.float64)
    first, second = group_sums(Z, plate, wells.n_plates), _products(Z, plate, wells.n_plates)

    def predict(batch: Codes, test: Mask) -> Codes:
        in_training = _members(batch, test)
        n_wells = np.maximum(in_training @ n, 1)
        mean = in_training @ first / n_wells[:, None]
        pooled = np.tensordot(in_training.sum(axis=0), second, axes=1) - (mean.T * n_wells) @ mean
        pooled /= n_wells.sum()
        pooled[np.diag_indices(len(pooled))] += RIDGE
        direction = np.linalg.solve(pooled, mean.T)
        score = Z[test[plate]] @ direction - 0.5 * np.einsum("bd,db->b", mean, direction)
        return np.asarray(np.argmax(score, axis=1))

    return predict


def spread(wells: ReducedWells) -> ProbePrediction:
    """Prepare a quadratic discriminant of wells minus their plate's mean, which sees variances and correlations only.

    The covariance of each batch is shrunk to the pooled one, the more the fewer its wells, and has a ridge. Differences
    between means are left to the other probes: if the means of batches were made equal, a held-out plate is classified
    worse than by chance, which would hide differences in variation.
    """
    plate = wells.plate
    n = np.bincount(plate, minlength=wells.n_plates).astype(np.float64)
    Z = wells.scaled - (group_sums(wells.scaled, plate, wells.n_plates) / np.maximum(n, 1)[:, None])[plate]
    Z *= np.sqrt(n / np.maximum(n - 1, 1))[plate][:, None]
    sd = Z.std(axis=0)
    Z /= np.where(sd > 0, sd, np.inf)
    second = _products(Z, plate, wells.n_plates)

    def predict(batch: Codes, test: Mask) -> Codes:
        in_training = _members(batch, test)
        n_wells = np.maximum(in_training @ n, 1)
        covariance = np.tensordot(in_training, second, axes=1) / n_wells[:, None, None]
        pooled = np.tensordot(n_wells / n_wells.sum(), covariance, axes=1)
        tested, d = Z[test[plate]], Z.shape[1]
        score = np.empty((len(tested), len(n_wells)))
        for b in range(len(n_wells)):
            weight = n_wells[b] / (n_wells[b] + 2 * d)
            shrunk = weight * covariance[b] + (1 - weight) * pooled
            shrunk[np.diag_indices(d)] += RIDGE
            root = np.linalg.cholesky(shrunk)
            inverse = solve_triangular(root, np.eye(d), lower=True, check_finite=False)
            score[:, b] = -0.5 * np.square(tested @ inverse.T).sum(axis=1) - np.log(np.diagonal(root)).sum()
        return np.asarray(np.argmax(score, axis=1))

    return predict


def _members(batch: Codes, test: Mask) -> Doubles:
    """Mark the training plates of each batch, (B, Q)."""
    return np.asarray(np.eye(int(batch.max()) + 1)[batch].T * ~test)


def _products(Z: Doubles, plate: Codes, n_plates: int) -> Doubles:
    """Return the sums of products of the wells of each plate, (Q, d, d)."""
    return np.stack([Z[plate == q].T @ Z[plate == q] for q in range(n_plates)])


def trees(wells: ReducedWells, *, seed: int) -> ProbePrediction:
    """Prepare extremely randomized trees that predict plates; their leaves count the batches of training wells.

    The trees are grown once and serve every way to deal plates into batches: whatever tells batches apart tells plates
    of different batches apart. All wells, held-out ones included, take part in growing them, with their plates only.
    """
    X = np.hstack([wells.scaled.astype(np.float32), wells.features])
    forest = ExtraTreesClassifier(N_TREES, min_samples_leaf=4, random_state=seed % 2**32)
    leaf = forest.fit(X, wells.plate).apply(X).astype(np.intp)
    leaf += np.r_[0, np.cumsum([tree.tree_.node_count for tree in forest.estimators_])[:-1]]
    leaves = np.unique(leaf)
    leaf = np.searchsorted(leaves, leaf)
    count = np.zeros((wells.n_plates, len(leaves)))
    np.add.at(count, (np.repeat(wells.plate, N_TREES), leaf.ravel()), 1.0)
    n = np.bincount(wells.plate, minlength=wells.n_plates).astype(np.float64)

    def predict(batch: Codes, test: Mask) -> Codes:
        in_training = _members(batch, test)
        share = (in_training @ count) / np.maximum(in_training @ n, 1)[:, None]
        total = share.sum(axis=0)
        share = np.divide(share, total, out=np.full_like(share, 1 / len(share)), where=total > 0)
        score = _summed(share, leaf[test[wells.plate]])
        return np.asarray(np.argmax(score, axis=1))

    return predict


def _summed(share: Doubles, leaf: Codes) -> Floats | Doubles:
    """Sum the shares (B, n_leaves) of the leaves of each well: (n_wells, n_trees) to (n_wells, B)."""
    return np.asarray(share.T[leaf].sum(axis=1))


def probes(wells: ReducedWells, seed: int) -> dict[str, ProbePrediction]:
    """Prepare every probe, by name."""
    makers: dict[str, Callable[[ReducedWells], ProbePrediction]] = {
        "linear": linear,
        "neighbours": neighbours,
        "spread": spread,
        "trees": partial(trees, seed=seed),
    }
    return {name: make(wells) for name, make in makers.items()}
