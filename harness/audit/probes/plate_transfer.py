"""A linear model of treated against control wells, trained on some plates and scored on others, from plate sums."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from harness.audit.probes.partitions import Codes
from harness.core.arrays import Doubles, Mask

RIDGE = 0.1  # of unit variance


class PlateSums:
    """Numbers, sums and sums of products of control and of treated wells by plate.

    Parameters
    ----------
    Z : (n, d) of unit variance. plate : (n,) 0..Q-1. positive : (n,) the treated wells.
    """

    def __init__(self, Z: Doubles, plate: Codes, positive: Mask) -> None:
        self.Z, self.plate, self.positive = Z, plate, positive
        cells = [[(plate == q) & (positive == c) for q in range(int(plate.max()) + 1)] for c in (False, True)]
        self.n = np.array([[rows.sum() for rows in plates] for plates in cells], dtype=np.float64)
        self.first = np.array([[Z[rows].sum(axis=0) for rows in plates] for plates in cells])
        self.second = np.array([[Z[rows].T @ Z[rows] for rows in plates] for plates in cells])

    def log_odds(self, train: Mask, plate: int) -> Doubles:
        """Return log odds that the wells of a plate are treated, by a linear discriminant of the plates ``train`` (Q,).

        Both classes have the same weight, their covariance a ridge.
        """
        weight = train.astype(np.float64)
        n = self.n @ weight
        mean = np.einsum("q,cqd->cd", weight, self.first) / n[:, None]
        second = np.einsum("q,cqij->cij", weight, self.second) / n[:, None, None]
        covariance = (second - np.einsum("ci,cj->cij", mean, mean)).mean(axis=0)
        covariance[np.diag_indices(len(covariance))] += RIDGE
        direction = np.linalg.solve(covariance, mean[1] - mean[0])
        return np.asarray((self.Z[self.plate == plate] - mean.mean(axis=0)) @ direction)


def ordered_pairs(score: Doubles, positive: Mask, plate: Codes) -> Doubles:
    """Count, for every two plates, pairs of a treated well of one and a control of the other that are in order.

    The AUROC under any weights of plates w (Q,) follows: w U w / (w n1) (w n0). Ties count half.

    Returns
    -------
    U : (Q, Q), rows: plates of the treated wells.
    """
    n_plates = int(plate.max()) + 1
    U = np.zeros((n_plates, n_plates))
    for q in range(n_plates):
        negative = score[(plate == q) & ~positive]
        if len(negative) == 0:
            continue
        ranks = rankdata(np.r_[negative, score[positive]])[len(negative) :]
        inside = rankdata(score[positive])
        U[:, q] = np.bincount(plate[positive], ranks - inside, minlength=n_plates)
    return U
