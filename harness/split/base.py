"""Base class of splits, held-out groups, and the option that no compound is on both sides."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pandas as pd

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.seeding import derive
from harness.settings.annotated_types import Seed


class Splitter:
    """Base class of splits: ``folds(wells)`` yields folds over a table with one row per well.

    Parameters
    ----------
    compound_disjoint : also separate compounds, except controls (:func:`separate_compounds`).
    seed : of every random choice; a split never depends on the normalization.

    ``needs``: facts of a screen (:mod:`harness.inspect.facts`) without which there are no folds.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    compound_disjoint: bool = False

    def __init__(self, *, compound_disjoint: bool = False, seed: Seed = 0) -> None:
        self.compound_disjoint = compound_disjoint
        self.seed = seed

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        raise NotImplementedError

    def split(self, wells: pd.DataFrame) -> Iterator[Split]:
        """Yield folds over ``wells`` (n rows; columns ``plate, well, batch, role``) as disjoint masks (n,).

        Raises
        ------
        InputError : the table cannot be split this way; the message names the culprit.
        """
        for fold in self.folds(wells):
            if (fold.train & fold.test).any():
                raise InputError(f"split: fold {fold.name!r} has wells on both sides")
            if not fold.train.any() or not fold.test.any():
                raise InputError(f"split: fold {fold.name!r} has no {'test' if fold.train.any() else 'training'} wells")
            yield separate_compounds(fold, wells, self.seed) if self.compound_disjoint else fold


def hold_out(wells: pd.DataFrame, column: str, groups: dict[str, list[Any]]) -> Iterator[Split]:
    """Yield one fold per named group of values of ``column``: the group is the test set, the rest the training set."""
    values = wells[column]
    for name, members in groups.items():
        test = values.isin(members).to_numpy()
        yield Split(name, ~test, test)


def separate_compounds(fold: Split, wells: pd.DataFrame, seed: int) -> Split:
    """Drop wells so that no compound is on both sides; controls and wells without a compound stay.

    A compound that occurs on both sides is assigned to one of them by a hash of seed, fold and compound: half of the
    shared compounds are only tested, half only trained on. One that occurs on one side stays as it is.

    Raises
    ------
    InputError : no column ``compound``.
    """
    if "compound" not in wells:
        raise InputError("split: compound_disjoint needs the column `compound`; map it with data.columns.compound")
    compound = wells["compound"].where((wells["role"] != "negcon") & (wells["compound"] != ""))
    has_compound = compound.notna().to_numpy()
    shared = set(compound[fold.train & has_compound]) & set(compound[fold.test & has_compound])

    def is_tested(name: Hashable) -> bool:
        return derive(seed, "compound side", fold.name, name) % 2 == 0

    only_test = compound.isin([c for c in shared if is_tested(c)]).to_numpy()
    only_train = compound.isin([c for c in shared if not is_tested(c)]).to_numpy()
    return replace(fold, train=fold.train & ~only_test, test=fold.test & ~only_train)


def require_batches(wells: pd.DataFrame, needed: int = 2) -> list[str]:
    """Return the batches in order of first appearance; refuse fewer than ``needed``."""
    names = [str(b) for b in pd.unique(wells["batch"])]
    if len(names) < needed:
        raise InputError(
            f"split: found {len(names)} batch {names}; at least {needed} are needed to hold one out; "
            "say which plates form batches (data.columns.batch, batch=regex, batch=ranges) or use split=random_wells"
        )
    return names


def deal_into_folds(keys: list[Hashable], n_folds: int, *axes: object) -> dict[str, list[Any]]:
    """Deal ``keys`` into ``n_folds`` parts of equal size, by a hash, so that their order does not matter."""
    ordered = sorted(keys, key=lambda key: derive(*axes, key))
    width = len(str(n_folds))
    return {f"fold{i + 1:0{width}}": ordered[i::n_folds] for i in range(n_folds)}
