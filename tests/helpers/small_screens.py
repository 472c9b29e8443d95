"""Small screens as files, and what the reader makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.tables import Tables
from harness.store.reading_report import ReadingReport

COLUMNS = {"plate": "Plate", "well": "Well", "compound": "Compound"}
CONTROLS = {"column": "Compound", "values": ["DMSO"]}
FEATURES = ["Cells_Area", "Nuclei_Intensity"]


class Reading(NamedTuple):
    """Features, wells and report of a screen; or the line that refuses it."""

    X: Floats
    wells: pd.DataFrame
    report: ReadingReport
    refusal: str = ""

    def raise_refusal(self) -> None:
        if self.refusal:
            raise InputError(self.refusal)

    def notes(self) -> list[str]:
        """What is noted, but for features that were left out and the table of conventions."""
        return [note for note in self.report.notes if not note.startswith("  ") and "left out" not in note]

    def counts(self) -> dict[str, int]:
        return dict(self.wells["role"].value_counts())


def small_screen(plates: list[Any] | None = None) -> pd.DataFrame:
    """Plates of 6 wells, 2 of them DMSO; features of unequal levels."""
    plates = ["P1", "P2", "P3"] if plates is None else plates
    rng, n = np.random.default_rng(5), len(plates)
    table = pd.DataFrame({"Plate": pd.Series(plates).repeat(6).reset_index(drop=True)})
    table["Well"] = ["A01", "A02", "A03", "B01", "B02", "H12"] * n
    table["Compound"] = ["DMSO", "c1", "c2", "DMSO", "c3", "c1"] * n
    return table.assign(Cells_Area=rng.normal(900, 7, 6 * n), Nuclei_Intensity=rng.normal(0.25, 0.02, 6 * n))


def write(table: pd.DataFrame, path: Path, **options: Any) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, **{"sep": "\t" if path.suffix == ".tsv" else ",", **options})
    return path


def one_line(error: InputError) -> str:
    assert "\n" not in str(error)
    return str(error)


def read_small(path: Path, **options: Any) -> Reading:
    given: dict[str, Any] = {"columns": COLUMNS, "controls": CONTROLS, "features": FEATURES, **options}
    source = None
    try:
        source = Tables(paths=str(path), **given)
        plates = list(source.plates())
    except InputError as error:
        report = ReadingReport() if source is None else source.report
        return Reading(np.empty((0, 0), np.float32), pd.DataFrame(), report, one_line(error))
    wells = pd.concat([wells for _, wells, _ in plates], ignore_index=True)
    return Reading(np.concatenate([X for X, _, _ in plates]), wells, source.report)
