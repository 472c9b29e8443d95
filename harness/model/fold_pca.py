"""Scaling and projection of wide profiles for all folds of a split, from one pass over the wells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from harness.core.arrays import Floats, Mask
from harness.core.evaluation import Split
from harness.core.profiles import Profiles
from harness.core.result_cache import ResultCache
from harness.data.wells.aggregation import expand
from harness.model.partition_moments import CorrelationMatrix, FoldPartitionMoments
from harness.model.projection import Projection
from harness.numerics.moments import moments
from harness.utils.parallel import n_threads

LARGEST = 2e9  # bytes of products that are cached; with more, every fold is fitted on its own
ROWS = 8192  # of a product


class FoldPCA:
    """Standardized principal components of the wells of one matrix, for any of its folds and any model.

    Wells that are on the same side of every fold form a cell; a fold's training wells are a union of cells, so that its
    means, variances and correlations are sums over cells (with ``leave_batch_out``: of all batches but one) and no fold
    needs a pass of its own. The latest components are cached for the next model.

    Parameters
    ----------
    profiles : normalized, one row per well or site.
    splits : the folds that share this matrix, or the products of ``base``.
    base : the FoldPCA of the wells that these are a rescaling of, feature by feature
        (:attr:`harness.core.profiles.Profiles.rescaled`): correlations are theirs, means and variances are those of
        ``profiles``.
    """

    def __init__(self, profiles: Profiles, splits: Sequence[Split], *, base: FoldPCA | None = None) -> None:
        self.profiles = profiles
        self.splits = splits
        self.base = base
        self._partitions = ResultCache(size=1)
        self._components = ResultCache(size=1)
        self._lock = Lock()

    def applies(self, model: Any) -> bool:
        """Return whether the steps before the model's last are a scaler and a projection of these features."""
        n = self.profiles.X.shape[1]
        if not isinstance(model, Pipeline):
            return False
        match [step for _, step in model.steps[:-1]]:
            case [StandardScaler(with_mean=True, with_std=True), Projection(above=above)]:
                return bool(n > above and len(self.profiles.X) > n)
        return False

    def components(self, model: Pipeline, train: Mask, used: Mask) -> Floats | None:
        """Return all wells transformed by the steps before the model's last, (n_rows, n_components).

        Parameters
        ----------
        train : rows that the steps are fitted on.
        used : rows that may be fitted on in some fold.

        Returns
        -------
        None if there are too many cells to keep, or ``train`` is no union of them.
        """
        project: Projection = model[1]

        def make() -> Floats | None:
            correlations = self._correlated(train, used)
            return None if correlations is None else self._transform(correlations, project)

        with self._lock:
            return self._components.get((train.tobytes(), project.n_components, project.random_state), make)

    def _correlated(self, train: Mask, used: Mask) -> CorrelationMatrix | None:
        if self.base is None:
            partition = self._partitions.get(used.tobytes(), lambda: self._partition(used))
            return None if partition is None else partition.for_rows(train)
        correlations = self.base._correlated(train, used)
        if correlations is None:
            return None
        rescaled = moments(self.profiles.X, rows=train)
        return CorrelationMatrix(correlations.n, rescaled.mean, rescaled.sd, correlations.R)

    def _partition(self, used: Mask) -> FoldPartitionMoments | None:
        """Return the moments of the cells of ``used`` rows; None if they are too many to keep."""
        sides = np.stack([expand(split.train, self.profiles.wells) for split in self.splits])
        cell = np.full(len(used), -1, dtype=np.intp)
        cell[used] = np.unique(sides[:, used], axis=1, return_inverse=True)[1].reshape(-1)
        few = 4.0 * self.profiles.X.shape[1] ** 2 * (cell.max(initial=-1) + 1) <= LARGEST
        return FoldPartitionMoments(self.profiles.X, cell) if few else None

    def _transform(self, correlations: CorrelationMatrix, project: Projection) -> Floats:
        axes = correlations.axes(min(project.n_components, len(correlations.scale)), project.random_state)
        map_ = (axes / correlations.scale).T.astype(np.float32)
        X, mean = self.profiles.X, correlations.mean.astype(np.float32)
        out = np.empty((len(X), map_.shape[1]), dtype=np.float32)

        def fill(start: int) -> None:
            out[start : start + ROWS] = (X[start : start + ROWS] - mean) @ map_

        with ThreadPoolExecutor(n_threads()) as pool:
            list(pool.map(fill, range(0, len(X), ROWS)))
        return out


def fold_pca_factory(normalized: Callable[[Split], Profiles], splits: Sequence[Split]) -> Callable[[Split], FoldPCA]:
    """Return a function that gives the :class:`FoldPCA` of a split's matrix.

    It is the same object as for the split before if the matrix is the same, and shares the products of that object if
    the matrix is a rescaling of the same wells. The FoldPCA of a rescaling is not kept until the next split's exists:
    of a large screen that would be one matrix too many.
    """
    latest: list[FoldPCA] = []

    def for_split(split: Split) -> FoldPCA:
        profiles = normalized(split)
        base = profiles if profiles.rescaled is None else profiles.rescaled
        if not latest or latest[0].profiles is not base:
            latest[:] = [FoldPCA(base, splits)]
        return latest[0] if base is profiles else FoldPCA(profiles, splits, base=latest[0])

    return for_split
