"""Which wells are controls: a column and its values, or a query."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict, cast

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.data.columns.safe_query import Query, shortened
from harness.settings.annotated_types import Name, QueryText
from harness.store.reading_report import ReadingReport
from harness.utils.text import as_key, as_list, as_text, normalize_id, preview, quoting_hint

Scalar = str | int | float | bool


class RuleSettings(TypedDict, total=False):
    """A column and its values, or a query."""

    column: Name | None
    values: Scalar | Sequence[Scalar | None] | None
    query: QueryText | None


RuleSpec = QueryText | Annotated[Mapping[str, Any], RuleSettings] | None
Columns = Mapping[str, "pd.Series[Any]"]


@dataclass(frozen=True)
class Rule:
    """Wells whose ``column`` holds one of ``values`` (compared as text), or for which ``query`` holds.

    ``given``: the values as the configuration holds them, an unquoted ``2021_08`` as the number 202108.
    """

    option: str
    column: str = ""
    values: tuple[str, ...] = ()
    query: Query | None = None
    given: tuple[Any, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, spec: RuleSpec, *, option: str) -> Rule | None:
        """Return ``spec``: a query, or ``{"column": ..., "values": [...]}``, or ``{"query": ...}``; None if all are
        None.

        A value of None or ``""`` in ``values`` stands for wells where the column is empty.

        Raises
        ------
        InputError : both ways or half a way given, or a query that :class:`Query` refuses.
        """
        if isinstance(spec, str):
            spec = {"query": spec}
        if spec is not None and not isinstance(spec, Mapping):
            raise InputError(f"{option}: got {spec!r}; give column and values, or query")
        given = {key: value for key, value in (spec or {}).items() if value is not None}
        if not given:
            return None
        if set(given) == {"query"}:
            return cls(option, query=Query.parse(str(given["query"]), option=option))
        if set(given) != {"column", "values"}:
            raise InputError(f"{option}: got {sorted(given)}; give either column and values, or query")
        values = as_list(given["values"])
        if not values:
            raise InputError(f"{option}: values is empty; list at least one value of column {given['column']!r}")
        texts = tuple(unicodedata.normalize("NFC", normalize_id(value)) for value in values)
        return cls(option, column=str(given["column"]), values=texts, given=tuple(values))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.query.names.values()) if self.query else (self.column,)

    def reads(self) -> tuple[str, ...]:
        """Return the columns that decide."""
        return self.columns

    def mask(self, table: Columns) -> Mask:
        """Return rows (n,) that the rule holds for."""
        if self.query:
            return self.query.mask(table, option=self.option)
        if self.column not in table:
            raise InputError(f"{self.option}: no column {self.column!r}; found {preview(table, 20)}")
        return cast(Mask, as_key(table[self.column]).isin(self.values).to_numpy(dtype=bool))

    def describe(self, table: Columns) -> str:
        """Return what was asked for and the values found, for an error message."""
        asked = (
            repr(shortened(self.query.written)) if self.query else f"column {self.column!r}, values {list(self.values)}"
        )
        found = "; ".join(
            f"{name!r} holds {preview(as_text(table[name]).value_counts().index, 12)}"
            for name in dict.fromkeys(self.columns)
        )
        return f"{asked}: {found}"


def assign_roles(
    table: Columns,
    *,
    controls: Rule,
    poscon: Rule | None,
    empty: Rule | None,
    source: str,
    without_partner: Mapping[str, Mask] | None = None,
    report: ReadingReport | None = None,
) -> pd.Series[Any]:
    """Return ``role`` of each row. Where several rules hold: empty before poscon before negcon; all else is treated.

    ``without_partner``: of joined columns, the rows (n,) that found no partner. What such a column would hold is not
    known: a row for which a rule reads it takes no part, its role is empty.

    Raises
    ------
    InputError : a rule holds for no row, or every well that is not empty is a negative control.
    """
    role = pd.Series("treated", index=next(iter(table.values())).index, dtype=object)
    unknown = np.zeros(len(role), dtype=bool)
    readers: dict[str, dict[str, int]] = {}  # by column: options that read it, with the rows that it says nothing about
    for name, rule in (("negcon", controls), ("poscon", poscon), ("empty", empty)):
        if rule is None:
            continue
        mask = rule.mask(table)
        for column in rule.reads():
            if without_partner and column in without_partner and without_partner[column].any():
                unknown |= without_partner[column]
                readers.setdefault(column, {})[rule.option] = int(without_partner[column].sum())
        mask = mask & ~unknown
        if not mask.any():
            hint = quoting_hint(rule.given, option=f"{rule.option}.values")
            raise InputError(
                f"{source}: {rule.option} matches no row of {len(mask)}; asked {rule.describe(table)}{hint}"
            )
        role[mask] = name
    role[unknown] = "empty"
    if report is not None:
        for column, options in readers.items():
            report.warn(
                f"{max(options.values()):,} rows without a partner take no part (role empty): {' and '.join(options)} "
                f"{'reads' if len(options) == 1 else 'read'} column {column!r}, which is not known for them"
            )
    negcon = (role == "negcon").to_numpy()
    if not negcon.any():
        others = preview(role[controls.mask(table)].unique())
        raise InputError(f"{source}: every row that {controls.option} matches is chosen as {others} as well")
    if negcon[(role != "empty").to_numpy()].all():
        n, asked = int(negcon.sum()), controls.describe(table)
        raise InputError(f"{source}: {controls.option} matches all {n} rows, none is treated; asked {asked}")
    return role
