"""Read a screen as far as its description needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from harness.batch import assign_batches
from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.columns import missing_values
from harness.data.conventions.processed import names_warning, values_warning
from harness.data.tables import Tables
from harness.inspect.sample_columns import ROWS, SkimmedTables, is_large
from harness.store.plate_subset import PlateFilter
from harness.store.reading_report import ReadingReport, report_of
from harness.store.source import Source

_PLATES = 4  # whose values are kept as an example, of a source that is no table


@dataclass(frozen=True)
class ScreenOutline:
    """Outline of a screen.

    Attributes
    ----------
    wells : its table with batches; features : their names.
    values : arrays (n_i, n_features), all rows or some of them.
    extent : which rows ``values`` are, e.g. ``all rows``.
    missing_features : features with values that are missing or infinite in these rows.
    simulated : the truth is known. report : of the reader.
    """

    name: str
    wells: pd.DataFrame
    features: list[str]
    values: list[Floats]
    extent: str
    missing_features: int
    simulated: bool
    report: ReadingReport


def read_screen(source: Source, batch: Any) -> ScreenOutline:
    """Read ``source`` and assign batches.

    Raises
    ------
    InputError : refused by the reader or the batch member; missing values are not refused.
    """
    outline = _of_tables(source) if isinstance(source, Tables) else _of_plates(source)
    if outline.extent != "all rows" and getattr(batch, "reads_values", False):
        raise InputError(
            f"{outline.name}: batches are inferred from values, and of these only {outline.extent} are read here; name "
            "the batches (batch=column, batch=regex, batch=ranges), or run the evaluation"
        )
    return replace(outline, wells=assign_batches(_in_order_of_plates(outline), batch).wells)


def _of_tables(source: Tables) -> ScreenOutline:
    tables = SkimmedTables.of(source) if is_large(source) else source
    outline = tables.outline
    skimmed = isinstance(tables, SkimmedTables)
    values = tables.heads if isinstance(tables, SkimmedTables) else outline.parts
    extent = f"the first {ROWS} rows of {_files(len(values))}" if skimmed else "all rows"
    checks = [names_warning(tables.files)]
    if not skimmed:
        checks.append(values_warning(values, outline.wells, source=outline.source))
    for warning in filter(None, checks):
        tables.report.warn(warning)
    return ScreenOutline(
        tables.name, outline.wells, outline.features, values, extent, _missing(values), False, tables.report
    )


def _of_plates(source: Source) -> ScreenOutline:
    excluded = getattr(source, "exclude_plates", ())
    included: Source = PlateFilter(source, excluded) if excluded else source
    values: list[Floats] = []
    tables = []
    simulated = False
    for X, wells, planted in included.plates():
        if len(values) < _PLATES:
            values.append(np.asarray(X, dtype=np.float32))
        simulated = simulated or planted is not None
        tables.append(wells if "batch" in wells else wells.assign(batch=""))
    extent = "all rows" if len(values) == len(tables) else f"the first {len(values)} plates"
    return ScreenOutline(
        source.name, pd.concat(tables, ignore_index=True), list(source.features()), values, extent,
        _missing(values), simulated, report_of(source),
    )  # fmt: skip


def _in_order_of_plates(outline: ScreenOutline) -> Profiles:
    """Return profiles of the wells; with values if these are all, else with zeros in one feature."""
    order = np.argsort(pd.factorize(outline.wells["plate"])[0], kind="stable")
    wells = outline.wells.iloc[order].reset_index(drop=True)
    if sum(map(len, outline.values)) == len(wells) and outline.extent == "all rows":
        parts = outline.values
        X = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Profiles(X if (order == np.arange(len(order))).all() else X[order], wells, features=outline.features)
    return Profiles(np.zeros((len(wells), 1), dtype=np.float32), wells)


def _files(n: int) -> str:
    return "one file" if n == 1 else f"{n} files"


def _missing(values: Sequence[Floats]) -> int:
    if not values:
        return 0
    return int(np.logical_or.reduce([~missing_values.is_known(part).all(axis=0) for part in values]).sum())
