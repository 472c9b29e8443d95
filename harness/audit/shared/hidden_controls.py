"""Control wells hidden from a normalization by calling them treated: wells that it did not use as a reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.shared.views import cached_per_run, raw_wells
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_wells

MOST_PARTS = 4  # of each plate's controls, hidden one after the other


def hide_controls(profiles: Profiles, *, share: float, seed: int) -> Profiles:
    """Hide a random ``share`` of each plate's control wells, rounded down; see :func:`hide_part` for the result."""
    return _hide(profiles, seed, lambda controls: controls[: int(len(controls) * share)])


def hide_part(profiles: Profiles, part: int, n_parts: int, seed: int) -> Profiles:
    """Hide one of the ``n_parts`` parts into which each plate's control wells are dealt; each control is in one part.

    Returns
    -------
    Profiles : same rows and features. The hidden wells have the ``role`` treated, an empty ``compound`` (if there is
        such a column; the control's name would tie them together as one compound) and a true ``heldout_control``, a
        new boolean column.
    """
    return _hide(profiles, seed, lambda controls: controls[part::n_parts])


def n_hidden_parts(wells: pd.DataFrame) -> int:
    """Return into how many parts each plate's controls are dealt, of which one is hidden at a time: 2 to 4.

    The fewest that leave the plate with fewest controls the 3 that a reference needs.

    Raises
    ------
    NotApplicable : a plate has fewer than 4 control wells.
    """
    controls = wells[wells["role"] == "negcon"]
    per_plate = controls.groupby("plate")["well"].nunique().reindex(wells["plate"].unique(), fill_value=0)
    fewest = int(per_plate.min())
    for n_parts in range(2, MOST_PARTS + 1):
        if fewest - int(np.ceil(fewest / n_parts)) >= MIN_CONTROLS:
            return n_parts
    raise NotApplicable(
        f"plate {per_plate.idxmin()!r} has {fewest} control wells; to hide one and keep a reference of "
        f"{MIN_CONTROLS} takes {MIN_CONTROLS + 1}",
        code="few_controls",
    )


def heldout_controls(context: AuditContext, part: int) -> Profiles:
    """Return the wells of the screen, normalized while one part of the controls was hidden.

    Raises
    ------
    NotApplicable : a plate has too few controls, or fewer than the method needs.
    """

    def make() -> Profiles:
        profiles = raw_wells(context)
        n_parts = n_hidden_parts(profiles.wells)
        try:
            return context.normalize(hide_part(profiles, part, n_parts, context.seed))(None)
        except InputError as error:
            raise NotApplicable(str(error), code="few_controls") from error

    return cached_per_run(context, ("held-out controls", part), make)


def _hide(profiles: Profiles, seed: int, choose: Callable[[NDArray[np.str_]], NDArray[np.str_]]) -> Profiles:
    """Hide the controls that ``choose`` returns of each plate's, which it gets in random order."""
    hidden = np.zeros(len(profiles.wells), dtype=bool)
    for plate in profiles:
        order = generator(seed, "hide controls", plate.name).permutation(control_wells(plate))
        hidden[plate.rows] = plate.wells["well"].isin(choose(order))
    wells = profiles.wells.assign(heldout_control=hidden)
    wells["role"] = wells["role"].where(~hidden, "treated")
    if "compound" in wells:
        wells["compound"] = wells["compound"].where(~hidden, "")
    return profiles.replace(wells=wells)
