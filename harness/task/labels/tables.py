"""Labels from a wide or long table, or from a categorical column of the wells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.data.files.table_files import require
from harness.data.wells.aggregation import well_table
from harness.task.labels.coding import Coding
from harness.task.labels.entries import Entries, Labels, check_duplicates_rule
from harness.utils.text import as_key, as_text


def read_wide(
    table: pd.DataFrame, coding: Coding, *, compound: str, assays: Sequence[str] | None = None, source: str
) -> Entries:
    """Read a table with a column ``compound`` of ids and one column per assay: ``assays``, or all others.

    Raises
    ------
    InputError : an absent column, no assay, or a value that ``coding`` does not know.
    """
    require(table.columns, [compound, *(assays or ())], what="column", source=f"{source} (labels)")
    names = [str(name) for name in table.columns if name != compound] if assays is None else list(assays)
    if not names:
        raise InputError(f"{source}: no column but {compound!r}; expected one column per assay with the labels")
    decoded = coding.decode(((f"column {name}", table[name]) for name in names), source=source)
    labelled = [np.flatnonzero(~np.isnan(values)) for values in decoded]
    return Entries(
        source,
        as_key(table[compound]).tolist(),
        names,
        np.concatenate(labelled),
        np.repeat(np.arange(len(names)), [len(rows) for rows in labelled]),
        np.concatenate([values[rows] for values, rows in zip(decoded, labelled, strict=True)]),
    )


def read_long(
    table: pd.DataFrame,
    coding: Coding,
    *,
    compound: str,
    assay: str,
    value: str,
    assays: Sequence[str] | None = None,
    source: str,
) -> Entries:
    """Read a table with a row per label, in columns ``compound``, ``assay`` and ``value``; of ``assays``, or of all.

    Raises
    ------
    InputError : an absent column or assay, a row without an assay, or a value that ``coding`` does not know.
    """
    require(table.columns, [compound, assay, value], what="column", source=f"{source} (labels)")
    row_assay = as_text(table[assay])
    if (row_assay == "").any():
        row = int(np.flatnonzero(row_assay == "")[0]) + 1
        raise InputError(f"{source}, row {row}: column {assay!r} is empty; expected the assay of each label")
    if assays is not None:
        require(row_assay.unique(), assays, what="assay", source=source)
    selected = row_assay.isin(row_assay if assays is None else assays).to_numpy()
    (values,) = coding.decode([(f"column {value}", table.loc[selected, value])], source=source)
    column, names = pd.factorize(row_assay[selected])
    compounds = as_key(table.loc[selected, compound]).tolist()
    rows = np.flatnonzero(~np.isnan(values))
    return Entries(source, compounds, names.tolist(), rows, np.asarray(column)[rows], values[rows])


def read_category(wells: pd.DataFrame, column: str, *, duplicates: str, classes: Sequence[str] | None = None) -> Labels:
    """Read a categorical column of the wells, e.g. a mechanism of action, as one assay per class.

    A compound is active in the assay of its class and inactive in the others.

    Parameters
    ----------
    wells : the wells that take part, ``compound`` not empty; a compound none of whose wells has a class has no label.
    classes : the classes that become assays, default all; compounds of other classes are inactive in them.
    duplicates : for a compound with several classes: ``error``, or ``majority`` (of its wells; a tie has no label).

    Raises
    ------
    InputError : no such column, fewer than two classes, or several classes of one compound under ``error``.
    """
    check_duplicates_rule(duplicates)
    source = f"column {column!r}"
    require(wells.columns, [column], what="column", source="wells (task.assay_activity.column)")
    table = well_table(wells)
    label = as_text(table[column])
    votes = pd.crosstab(as_key(table["compound"])[label != ""], label[label != ""])
    if votes.shape[1] < 2:
        raise InputError(
            f"task.assay_activity.column: column {column!r} has {votes.shape[1]} classes among treated wells; "
            "expected at least 2"
        )
    several = (votes > 0).sum(axis=1) > 1
    if duplicates == "error" and several.any():
        name = votes.index[several][0]
        counts = votes.loc[name][votes.loc[name] > 0].to_dict()
        raise InputError(
            f"{source}: {int(several.sum()):,} compounds have several classes, e.g. {str(name)!r}: wells by class "
            f"{counts}; clean the column, or take the class of most wells by task.assay_activity.duplicates=majority"
        )
    counted = votes.to_numpy()
    tied = (counted == counted.max(axis=1, keepdims=True)).sum(axis=1) > 1
    one_of = (counted == counted.max(axis=1, keepdims=True)).astype(np.float64)[~tied]
    names = [str(name) for name in votes.columns]
    if classes is not None:
        require(names, classes, what="class", source=source)
        one_of, names = one_of[:, [names.index(name) for name in classes]], list(classes)
    row, column_number = np.indices(one_of.shape)
    return Labels(
        source,
        pd.Index(votes.index[~tied].to_numpy(dtype=object)),
        names,
        row.ravel(),
        column_number.ravel(),
        one_of.ravel(),
        {"compounds with several classes": int(several.sum()), "of these tied, without a label": int(tied.sum())},
    )
