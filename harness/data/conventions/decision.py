"""Decide the roles of a screen's columns by the settings, else by the field's conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.wells_schema import MAPPABLE_TEXT
from harness.data.columns import well_names
from harness.data.columns.well_roles import Rule, Rules
from harness.data.conventions import names
from harness.data.conventions.batches import choose_batches
from harness.data.conventions.columns import choose_columns
from harness.data.conventions.controls import blank_sample, choose_controls
from harness.utils.text import as_text, preview

_JUMP = ("Metadata_Source", "Metadata_Plate", "Metadata_Well")


@dataclass
class Decision:
    """Roles of the columns of a screen.

    Attributes
    ----------
    meta : columns that are no features, with a column ``batch`` if the table has none.
    columns : standard name to column of ``meta``.
    rules : for the wells of each role but treated, by option; ``controls`` at least.
    origins : of the batches and the rules, in words.
    settings : standard names and rules that the settings decided.
    """

    meta: pd.DataFrame
    columns: dict[str, str]
    rules: Rules
    origins: dict[str, str]
    settings: frozenset[str]


def decide(
    meta: pd.DataFrame,
    folders: pd.Series[Any],
    *,
    mapped: Mapping[str, str],
    rules: Rules,
    source: str,
) -> Decision:
    """Decide the roles of the columns of ``meta`` (n rows).

    ``folders``: the folder of each row's file, (n,). ``mapped``: standard name to column; ``rules``: by option;
    both from the settings, used as they are; the rest is decided by convention.

    Raises
    ------
    InputError : no sign of controls, or two readings that disagree.
    """
    candidates = names.candidates(meta.columns, mapped)
    columns, origins = choose_columns(meta, candidates, mapped=mapped, source=source), {}
    if "batch" in mapped:
        columns["batch"] = origins["batch"] = mapped["batch"]
    else:
        batches = choose_batches(
            meta, candidates["batch"], folders.reset_index(drop=True), plate=columns["plate"], source=source
        )
        if batches.column is None:
            meta = meta.assign(batch=batches.values)
        columns["batch"], origins["batch"] = batches.column or "batch", batches.origin
    visible = _visible(meta, columns)
    conventions = choose_controls(
        meta,
        list(dict.fromkeys([*candidates["compound"], *names.present(names.WORDS["compound"], meta.columns)])),
        by_setting={option: rule.mask(visible) for option, rule in rules.items()},
        source=source,
    )
    decided: dict[str, Rule] = {**conventions, **rules}
    if "controls" not in decided:
        raise _unknown_controls(meta, columns, source)
    origins.update({option: f"data.{option}" for option in rules})
    origins.update({option: rule.origin for option, rule in conventions.items()})
    return Decision(meta, columns, decided, origins, settings=frozenset([*mapped, *rules]))


def _visible(meta: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, pd.Series[Any]]:
    """Return the columns that rules of the settings may name: the table's and the standard ones."""
    standard = {
        name: as_text(meta[column]) if name in MAPPABLE_TEXT else meta[column] for name, column in columns.items()
    }
    return {
        **{str(c): meta[c] for c in meta},
        **standard,
        "well": well_names.standardize(meta[columns["well"]])["well"],
    }


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
        keys = (laboratory[0], columns["plate"], columns["well"])
        joins = f"{{path: plate.csv.gz, on: {_on(keys[:2])}}}, {{path: well.csv.gz, on: {_on(keys)}}}"
        return InputError(
            f"{question} No column says what the wells contain; for plates of JUMP see plate.csv.gz and "
            "well.csv.gz of github.com/jump-cellpainting/datasets (folder metadata): join them by "
            f"'data.metadata=[{joins}]'"
        )
    return InputError(
        f"{question} Give controls.column and controls.values, or controls.query; looked for negcon or control in "
        f"Metadata_pert_type and Metadata_control_type, for DMSO in {names.looked_for('compound')}, and for ids of "
        f"JUMP's controls; columns found {preview(meta.columns, 20)}; python -m harness.inspect shows their values"
    )


def _on(columns: tuple[str, ...]) -> str:
    """Return the setting ``on`` that joins columns of the wells with those of JUMP's tables."""
    if columns == _JUMP[: len(columns)]:
        return f"[{', '.join(columns)}]"
    return f"{{{', '.join(f'{column}: {jump}' for column, jump in zip(columns, _JUMP, strict=False))}}}"
