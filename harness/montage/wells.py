"""Choose the wells of a sheet: listed ones, or the first of tables that a run recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.core.exceptions import InputError
from harness.tracking.stored_run import StoredRun, stored_table
from harness.utils.text import as_text

LISTED = "listed wells"


def listed_wells(wells: Sequence[str]) -> pd.DataFrame:
    """Return the columns section, plate, well of entries ``PLATE:WELL``, in their order.

    Raises
    ------
    InputError : an entry that is no plate and well.
    """
    pairs = [str(entry).rpartition(":") for entry in wells]
    for entry, (plate, colon, well) in zip(wells, pairs, strict=True):
        if not (plate and colon and well):
            raise InputError(f"wells: {entry!r} is not PLATE:WELL, e.g. wells=[24277:B02]")
    return pd.DataFrame({"section": LISTED, "plate": [p for p, _, _ in pairs], "well": [w for _, _, w in pairs]})


def recorded_wells(run: StoredRun, tables: Sequence[str], *, n: int, score: str | None) -> pd.DataFrame:
    """Return the first ``n`` rows of some tables of a run.

    Columns: section, plate, well and, if the table has them, batch, compound, score.

    Raises
    ------
    InputError : no such table, a table without plate and well or without the score, an empty one.
    """
    parts = []
    for name in tables:
        table = run.table(name)
        required = ["plate", "well", *([] if score is None else [score])]
        if missing := [column for column in required if column not in table]:
            raise InputError(
                f"table {name!r} of run {run.name} lacks the columns {missing}; found {list(table.columns)}"
            )
        table = table.head(n)
        if table.empty:
            raise InputError(f"table {name!r} of run {run.name} has no rows: there is nothing to show")
        columns = {c: as_text(table[c]) for c in ("plate", "well", "batch", "compound") if c in table}
        scores = {} if score is None else {"score": [f"{score} {value:.3g}" for value in table[score]]}
        parts.append(pd.DataFrame({"section": name.removeprefix("wells_").replace("_", " "), **columns, **scores}))
    return pd.concat(parts, ignore_index=True)


def select_run(runs: Mapping[str, StoredRun], run_id: str | None, tables: Sequence[str] = ()) -> tuple[str, StoredRun]:
    """Return the finished run whose id begins with ``run_id``, or the newest with ``tables``; ``runs`` newest first.

    Raises
    ------
    InputError : no such run, or several.
    """
    finished = {key: run for key, run in runs.items() if run.status == "FINISHED" and "data_fingerprint" in run.tags}
    if run_id is None:
        if not finished:
            raise InputError("no finished run; record one with figure=[umap,control_likeness], or list wells=[...]")
        complete = (key for key, run in finished.items() if all(stored_table(run, name) is not None for name in tables))
        key = next(complete, next(iter(finished)))
        return key, finished[key]
    matches = [key for key in finished if key.startswith(run_id)]
    if len(matches) != 1:
        raise InputError(f"run={run_id}: {len(matches)} finished runs have an id that starts so; expected one")
    return matches[0], finished[matches[0]]
