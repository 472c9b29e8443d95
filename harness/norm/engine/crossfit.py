"""Folds of wells for methods that cannot leave out one control at a time: fit without a fold, transform that fold.

A reference well is transformed by the fit that did not read it, and every other well by the fit of a fold drawn at
random, so that controls and treated wells are out-of-sample alike (see :mod:`harness.norm.engine.exchangeable`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.exceptions import InputError
from harness.core.memoize import remembered
from harness.core.profiles import Plate
from harness.core.seeding import derive


def check_folds(method: str, n_folds: int) -> None:
    """InputError where there are too few folds to leave one out."""
    if n_folds < 2:
        raise InputError(f"{method}: n_folds is {n_folds}; expected at least 2, e.g. norm.n_folds=5")


def fold_of(plate: Plate, reference: Sequence[str], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return fold of each row, (n_rows,), 0 to ``n_folds`` - 1; all sites of a well share it.

    Parameters
    ----------
    reference : names of this plate's control wells that a fit has read (none for a plate that it has not seen). They
        are dealt evenly, in an order and from a fold that are hashes of seed, plate and well. Any other well takes the
        fold of one of them, drawn by a hash: folds differ in size, and so do the statistics without them, which must
        not tell controls from others. Where there are none, wells are hashed to folds.

    Nothing depends on the order of rows or on other plates. All 0 where there is one fold.
    """
    if n_folds == 1:
        return np.zeros(len(plate.wells), dtype=np.int64)
    return _folds(plate.wells, plate.name, tuple(reference), n_folds, seed)


@remembered
def _folds(table: pd.DataFrame, plate: str, reference: tuple[str, ...], n_folds: int, seed: int) -> NDArray[np.int64]:
    ordered = sorted(reference, key=lambda well: derive(seed, "fold", plate, well))
    first = derive(seed, "first fold", plate)
    dealt = {well: (first + i) % n_folds for i, well in enumerate(ordered)}
    codes, wells = pd.factorize(table["well"])
    places = [dealt[well] for well in ordered] or range(n_folds)
    folds = [dealt.get(w, places[derive(seed, "fold", plate, w) % len(places)]) for w in wells]
    out = np.asarray(folds, dtype=np.int64)[codes]
    out.flags.writeable = False
    return out
