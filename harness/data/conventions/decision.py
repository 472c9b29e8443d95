"""Decide what the columns of a screen are: by the settings, else by the field's conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.data import wellname
from harness.data.conventions import names
from harness.data.conventions.batches import choose_batches
from harness.data.conventions.columns import choose_columns
from harness.data.conventions.controls import RowsRule, blank_sample, choose_controls
from harness.data.roles import Rule
from harness.data.text import as_text, some
from harness.data.wells import STANDARD
from harness.types import InputError

TEXT = ("plate", "well", "batch", "compound")
_JUMP_JOINS = (
    "'data.metadata=[{path: plate.csv.gz, on: {%(source)s: Metadata_Source, %(plate)s: Metadata_Plate}}, "
    "{path: well.csv.gz, on: {%(source)s: Metadata_Source, %(plate)s: Metadata_Plate, %(well)s: Metadata_Well}}]'"
)


@dataclass
class Decision:
    """What the columns of a screen are.

    Attributes
    ----------
    meta : columns that are no features, with a column for batches that no column holds.
    columns : standard name to column of ``meta``.
    rules : by option: controls, and, if there are any, poscon and empty.
    origins : of the batches and the rules, where they come from.
    """

    meta: pd.DataFrame
    columns: dict[str, str]
    rules: dict[str, Rule]
    origins: dict[str, str] = field(default_factory=dict)


def check_mapped(columns: Mapping[str, str], present: Any, *, source: str) -> None:
    """Raise InputError for an unknown standard name or a mapped column that is not there."""
    unknown = [name for name in columns if name not in STANDARD]
    if unknown:
        raise InputError(f"columns: got {unknown}; the names that can be mapped are {list(STANDARD)}")
    for name, column in columns.items():
        if column not in present:
            raise InputError(f"{source}: no {name} column {column!r}; found {some(present, 20)}; set columns.{name}")


def require_place(candidates: Mapping[str, list[str]], present: Any, *, source: str) -> None:
    """Raise InputError if no column can be the plate, or the well; says which names were looked for."""
    for name in ("plate", "well"):
        if not candidates[name]:
            raise InputError(
                f"{source}: no {name} column; looked for {names.looked_for(name)}; found {some(present, 20)}; set "
                f"data.columns.{name}=COLUMN"
            )


def decide(
    meta: pd.DataFrame,
    folders: pd.Series[Any],
    *,
    mapped: Mapping[str, str],
    rules: Mapping[str, Rule | None],
    source: str,
) -> Decision:
    """Return what the columns of ``meta`` (n rows) are.

    ``folders``: the folder of each row's file. ``mapped``: standard name to column, and ``rules``: option to rule, of
    the settings: they are taken as they are, and what they leave open is decided by convention.

    Raises
    ------
    InputError : nothing that can be the plate, the well or the controls; two readings that disagree.
    """
    candidates = names.candidates(meta.columns, mapped)
    require_place(candidates, meta.columns, source=source)
    columns, origins = choose_columns(meta, candidates, mapped=mapped, source=source), {}
    if "batch" in mapped:
        columns["batch"] = origins["batch"] = mapped["batch"]
    else:
        batches = choose_batches(meta, candidates["batch"], folders, plate=columns["plate"], source=source)
        if batches.column is None:
            meta = meta.assign(batch=batches.values)
        columns["batch"], origins["batch"] = batches.column or "batch", batches.origin
    given = {option: rule for option, rule in rules.items() if rule}
    compounds = list(dict.fromkeys([*candidates["compound"], *names.present(names.WORDS["compound"], meta.columns)]))
    visible = _visible(meta, columns)
    conventions = choose_controls(
        meta, compounds, given={option: rule.mask(visible) for option, rule in given.items()}, source=source
    )
    if not {"controls"} & {*given, *conventions}:
        raise _unknown_controls(meta, columns, source)
    origins.update({option: "data." + option for option in given})
    origins.update({option: rule.origin for option, rule in conventions.items()})
    return Decision(meta, columns, {**conventions, **given}, origins)


def _visible(meta: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, pd.Series[Any]]:
    """Return what rules of the settings may name: the table's columns and the standard ones."""
    standard = {name: as_text(meta[column]) if name in TEXT else meta[column] for name, column in columns.items()}
    return {**{str(c): meta[c] for c in meta}, **standard, "well": wellname.standardize(meta[columns["well"]])["well"]}


def _unknown_controls(meta: pd.DataFrame, columns: Mapping[str, str], source: str) -> InputError:
    question = f"{source}: which wells are negative controls?"
    blank = blank_sample(meta)
    if blank:
        n = int((as_text(meta[blank]) == "").sum())
        return InputError(
            f"{question} {n} rows have no {blank}: DMSO or empty? If DMSO, data.controls.column={blank} "
            f"\"data.controls.values=['']\"; if empty, data.empty.column={blank} \"data.empty.values=['']\" and "
            "data.controls for the controls"
        )
    laboratory = names.present(names.SOURCE, meta.columns)
    if laboratory and "compound" not in columns:
        joins = _JUMP_JOINS % {"source": laboratory[0], "plate": columns["plate"], "well": columns["well"]}
        return InputError(
            f"{question} No column says what is in the wells; for plates of JUMP that stands in the tables plate.csv.gz "
            f"and well.csv.gz of github.com/jump-cellpainting/datasets (metadata): join them by {joins}"
        )
    return InputError(
        f"{question} Give controls.column and controls.values, or controls.query; looked for negcon or control in "
        f"Metadata_pert_type and Metadata_control_type, for DMSO in {names.looked_for('compound')}, and for ids of "
        f"JUMP's controls; columns found {some(meta.columns, 20)}"
    )
