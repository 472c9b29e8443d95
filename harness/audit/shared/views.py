"""The screens that several checks read: wells before and after normalization, with controls hidden, and the yardstick.

Each is made once in a process and remembered as long as the profiles of the run live. Checks that normalize a screen
many times work on wells: the sites of a well are aggregated first, by the run's own method.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.data.wells.aggregation import aggregate
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_wells
from harness.norm.engine.normalize import normalize
from harness.tuning.base import params_signature

View = TypeVar("View")
MOST_PARTS = 4  # of each plate's controls, hidden one after the other


def raw_wells(context: AuditContext) -> Profiles:
    """Return the screen before normalization, one row per well.

    With ``aggregate=none`` sites are aggregated by their median here: replicates, spikes and probes are about wells.
    """
    method = "median" if context.aggregate == "none" else context.aggregate
    return once_per_run(context, "raw wells", lambda: aggregate(context.profiles, method))


def normalized_wells(context: AuditContext) -> Profiles:
    """Return the wells normalized by the run's method, fitted on every row: the descriptive view."""
    profiles = raw_wells(context)
    return once_per_run(context, "normalized wells", lambda: context.normalize(profiles)(None))


def yardstick_wells(context: AuditContext) -> dict[str, Profiles]:
    """Return what can be had without risk: ``raw`` and ``dmso_within``, each plate scaled by its controls.

    Both are invertible on every plate, so neither loses what lies within one. ``dmso_within`` is exchangeable, and is
    left out if a plate has too few controls for it.
    """

    def make() -> dict[str, Profiles]:
        profiles = raw_wells(context)
        views = {"raw": profiles}
        try:
            views["dmso_within"] = normalize(profiles, DmsoWithin())
        except InputError:
            return views
        return views

    return once_per_run(context, "yardstick", make)


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


def hide_part(profiles: Profiles, part: int, n_parts: int, seed: int) -> Profiles:
    """Relabel one part of each plate's control wells as treated, so that no normalization reads them as controls.

    Returns
    -------
    Profiles : same rows and features; ``role`` of the hidden wells is ``treated``, their compound (if there is such a
        column) empty, and the boolean column ``heldout_control`` marks them. Each control is in one of the parts.
    """
    hidden = np.zeros(len(profiles.wells), dtype=bool)
    for plate in profiles:
        controls = control_wells(plate)
        order = generator(seed, "hide controls", plate.name).permutation(controls)
        hidden[plate.rows] = plate.wells["well"].isin(order[part::n_parts])
    wells = profiles.wells.assign(heldout_control=hidden)
    wells["role"] = wells["role"].where(~hidden, "treated")
    if "compound" in wells:
        wells["compound"] = wells["compound"].where(~hidden, "")
    return profiles.replace(wells=wells)


def heldout_controls(context: AuditContext, part: int) -> Profiles:
    """Return the normalized wells of the screen with one part of the controls hidden from the normalization.

    Raises
    ------
    NotApplicable : too few controls on a plate, or fewer than the method needs.
    """

    def make() -> Profiles:
        profiles = raw_wells(context)
        n_parts = n_hidden_parts(profiles.wells)
        try:
            return context.normalize(hide_part(profiles, part, n_parts, context.seed))(None)
        except InputError as error:
            raise NotApplicable(str(error), code="few_controls") from error

    return once_per_run(context, ("held-out controls", part), make)


def once_per_run(context: AuditContext, key: Hashable, make: Callable[[], View]) -> View:
    """Return ``make()``, remembered for a run's profiles, method and seed, as long as the profiles live."""
    return context.profiles.cached(
        (key, context.seed, context.aggregate, repr(params_signature(context.normalizer))), make
    )
