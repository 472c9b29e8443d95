"""Rules that say which wells are controls or empty: a column and its values, or a query."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict, cast

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.core.wells_schema import EMPTY, NEGCON, POSCON, TREATED
from harness.data.columns.safe_query import Query, shortened
from harness.settings.annotated_types import Name, QueryText
from harness.store.reading_report import ReadingReport
from harness.utils.text import as_key, as_list, as_text, normalize_id, preview, quoting_hint

Scalar = str | int | float | bool
OPTIONS = {"controls": NEGCON, "poscon": POSCON, "empty": EMPTY}  # settings with rules, and the roles they give


class RuleSettings(TypedDict, total=False):
    """Settings of a rule: a column and its values, or a query."""

    column: Name | None
    values: Scalar | Sequence[Scalar | None] | None
    query: QueryText | None


RuleSpec = QueryText | Annotated[Mapping[str, Any], RuleSettings] | None
Columns = Mapping[str, "pd.Series[Any]"]


@dataclass(frozen=True)
class Rule:
    """Rule that selects wells by the ``values`` of a ``column``, compared as text, or by a ``query``.

    ``raw_values``: the values as the configuration holds them, an unquoted ``2021_08`` as the number 202108.
    """

    option: str
    column: str = ""
    values: tuple[str, ...] = ()
    query: Query | None = None
    raw_values: tuple[Any, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, spec: RuleSpec, *, option: str) -> Rule | None:
        """Parse a query, ``{"column": ..., "values": [...]}`` or ``{"query": ...}``; return None if all are None.

        A value of None or ``""`` in ``values`` stands for wells whose column is empty.

        Raises
        ------
        InputError : column, values and query in another combination, or a query that :class:`Query` refuses.
        """
        if isinstance(spec, str):
            spec = {"query": spec}
        if spec is not None and not isinstance(spec, Mapping):
            raise InputError(f"{option}: got {spec!r}; give column and values, or query")
        settings = {key: value for key, value in (spec or {}).items() if value is not None}
        if not settings:
            return None
        if set(settings) == {"query"}:
            return cls(option, query=Query.parse(str(settings["query"]), option=option))
        if set(settings) != {"column", "values"}:
            raise InputError(f"{option}: got {sorted(settings)}; give either column and values, or query")
        values = as_list(settings["values"])
        if not values:
            raise InputError(f"{option}: values is empty; list at least one value of column {settings['column']!r}")
        texts = tuple(unicodedata.normalize("NFC", normalize_id(value)) for value in values)
        return cls(option, column=str(settings["column"]), values=texts, raw_values=tuple(values))

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.query.names.values()) if self.query else (self.column,)

    def reads(self) -> tuple[str, ...]:
        """Return the columns that the rule depends on."""
        return self.columns

    def mask(self, table: Columns) -> Mask:
        """Return the rows (n,) for which the rule holds."""
        if self.query:
            return self.query.mask(table, option=self.option)
        if self.column not in table:
            raise InputError(f"{self.option}: no column {self.column!r}; found {preview(table, 20)}")
        return cast(Mask, as_key(table[self.column]).isin(self.values).to_numpy(dtype=bool))

    def describe(self, table: Columns) -> str:
        """Return the rule and the values that its columns hold, for an error message."""
        request = (
            repr(shortened(self.query.written)) if self.query else f"column {self.column!r}, values {list(self.values)}"
        )
        contents = "; ".join(
            f"{name!r} holds {preview(as_text(table[name]).value_counts().index, 12)}"
            for name in dict.fromkeys(self.columns)
        )
        return f"{request}: {contents}"


Rules = Mapping[str, Rule]  # by option, one of OPTIONS


def parse_rules(specs: Mapping[str, RuleSpec], *, prefix: str = "") -> dict[str, Rule]:
    """Parse the rules of the settings :data:`OPTIONS`, by option; a setting that is None has no rule.

    ``prefix``: of the names of the settings in messages.
    """
    rules = {option: Rule.parse(specs.get(option), option=f"{prefix}{option}") for option in OPTIONS}
    return {option: rule for option, rule in rules.items() if rule is not None}


def assign_roles(
    table: Columns,
    rules: Rules,
    *,
    source: str,
    without_partner: Mapping[str, Mask] | None = None,
    report: ReadingReport | None = None,
) -> pd.Series[Any]:
    """Return the role of each row: empty before poscon before negcon if several rules hold; all else is treated.

    ``without_partner``: of joined columns, the rows (n,) without a partner. What such a column would hold is unknown: a
    row for which a rule reads it takes no part, its role is empty.

    Raises
    ------
    InputError : a rule holds for no row, or every well that is not empty is a negative control.
    """
    role = pd.Series(TREATED, index=next(iter(table.values())).index, dtype=object)
    unknown = np.zeros(len(role), dtype=bool)
    readers: dict[str, dict[str, int]] = {}  # by column: options that read it, and how many rows have no partner
    for option, option_role in OPTIONS.items():
        if option not in rules:
            continue
        rule = rules[option]
        mask = rule.mask(table)
        for column in rule.reads():
            if without_partner and column in without_partner and without_partner[column].any():
                unknown |= without_partner[column]
                readers.setdefault(column, {})[rule.option] = int(without_partner[column].sum())
        mask = mask & ~unknown
        if not mask.any():
            hint = quoting_hint(rule.raw_values, option=f"{rule.option}.values")
            raise InputError(
                f"{source}: {rule.option} matches no row of {len(mask)}; looked for {rule.describe(table)}{hint}"
            )
        role[mask] = option_role
    role[unknown] = EMPTY
    if report is not None:
        _report_unknown(readers, report)
    _check_negative_controls(role, rules["controls"], table, source=source)
    return role


def _report_unknown(readers: Mapping[str, Mapping[str, int]], report: ReadingReport) -> None:
    for column, options in readers.items():
        report.warn(
            f"{max(options.values()):,} rows without a partner take no part (role empty): {' and '.join(options)} "
            f"{'reads' if len(options) == 1 else 'read'} column {column!r}, which is not known for them"
        )


def _check_negative_controls(role: pd.Series[Any], controls: Rule, table: Columns, *, source: str) -> None:
    """Refuse roles without negative controls, or with nothing else."""
    negcon = (role == NEGCON).to_numpy()
    if not negcon.any():
        others = preview(role[controls.mask(table)].unique())
        raise InputError(f"{source}: every row that {controls.option} matches is chosen as {others} as well")
    if negcon[(role != EMPTY).to_numpy()].all():
        n, description = int(negcon.sum()), controls.describe(table)
        raise InputError(f"{source}: {controls.option} matches all {n} rows, none is treated; looked for {description}")
