from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.files.single_cells import aggregate_cells, is_cell_level, median_without_missing
from harness.data.tables import Tables
from harness.store.reading_report import ReadingReport
from harness.store.store import load

COLUMNS = {"plate": "Image_Metadata_Plate", "well": "Image_Metadata_Well", "compound": "Image_Metadata_Drug"}
CONTROLS = {"column": "Image_Metadata_Drug", "values": ["DMSO"]}
FEATURES = ["Cells_AreaShape_Area", "Nuclei_Texture_1"]


def cytotable() -> pd.DataFrame:
    """Joined single cells as CytoTable writes them, rows of a well apart from each other."""
    rng = np.random.default_rng(3)
    rows = [(p, f"A{i + 1:02d}", image) for p in ("007", "008") for i in range(6) for image in (1, 2)]
    rows = [row for row in rows for _ in range(rng.integers(1, 6))]
    df = pd.DataFrame(rows, columns=["Image_Metadata_Plate", "Image_Metadata_Well", "image"])
    df.insert(0, "Metadata_ImageNumber", df.pop("image"))
    df["Metadata_Cells_Number_Object_Number"] = df.groupby(list(df.columns)).cumcount() + 1
    df["Image_Metadata_Drug"] = np.where(df["Image_Metadata_Well"].isin(["A01", "A04"]), "DMSO", "x")
    df[FEATURES] = rng.exponential([900.0, 2.0], (len(df), 2)).astype(np.float32)
    return df.sample(frac=1, random_state=5).reset_index(drop=True)


def reader(folder: Path, table: pd.DataFrame, **options: Any) -> Tables:
    table.to_parquet(folder / "s.parquet")
    given: dict[str, Any] = {"columns": COLUMNS, "controls": CONTROLS, "features": ["Cells_", "Nuclei_"], **options}
    return Tables(paths=str(folder / "s.parquet"), **given)


def read(folder: Path, table: pd.DataFrame, **options: Any) -> Profiles:
    return load(reader(folder, table, **options), folder / "cache")


def test_cells_become_the_median_of_their_well(tmp_path: Path) -> None:
    table = cytotable()
    tables = reader(tmp_path, table)
    profiles = load(tables, tmp_path / "cache")
    key = ["Image_Metadata_Plate", "Image_Metadata_Well"]
    expected = table.groupby(key)[FEATURES].median()
    counts = table.groupby(key).size()
    assert profiles.level == "well"
    for X, well in zip(profiles.X, profiles.wells.itertuples(), strict=True):
        np.testing.assert_allclose(X, expected.loc[(well.plate, well.well)], rtol=1e-6)
        assert well.cell_count == counts[(well.plate, well.well)]
    assert "Metadata_ImageNumber" not in profiles.wells
    assert any(f"{len(table)} rows are single cells" in line and "12 wells" in line for line in tables.report.notes)


def test_cells_become_the_median_of_their_site_if_there_is_one(tmp_path: Path) -> None:
    table = cytotable()
    profiles = read(tmp_path, table, columns={**COLUMNS, "site": "Metadata_ImageNumber"})
    expected = table.groupby(["Image_Metadata_Plate", "Image_Metadata_Well", "Metadata_ImageNumber"])[FEATURES].median()
    assert len(profiles.X) == len(expected)
    for X, well in zip(profiles.X, profiles.wells.itertuples(), strict=True):
        np.testing.assert_allclose(X, expected.loc[(well.plate, well.well, int(well.site))], rtol=1e-6)


def test_level_cell_needs_no_object_numbers(tmp_path: Path) -> None:
    table = cytotable().drop(columns="Metadata_Cells_Number_Object_Number")
    with pytest.raises(InputError, match="level=image"):
        read(tmp_path, table)
    assert len(read(tmp_path, table, level="cell").X) == 12


@pytest.mark.parametrize("column", ["Mean_Cells_Number_Object_Number", "Metadata_Number", "ImageNumber"])
def test_images_are_not_taken_for_cells(column: str) -> None:
    table = pd.DataFrame({"plate": ["p"] * 4, "well": ["A01", "A01", "A02", "A02"], column: [1, 2, 1, 2]})
    assert not is_cell_level(table, {"plate": "plate", "well": "well"})


def test_wells_are_not_taken_for_cells() -> None:
    table = pd.DataFrame({"plate": ["p"] * 2, "well": ["A01", "A02"], "ObjectNumber": [1, 1]})
    assert not is_cell_level(table, {"plate": "plate", "well": "well"})
    assert is_cell_level(table.assign(well="A01"), {"plate": "plate", "well": "well"})


def test_missing_values_of_cells_are_left_out() -> None:
    X = np.random.default_rng(2).normal(3, 9, (9, 40)).astype(np.float32)
    X[np.random.default_rng(4).random(X.shape) < 0.4] = np.nan
    X[:, 7] = np.nan
    np.testing.assert_allclose(median_without_missing(X), pd.DataFrame(X).median().to_numpy(), rtol=1e-5)
    assert np.isnan(median_without_missing(X)[7])


def test_a_mapped_count_that_differs_between_images_becomes_the_number_of_cells() -> None:
    meta = pd.DataFrame({"p": ["1"] * 3, "w": ["A1", "A1", "A2"], "n": [5, 6, 7]})
    columns = {"plate": "p", "well": "w", "cell_count": "n"}
    X = np.ones((3, 1), np.float32)
    _, rows = aggregate_cells(X, meta, columns, needed=["n"], source="s", report=ReadingReport())
    assert list(rows["n"]) == [2, 1]


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    table = cytotable()
    row = int(np.flatnonzero((table["Image_Metadata_Well"] == "A02").to_numpy())[-1])
    table.loc[row, "Image_Metadata_Drug"] = "z"
    place = r"'Image_Metadata_Drug' holds several values within .*'00[78]'.*'A02'"
    with pytest.raises(InputError, match=place):
        read(tmp_path, table)
    table = cytotable()
    table.loc[4, "Image_Metadata_Well"] = None
    with pytest.raises(InputError, match=r"row 5: column 'Image_Metadata_Well' is empty \(in 1 rows\)"):
        read(tmp_path, table)
    with pytest.raises(InputError, match=r"level: got 'cells'; expected one of .*'cell'"):
        read(tmp_path, cytotable(), level="cells")


def test_wells_that_come_from_a_plate_map_cannot_be_aggregated_before(tmp_path: Path) -> None:
    table = cytotable()
    pd.DataFrame({"image": [1, 2], "place": ["A01", "A02"]}).to_csv(tmp_path / "map.csv", index=False)
    with pytest.raises(InputError, match="level=cell needs the column 'place' in the file of the cells"):
        read(
            tmp_path, table, level="cell", columns={**COLUMNS, "well": "place"},
            metadata=[{"path": str(tmp_path / "map.csv"), "on": {"Metadata_ImageNumber": "image"}}],
        )  # fmt: skip
