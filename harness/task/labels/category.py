"""Labels from a categorical column of the wells, e.g. a mechanism of action: one assay per class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.data.files.table_files import require
from harness.data.wells.aggregation import well_table
from harness.task.labels.entries import Labels, check_how
from harness.utils.text import as_key, as_text


def category(wells: pd.DataFrame, column: str, *, duplicates: str, classes: Sequence[str] | None = None) -> Labels:
    """Return a compound of a class is active in its assay and inactive in those of the other classes.

    Parameters
    ----------
    wells : the wells that take part, ``compound`` not empty; a compound none of whose wells has a class has no label.
    classes : those that become assays, default all; compounds of the others are inactive.
    duplicates : for a compound with several classes: ``error``, or ``majority`` (of its wells; a tie has no label).

    Raises
    ------
    InputError : no such column, fewer than two classes, or several classes of one compound under ``error``.
    """
    check_how(duplicates)
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
        found = votes.loc[name][votes.loc[name] > 0].to_dict()
        raise InputError(
            f"{source}: {int(several.sum()):,} compounds have several classes, e.g. {str(name)!r}: wells by class "
            f"{found}; clean the column, or take the class of most wells by task.assay_activity.duplicates=majority"
        )
    counted = votes.to_numpy()
    tied = (counted == counted.max(axis=1, keepdims=True)).sum(axis=1) > 1
    one_of = (counted == counted.max(axis=1, keepdims=True)).astype(np.float64)[~tied]
    names = [str(name) for name in votes.columns]
    if classes is not None:
        require(names, classes, what="class", source=source)
        one_of, names = one_of[:, [names.index(name) for name in classes]], list(classes)
    row, place = np.indices(one_of.shape)
    return Labels(
        source,
        pd.Index(votes.index[~tied].to_numpy(dtype=object)),
        names,
        row.ravel(),
        place.ravel(),
        one_of.ravel(),
        {"compounds with several classes": int(several.sum()), "of these tied, without a label": int(tied.sum())},
    )
