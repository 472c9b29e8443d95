"""A known score of compounds (a sensitivity z-score, a dose, an IC50), joined to the wells that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError, NotApplicable
from harness.data.columns.metadata_join import Join
from harness.data.files.table_files import expand, read_table, require
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import OneOf
from harness.utils.text import as_key, as_text, preview

PLANTED = ("compounds", "compound", "strength")  # table and columns of a simulated screen's truth
DUPLICATES = ("error", "mean")
ROLES = ("treated", "poscon")
_UNKNOWN = (
    "no known score of compounds; set audit.known_effects.path to a table (columns compound and score, or those named "
    "by audit.known_effects.compound and .score), or audit.known_effects.column to a column of the wells, e.g. dose"
)


@dataclass(frozen=True)
class KnownEffectTable:
    """Wells that hold compounds, with the known score of each.

    Attributes
    ----------
    wells : rows of the wells table that hold compounds (roles treated and poscon), its index kept, with the column
        ``known_score``, NaN if none is known.
    name : of the score, for axes.
    by : columns that make a treatment: wells of the same values are replicates.
    report : one line on what matched.
    """

    wells: pd.DataFrame
    name: str
    by: list[str]
    report: str


class KnownEffectSource:
    """Source of a known score of compounds: a table, a column of the wells, or the truth of a simulated screen.

    Parameters
    ----------
    path : table (CSV, TSV, Parquet) with one row per compound, or per compound and dose.
    column : instead, a numeric column of the wells, e.g. ``dose``; a treatment is a compound at one value of it.
    compound, score, dose : columns of the table; with ``dose`` it is joined by compound and dose.
    duplicates : ``error`` or ``mean`` if a compound (at a dose) has several scores in the table.

    Without path and column, the planted strength of a simulated screen (``truth``, set by :meth:`join`).

    Raises
    ------
    InputError : both path and column, or an unknown way with duplicates.
    """

    def __init__(
        self,
        *,
        path: FileName | None = None,
        column: Name | None = None,
        compound: Name = "compound",
        score: Name = "score",
        dose: Name | None = None,
        duplicates: Annotated[str, OneOf(*DUPLICATES)] = "error",
    ) -> None:
        self.path = path
        self.column = column
        self.compound = compound
        self.score = score
        self.dose = dose
        self.duplicates = duplicates
        self.truth: Mapping[str, pd.DataFrame] = {}
        if path is not None and column is not None:
            raise InputError(f"known_effects: got path={path} and column={column}; set one of the two")
        if path is None and (compound, score, dose) != ("compound", "score", None):
            raise InputError(
                f"known_effects: got compound={compound}, score={score}, dose={dose}, columns of a table; set "
                "known_effects.path to the table, or leave them out"
            )
        if duplicates not in DUPLICATES:
            raise InputError(f"known_effects.duplicates={duplicates!r}: expected one of {list(DUPLICATES)}")

    def join(self, wells: pd.DataFrame, truth: Mapping[str, pd.DataFrame]) -> None:
        """Keep the truth tables of a simulated screen, and refuse a score that does not fit ``wells``.

        Called at the start of a run, hours before the score is needed. Raises InputError as :meth:`match_wells` does.
        """
        self.truth = truth
        with suppress(NotApplicable):  # recorded as a finding when the score is read
            self.match_wells(wells)

    def match_wells(self, wells: pd.DataFrame) -> KnownEffectTable:
        """Return the wells that hold a compound, with their known score; ``wells`` has one row per well.

        Raises
        ------
        NotApplicable : nothing was set and the screen is not simulated, or no compound is known.
        InputError : unusable table: no such file or column, a score that is no number, several scores for a
            compound, no compound of the screen.
        """
        if "compound" not in wells:
            raise NotApplicable("no compound is known: the wells table has no column compound")
        compound_wells = wells[wells["role"].isin(ROLES) & wells["compound"].notna() & (wells["compound"] != "")]
        if compound_wells.empty:
            raise NotApplicable("no treated well holds a compound that is known")
        if self.column is not None:
            return self._of_column(compound_wells, self.column)
        if self.path is None and PLANTED[0] not in self.truth:
            raise NotApplicable(_UNKNOWN)
        return self._of_table(compound_wells)

    def _of_column(self, compound_wells: pd.DataFrame, column: str) -> KnownEffectTable:
        """Take the scores from a column of the wells."""
        source = "known_effects.column"
        require(list(compound_wells.columns), [column], what="column of the wells", source=source)
        places = [
            f"plate {p!r}, well {w!r}" for p, w in zip(compound_wells["plate"], compound_wells["well"], strict=True)
        ]
        values = _numbers(compound_wells[column], places, source=f"{source}={column}")
        if values.isna().all():
            raise InputError(f"{source}={column}: is empty in all {len(compound_wells)} wells that hold a compound")
        scored_wells = compound_wells.assign(known_score=values)
        with_value = scored_wells[scored_wells["known_score"].notna()]
        report = f"{column} known for {len(with_value):,} of {len(compound_wells):,} wells of "
        return KnownEffectTable(
            scored_wells, column, ["compound", "known_score"], f"{report}{with_value['compound'].nunique():,} compounds"
        )

    def _of_table(self, compound_wells: pd.DataFrame) -> KnownEffectTable:
        """Join the scores of a table, or of the planted truth, to the wells."""
        table, source, name = self._table()
        by = ["compound", *(["dose"] if self.dose is not None and self.path is not None else [])]
        if "dose" in by:
            require(
                list(compound_wells.columns), ["dose"], what="column of the wells", source=f"{source}: join by dose"
            )
        table = self._unique(table, by, source)
        join = Join((Path(source),), {key: key for key in by}, ("known_score",))
        scored_wells = join.attach(
            compound_wells, table, aliases={}, source="the screen's wells that hold compounds"
        ).table
        matched = scored_wells[scored_wells["known_score"].notna()]
        if matched.empty:
            raise InputError(f"{source}: column {self.score!r} is empty for every compound of the screen")
        unused = len(set(as_key(table["compound"])) - set(as_key(matched["compound"])))
        n_matched, n_compounds = (rows["compound"].nunique() for rows in (matched, compound_wells))
        report = f"{n_matched:,} of {n_compounds:,} compounds of the screen have a known score"
        if unused:
            report += f"; {unused:,} compounds of the table are not used"
        return KnownEffectTable(scored_wells, name, by, report)

    def _table(self) -> tuple[pd.DataFrame, str, str]:
        """Return the table of scores (compound, dose if joined by dose, known_score), its source and the score's name.

        Rows without a score are left out.
        """
        if self.path is None:
            name, compound, score = PLANTED
            table = self.truth[name][[compound, score]].set_axis(["compound", "known_score"], axis=1)
            return table, "the planted truth", "planted strength"
        (path, *more) = expand(self.path, option="known_effects.path")
        if more:
            raise InputError(f"known_effects.path={self.path}: matches {len(more) + 1} files; expected one")
        table = read_table(path, text=[self.compound])
        columns = {"compound": self.compound, **({"dose": self.dose} if self.dose is not None else {})}
        require(list(table.columns), [*columns.values(), self.score], what="column", source=str(path))
        places = [f"row {i + 1} ({self.compound} {c!r})" for i, c in enumerate(table[self.compound])]
        values = _numbers(table[self.score], places, source=f"{path}: column {self.score!r}")
        scores = pd.DataFrame({key: table[column] for key, column in columns.items()} | {"known_score": values})
        return scores[scores["known_score"].notna()].reset_index(drop=True), str(path), self.score

    def _unique(self, table: pd.DataFrame, by: list[str], source: str) -> pd.DataFrame:
        """Return one row per compound (and dose); identical rows count once."""
        table = table.assign(compound=as_text(table["compound"])).drop_duplicates()
        several = table[table.duplicated(by, keep=False)]
        if len(several) and self.duplicates == "error":
            first = several[(several[by] == several.iloc[0][by]).all(axis=1)]
            what = ", ".join(f"{key} {first.iloc[0][key]!r}" for key in by)
            raise InputError(
                f"{source}: {what} has {len(first)} scores {preview(first['known_score'], 4)} (as do "
                f"{len(several.drop_duplicates(by)) - 1} others); set known_effects.duplicates=mean, or give one each"
            )
        return table.groupby(by, sort=False)["known_score"].mean().reset_index()


def _numbers(column: pd.Series[Any], places: list[str], *, source: str) -> pd.Series[Any]:
    """Return a column as numbers. Raises InputError if a value is neither a finite number nor empty."""
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    bad = np.flatnonzero((numbers.isna() & column.notna()) | np.isinf(numbers))
    if len(bad):
        i = int(bad[0])
        raise InputError(
            f"{source} holds {preview([column.iloc[i]])[1:-1]} in {places[i]}; expected a finite number, or nothing"
        )
    return numbers
