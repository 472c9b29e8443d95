"""Join labels to the compounds of a screen, and report those that did not match."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.task.labels.entries import Labels
from harness.utils.text import as_key, preview

EXAMPLES = 5


@dataclass(frozen=True)
class JoinedLabels:
    """Labels of the compounds of a screen.

    ``table``: compounds of the data x assays, 1, 0 and NaN, compounds without a label left out.

    ``report``: columns ``what, n, examples``, one row per count.
    """

    table: pd.DataFrame
    report: pd.DataFrame

    def n(self, what: str) -> int:
        """Return the count ``what`` of the report."""
        return int(self.report.set_index("what")["n"][what])


def is_tested(wells: pd.DataFrame) -> pd.Series[bool]:
    """Return the rows that take part: treated wells with a compound that is nowhere a negative control.

    Raises
    ------
    InputError : no column ``compound``, or nothing in it.
    """
    if "compound" not in wells:
        raise InputError(
            "assay_activity: the wells have no column `compound`; map it with data.columns.compound=COLUMN"
        )
    compound = as_key(wells["compound"])
    takes_part = (wells["role"] == "treated") & (compound != "") & ~compound.isin(control_compounds(wells))
    if not takes_part.any():
        raise InputError("assay_activity: no treated well has a compound; map it with data.columns.compound=COLUMN")
    return takes_part


def control_compounds(wells: pd.DataFrame) -> set[str]:
    """Return the compounds of negative controls."""
    return set(as_key(wells.loc[wells["role"] == "negcon", "compound"])) - {""}


def join_labels(labels: Labels, wells: pd.DataFrame) -> JoinedLabels:
    """Join ``labels`` to the compounds of treated wells by compound id; labels of negative controls are ignored.

    Parameters
    ----------
    wells : table of wells or images with ``role`` and ``compound``.

    Raises
    ------
    InputError : no compound in common, with examples of both sides.
    """
    data = pd.Index(sorted(set(as_key(wells.loc[is_tested(wells), "compound"]))))
    labelled = labels.compounds[np.unique(labels.row)]
    control = labelled[labelled.isin(control_compounds(wells))]
    matched = data[data.isin(labelled)]
    absent = labelled[~labelled.isin(data) & ~labelled.isin(control)]
    if not len(matched):
        raise InputError(
            f"{labels.source}: labels of {len(labelled):,} compounds, none of which is among the {len(data):,} of the "
            f"data; labels have e.g. {preview(labelled, 3)}, the data {preview(data, 3)}: name the column "
            "with the same ids, in the labels by task.assay_activity.compound=COLUMN or in the data by "
            "data.columns.compound=COLUMN"
        )
    rows: list[tuple[str, int, Iterable[Any]]] = [
        ("compounds in the data", len(data), data),
        ("compounds in the labels", len(labelled), labelled),
        ("compounds matched", len(matched), matched),
        ("compounds of the data without labels", len(data) - len(matched), data[~data.isin(matched)]),
        ("compounds of the labels without wells", len(absent), absent),
        ("negative controls with labels, ignored", len(control), control),
        *((what, n, ()) for what, n in labels.counts.items()),
    ]
    report = [{"what": what, "n": n, "examples": ", ".join(list(names)[:EXAMPLES])} for what, n, names in rows]
    return JoinedLabels(labels.table(matched), pd.DataFrame(report))
