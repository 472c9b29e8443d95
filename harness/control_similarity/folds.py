"""Scores by fits to control wells, each by a fit that has not read it.

Wells that a fit has read differ from others like them in their score, with no biology at all (README, "The trap"): a
whole covariance lies closer to them, their own leading components spread them wider. So a control is scored by the
controls of other folds, and a treated well by the controls without a fold drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Mask
from harness.core.profiles import Profiles, has_role
from harness.data.wells.sampling import sample
from harness.norm.engine.crossfit import fold_of

Fit = Callable[[Mask], Callable[[Mask], Doubles]]


@dataclass(frozen=True)
class Folds:
    """``read``: rows of controls that fits may read, (n,). ``fold``: of each row, (n,); ``n`` of them."""

    read: Mask
    fold: NDArray[np.int64]
    n: int

    def score(self, rows: Mask, fit: Fit, *, into: Doubles) -> None:
        """Put the score of each of ``rows`` (n,) in its place of ``into`` (n,).

        ``fit`` is given the controls among ``rows`` outside a fold, as a mask (n,), and returns what scores the rows
        of another mask, in their order.
        """
        for f in range(self.n):
            left_out = self.fold == f
            mine = rows & left_out
            if mine.any():
                into[mine] = fit(self.read & rows & ~left_out)(mine)


def folds(profiles: Profiles, *, n_folds: int, max_controls: int, seed: int) -> Folds:
    """Return folds of the wells of each plate, controls dealt evenly (:func:`harness.norm.engine.crossfit.fold_of`).

    Beyond ``max_controls`` a sample of the controls is read, spread evenly over plates.
    """
    wells = profiles.wells
    controls = np.flatnonzero(has_role(wells, "negcon"))
    read = np.zeros(len(wells), dtype=bool)
    read[controls[sample(wells.iloc[controls], max_points=max_controls, seed=seed)]] = True
    fold = np.zeros(len(wells), dtype=np.int64)
    for plate in profiles:
        reference = sorted(plate.wells.loc[read[plate.rows], "well"].unique())
        fold[plate.rows] = fold_of(plate, reference, n_folds, seed)
    return Folds(read, fold, n_folds)
