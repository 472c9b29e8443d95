"""Selection of wells with replicates on several plates, and the rules by which pairs of them count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask
from harness.core.exceptions import NotApplicable
from harness.core.seeding import generator

Ints = NDArray[np.intp]
MOST_WELLS = 4_000
MOST_REPLICATES = 24  # wells of one treatment
ENOUGH = 0.5  # of the treatments with replicates on other plates must have some by a stricter rule


@dataclass(frozen=True)
class PairRule:
    """Whether two wells of a treatment must differ in batch and position, besides the plate, to count as replicates."""

    batch: bool
    position: bool

    def allows(self, wells: ReplicateWells, a: Ints, b: Ints) -> Mask:
        """Return whether rows ``a`` and ``b`` (broadcast against each other) differ in all that the rule requires."""
        differ = wells.plate[a] != wells.plate[b]
        if self.batch:
            differ &= wells.batch[a] != wells.batch[b]
        if self.position:
            differ &= wells.position[a] != wells.position[b]
        return np.asarray(differ)

    def __str__(self) -> str:
        where = "batches" if self.batch else "plates"
        return f"in other {where}{' at other positions' if self.position else ''}"


RULES = tuple(PairRule(batch, position) for position in (True, False) for batch in (True, False))


@dataclass(frozen=True)
class ReplicateWells:
    """Treated wells of named compounds, sorted by plate and well, n rows.

    Attributes
    ----------
    rows : (n,) where they stand in the wells table.
    treatment, compound, plate, batch, position : (n,) numbers from 0 without gaps. A treatment is a compound at a
        dose; of a screen whose doses have no replicates a compound.
    caveat : what was left out, for readers; empty if nothing was.
    """

    rows: Ints
    treatment: Ints
    compound: Ints
    plate: Ints
    batch: Ints
    position: Ints
    caveat: str = ""

    def pairs(self, rule: PairRule) -> tuple[Ints, Ints]:
        """Return every ordered pair of replicates (query, mate) by ``rule``, sorted by query and mate."""
        table = pd.DataFrame({"treatment": self.treatment, "row": np.arange(len(self.rows))})
        joined = table.merge(table, on="treatment")
        query, mate = (joined[side].to_numpy(dtype=np.intp) for side in ("row_x", "row_y"))
        allowed = rule.allows(self, query, mate)
        query, mate = query[allowed], mate[allowed]
        order = np.lexsort((mate, query))
        return query[order], mate[order]

    def rule(self) -> PairRule:
        """Return the strictest rule by which half of the replicated treatments have replicates.

        Other batches and other positions; other plates and positions; other batches; other plates.

        Raises
        ------
        NotApplicable : no treatment stands on two plates (``no_replicates``).
        """
        weakest = self._n_treatments(RULES[-1])
        if not weakest:
            raise NotApplicable(
                f"none of {self.treatment.max() + 1} treatments stands on two plates; replicates on other plates of "
                "at least some compounds would settle it",
                code="no_replicates",
            )
        return next(rule for rule in RULES if self._n_treatments(rule) >= ENOUGH * weakest)

    def take(self, keep: Mask, caveat: str = "") -> ReplicateWells:
        """Return the rows of ``keep`` (n,), with numbers without gaps."""
        return ReplicateWells(
            self.rows[keep],
            ordinal(self.treatment[keep]),
            ordinal(self.compound[keep]),
            ordinal(self.plate[keep]),
            ordinal(self.batch[keep]),
            ordinal(self.position[keep]),
            caveat or self.caveat,
        )

    def _n_treatments(self, rule: PairRule) -> int:
        """Return how many treatments have replicates by ``rule``."""
        return len(np.unique(self.treatment[self.pairs(rule)[0]]))


def replicate_wells(wells: pd.DataFrame, seed: int, *, most: int = MOST_WELLS) -> ReplicateWells:
    """Select the treated wells of named compounds; compounds that are controls somewhere do not take part.

    Of more than ``most`` wells a seeded choice of compounds is taken, and at most 24 wells of a treatment; neither
    depends on the order of rows.

    Raises
    ------
    NotApplicable : no compound is known (``no_compounds``) or none has two wells (``no_replicates``).
    """
    if "compound" not in wells:
        raise NotApplicable("no compound is known: the wells have no column compound", code="no_compounds")
    name = wells["compound"].astype(object).where(wells["compound"].notna(), "").astype(str)
    controls = set(name[wells["role"] == "negcon"])
    rows = np.flatnonzero(((wells["role"] == "treated") & (name != "") & ~name.isin(controls)).to_numpy(bool))
    if not len(rows):
        raise NotApplicable("no treated well holds a compound that is known", code="no_compounds")
    table = wells.iloc[rows].assign(compound=name.iloc[rows], row=rows).sort_values(["plate", "well"])
    all_wells = ReplicateWells(
        table["row"].to_numpy(dtype=np.intp),
        _treatments(table),
        _codes(table["compound"]),
        _codes(table["plate"]),
        _codes(table["batch"]),
        _codes(table["well"]),
    )
    return _limited(all_wells, table, seed, most)


def _treatments(table: pd.DataFrame) -> Ints:
    """Return the number of each row's compound at its dose; of its compound if no dose has wells on two plates."""
    for columns in (["compound", "dose"], ["compound"]):
        if set(columns) <= set(table.columns):
            number = np.asarray(table.groupby(columns, dropna=False, sort=True).ngroup(), dtype=np.intp)
            n_treatments = number.max() + 1
            if len(table.assign(number=number)[["number", "plate"]].drop_duplicates()) > n_treatments:
                return number
    raise NotApplicable(f"none of {table['compound'].nunique()} compounds stands on two plates", code="no_replicates")


def _limited(all_wells: ReplicateWells, table: pd.DataFrame, seed: int, most: int) -> ReplicateWells:
    """Leave out wells of treatments that stand on one plate, and draw compounds if there are too many wells."""
    by_treatment = table.assign(treatment=all_wells.treatment).groupby("treatment")
    replicated = (by_treatment["plate"].transform("nunique") > 1).to_numpy()
    order = generator(seed, "replicates of a treatment", len(table)).permutation(len(table))
    place = np.empty(len(table), dtype=np.intp)
    place[order] = pd.Series(all_wells.treatment[order]).groupby(all_wells.treatment[order]).cumcount()
    keep = replicated & (place < MOST_REPLICATES)
    size = np.bincount(all_wells.compound[keep], minlength=all_wells.compound.max() + 1)
    if size.sum() <= most:
        return all_wells.take(keep)
    compounds = generator(seed, "compounds", len(size)).permutation(len(size))
    compounds = compounds[size[compounds] > 0]
    compounds = compounds[: max(2, int((size[compounds].cumsum() <= most).sum()))]
    keep &= np.isin(all_wells.compound, compounds)
    return all_wells.take(
        keep, f"{keep.sum():,} of {len(table):,} treated wells: a choice of {len(compounds):,} compounds"
    )


def _codes(names: pd.Series[str]) -> Ints:
    """Return names as numbers from 0, in alphabetical order."""
    return np.asarray(np.unique(names.astype(str).to_numpy(dtype=str), return_inverse=True)[1], dtype=np.intp)


def ordinal(numbers: Ints) -> Ints:
    """Return numbers replaced by their rank among the distinct ones, from 0 without gaps."""
    return np.asarray(np.unique(numbers, return_inverse=True)[1], dtype=np.intp)
