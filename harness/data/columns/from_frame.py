"""Make profiles of a wide table in memory, one row per well or site."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Profiles
from harness.data.columns import feature_columns
from harness.data.columns.feature_columns import FeatureSpec
from harness.data.columns.left_out_columns import left_out_sentence
from harness.data.columns.well_roles import RuleSpec, parse_rules
from harness.data.columns.wells_table import (
    drop_columns,
    require_controls,
    reserved_columns,
    resolve_columns,
    wells_table,
)
from harness.data.files.array_columns import expand_arrays
from harness.data.files.plate_rows import PlateRows
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_wide
from harness.utils.hashing import fingerprint


def parse_wide_table(
    df: pd.DataFrame,
    *,
    columns: Mapping[str, str | None],
    controls: RuleSpec,
    poscon: RuleSpec = None,
    empty: RuleSpec = None,
    features: FeatureSpec = None,
    level: str = "auto",
    source: str = "table",
    report: ReadingReport | None = None,
) -> tuple[Floats, pd.DataFrame, list[str]]:
    """Parse a wide table into ``(X, wells, feature names)``, rows in the order of ``df``; X (n, n_features) float32.

    ``controls``, ``poscon``, ``empty``: see :meth:`Rule.parse`; ``features``: see :func:`features.choose`.

    Raises
    ------
    InputError : anything wrong with the table or the options, in one line.
    """
    df = _with_inferred_types(check_wide(df, source=source))
    rules = parse_rules({"controls": controls, "poscon": poscon, "empty": empty})
    require_controls(rules, source=source, available=df.columns)
    mapped = resolve_columns(df.columns, columns, source=source)
    reserved = reserved_columns(mapped, rules)
    df = expand_arrays(df, features=features, claimed=reserved, source=source)
    choice = feature_columns.choose(df, features, claimed=reserved, source=source)
    names = choice.names
    if choice.left_out:
        warnings.warn(f"{source}: {left_out_sentence(len(names), choice.left_out)}", stacklevel=3)
    X = feature_columns.values(df, names, source=source)
    wells = wells_table(
        drop_columns(df, names, reserved), mapped, rules, level=level, source=source,
        where=lambda i: f"{source}, row {i + 1}", report=report,
    )  # fmt: skip
    return X, wells, names


def _with_inferred_types(df: pd.DataFrame) -> pd.DataFrame:
    """Return ``df`` with columns of Python numbers as columns of numbers."""
    try:
        return df.infer_objects()
    except OverflowError:  # pandas below 3 fails on whole numbers beyond float64
        inferred = pd.DataFrame({name: _with_inferred_type(column) for name, column in df.items()}, index=df.index)
        inferred.attrs = df.attrs
        return inferred


def _with_inferred_type(column: pd.Series[Any]) -> pd.Series[Any]:
    try:
        return column.infer_objects()
    except OverflowError:
        return column


def profiles_from_frame(
    df: pd.DataFrame,
    *,
    plate: str = "plate",
    well: str = "well",
    batch: str | None = None,
    compound: str | None = None,
    site: str | None = None,
    dose: str | None = None,
    cell_count: str | None = None,
    controls: RuleSpec = "compound == 'DMSO'",
    poscon: RuleSpec = None,
    empty: RuleSpec = None,
    features: FeatureSpec = None,
    on_missing: str = "error",
    level: str = "auto",
    name: str = "table",
) -> Profiles:
    """Return profiles of a wide table; plates in order of first appearance, rows of a plate in their order.

    ``plate`` ... ``cell_count`` name columns of ``df`` (None: the column of that name, if there is one).
    Without a batch column every batch is ``""``: see :func:`harness.batch.assign_batches`. The other options are
    those of :func:`parse_wide_table` and :mod:`harness.data.columns.missing_values`.

    Raises
    ------
    InputError : as :func:`parse_wide_table`; NaN or infinity, by ``on_missing``.
    """
    columns = {
        "plate": plate, "well": well, "batch": batch, "compound": compound, "site": site, "dose": dose,
        "cell_count": cell_count,
    }  # fmt: skip
    report = ReadingReport()
    X, wells, names = parse_wide_table(
        df, columns=columns, controls=controls, poscon=poscon, empty=empty, features=features, level=level,
        source=name, report=report,
    )  # fmt: skip
    for line in report.warnings:
        warnings.warn(f"{name}: {line}", stacklevel=3)
    rows = PlateRows(source=name, features=names, parts=[X], wells=wells, on_missing=on_missing)
    plates = list(rows.plates())
    X, wells = np.concatenate([X for X, _ in plates]), pd.concat([w for _, w in plates], ignore_index=True)
    return Profiles(X, wells, features=rows.features, name=name, fingerprint=fingerprint([X], wells, rows.features))
