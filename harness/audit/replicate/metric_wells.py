"""Wells that the replicate metrics read, and their units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.replicate.selection import Ints, ordinal
from harness.audit.replicate.similarity import Replicates
from harness.core.arrays import Mask
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.numerics.components import standardized

MOST_WELLS = 10_000  # treated wells that are compared with each other
MOST_REPLICATES = 100  # wells of one treatment


def metric_replicates(context: AuditContext) -> Replicates:
    """Return the replicate wells of the run, with the controls of their plates.

    At most 10,000 treated wells (a seeded choice of treatments, the same for every normalization) and 100 of a
    treatment.

    Raises
    ------
    NotApplicable : no compound is known, none has two wells, all replicates share a position, nothing varies.
    """
    normalized = context.normalized(None)
    return normalized.cached(("replicates", context.seed), lambda: _replicates(normalized, context.seed))


def _replicates(normalized: Profiles, seed: int) -> Replicates:
    """Select the wells and put their features on one scale."""
    wells = normalized.wells
    if "compound" not in wells:
        raise NotApplicable("no compound is known; replicates are wells of one compound")
    control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    treated = ((wells["role"] == "treated") & wells["compound"].notna() & (wells["compound"] != "")).to_numpy(bool)
    compound = np.where(treated, pd.factorize(wells["compound"])[0], -1)
    columns = ["compound", "dose"] if "dose" in wells else ["compound"]
    treatment = np.where(treated, wells.groupby(columns, dropna=False, sort=False).ngroup(), -1)
    selected = _choose(wells, treatment, seed)
    rows = control & wells["plate"].isin(wells.loc[selected, "plate"].unique()).to_numpy(dtype=bool) | selected
    if not (control & rows).any():
        raise NotApplicable("no control well stands on a plate with replicates")
    Z = standardized(normalized.X[rows], origin=control[rows])
    return Replicates(
        Z,
        wells[rows].reset_index(drop=True),
        _codes(treatment[rows]),
        _codes(compound[rows]),
        pd.factorize(wells.loc[rows, "plate"])[0].astype(np.intp),
        pd.factorize(wells.loc[rows, "well"])[0].astype(np.intp),
    )


def _choose(wells: pd.DataFrame, treatment: Ints, seed: int) -> Mask:
    """Mark the wells of treatments with replicates in different positions, within the limits on their number."""
    table = pd.DataFrame({"treatment": treatment, "well": wells["well"], "plate": wells["plate"]})[treatment >= 0]
    if not table["treatment"].duplicated().any():
        raise NotApplicable(f"none of {len(table)} treated wells has a replicate")
    positions = table.groupby("treatment")["well"].transform("nunique")
    if not (positions > 1).any():
        raise NotApplicable(
            "every compound stands in the same well on all its plates: its replicates would be alike by position too"
        )
    table = table[positions > 1].sort_values(["plate", "well"])
    order = generator(seed, "replicates of a treatment", len(table)).permutation(len(table))
    table = table.iloc[order].groupby("treatment").head(MOST_REPLICATES)
    sizes = table.groupby("treatment").size()
    if sizes.sum() > MOST_WELLS:
        sizes_in_order = sizes.iloc[generator(seed, "treatments", len(sizes)).permutation(len(sizes))]
        table = table[table["treatment"].isin(sizes_in_order.index[sizes_in_order.cumsum() <= MOST_WELLS])]
    selected = np.zeros(len(wells), dtype=bool)
    selected[table.index.to_numpy()] = True
    return selected


def _codes(numbers: Ints) -> Ints:
    """Return numbers >= 0 renumbered without gaps; -1 stays."""
    codes = np.full(len(numbers), -1, dtype=np.intp)
    codes[numbers >= 0] = ordinal(numbers[numbers >= 0])
    return codes
