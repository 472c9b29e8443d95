"""The wells that probes read: controls hidden from the normalization, and treated wells minus their compound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.probes.partitions import Codes
from harness.audit.shared.hidden_controls import heldout_controls, n_hidden_parts
from harness.audit.shared.views import normalized_wells, raw_wells
from harness.audit.shared.well_choice import choose_per_plate
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles

Screens = list[Profiles]
FEWEST_SHARED = 0.5  # of treated wells whose compound is in several batches


@dataclass(frozen=True)
class ProbedWells:
    """The n wells of a screen whose batch is predicted.

    Attributes
    ----------
    rows : (n,) rows of the table of wells. part : (n,) the screen that each well is read from.
    plate : (n,) 0..Q-1. batch : (Q,) 0..B-1. table : their n rows.
    group : (n,) the compound whose mean is subtracted, -1 for controls.
    """

    rows: Codes
    part: Codes
    plate: Codes
    batch: Codes
    table: pd.DataFrame
    group: Codes

    def profiles(self, screens: Screens) -> Floats:
        """Return the profiles of the wells, (n, n_features), each part minus the mean of its wells."""
        X = np.empty((len(self.rows), len(screens[0].features)), dtype=np.float32)
        for number in np.unique(self.part):
            inside = self.part == number
            values = screens[number].X[self.rows[inside]].astype(np.float64)
            if (self.group >= 0).any():
                values -= _compound_means(screens[number], self.group[inside], self.rows[inside])
            X[inside] = values - values.mean(axis=0)
        return X


def _compound_means(screen: Profiles, group: Codes, rows: Codes) -> Floats:
    """Return the mean over the wells of the compound of each row, without hidden controls, (n_rows, n_features)."""
    wells = screen.wells
    names = wells["compound"].to_numpy()
    codes = pd.Index(names[rows][np.unique(group, return_index=True)[1]]).get_indexer(names)
    codes[~unhidden_treated(wells)] = -1
    members = np.flatnonzero(codes >= 0)
    order = members[np.argsort(codes[members], kind="stable")]
    starts = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1]
    sums = np.add.reduceat(screen.X[order].astype(np.float64), starts, axis=0)
    means = sums / np.diff(np.r_[starts, len(order)])[:, None]
    return np.asarray(means[codes[rows]])


def unhidden_treated(wells: pd.DataFrame) -> Mask:
    """Mark the treated wells that are no hidden controls."""
    mask = (wells["role"] == "treated").to_numpy(dtype=bool)
    if "heldout_control" in wells:
        mask = mask & ~wells["heldout_control"].to_numpy(dtype=bool)
    return mask


def screens_with_hidden_controls(context: AuditContext, batch_of: Mapping[str, str] | None = None) -> Screens:
    """Normalize the screen once with each part of the controls hidden, in the batches ``batch_of`` plates if given.

    Raises
    ------
    NotApplicable : ``few_controls``; ``not_normalized_anew`` if the method refuses other batches.
    """
    profiles = raw_wells(context)
    screens = [heldout_controls(context, part) for part in range(n_hidden_parts(profiles.wells))]
    if batch_of is None:
        return screens
    return [_renormalized(context, in_batches(profiles.replace(wells=screen.wells), batch_of)) for screen in screens]


def screen_with_all_controls(context: AuditContext, batch_of: Mapping[str, str] | None = None) -> Screens:
    """Normalize the screen without hiding controls, in the batches ``batch_of`` plates if given."""
    if batch_of is None:
        return [normalized_wells(context)]
    return [_renormalized(context, in_batches(raw_wells(context), batch_of))]


def in_batches(profiles: Profiles, batch_of: Mapping[str, str]) -> Profiles:
    """Give the plates named in ``batch_of`` other batches."""
    batch = profiles.wells["plate"].map(batch_of).fillna(profiles.wells["batch"])
    return profiles.replace(wells=profiles.wells.assign(batch=batch))


def _renormalized(context: AuditContext, profiles: Profiles) -> Profiles:
    """Normalize the screen in permuted batches. Raises NotApplicable if the method refuses them."""
    try:
        return context.normalize(profiles)(None)
    except InputError as error:
        raise NotApplicable(f"with batches permuted over plates: {error}", code="not_normalized_anew") from error


def probed_plates(wells: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the sorted plates of ``wells`` in batches of two plates or more, and the batches that are left out.

    Raises
    ------
    NotApplicable : ``no_controls``, ``one_batch``, ``plate_is_batch``, or ``few_plates`` if fewer than 2 batches have 2
        plates.
    """
    if wells.empty:
        raise NotApplicable(
            "no control wells; batches are told apart by controls on 2 plates of each", code="no_controls"
        )
    batch_of = wells.drop_duplicates("plate").set_index("plate")["batch"]
    per_batch = batch_of.value_counts()
    single_plate_batches = sorted(per_batch.index[per_batch < 2].astype(str))
    if len(per_batch) - len(single_plate_batches) < 2:
        code = "one_batch" if len(per_batch) < 2 else "plate_is_batch" if (per_batch < 2).all() else "few_plates"
        names = single_plate_batches or sorted(per_batch.index.astype(str))
        raise NotApplicable(f"batches {names}: needs 2 batches of 2 plates or more", code=code)
    return sorted(batch_of.index[~batch_of.astype(str).isin(single_plate_batches)].astype(str)), single_plate_batches


