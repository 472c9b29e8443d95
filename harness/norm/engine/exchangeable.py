"""The control well that is left out for each well, so that controls and treated wells are exchangeable.

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
from harness.core.plate import Plate
from harness.core.seeding import derive
from harness.core.well_facts import read_only

MIN_CONTROLS = 3
FEW_CONTROLS = 8


class FewControlsWarning(UserWarning):
    """A plate has so few controls that their scale is noisy."""


def control_wells(plate: Plate) -> list[str]:
    """Return the sorted names of the plate's negative control wells."""
    wells = plate.facts.cached("control wells", lambda: tuple(sorted(plate.wells.loc[plate.negcon, "well"].unique())))
    return list(wells)


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
    """Return, for each row of the plate, the index of its well in ``reference``, -1 if it is not in it, (n_rows,)."""

    def index() -> NDArray[np.int64]:
        return read_only(pd.Index(reference).get_indexer(pd.Index(plate.wells["well"])).astype(np.int64))

    return plate.facts.cached(("control index", tuple(reference)), index)


def left_out_control(plate: Plate, reference: list[str], seed: int, *, exchangeable: bool = True) -> NDArray[np.int64]:
    """Return, for each row of the plate, the index in ``reference`` of the control that is left out, (n_rows,).

    All 0 if statistics are not exchangeable: there is only one set of them, with every well in it.

    A reference well leaves itself out, all its sites together; any other well leaves out one drawn by a hash of
    seed, plate and well, so that the draw is the same in every run and does not depend on the order of rows.
    """
    if not exchangeable:
        return np.zeros(len(plate.wells), dtype=np.int64)
    index = {well: i for i, well in enumerate(reference)}

    def left_out() -> NDArray[np.int64]:
        codes, names = pd.factorize(plate.wells["well"])
        by_well = [index.get(w, derive(seed, "left out", plate.name, w) % len(reference)) for w in names]
        return read_only(np.asarray(by_well, dtype=np.int64)[codes])

    return plate.facts.cached(("left out", plate.name, tuple(reference), seed), left_out)
