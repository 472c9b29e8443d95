"""A feature matrix and a table that describes its rows, read as a screen; shared by readers of such formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from harness.core.arrays import Floats
from harness.data.columns import feature_columns
from harness.data.columns.excluded_plates import included_rows
from harness.data.columns.feature_columns import FeatureSpec
from harness.data.columns.left_out_columns import left_out_rows, left_out_sentence
from harness.data.columns.well_roles import RuleSpec, parse_rules
from harness.data.columns.wells_table import wells_table
from harness.data.conventions.columns import recognize
from harness.data.conventions.decision import decide
from harness.data.conventions.name_patterns import NamePatterns
from harness.data.conventions.table import conventions_table, lines
from harness.data.files.plate_rows import PlateRows
from harness.store.reading_report import ReadingReport
from harness.utils.text import as_list, normalize_id


@dataclass(frozen=True)
class ScreenOptions:
    """Settings that give the columns of a table their meaning; see :class:`harness.data.tables.Tables`."""

    columns: Mapping[str, str | None]
    controls: RuleSpec
    poscon: RuleSpec
    empty: RuleSpec
    features: FeatureSpec
    exclude_plates: tuple[str, ...]
    on_missing: str
    level: str

    @classmethod
    def parse(cls, *, columns: Mapping[str, str | None] | None, exclude_plates: Any, **options: Any) -> ScreenOptions:
        """Parse the settings: drop columns that are not mapped, and compare plates as text."""
        mapped = {name: column for name, column in (columns or {}).items() if column is not None}
        plates = tuple(normalize_id(plate) for plate in as_list(exclude_plates))
        return cls(columns=mapped, exclude_plates=plates, **options)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def included(self, meta: pd.DataFrame, column: str, *, source: str) -> pd.Series[bool]:
        """Return which rows belong to a plate that is not excluded, (n,): see :func:`included_rows`."""
        return included_rows(meta[column], self.exclude_plates, source=source)

    def choose(self, table: pd.DataFrame, *, source: str, report: ReadingReport) -> list[str]:
        """Return the features among the columns of ``table``; ``report`` lists those that were left out, and why."""
        choice = feature_columns.choose(table, self.features, claimed=(), source=source)
        if choice.left_out:
            report.note(left_out_sentence(len(choice.names), choice.left_out))
            report.add_rows("left_out_columns", left_out_rows(choice.left_out))
        return choice.names

    def rows(
        self,
        meta: pd.DataFrame,
        names: Sequence[str],
        read: Callable[[Sequence[int]], Floats],
        *,
        source: str,
        where: Callable[[int], str],
        report: ReadingReport,
    ) -> PlateRows:
        """Return the rows of plates that are not excluded; columns and controls are recognized as in tables.

        Parameters
        ----------
        meta : describes the rows, n of them.
        names : of all features.
        read : returns these rows (ascending) of the matrix, all features, float32.
        where : name of row i in an error.

        Raises
        ------
        InputError : whatever is wrong with the table or the settings.
        """
        specs = {"controls": self.controls, "poscon": self.poscon, "empty": self.empty}
        rules = parse_rules(specs, prefix="data.")
        patterns = NamePatterns.parse(self.columns)
        meta = patterns.apply(meta, source=source)
        columns = recognize([str(name) for name in meta.columns], patterns.columns, source=source)
        included = self.included(meta, columns["plate"], source=source).to_numpy()
        rows_read = [int(i) for i in included.nonzero()[0]]
        meta = meta[included].reset_index(drop=True)
        no_folder = pd.Series("", index=meta.index, dtype=object)
        decision = decide(meta, no_folder, mapped=patterns.columns, rules=rules, source=source)
        wells = wells_table(
            decision.meta, decision.columns, decision.rules, level=self.level, source=source,
            where=lambda i: where(rows_read[i]), report=report,
        )  # fmt: skip
        rows = conventions_table(decision, wells)
        report.add_rows("conventions", rows)
        report.lines(lines(rows))
        X = read(rows_read)
        table = pd.DataFrame(X, columns=pd.Index(list(names), dtype=object), copy=False)
        features = self.choose(table, source=source, report=report)
        if features != list(names):
            place = {name: i for i, name in enumerate(names)}
            X = X[:, [place[name] for name in features]]
        return PlateRows(source=source, features=features, parts=[X], wells=wells, on_missing=self.on_missing)
