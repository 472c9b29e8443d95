from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from harness.cli.screen_key import make_reader
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.conventions import name_patterns
from harness.data.tables import Tables
from harness.store.store import load

pytestmark = pytest.mark.slow

CONTROLS = {"column": "Metadata_Drug", "values": ["DMSO"]}


def image_csv() -> pd.DataFrame:
    """Per-image table of CellProfiler: plate and well stand in the names of folders and files only."""
    rows = [(p, f"{'AB'[i // 3]}{i % 3 + 1:02d}", s) for p in ("0071", "0082") for i in range(6) for s in (1, 2)]
    df = pd.DataFrame({"ImageNumber": range(1, len(rows) + 1)})
    df["FileName_DNA"] = [f"exp3_{well}_s{site}_w1.tif" for _, well, site in rows]
    df["PathName_DNA"] = [f"/data/2024/plate-{plate}/images" for plate, _, _ in rows]
    df["Metadata_Drug"] = ["DMSO" if well.endswith("1") else f"c{well}" for _, well, _ in rows]
    rng = np.random.default_rng(1)
    return df.assign(
        Mean_Cells_AreaShape_Area=rng.normal(900, 9, len(df)), Mean_Nuclei_Texture_1=rng.normal(2, 1, len(df))
    )


WELL = {"well": "FileName_DNA", "well_regex": "_([A-P][0-9]{2})_"}
ALL = {
    **WELL, "plate": "PathName_DNA", "plate_regex": "plate-([0-9]+)",
    "site": "FileName_DNA", "site_regex": "_s([0-9]+)_",
}  # fmt: skip


def read(folder: Path, columns: dict[str, Any], table: pd.DataFrame | None = None, **options: Any) -> Profiles:
    (image_csv() if table is None else table).to_csv(folder / "Image.csv", index=False)
    reader = Tables(paths=str(folder / "Image.csv"), columns=columns, controls=CONTROLS, features=["Mean_"], **options)
    return load(reader, folder / "cache")


def test_plates_wells_and_sites_of_an_image_csv(tmp_path: Path) -> None:
    profiles = read(tmp_path, ALL)
    assert [plate.name for plate in profiles] == ["0071", "0082"]
    assert list(profiles.wells["well"][:4]) == ["A01", "A01", "A02", "A02"]
    assert list(profiles.wells["site"].astype(str)[:4]) == ["1", "2", "1", "2"]
    assert profiles.level == "image"
    assert profiles.features == ("Mean_Cells_AreaShape_Area", "Mean_Nuclei_Texture_1")
    assert list(profiles.wells["FileName_DNA"]) == list(image_csv()["FileName_DNA"])


def test_a_column_of_numbers_that_is_searched_is_text_and_no_feature(tmp_path: Path) -> None:
    table = image_csv().assign(barcode=["0071002"] * 12 + ["0082002"] * 12)
    table.to_csv(tmp_path / "s.csv", index=False)
    columns = {**WELL, "plate": "barcode", "plate_regex": "^(....)", "site": "FileName_DNA", "site_regex": "_s(.)_"}
    profiles = load(Tables(paths=str(tmp_path / "s.csv"), columns=columns, controls=CONTROLS), tmp_path / "cache")
    assert [plate.name for plate in profiles] == ["0071", "0082"]
    assert "barcode" not in profiles.features


def test_a_plate_map_is_joined_by_what_an_expression_finds(tmp_path: Path) -> None:
    table = image_csv()
    drugs = pd.DataFrame({"w": [f"{r}{c:02d}" for r in "AB" for c in (1, 2, 3)], "drug": ["DMSO", "a", "b"] * 2})
    drugs.to_csv(tmp_path / "map.csv", index=False)
    table.to_csv(tmp_path / "Image.csv", index=False)
    reader = Tables(
        paths=str(tmp_path / "Image.csv"), columns={**ALL, "compound": "drug"}, features=["Mean_"],
        controls={"column": "drug", "values": ["DMSO"]},
        metadata=[{"path": str(tmp_path / "map.csv"), "on": {"well": "w"}}],
    )  # fmt: skip
    profiles = load(reader, tmp_path / "cache")
    assert list(profiles.wells["compound"][:6]) == ["DMSO", "DMSO", "a", "a", "b", "b"]


