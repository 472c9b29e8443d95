"""Profiles of wells or treatments with the label that they are retrieved by: a compound, or a category of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.replicate.selection import Ints
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError, NotApplicable
from harness.core.seeding import generator
from harness.data.files.table_files import expand, read_table, require
from harness.utils.text import as_key, as_text, preview

SETTING = "audit.retrieval"
WELL = "well"
Summary = Callable[[Floats], Any]
SUMMARIES: dict[str, Summary] = {
    WELL: partial(np.mean, axis=0),
    "treatment_mean": partial(np.mean, axis=0, dtype=np.float64),
    "treatment_median": partial(np.median, axis=0),
}


@dataclass(frozen=True)
class LabelledProfiles:
    """Profiles with a label, n rows, in an order that does not depend on that of the wells table.

    Attributes
    ----------
    Z : (n, p). label, compound : (n,) numbers; all rows of a compound have one label.
    plate, batch, position : (n, n_names) where a row's wells stand: of a treatment several.
    names : of the labels.
    """

    Z: Floats
    label: Ints
    compound: Ints
    plate: Mask
    batch: Mask
    position: Mask
    names: tuple[str, ...]

    def shared(self, places: Mask, rows: slice) -> Mask:
        """Return which of all rows share a place with each of ``rows``, (n_rows, n)."""
        return np.asarray((places[rows].astype(np.float32) @ places.T.astype(np.float32)) > 0)


def labels_of(wells: pd.DataFrame, by: str, path: str | None, compound: str) -> pd.Series[str]:
    """Return the label of each well, "" if there is none; all wells of a compound have one label.

    Parameters
    ----------
    by : column of the wells; with ``path`` a column of that table, which is joined by its column ``compound``.

    Raises
    ------
    InputError : no such file or column, several labels of a compound, no compound of the table in the screen.
    """
    names = as_key(wells["compound"])
    if path is None:
        require(list(wells.columns), [by], what="column of the wells", source=f"{SETTING}.by")
        labels = as_text(wells[by])
        _check_one_each(pd.DataFrame({"compound": names, "label": labels}), f"{SETTING}.by={by}")
        return labels
    (first, *more) = expand(path, option=f"{SETTING}.path")
    if more:
        raise InputError(f"{SETTING}.path={path}: matches {len(more) + 1} files; expected one")
    table = read_table(Path(first), text=[compound, by])
    require(list(table.columns), [compound, by], what="column", source=str(first))
    pairs = pd.DataFrame({"compound": as_key(table[compound]), "label": as_text(table[by])})
    _check_one_each(pairs, str(first))
    lookup = pairs[pairs["label"] != ""].drop_duplicates("compound").set_index("compound")["label"]
    labels = names.map(lookup).fillna("")
    if not (labels != "").any():
        raise InputError(
            f"{first}: none of its {len(lookup):,} compounds is in the screen; it has e.g. "
            f"{preview(lookup.index, 3)}, the screen {preview(names[names != ''].unique(), 3)}"
        )
    return labels


def _check_one_each(pairs: pd.DataFrame, source: str) -> None:
    """Raise InputError if a compound has several labels."""
    distinct = pairs[(pairs["compound"] != "") & (pairs["label"] != "")].drop_duplicates()
    several = distinct[distinct.duplicated("compound", keep=False)]
    if len(several):
        name = several["compound"].iloc[0]
        labels = several.loc[several["compound"] == name, "label"]
        raise InputError(
            f"{source}: compound {name!r} has {len(labels)} labels {preview(labels, 3)}, as have "
            f"{several['compound'].nunique() - 1:,} others; expected one of each compound"
        )


def select_labelled(
    X: Floats, wells: pd.DataFrame, labels: pd.Series[str], *, level: str, most: int, seed: int
) -> LabelledProfiles:
    """Select the treated wells with a compound and a label; of more than ``most`` wells a seeded choice of compounds.

    Parameters
    ----------
    X : (n_wells, p). level : ``well``, or ``treatment_mean`` or ``treatment_median`` of a compound at a dose.

    Raises
    ------
    NotApplicable : fewer than two labels (``few_labels``).
    """
    compound = as_key(wells["compound"])
    controls = set(compound[wells["role"] == "negcon"]) - {""}
    rows = ((wells["role"] == "treated") & (compound != "") & ~compound.isin(controls) & (labels != "")).to_numpy(bool)
    table = wells[rows].assign(compound=compound[rows], label=labels[rows], row=np.flatnonzero(rows))
    if table["label"].nunique() < 2:
        raise NotApplicable(
            f"{table['label'].nunique()} labels among {len(table)} treated wells; retrieval needs 2", code="few_labels"
        )
    table = _choose_compounds(table.sort_values(["plate", "well"]), most, seed)
    table = table.iloc[generator(seed, "order of ties", len(table)).permutation(len(table))]
    unit: Ints = np.arange(len(table), dtype=np.intp)
    if level != WELL:
        columns = [name for name in ("compound", "dose") if name in table]
        unit = np.asarray(table.groupby(columns, dropna=False, sort=False).ngroup(), dtype=np.intp)
    first = table.assign(unit=unit).drop_duplicates("unit")
    names, label = np.unique(first["label"].to_numpy(dtype=str), return_inverse=True)
    return LabelledProfiles(
        _summarized(X[table["row"].to_numpy()], unit, SUMMARIES[level]),
        np.asarray(label, dtype=np.intp),
        np.asarray(pd.factorize(first["compound"])[0], dtype=np.intp),
        _places(table["plate"], unit),
        _places(table["batch"], unit),
        _places(table["well"], unit),
        tuple(names.tolist()),
    )


def _choose_compounds(table: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return the rows of random compounds, at most ``most`` rows in total."""
    if len(table) <= most:
        return table
    names = np.sort(table["compound"].unique())
    order = generator(seed, "compounds", len(names)).permutation(names)
    total = table["compound"].value_counts().loc[list(order)].cumsum()
    return table[table["compound"].isin(total.index[total <= most])]


def _summarized(X: Floats, unit: NDArray[np.intp], summary: Summary) -> Floats:
    """Return a summary of the rows of each unit, (n_units, p)."""
    order = np.argsort(unit, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(unit))[:-1])
    return np.array([X[rows[0]] if len(rows) == 1 else summary(X[rows]) for rows in parts], dtype=np.float32)


def _places(names: pd.Series[str], unit: NDArray[np.intp]) -> Mask:
    """Return which places each unit has, (n_units, n_names)."""
    code = pd.factorize(names)[0]
    places = np.zeros((unit.max() + 1, code.max() + 1), dtype=bool)
    places[unit, code] = True
    return places
