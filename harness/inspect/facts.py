"""Facts of a screen that decide which members apply: named counts, and a sentence for each unmet need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError

Facts = dict[str, int]
_NEED = re.compile(r"(\w+) (>=|<=) (\d+)")
# What a fact counts, and the remedy if there is too little.
COUNTED: dict[str, tuple[str, str]] = {
    "plates": ("plates", ""),
    "batches": ("batches", "batch.column, batch=regex or batch=ranges name batches"),
    "batches_of_two_plates": ("batches of two plates or more", ""),
    "plates_of_largest_batch": ("plates in the largest batch", ""),
    "controls": ("negative control wells", ""),
    "controls_per_plate": (
        "negative control wells on the plate with fewest", "data.exclude_plates leaves plates out",
    ),
    "controls_per_batch": ("negative control wells in the batch with fewest", ""),
    "wells_without_position": ("wells whose row and column are not known", ""),
    "wells_without_cell_count": ("wells without a cell count", "data.columns.cell_count names the column"),
    "plates_without_cell_counts": ("plates without cell counts", "data.columns.cell_count names the column"),
    "compounds": ("compounds", "data.columns.compound names the column"),
    "replicated_treatments": ("compounds (at one dose) in wells of different positions", ""),
    "nonnegative_features": ("features without negative values", ""),
    "planted": ("screens with a planted truth", "only data=demo has one"),
    "known_scores": ("known scores of compounds", "audit.known_effects.path or .column names them"),
}  # fmt: skip


def facts_of(wells: pd.DataFrame, parts: Sequence[Floats], *, simulated: bool) -> Facts:
    """Return the facts of a screen by name.

    ``wells``: its table, batches assigned. ``parts``: arrays (n_i, n_features) of values, all or some of the rows.
    ``simulated``: the truth of the screen is known.
    """
    unique = wells.drop_duplicates(["plate", "well"])
    plates = unique.drop_duplicates("plate")["batch"].value_counts()
    control = unique[unique["role"] == "negcon"]
    filled = unique[unique["role"] != "empty"]
    return {
        "plates": unique["plate"].nunique(),
        "batches": len(plates),
        "batches_of_two_plates": int((plates > 1).sum()),
        "plates_of_largest_batch": int(plates.max()),
        "controls": len(control),
        "controls_per_plate": _fewest(control, unique, "plate"),
        "controls_per_batch": _fewest(control, unique, "batch"),
        "wells_without_position": int(unique["row"].isna().sum()) if "row" in unique else len(unique),
        "wells_without_cell_count": int(unique["cell_count"].isna().sum()) if "cell_count" in unique else len(unique),
        "plates_without_cell_counts": _plates_without_counts(filled),
        **_compound_facts(unique),
        "nonnegative_features": _nonnegative(parts),
        "planted": int(simulated),
        "known_scores": int(simulated),
    }


def unmet_need(need: str, facts: Facts) -> str | None:
    """Return why ``need`` (``FACT >= NUMBER`` or ``FACT <= NUMBER``) is not fulfilled, or None if it is.

    Raises
    ------
    InputError : a need of another form, or with an unknown fact.
    """
    parsed = _NEED.fullmatch(need)
    if not parsed or parsed[1] not in facts:
        raise InputError(f"needs: {need!r} is none; expected e.g. 'batches >= 2' with one of {sorted(facts)}")
    value, number = facts[parsed[1]], int(parsed[3])
    if value >= number if parsed[2] == ">=" else value <= number:
        return None
    counted, remedy = COUNTED[parsed[1]]
    needed = f" ({number} needed)" if number else ""
    return f"{counted}: {value:,}{needed}" + (f"; {remedy}" if remedy else "")


def _fewest(control: pd.DataFrame, wells: pd.DataFrame, column: str) -> int:
    return int(control[column].value_counts().reindex(wells[column].unique(), fill_value=0).min())


def _plates_without_counts(filled: pd.DataFrame) -> int:
    if "cell_count" not in filled:
        return filled["plate"].nunique()
    return int((~filled["cell_count"].notna().groupby(filled["plate"].to_numpy()).any()).sum())


def _compound_facts(wells: pd.DataFrame) -> Facts:
    """Return ``compounds`` of treated and positive wells, and ``replicated_treatments`` of treated ones."""
    if "compound" not in wells:
        return {"compounds": 0, "replicated_treatments": 0}
    held = wells[wells["role"].isin(["treated", "poscon"]) & (wells["compound"] != "")]
    columns = ["compound", "dose"] if "dose" in wells else ["compound"]
    treated: Any = held[held["role"] == "treated"].groupby(columns, dropna=False, sort=False)["well"].nunique()
    return {"compounds": held["compound"].nunique(), "replicated_treatments": int((treated > 1).sum())}


def _nonnegative(parts: Sequence[Floats]) -> int:
    negative = np.logical_or.reduce([(part < 0).any(axis=0) for part in parts if len(part)])
    return int((~np.atleast_1d(negative)).sum())
