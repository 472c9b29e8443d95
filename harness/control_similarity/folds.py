"""Folds of control wells, so that every well is scored by a fit that has not read it.

Wells that a fit has read score differently from others like them, with no biology at all (README, "The trap"): a whole
covariance lies closer to them, and their own leading components spread them wider. So a control is scored by a fit to
the controls of other folds, and a treated well by a fit to the controls without a random fold.
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
class ControlFolds:
    """The fold of each row of a screen.

    ``read`` : (n_rows,) the controls that fits may read. ``fold`` : (n_rows,) 0 to ``n`` - 1.
    """

    read: Mask
    fold: NDArray[np.int64]
    n: int

    def score(self, rows: Mask, fit: Fit, *, into: Doubles) -> None:
        """Write the score of each of ``rows`` (n_rows,) to its place in ``into`` (n_rows,).

        ``fit`` receives the controls among ``rows`` outside a fold, as a mask (n_rows,), and returns a function that
        scores the rows of another mask, in their order.
        """
        for fold in range(self.n):
            in_fold = self.fold == fold
            scored = rows & in_fold
            if scored.any():
                into[scored] = fit(self.read & rows & ~in_fold)(scored)


def deal_control_folds(profiles: Profiles, *, n_folds: int, max_controls: int, seed: int) -> ControlFolds:
    """Deal the wells of each plate to folds, controls evenly (:func:`harness.norm.engine.crossfit.fold_of`).

    Of more than ``max_controls`` controls a sample is read, spread evenly over plates.
    """
    wells = profiles.wells
    controls = np.flatnonzero(has_role(wells, "negcon"))
    read = np.zeros(len(wells), dtype=bool)
    read[controls[sample(wells.iloc[controls], max_points=max_controls, seed=seed)]] = True
    fold = np.zeros(len(wells), dtype=np.int64)
    for plate in profiles:
        reference = sorted(plate.wells.loc[read[plate.rows], "well"].unique())
        fold[plate.rows] = fold_of(plate, reference, n_folds, seed)
    return ControlFolds(read, fold, n_folds)
