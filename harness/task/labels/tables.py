"""Labels from a table: wide (one column per assay) or long (one row per compound and assay)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.data.files.table_files import require
from harness.task.labels.coding import Coding
from harness.task.labels.entries import Entries
from harness.utils.text import as_key, as_text


def wide(
    table: pd.DataFrame, coding: Coding, *, compound: str, assays: Sequence[str] | None = None, source: str
) -> Entries:
    """Return a column ``compound`` of ids, and one column per assay: ``assays``, or all others.

    Raises
    ------
    InputError : a column that is not there, no assay, or a value that ``coding`` does not know.
    """
    require(table.columns, [compound, *(assays or ())], what="column", source=f"{source} (labels)")
    names = [str(name) for name in table.columns if name != compound] if assays is None else list(assays)
    if not names:
        raise InputError(f"{source}: no column but {compound!r}; expected one column per assay with the labels")
    decoded = coding.decode(((f"column {name}", table[name]) for name in names), source=source)
    found = [np.flatnonzero(~np.isnan(values)) for values in decoded]
    return Entries(
        source,
        as_key(table[compound]).tolist(),
        names,
        np.concatenate(found),
        np.repeat(np.arange(len(names)), [len(rows) for rows in found]),
        np.concatenate([values[rows] for values, rows in zip(decoded, found, strict=True)]),
    )


def long(
    table: pd.DataFrame,
    coding: Coding,
    *,
    compound: str,
    assay: str,
    value: str,
    assays: Sequence[str] | None = None,
    source: str,
) -> Entries:
    """Return columns ``compound``, ``assay`` and ``value``; ``assays``: those that are wanted, default all.

    Raises
    ------
    InputError : a column that is not there, a row without an assay, an assay that is wanted and not there, or a value
        that ``coding`` does not know.
    """
    require(table.columns, [compound, assay, value], what="column", source=f"{source} (labels)")
    of_row = as_text(table[assay])
    if (of_row == "").any():
        row = int(np.flatnonzero(of_row == "")[0]) + 1
        raise InputError(f"{source}, row {row}: column {assay!r} is empty; expected the assay of each label")
    if assays is not None:
        require(of_row.unique(), assays, what="assay", source=source)
    wanted = of_row.isin(of_row if assays is None else assays).to_numpy()
    (values,) = coding.decode([(f"column {value}", table.loc[wanted, value])], source=source)
    column, names = pd.factorize(of_row[wanted])
    compounds = as_key(table.loc[wanted, compound]).tolist()
    known = np.flatnonzero(~np.isnan(values))
    return Entries(source, compounds, names.tolist(), known, np.asarray(column)[known], values[known])
