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
from harness.data.wells.aggregation import expand
from harness.model.partition_moments import CorrelationMatrix, FoldPartitionMoments
from harness.model.projection import Projection
from harness.numerics.moments import moments
from harness.utils.parallel import n_threads

LARGEST = 2e9  # bytes of products that are kept; beyond, every fold is fitted on its own
ROWS = 8192  # of a product


class FoldPCA:
    """Standardized principal components of the wells of one matrix, for any of its folds and any model that asks.

    Wells that are on the same side of every fold form a cell; a fold's training wells are a union of cells, so that its
    means, variances and correlations are sums over cells (with ``leave_batch_out``: of all batches but one) and no fold
    needs a pass of its own. What one model asked for last is kept for the next.

    Parameters
    ----------
    profiles : normalized, one row per well or site.
    splits : the folds that share this matrix, or the products of ``like``.
    like : of the wells that these are a rescaling of, feature by feature
        (:attr:`harness.core.profiles.Profiles.rescaled`): correlations are theirs, means and variances are those of
        ``profiles``.
    """

    def __init__(self, profiles: Profiles, splits: Sequence[Split], *, like: FoldPCA | None = None) -> None:
        self.profiles = profiles
        self.splits = splits
        self.like = like
        self._cells: dict[bytes, FoldPartitionMoments | None] = {}
        self._last: tuple[Any, Floats] | None = None
        self._lock = Lock()

    def applies(self, model: Any) -> bool:
        """Return whether the steps before the model's last are a scaler and a projection that has work to do here."""
        n = self.profiles.X.shape[1]
        if not isinstance(model, Pipeline):
            return False
        match [step for _, step in model.steps[:-1]]:
            case [StandardScaler(with_mean=True, with_std=True), Projection(above=above)]:
                return bool(n > above and len(self.profiles.X) > n)
        return False

    def components(self, model: Pipeline, train: Mask, used: Mask) -> Floats | None:
        """Return what the steps before the model's last make of all wells, (n_rows, n_components).

        Parameters
        ----------
        train : rows that the steps are fitted on.
        used : rows that may be fitted on in some fold.

        Returns
        -------
        None where there are too many cells to keep, or ``train`` is no union of them.
        """
        project: Projection = model[1]
        with self._lock:
            key = train.tobytes(), project.n_components, project.random_state
            if self._last is None or self._last[0] != key:
                found = self._correlated(train, used)
                if found is None:
                    return None
                self._last = key, self._transform(found, project)
            return self._last[1]

    def _correlated(self, train: Mask, used: Mask) -> CorrelationMatrix | None:
        if self.like is None:
            cells = self._found(used)
            return None if cells is None else cells.of(train)
        found = self.like._correlated(train, used)
        if found is None:
            return None
        own = moments(self.profiles.X, rows=train)
        return CorrelationMatrix(found.n, own.mean, own.sd, found.R)

    def _found(self, used: Mask) -> FoldPartitionMoments | None:
        """Return the cells of ``used`` rows, made when first asked for."""
        key = used.tobytes()
        if key not in self._cells:
            sides = np.stack([expand(split.train, self.profiles.wells) for split in self.splits])
            cell = np.full(len(used), -1, dtype=np.intp)
            cell[used] = np.unique(sides[:, used], axis=1, return_inverse=True)[1].reshape(-1)
            few = 4.0 * self.profiles.X.shape[1] ** 2 * (cell.max(initial=-1) + 1) <= LARGEST
            self._cells = {key: FoldPartitionMoments(self.profiles.X, cell) if few else None}
        return self._cells[key]

    def _transform(self, found: CorrelationMatrix, project: Projection) -> Floats:
        axes = found.axes(min(project.n_components, len(found.scale)), project.random_state)
        map_ = (axes / found.scale).T.astype(np.float32)
        X, mean = self.profiles.X, found.mean.astype(np.float32)
        out = np.empty((len(X), map_.shape[1]), dtype=np.float32)

        def fill(start: int) -> None:
            out[start : start + ROWS] = (X[start : start + ROWS] - mean) @ map_

        with ThreadPoolExecutor(n_threads()) as pool:
            list(pool.map(fill, range(0, len(X), ROWS)))
        return out


def fold_pca_factory(normalized: Callable[[Split], Profiles], splits: Sequence[Split]) -> Callable[[Split], FoldPCA]:
    """Return the :class:`FoldPCA` of a split's matrix: the same as before where the matrix is, or what it is a
    rescaling of.

    A rescaling is not kept until the next split's is there: of a large screen that would be one matrix too many.
    """
    last: dict[str, FoldPCA] = {}

    def of(split: Split) -> FoldPCA:
        profiles = normalized(split)
        raw = profiles.rescaled
        kept = profiles if raw is None else raw
        if "kept" not in last or last["kept"].profiles is not kept:
            last["kept"] = FoldPCA(kept, splits)
        return last["kept"] if raw is None else FoldPCA(profiles, splits, like=last["kept"])

    return of
