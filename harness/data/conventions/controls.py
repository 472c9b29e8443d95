"""Choose the controls by type columns, names of compounds and blank samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.core.wells_schema import EMPTY, NEGCON, POSCON, TREATED
from harness.data.columns.well_roles import OPTIONS, Rule
from harness.data.conventions import names
from harness.data.conventions.control_names import CONTROL, compound_role, is_dmso, type_role
from harness.utils.text import as_text

_SAYS = {"": 0, TREATED: 1, CONTROL: 2, EMPTY: 3, POSCON: 3, NEGCON: 3}  # how much a role says about a well
_BLANK_SAMPLE = ("broad_sample",)  # Bray et al. 2017, JUMP-Target-1: no sample id means DMSO if the solvent says so


@dataclass(frozen=True, eq=False)
class RowsRule(Rule):
    """Rule of a convention: the ``rows`` it marks, (n,), its ``origin`` in words and its columns, ``sources``."""

    rows: Mask | None = None
    origin: str = ""
    sources: tuple[str, ...] = ()

    def reads(self) -> tuple[str, ...]:
        return self.sources

    def mask(self, table: Any) -> Mask:  # noqa: ARG002
        assert self.rows is not None
        return self.rows

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def describe(self, table: Any) -> str:  # noqa: ARG002
        return self.origin


@dataclass(frozen=True)
class Reading:
    """Roles of the rows by one kind of evidence, ``""`` without evidence, and the values that were the evidence.

    ``values``: role, then column, then values.
    """

    roles: pd.Series[Any]
    values: Mapping[str, Mapping[str, Sequence[str]]]

    def rows(self, role: str) -> Mask:
        return np.asarray((self.roles == role).to_numpy(), dtype=bool)

    def origin(self, role: str) -> str:
        """Describe the evidence for ``role``, e.g. ``Metadata_pert_type negcon``."""
        return " and ".join(
            f"{column} {', '.join(value or 'blank' for value in values[:2])}"
            f"{f' and {len(values) - 2} more' if len(values) > 2 else ''}"
            for column, values in self.values.get(role, {}).items()
        )

    def settings(self, role: str) -> str:
        """Return settings for a command line that choose ``role`` by the first column that marks it."""
        column, values = next(iter(self.values[role].items()))
        listed = ",".join(value if value.isidentifier() else f'"{value}"' for value in values)
        return f"data.controls.column={column} 'data.controls.values=[{listed}]'"


def choose_controls(
    meta: pd.DataFrame, compounds: Sequence[str], *, by_setting: Mapping[str, Mask], source: str
) -> dict[str, RowsRule]:
    """Return rules by convention for roles without a rule in the settings, by option (``controls``, ...).

    ``meta``: columns of the wells that are no features. ``compounds``: columns with names or ids of compounds.
    ``by_setting``: rows (n,) of the rules of the settings, by option; no convention marks these rows.

    Raises
    ------
    InputError : two readings of the negative controls that disagree.
    """
    types = _types(meta)
    named = _reading(meta, compounds, compound_role)
    blank = _blank_samples(meta)
    if "controls" not in by_setting:
        _check_agreement(types, named, blank, source=source)
    says_kind = ~types.roles.isin(["", CONTROL])
    roles = types.roles.where(says_kind | (named.roles == ""), named.roles)
    if not (roles == NEGCON).any() and (types.roles == TREATED)[named.rows(NEGCON)].any():
        roles = roles.mask(named.roles == NEGCON, NEGCON)
    roles = roles.replace(CONTROL, NEGCON).mask(blank.rows(NEGCON) & (roles == ""), NEGCON)
    decided = np.logical_or.reduce([np.zeros(len(meta), dtype=bool), *by_setting.values()])
    rules = {}
    for option, role in OPTIONS.items():
        rows = (roles == role).to_numpy(dtype=bool) & ~decided
        if option not in by_setting and rows.any():
            readings = (types, named, blank)
            origin, sources = _origin(readings, role, rows), _sources(readings, role, rows)
            rules[option] = RowsRule(f"data.{option}", rows=rows, origin=origin, sources=sources)
    return rules


def _marking(reading: Reading, role: str, rows: Mask) -> list[str]:
    """Return the kinds of ``reading`` that mark some of ``rows`` as wells of ``role``."""
    return [kind for kind in ((role, CONTROL) if role == NEGCON else (role,)) if (reading.rows(kind) & rows).any()]


def _sources(readings: Sequence[Reading], role: str, rows: Mask) -> tuple[str, ...]:
    """Return the columns whose values mark some of ``rows``."""
    columns = [
        column for reading in readings for kind in _marking(reading, role, rows) for column in reading.values[kind]
    ]
    return tuple(dict.fromkeys(columns))


def _origin(readings: Sequence[Reading], role: str, rows: Mask) -> str:
    """Describe what marks ``rows``: the first reading that marks them all, else all that mark some."""
    marks = []
    for reading in readings:
        if kinds := _marking(reading, role, rows):
            marks.append(" and ".join(reading.origin(kind) for kind in kinds))
            if np.logical_or.reduce([reading.rows(kind) for kind in kinds])[rows].all():
                return marks[-1]
    return "; ".join(marks)


def _types(meta: pd.DataFrame) -> Reading:
    """Read the type columns; ignore them if they call every well treated."""
    types = _reading(meta, names.present(names.ROLE, meta.columns), type_role)
    return types if types.values.keys() - {TREATED} else Reading(types.roles.where(types.roles == "", ""), {})


def _check_agreement(types: Reading, named: Reading, blank: Reading, *, source: str) -> None:
    """Raise InputError if two readings mark different wells as negative controls."""
    negative, dmso = types.rows(NEGCON), named.rows(NEGCON)
    unspecific = types.rows(CONTROL) & ~named.roles.isin([POSCON, EMPTY]).to_numpy()
    if (negative | unspecific).any() and dmso.any():
        by_type = negative | unspecific
        if (dmso & ~by_type).any() or (unspecific & ~dmso).any():
            kind = NEGCON if negative.any() else CONTROL
            raise _two_readings(source, (types, kind, by_type), (named, NEGCON, dmso))
    if (dmso & (types.rows(POSCON) | types.rows(EMPTY))).any():
        kind = POSCON if (dmso & types.rows(POSCON)).any() else EMPTY
        raise _two_readings(source, (types, kind, types.rows(kind)), (named, NEGCON, dmso))
    others = negative | unspecific | dmso
    if others.any() and (blank.rows(NEGCON) & ~others & (types.roles == "").to_numpy()).any():
        first = (named, NEGCON) if dmso.any() else (types, NEGCON if negative.any() else CONTROL)
        raise _two_readings(source, (*first, others), (blank, NEGCON, blank.rows(NEGCON)))


def _two_readings(source: str, *readings: tuple[Reading, str, Mask]) -> InputError:
    text = ", or ".join(
        f"{reading.origin(kind)} ({int(rows.sum())} rows{'' if kind in (NEGCON, CONTROL) else ', called ' + kind})"
        for reading, kind, rows in readings
    )
    settings = ", or ".join(reading.settings(kind) for reading, kind, _ in readings)
    return InputError(f"{source}: which wells are negative controls? Two readings disagree: {text}; choose: {settings}")


def blank_sample(meta: pd.DataFrame) -> str | None:
    """Return the column of sample ids if some wells have no id and no column names their solvent, else None."""
    for column in names.present(_BLANK_SAMPLE, meta.columns):
        blank = as_text(meta[column]) == ""
        if blank.any() and not blank.all() and not names.present(names.SOLVENT, meta.columns):
            return column
    return None


def _blank_samples(meta: pd.DataFrame) -> Reading:
    """Read wells without a sample whose solvent is DMSO as negative controls."""
    roles = pd.Series("", index=meta.index, dtype=object)
    columns = names.present(_BLANK_SAMPLE, meta.columns)
    solvents = names.present(names.SOLVENT, meta.columns)
    if not columns or not solvents:
        return Reading(roles, {})
    samples, solvent = as_text(meta[columns[0]]), as_text(meta[solvents[0]])
    dmso = solvent.map({value: is_dmso(value) for value in solvent.unique()})
    roles[(samples == "") & dmso] = NEGCON
    return Reading(roles, {NEGCON: {columns[0]: [""]}} if (roles == NEGCON).any() else {})


def _reading(meta: pd.DataFrame, columns: Sequence[str], role_of: Callable[[object], str]) -> Reading:
    """Read the roles of the rows from ``columns``; of two roles of a row the more specific one counts."""
    roles = pd.Series("", index=meta.index, dtype=object)
    values: dict[str, dict[str, list[str]]] = {}
    for column in columns:
        texts = as_text(meta[column])
        meaning = {value: role_of(value) for value in texts.unique()}
        for value, role in meaning.items():
            if role:
                values.setdefault(role, {}).setdefault(column, []).append(value)
        says = texts.map(meaning)
        roles = roles.where(roles.map(_SAYS) >= says.map(_SAYS), says)
    return Reading(roles, values)
