"""Which control well each well must not be normalized by: what makes controls and treated wells exchangeable.

A control that is normalized by statistics it contributed to lies closer to them than any treated well does, with no
biology at all, and a classifier finds that out (see README, "The trap"). So a control well is normalized by the other
controls, and every other well by the controls minus one drawn at random.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.exceptions import InputError
from harness.core.memoize import remembered
from harness.core.profiles import Plate, has_role
from harness.core.seeding import derive

MIN_CONTROLS = 3
FEW_CONTROLS = 8


class FewControlsWarning(UserWarning):
    """So few controls on a plate that their scale is noisy."""


def control_wells(plate: Plate) -> list[str]:
    """Return sorted names of the plate's negative control wells."""
    return list(_control_wells(plate.wells))


@remembered
def _control_wells(wells: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(wells.loc[has_role(wells, "negcon"), "well"].unique()))


def check_controls(plate: Plate, method: str) -> list[str]:
    """Return the plate's control wells; refuses fewer than 3, warns below 8.

    Raises
    ------
    InputError : fewer than :data:`MIN_CONTROLS` control wells on the plate.
    """
    wells = control_wells(plate)
    if len(wells) < MIN_CONTROLS:
        raise InputError(
            f"{method}: plate {plate.name!r} has {len(wells)} negative control wells, at least {MIN_CONTROLS} are "
            "needed; leave the plate out (data.exclude_plates) or choose one that needs no controls, e.g. all_within"
        )
    if len(wells) < FEW_CONTROLS:
        warnings.warn(
            f"{method}: fewer than {FEW_CONTROLS} control wells on some plates: scales are noisy",
            FewControlsWarning,
            stacklevel=2,
        )
    return wells


def control_index(plate: Plate, reference: list[str]) -> NDArray[np.int64]:
    """For each row of the plate the index of its well in ``reference``, -1 where it is not there, (n_rows,)."""
    return _positions(plate.wells, tuple(reference))


@remembered
def _positions(wells: pd.DataFrame, reference: tuple[str, ...]) -> NDArray[np.int64]:
    found = pd.Index(reference).get_indexer(pd.Index(wells["well"])).astype(np.int64)
    found.flags.writeable = False
    return found


def left_out_control(plate: Plate, reference: list[str], seed: int, *, exchangeable: bool = True) -> NDArray[np.int64]:
    """For each row of the plate the index into ``reference`` of the control well that is left out, (n_rows,).

    All 0 where statistics are not exchangeable: there is only one set of them, with every well in it.

    A reference well leaves itself out, all its sites together; any other well leaves out one drawn by a hash of
    seed, plate and well, so that the draw is the same in every run and does not depend on the order of rows.
    """
    if not exchangeable:
        return np.zeros(len(plate.wells), dtype=np.int64)
    return _left_out(plate.wells, plate.name, tuple(reference), seed)


@remembered
def _left_out(wells: pd.DataFrame, plate: str, reference: tuple[str, ...], seed: int) -> NDArray[np.int64]:
    index = {well: i for i, well in enumerate(reference)}
    codes, names = pd.factorize(wells["well"])
    drawn = [index.get(w, derive(seed, "left out", plate, w) % len(reference)) for w in names]
    found = np.asarray(drawn, dtype=np.int64)[codes]
    found.flags.writeable = False
    return found