def test_the_command_line_needs_no_escapes(tmp_path: Path, conf: Path) -> None:
    image_csv().to_csv(tmp_path / "Image.csv", index=False)
    words = [f"data.paths=[{tmp_path}/Image.csv]", "data.controls.column=Metadata_Drug", "data.controls.values=[DMSO]"]
    for name, column, pattern in (
        ("plate", "PathName_DNA", r"plate-(\d+)"), ("well", "FileName_DNA", r"_([A-P]\d\d)_"),
        ("site", "FileName_DNA", r"_s(\d+)_"),
    ):  # fmt: skip
        words += [f"data.columns.{name}={column}", f"data.columns.{name}_regex='{pattern}'"]
    with initialize_config_dir(config_dir=str(conf), version_base="1.3"):
        cfg = compose("config", overrides=["+norm=raw", "data=tables", *words, "data.features=[Mean_]"])
    profiles = load(make_reader(cfg), tmp_path / "cache")
    assert [plate.name for plate in profiles] == ["0071", "0082"]
    assert list(profiles.wells["well"][:3]) == ["A01", "A01", "A02"]


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no row": ({**ALL, "well_regex": "-([A-P][0-9]{2})-"}, ["well_regex", "0 of 24 rows", "'exp3_A01_s1_w1.tif'"]),
    "some rows": ({**ALL, "well_regex": "_(A[0-9]{2})_"}, ["12 of 24 rows", "row 7", "'exp3_B01_s1_w1.tif'"]),
    "an empty group": ({**ALL, "well_regex": "_(Q?)"}, ["0 of 24 rows"]),
    "no group": ({**ALL, "well_regex": "_[A-P][0-9]+_"}, ["0 groups", "expected one"]),
    "two groups": ({**ALL, "well_regex": "_([A-P])([0-9]+)_"}, ["2 groups", "expected one"]),
    "no expression": ({**ALL, "well_regex": "_([A-P"}, ["well_regex", "is not a regular expression"]),
    "a number": ({**ALL, "well_regex": 7}, ["well_regex", "got 7"]),
    "a list": ({**ALL, "well_regex": ["(a)"]}, ["well_regex", "['(a)']"]),
    "a repetition beyond all measure": ({**ALL, "well_regex": "(a){99999999999}"}, ["is not a regular expression"]),
    "another name": ({**ALL, "batch_regex": "(a)"}, ["batch_regex", "'well_regex'"]),
    "no column to search": ({**ALL, "well": None}, ["well_regex", "set columns.well"]),
    "a column that is not there": ({**ALL, "well": "FileName_RNA"}, ["'FileName_RNA'", "'FileName_DNA'"]),
}


@pytest.mark.parametrize("case", BAD)
def test_expressions_that_do_not_fit_are_one_line(tmp_path: Path, case: str) -> None:
    columns, culprits = BAD[case]
    with pytest.raises(InputError) as error:
        read(tmp_path, columns)
    assert "\n" not in str(error.value)
    for culprit in culprits:
        assert culprit in str(error.value)


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(?:[a-z]+.?)+(!)", "(?:x*x*)*(y)"])
def test_an_expression_without_end_is_given_up(tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_patterns, "SECONDS", 1.0)
    table = image_csv().assign(FileName_DNA="x" * 60 + "a" * 60 + "?")
    with pytest.raises(InputError, match=r"well_regex=.* was not done with 1 values within 1 s"):
        read(tmp_path, {**ALL, "well_regex": pattern}, table)


def test_missing_and_odd_values_are_searched_as_text(tmp_path: Path) -> None:
    table = image_csv()
    table.loc[3, "FileName_DNA"] = None
    with pytest.raises(InputError, match=r"23 of 24 rows.*row 4 holds ''"):
        read(tmp_path, ALL, table)
    table.loc[3, "FileName_DNA"] = "ß\u202e🧫_A02_s2_"
    assert list(read(tmp_path, ALL, table).wells["well"])[3] == "A02"
