"""Sums of products of wells, by cell of a partition: from them the moments of any union of cells, without the wells."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk
from sklearn.utils.extmath import randomized_svd

from harness.core.arrays import Doubles, Floats, Mask
from harness.numerics.moments import Moments, moments
from harness.utils.parallel import n_threads, ordered

BLOCK = 4096  # rows of a product: 134 MB at 4,096 features


class CorrelationMatrix:
    """Mean, sd (divisor n; 1 for constant features) and correlations of some wells.

    Attributes
    ----------
    n : number of wells.
    mean, scale : (n_features,) float64.
    R : (n_features, n_features) float32, correlations; 0 in rows and columns of constant features.
    """

    def __init__(self, n: int, mean: Doubles, sd: Doubles, R: Floats) -> None:
        self.n, self.mean, self.scale, self.R = n, mean, np.where(sd > 0, sd, 1.0), R

    def axes(self, n: int, seed: int) -> Floats:
        """Return the first ``n`` principal axes of standardized features, (n, n_features), by a randomized SVD of R.

        Halko 2011 (SIAM Review 53). A product with R is one with the standardized wells and their transpose, so that
        3 iterations here are worth 7 on the wells, scikit-learn's default.
        """
        U, _, _ = randomized_svd(self.R, n, n_iter=3, random_state=seed)
        return np.ascontiguousarray(U.T, dtype=np.float32)


class FoldPartitionMoments:
    """Count, moments and products of the wells of each cell.

    Parameters
    ----------
    X : (n_rows, n_features) float32; may be a memory map, read once.
    cell : (n_rows,) number of the cell of each row, -1 for rows that take no part.

    Notes
    -----
    Rows are shifted and scaled by the mean and sd of all of them before products are taken in float32, block by block;
    blocks are added in float64. Means and variances are accumulated in float64 throughout.
    """

    def __init__(self, X: Floats, cell: NDArray[np.intp]) -> None:
        self.cell = cell
        self.n = int(cell.max(initial=-1)) + 1
        rows = [np.flatnonzero(cell == number) for number in range(self.n)]
        with ThreadPoolExecutor(n_threads()) as pool:
            self.moments = list(pool.map(lambda in_cell: moments(X[in_cell]), rows))
            total = self._union(range(self.n))
            self._shift, sd = total.mean, total.sd
            self._unit = np.where(sd > 0, sd, 1.0)
            G = X.shape[1]
            self._products = np.empty((self.n, G, G), dtype=np.float32)  # their lower triangles
            for number, in_cell in enumerate(rows):
                blocks = [in_cell[start : start + BLOCK] for start in range(0, len(in_cell), BLOCK)]
                products = ordered(pool, lambda block: self._product(X[block]), blocks, n_threads())
                self._products[number] = _sum(products)
            self._total = self._products.sum(axis=0, dtype=np.float64)

    def _product(self, X: Floats) -> Floats:
        centred = ((X - self._shift.astype(np.float32)) / self._unit.astype(np.float32)).astype(np.float32, copy=False)
        product: Floats = ssyrk(1.0, centred.T).T  # the lower triangle: half the work of a product
        return product

    def _union(self, cells: range | NDArray[np.intp]) -> Moments:
        union = self.moments[int(cells[0])]
        for number in cells[1:]:
            union = union.merge(self.moments[int(number)])
        return union

    def for_rows(self, rows: Mask) -> CorrelationMatrix | None:
        """Return the moments of ``rows`` (n_rows,); None if they are no union of cells."""
        inside = np.bincount(self.cell[rows & (self.cell >= 0)], minlength=self.n)
        whole = np.array([m.n for m in self.moments]) == inside
        cells = np.flatnonzero(inside)
        if not len(cells) or not whole[cells].all() or (self.cell[rows] < 0).any():
            return None
        union = self._union(cells)
        n = int(union.n)
        products = self._total.copy()
        for number in np.flatnonzero(inside == 0):
            products -= self._products[number]
        varying = np.divide(self._unit, union.sd, out=np.zeros_like(self._unit), where=union.sd > 0)
        shifted = (union.mean - self._shift) / self._unit * varying
        products *= (varying / n)[:, None]
        products *= varying
        products -= shifted[:, None] * shifted
        R = np.tril(products).astype(np.float32)
        R += np.tril(R, -1).T
        return CorrelationMatrix(n, union.mean, union.sd, R)


def _sum(products: Iterator[Floats]) -> Floats | Doubles:
    """Return the sum of several products in float64; a single one as it is."""
    total: Floats | Doubles = next(products)
    for product in products:
        total = total.astype(np.float64, copy=False)
        total += product
    return total