def probed_controls(screens: Screens, plates: list[str], most: int, seed: int) -> ProbedWells:
    """Return the controls that each screen hides, evenly over plates; all controls if there is a single screen."""
    table = screens[0].wells
    part = np.full(len(table), -1, dtype=np.intp)
    if len(screens) == 1:
        part[(table["role"] == "negcon").to_numpy()] = 0
    else:
        for number, screen in enumerate(screens):
            part[screen.wells["heldout_control"].to_numpy(dtype=bool)] = number
    rows = choose_per_plate(table, part >= 0, plates, most, seed, "probed wells")
    return _wells(table, rows, part[rows], plates, np.full(len(rows), -1, dtype=np.intp))


def probed_treated(screen: Profiles, plates: list[str], most: int, seed: int) -> ProbedWells:
    """Return treated wells whose compound is in several batches, evenly over plates.

    Raises
    ------
    NotApplicable : ``no_compounds``, or ``compounds_in_one_batch`` for more than half of the treated wells.
    """
    table = screen.wells
    if "compound" not in table:
        raise NotApplicable("no compound column, so treated wells are not compared", code="no_compounds")
    mask = (
        unhidden_treated(table)
        & table["plate"].isin(plates).to_numpy()
        & (table["compound"].fillna("") != "").to_numpy()
    )
    n_batches = table.loc[mask].groupby("compound")["batch"].nunique()
    several = mask & table["compound"].isin(n_batches.index[n_batches >= 2]).to_numpy()
    if not mask.any() or several.sum() < FEWEST_SHARED * mask.sum():
        raise NotApplicable(
            f"{int(several.sum())} of {int(mask.sum())} treated wells have a compound that is in several batches",
            code="compounds_in_one_batch",
        )
    rows = choose_per_plate(table, several, plates, most, seed, "probed wells")
    group = pd.factorize(table["compound"].iloc[rows], sort=True)[0].astype(np.intp)
    return _wells(table, rows, np.zeros(len(rows), dtype=np.intp), plates, group)


def _wells(table: pd.DataFrame, rows: Codes, part: Codes, plates: list[str], group: Codes) -> ProbedWells:
    """Return the wells of ``rows`` with their plates and batches numbered."""
    listed = table.iloc[rows].reset_index(drop=True)
    plate = pd.Index(plates).get_indexer(pd.Index(listed["plate"].astype(str)))
    batch_of = table.drop_duplicates("plate").set_index("plate")["batch"]
    batch = pd.factorize(batch_of.loc[plates], sort=True)[0]
    return ProbedWells(rows, part, np.asarray(plate, dtype=np.intp), np.asarray(batch, dtype=np.intp), listed, group)
