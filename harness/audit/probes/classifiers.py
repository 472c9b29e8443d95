"""Four probes that tell the batch of a well: a linear discriminant, how wells vary, neighbours and trees.

A probe is prepared once for a set of wells and then answers for any way to deal their plates into batches and folds;
what takes time, distances, sums of products and trees, knows nothing of batches.
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
"""``predict(batch, test)``: batch (Q,) of each plate, ``test`` (Q,) the plates that are held out; for each of their
wells, in the order of the rows, the predicted batch."""


def neighbours(view: ReducedWells) -> ProbePrediction:
    """Return vote of the 15 nearest training wells on large components, votes weighted so that batches count alike.

    Wells of one group (a compound) do not vote for each other.
    """
    Z = view.large
    square = np.einsum("ij,ij->i", Z, Z)
    distance = square[:, None] + square[None] - 2 * (Z @ Z.T)
    if (view.group >= 0).any():
        distance[(view.group[:, None] == view.group[None]) & (view.group >= 0)[:, None]] = np.inf

    def predict(batch: Codes, test: Mask) -> Codes:
        rows = test[view.plate]
        label = batch[view.plate[~rows]]
        size = np.maximum(np.bincount(label, minlength=int(batch.max()) + 1), 1)
        k = int(min(N_NEIGHBOURS, size.min()))
        near = np.argpartition(distance[np.ix_(rows, ~rows)], k - 1, axis=1)[:, :k]
        vote = np.eye(len(size))[label[near]].sum(axis=1) / size
        return np.asarray(np.argmax(vote, axis=1))

    return predict


def linear(view: ReducedWells) -> ProbePrediction:
    """Return linear discriminant with a pooled covariance and a ridge, batches equally frequent."""
    Z, plate = view.scaled, view.plate
    n = np.bincount(plate, minlength=view.n_plates).astype(np.float64)
    first, second = group_sums(Z, plate, view.n_plates), _products(Z, plate, view.n_plates)

    def predict(batch: Codes, test: Mask) -> Codes:
        member = _members(batch, test)
        size = np.maximum(member @ n, 1)
        mean = member @ first / size[:, None]
        pooled = np.tensordot(member.sum(axis=0), second, axes=1) - (mean.T * size) @ mean
        pooled /= size.sum()
        pooled[np.diag_indices(len(pooled))] += RIDGE
        direction = np.linalg.solve(pooled, mean.T)
        score = Z[test[plate]] @ direction - 0.5 * np.einsum("bd,db->b", mean, direction)
        return np.asarray(np.argmax(score, axis=1))

    return predict


def spread(view: ReducedWells) -> ProbePrediction:
    """Return quadratic discriminant of wells minus their plate's mean: it sees variances and correlations and nothing
    else.

    Each batch's covariance is shrunk to the pooled one as its wells are few, and has a ridge. Differences between means
    are left to the other probes: of batches whose means were made equal, a held-out plate is told worse than by chance,
    which would hide how they vary.
    """
    plate = view.plate
    n = np.bincount(plate, minlength=view.n_plates).astype(np.float64)
    Z = view.scaled - (group_sums(view.scaled, plate, view.n_plates) / np.maximum(n, 1)[:, None])[plate]
    Z *= np.sqrt(n / np.maximum(n - 1, 1))[plate][:, None]
    sd = Z.std(axis=0)
    Z /= np.where(sd > 0, sd, np.inf)
    second = _products(Z, plate, view.n_plates)

    def predict(batch: Codes, test: Mask) -> Codes:
        member = _members(batch, test)
        size = np.maximum(member @ n, 1)
        covariance = np.tensordot(member, second, axes=1) / size[:, None, None]
        pooled = np.tensordot(size / size.sum(), covariance, axes=1)
        tested, d = Z[test[plate]], Z.shape[1]
        score = np.empty((len(tested), len(size)))
        for b in range(len(size)):
            weight = size[b] / (size[b] + 2 * d)
            shrunk = weight * covariance[b] + (1 - weight) * pooled
            shrunk[np.diag_indices(d)] += RIDGE
            root = np.linalg.cholesky(shrunk)
            inverse = solve_triangular(root, np.eye(d), lower=True, check_finite=False)
            score[:, b] = -0.5 * np.square(tested @ inverse.T).sum(axis=1) - np.log(np.diagonal(root)).sum()
        return np.asarray(np.argmax(score, axis=1))

    return predict


def _members(batch: Codes, test: Mask) -> Doubles:
    """Mark the training plates of each batch: (B, Q)."""
    return np.asarray(np.eye(int(batch.max()) + 1)[batch].T * ~test)


def _products(Z: Doubles, plate: Codes, n_plates: int) -> Doubles:
    """Return sums of products of the wells of each plate, (Q, d, d)."""
    return np.stack([Z[plate == q].T @ Z[plate == q] for q in range(n_plates)])


def trees(view: ReducedWells, *, seed: int) -> ProbePrediction:
    """Extremely randomized trees, grown to tell plates; in their leaves the batches of training wells are counted.

    So they are grown once for every way to deal plates into batches: what tells batches tells plates of different
    batches.
    """
    X = np.hstack([view.scaled.astype(np.float32), view.features])
    forest = ExtraTreesClassifier(N_TREES, min_samples_leaf=4, random_state=seed % 2**32)
    leaf = forest.fit(X, view.plate).apply(X).astype(np.intp)
    leaf += np.r_[0, np.cumsum([tree.tree_.node_count for tree in forest.estimators_])[:-1]]
    places = np.unique(leaf)
    leaf = np.searchsorted(places, leaf)
    count = np.zeros((view.n_plates, len(places)))
    np.add.at(count, (np.repeat(view.plate, N_TREES), leaf.ravel()), 1.0)
    n = np.bincount(view.plate, minlength=view.n_plates).astype(np.float64)

    def predict(batch: Codes, test: Mask) -> Codes:
        member = _members(batch, test)
        share = (member @ count) / np.maximum(member @ n, 1)[:, None]
        total = share.sum(axis=0)
        share = np.divide(share, total, out=np.full_like(share, 1 / len(share)), where=total > 0)
        score = _summed(share, leaf[test[view.plate]])
        return np.asarray(np.argmax(score, axis=1))

    return predict


def _summed(share: Doubles, leaf: Codes) -> Floats | Doubles:
    """Sum the shares (B, n_leaves) of the leaves of each well: (n_wells, n_trees) to (n_wells, B)."""
    return np.asarray(share.T[leaf].sum(axis=1))


def probes(view: ReducedWells, seed: int) -> dict[str, ProbePrediction]:
    """Prepare every probe, by name."""
    makers: dict[str, Callable[[ReducedWells], ProbePrediction]] = {
        "linear": linear,
        "neighbours": neighbours,
        "spread": spread,
        "trees": partial(trees, seed=seed),
    }
    return {name: make(view) for name, make in makers.items()}
