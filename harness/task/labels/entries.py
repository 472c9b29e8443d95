"""Labels as a file holds them, and resolved to one label per pair of compound and assay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError

Indices = NDArray[np.int64]
Counts = dict[str, int]
DUPLICATES_RULES = ("error", "majority")


@dataclass(frozen=True)
class Entries:
    """Labels as read, one entry each: 1 or 0 (``value``) in a ``row`` and a ``column``.

    ``compounds``: id of each row, "" if it has none, the same id in any number of rows. ``assays``: id of each
    column, unique. ``counts``: numbers for the report.
    """

    source: str
    compounds: Sequence[str]
    assays: Sequence[str]
    row: Indices
    column: Indices
    value: Doubles
    counts: Counts = field(default_factory=dict)


@dataclass(frozen=True)
class Labels:
    """Table of compounds x assays of 1, 0 and missing, stored sparsely.

    ``compounds`` (n_compounds,) and ``assays`` (n_assays,) are unique; entry i says that ``compounds[row[i]]`` is
    active (``value`` 1) or inactive (0) in ``assays[column[i]]``. ``counts``: numbers for the report.
    """

    source: str
    compounds: pd.Index[str]
    assays: Sequence[str]
    row: Indices
    column: Indices
    value: Doubles
    counts: Counts

    def table(self, compounds: pd.Index[str]) -> pd.DataFrame:
        """Return (n, n_assays) float64 of 1, 0 and NaN for ``compounds`` (n,); all NaN for one without labels."""
        target_row = np.full(len(self.compounds), -1)
        label_row = self.compounds.get_indexer(compounds)
        target_row[label_row[label_row >= 0]] = np.flatnonzero(label_row >= 0)
        dense = np.full((len(compounds), len(self.assays)), np.nan)
        entries = target_row[self.row] >= 0
        dense[target_row[self.row[entries]], self.column[entries]] = self.value[entries]
        return pd.DataFrame(dense, index=compounds, columns=list(self.assays))


def resolve_duplicates(entries: Entries, *, duplicates: str) -> Labels:
    """Resolve several labels of one compound in one assay to one.

    Parameters
    ----------
    duplicates : ``error`` refuses a pair that is labelled twice, even in agreement; ``majority`` takes the label that
        most of its entries have, and makes a tie missing. Both are counted.

    Raises
    ------
    InputError : duplicates under ``error``, with how many there are and how many contradict each other.
    """
    check_duplicates_rule(duplicates)
    ids = pd.Series(list(entries.compounds), dtype=object)
    code, compounds = pd.factorize(ids.where(ids != ""), use_na_sentinel=True)
    has_id = code[entries.row] >= 0
    pair = code[entries.row[has_id]].astype(np.int64) * len(entries.assays) + entries.column[has_id]
    pairs, which = np.unique(pair, return_inverse=True)
    n = np.bincount(which, minlength=len(pairs))
    active = np.bincount(which, weights=entries.value[has_id], minlength=len(pairs))
    repeated, contradictory, tied = n > 1, (active > 0) & (active < n), 2 * active == n
    row, column = np.divmod(pairs, max(1, len(entries.assays)))
    if duplicates == "error" and repeated.any():
        first = np.flatnonzero(contradictory if contradictory.any() else repeated)[0]
        name, yes = str(compounds[row[first]]), int(active[first])
        raise InputError(
            f"{entries.source}: {int(repeated.sum()):,} pairs of compound and assay have several labels, which "
            f"contradict each other for {int(contradictory.sum()):,}, e.g. compound {name!r} in assay "
            f"{entries.assays[column[first]]!r}: {yes} active, {n[first] - yes} inactive; clean the table, or take "
            "what most labels say by task.assay_activity.duplicates=majority"
        )
    counts = {
        **entries.counts,
        "rows without a compound id, ignored": int((code < 0).sum()),
        "pairs of compound and assay with several labels": int(repeated.sum()),
        "of these with contradictory labels": int(contradictory.sum()),
        "of these tied, made missing": int(tied.sum()),
    }
    value = (2 * active > n).astype(np.float64)
    resolved = ~tied
    return Labels(
        entries.source, pd.Index(compounds), entries.assays, row[resolved], column[resolved], value[resolved], counts
    )


def check_duplicates_rule(duplicates: str) -> None:
    """Refuse an unknown rule for duplicates."""
    if duplicates not in DUPLICATES_RULES:
        raise InputError(
            f"task.assay_activity.duplicates={duplicates!r} is unknown; choose one of {list(DUPLICATES_RULES)}"
        )
