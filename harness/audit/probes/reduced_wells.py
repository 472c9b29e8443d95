"""Wells reduced for the probes: large components, small directions in which plates differ, ranks of features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata
from sklearn.utils.extmath import randomized_svd

from harness.audit.probes.partitions import Codes
from harness.audit.shared.group_sums import group_sums
from harness.core.arrays import Doubles, Floats, Mask
from harness.numerics.components import standardized

N_LARGE = 50  # components by variance, which is what pictures show
N_SMALL = 15  # further directions, in which plates differ most
N_REST = 150  # components among which these directions are sought
N_FEATURES = 60  # features that trees read as they are
CONSTANT = 1e-4  # share of variance within plates below which a feature is constant on them
FARTHEST = 10.0  # standard deviations from the mean, so that one well does not make a component


@dataclass(frozen=True)
class ReducedWells:
    """The n wells whose batch the probes predict, reduced to what they read; batches have no part in it.

    Attributes
    ----------
    large : (n, <= 50) components of standardized features, in their own scale.
    small : (n, <= 15) directions of little variance in which plates differ most, of unit variance.
    features : (n, <= 60) ranks, 0 to 1, of the features in which plates differ most.
    plate : (n,) 0..Q-1, some perhaps without a well; ``n_plates`` : Q.
    group : (n,) wells of one compound, which do not vote for each other; -1 for none.
    """

    large: Floats
    small: Floats
    features: Floats
    plate: Codes
    group: Codes
    n_plates: int

    @cached_property
    def scaled(self) -> Doubles:
        """All directions, each in units of its standard deviation: (n, d)."""
        Z = np.hstack([self.large, self.small]).astype(np.float64)
        Z -= Z.mean(axis=0)
        sd = Z.std(axis=0)
        return np.asarray(Z[:, sd > 0] / sd[sd > 0])


def reduce_wells(X: Floats, plate: Codes, group: Codes, n_plates: int) -> ReducedWells:
    """Reduce profiles (n, n_features) to what the probes read; the batches of plates have no part in it.

    Features that are constant on every plate are read by the trees only. Such a feature has as few values as there are
    plates, may follow what the plates hold (e.g. a feature that controls lack, in units of the plate's other wells),
    and would outweigh all others.

    Raises
    ------
    NotApplicable : no feature varies.
    """
    scaled = standardized(X)
    np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
    scaled -= scaled.mean(axis=0)
    inner = scaled[:, _varies_within_plates(scaled, plate)]
    most = min(*inner.shape, N_LARGE + N_REST)
    U, s, _ = randomized_svd(inner, most, n_iter=2, random_state=0)
    s = s[s > s[0] * 1e-5] if s[0] > 0 else s[:1]
    U = U[:, : len(s)]
    large = U[:, :N_LARGE] * s[:N_LARGE]
    return ReducedWells(
        large.astype(np.float32),
        _between_plates(U[:, N_LARGE:] * np.sqrt(len(U)), plate, N_SMALL),
        _features(scaled, plate),
        plate,
        group,
        n_plates,
    )


def _varies_within_plates(scaled: Floats, plate: Codes) -> Mask:
    """Mark the features that vary on some plate; all if none does."""
    between = np.square(group_sums(scaled, plate)) / np.maximum(np.bincount(plate), 1)[:, None]
    total = np.square(scaled, dtype=np.float64).sum(axis=0)
    varies = total - between.sum(axis=0) > CONSTANT * total
    return np.asarray(varies if varies.any() else np.ones_like(varies))


def _between_plates(U: Floats, plate: Codes, n: int) -> Floats:
    """Return the ``n`` directions of ``U`` (n_wells, r), of unit variance, along which plate means vary most."""
    if U.shape[1] <= n:
        return np.asarray(U, dtype=np.float32)
    means = group_sums(U, plate) / np.sqrt(np.maximum(np.bincount(plate), 1))[:, None]
    axes = np.linalg.svd(means, full_matrices=False)[2][:n]
    return np.asarray(U @ axes.T, dtype=np.float32)


def _features(scaled: Floats, plate: Codes) -> Floats:
    """Return the ranks of the features whose plates differ most in the mean or spread of ranks, (n, <= 60)."""
    ranks = (rankdata(scaled, axis=0) / len(scaled)).astype(np.float32)
    if ranks.shape[1] <= N_FEATURES:
        return np.asarray(ranks)
    count = np.maximum(np.bincount(plate), 1)[:, None]
    between = np.zeros(ranks.shape[1])
    for values in (ranks, np.abs(ranks - ranks.mean(axis=0))):
        values = values - values.mean(axis=0)
        share = np.square(group_sums(values, plate) / np.sqrt(count)).sum(axis=0)
        between = np.maximum(between, share / np.maximum(np.square(values).sum(axis=0), 1e-12))
    return np.asarray(ranks[:, np.sort(np.argsort(-between, kind="stable")[:N_FEATURES])])
