"""Labels as a file holds them, and as they are once every pair of compound and assay has one."""

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
HOW = ("error", "majority")


@dataclass(frozen=True)
class Entries:
    """One entry per label that was found: 1 or 0 (``value``) in a ``row`` and a ``column``.

    ``compounds``: id of each row, "" where there is none, the same id in any number of rows. ``assays``: id of each
    column, unique. ``counts``: what was found and decided on the way.
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
    """Compounds x assays of 1, 0 and missing; only what is not missing is stored.

    ``compounds`` (n_compounds,) and ``assays`` (n_assays,) are unique; entry i says that ``compounds[row[i]]`` is
    active (``value`` 1) or inactive (0) in ``assays[column[i]]``. ``counts``: what was found and decided on the way.
    """

    source: str
    compounds: pd.Index[str]
    assays: Sequence[str]
    row: Indices
    column: Indices
    value: Doubles
    counts: Counts

    def table(self, compounds: pd.Index[str]) -> pd.DataFrame:
        """Return (n, n_assays) float64 of 1, 0 and NaN for ``compounds`` (n,); all NaN for one that has no label."""
        place = np.full(len(self.compounds), -1)
        found = self.compounds.get_indexer(compounds)
        place[found[found >= 0]] = np.flatnonzero(found >= 0)
        dense = np.full((len(compounds), len(self.assays)), np.nan)
        here = place[self.row] >= 0
        dense[place[self.row[here]], self.column[here]] = self.value[here]
        return pd.DataFrame(dense, index=compounds, columns=list(self.assays))


def resolve_duplicates(entries: Entries, *, duplicates: str) -> Labels:
    """Return one label per compound and assay.

    Parameters
    ----------
    duplicates : ``error`` refuses a pair that is labelled twice, even in agreement; ``majority`` takes what most of its
        labels say, and makes a tie missing. Both are counted.

    Raises
    ------
    InputError : duplicates under ``error``, with how many there are and how many contradict each other.
    """
    check_how(duplicates)
    ids = pd.Series(list(entries.compounds), dtype=object)
    code, compounds = pd.factorize(ids.where(ids != ""), use_na_sentinel=True)
    known = code[entries.row] >= 0
    pair = code[entries.row[known]].astype(np.int64) * len(entries.assays) + entries.column[known]
    pairs, which = np.unique(pair, return_inverse=True)
    n = np.bincount(which, minlength=len(pairs))
    active = np.bincount(which, weights=entries.value[known], minlength=len(pairs))
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
    kept = ~tied
    return Labels(entries.source, pd.Index(compounds), entries.assays, row[kept], column[kept], value[kept], counts)


def check_how(duplicates: str) -> None:
    """Refuse an unknown rule for duplicates."""
    if duplicates not in HOW:
        raise InputError(f"task.assay_activity.duplicates={duplicates!r} is unknown; choose one of {list(HOW)}")
