"""Task: predict whether a compound is active in each of many assays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Mask
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import has_role
from harness.core.task import Task
from harness.settings.annotated_types import Count, FileName, Name
from harness.settings.limits import Keys, NotEmpty, OneOf
from harness.task.labels.eligible import eligible_assays
from harness.task.labels.join import JoinedLabels, join_labels
from harness.task.labels.source import LabelSource
from harness.utils.text import as_key, as_list, normalize_id

VALUES: Mapping[str, Sequence[Any]] = {"active": [1], "inactive": [0], "missing": []}


class AssayActivity(Task):
    """Prediction of the activity of compounds in assays; the label of a well is that of its compound.

    Labels are a table of compounds x assays of 1 (active), 0 (inactive) and missing.

    Treated wells take part if their compound has a label; positive controls, which are on every plate, do not. Labels
    come from a file (``path``), a column of the wells (``column``), or the truth of a simulated screen (neither).

    Parameters
    ----------
    path : ``.csv``, ``.tsv`` (also gzipped) or ``.parquet``: wide, one column per assay beside ``compound``, or, where
        ``assay`` and ``value`` name columns, long. ``.npz`` (scipy.sparse) or ``.mtx`` (Matrix Market; what is not
        stored is missing) with ``row_index`` and ``column_index``: tables of the ids of rows and columns, in order.
    compound, assay, value : names of the columns of compound ids, assay ids and labels.
    column : categorical column of the wells, e.g. a mechanism of action: one assay per class.
    assays : the assays to predict, default all.
    values : the values in a file that mean active, inactive and missing; an empty cell is always missing.
    duplicates : for several labels of a compound in an assay: ``error`` or ``majority`` (ties become missing).
    min_active, min_inactive : compounds in the data, with that label, that an assay needs to be kept (Hofmarcher 2019:
        10 of each).

    Raises
    ------
    InputError : settings that contradict each other, or impossible.
    """

    name = "assay_activity"
    unit = "compound"

    def __init__(
        self,
        *,
        path: FileName | None = None,
        row_index: FileName | None = None,
        column_index: FileName | None = None,
        compound: Name = "compound",
        assay: Name | None = None,
        value: Name | None = None,
        column: Name | None = None,
        assays: str | int | Annotated[Sequence[str | int], NotEmpty()] | None = None,
        values: Annotated[Mapping[str, Any], Keys("active", "inactive", "missing")] = VALUES,
        duplicates: Annotated[str, OneOf("error", "majority")] = "error",
        min_active: Count = 10,
        min_inactive: Count = 10,
    ) -> None:
        for setting, least in (("min_active", min_active), ("min_inactive", min_inactive)):
            if not isinstance(least, int) or isinstance(least, bool) or least < 1:
                raise InputError(f"task.assay_activity.{setting}={least!r}: expected a whole number, at least 1")
        self.path, self.row_index, self.column_index = path, row_index, column_index
        self.compound, self.assay, self.value, self.column = compound, assay, value, column
        self.assays, self.values, self.duplicates = assays, values, duplicates
        self.min_active, self.min_inactive = min_active, min_inactive
        self._source = LabelSource(
            path=path, row_index=row_index, column_index=column_index, compound=compound, assay=assay, value=value,
            column=column, assays=None if assays is None else [normalize_id(name) for name in as_list(assays)],
            values=values, duplicates=duplicates,
        )  # fmt: skip
        self._joined: JoinedLabels | None = None
        self._assays = pd.DataFrame()
        self._compounds: pd.Index[Any] = pd.Index([])
        self._y = np.empty((0, 0))

    def bind(self, wells: pd.DataFrame, planted: pd.DataFrame | None = None) -> Self:
        """Return the task with labels for the compounds of ``wells`` (rows may be images); call it first.

        ``planted``: ``compound`` and one column per assay, the truth of a simulated screen, or None.

        Raises
        ------
        InputError : labels that cannot be read, match no compound, or leave no assay to be predicted.
        """
        bound = copy(self)
        bound._joined = join_labels(self._source.labels(wells, planted), wells)
        bound._assays = eligible_assays(bound._joined.table, min_active=self.min_active, min_inactive=self.min_inactive)
        bound._compounds = bound._joined.table.index
        bound._y = np.ascontiguousarray(bound._joined.table.to_numpy()[:, bound._assays["kept"]])
        return bound

    @property
    def groups(self) -> Sequence[str]:
        """The assays that are kept, in the order of the labels."""
        self._bound()
        return tuple(self._assays.loc[self._assays["kept"], "assay"])

    def labels(self, wells: pd.DataFrame) -> Doubles:
        """Return 1 for active, 0 for inactive, NaN for no part; (n_rows, n_assays)."""
        row = self._label_row(wells)
        out = np.full((len(wells), self._y.shape[1]), np.nan)
        out[row >= 0] = self._y[row[row >= 0]]
        return out

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        """Refuse a fold in which no assay has both classes on both sides; single assays may lack them.

        Raises
        ------
        InputError : names the fold and the counts on each side.
        """
        row = self._label_row(wells)
        both = [self._with_both_classes(row, mask) for mask in (split.train, split.test)]
        if not (both[0] & both[1]).any():
            n = [len(np.unique(row[mask & (row >= 0)])) for mask in (split.train, split.test)]
            raise InputError(
                f"split: in fold {split.name!r} none of {len(both[0])} assays has active and inactive compounds on "
                f"both sides: {both[0].sum()} have both among {n[0]} training compounds, {both[1].sum()} among "
                f"{n[1]} held out; leave out its plates (data.exclude_plates), merge batches, or choose another split, "
                "e.g. leave_compounds_out with fewer folds"
            )

    def fingerprint(self) -> str:
        """Identify the kept assays and the labels of the compounds in the data."""
        digest = hashlib.sha256(repr([*self.groups, *self._compounds]).encode())
        digest.update(self._y.tobytes())
        return digest.hexdigest()[:16]

    def summary(self) -> str:
        """Return one line that says how many compounds and assays have labels."""
        joined, n_kept = self._bound(), len(self.groups)
        matched, data, labels = (joined.n(f"compounds {what}") for what in ("matched", "in the data", "in the labels"))
        return (
            f"{self.name}: {matched:,} of {data:,} compounds have labels ({labels:,} compounds in the labels); "
            f"{n_kept:,} of {len(self._assays):,} assays have at least {self.min_active} active and "
            f"{self.min_inactive} inactive ones"
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``labels_report`` (what, n, examples) and ``assays`` (see :func:`eligible_assays`)."""
        return {"labels_report": self._bound().report, "assays": self._assays}

    def _bound(self) -> JoinedLabels:
        if self._joined is None:
            raise RuntimeError("assay_activity: bind(wells) was not called")
        return self._joined

    def _label_row(self, wells: pd.DataFrame) -> NDArray[np.intp]:
        """Return the row of the labels for each row of ``wells``; -1 if it takes no part."""
        self._bound()
        row = self._compounds.get_indexer(pd.Index(as_key(wells["compound"])))
        return np.where(has_role(wells, "treated"), row, -1)

    def _with_both_classes(self, label_row: NDArray[np.intp], rows: Mask) -> Mask:
        """Return which assays have both classes among ``rows``, (n_assays,)."""
        y = self._y[np.unique(label_row[rows & (label_row >= 0)])]
        return np.asarray((y == 1).any(axis=0) & (y == 0).any(axis=0))
