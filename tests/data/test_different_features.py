from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.data.tables import Tables
from harness.store.store import load

CONTROLS = {"column": "drug", "values": ["DMSO"]}


def plate(name: str, features: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({"plate": name, "well": ["A01", "A02", "A03"], "drug": ["DMSO", "x", "y"]})
    return df.assign(**{feature: rng.normal(seed, 1, 3) for feature in features})


def reader(folder: Path, *plates: pd.DataFrame, **options: Any) -> Tables:
    for i, table in enumerate(plates):
        table.to_csv(folder / f"{i}.csv", index=False)
    return Tables(paths=str(folder / "*.csv"), controls=CONTROLS, **options)


def test_features_in_common_are_taken_and_the_others_reported(tmp_path: Path) -> None:
    first, second = plate("1", ["Cells_a", "Cells_b", "Cells_c"], 3), plate("2", ["Cells_d", "Cells_c", "Cells_a"], 4)
    third = plate("3", ["Cells_c", "Cells_a", "Cells_b"], 5)
    tables = reader(tmp_path, first, second, third, on_different_features="common")
    profiles = load(tables, tmp_path / "cache")
    assert profiles.features == ("Cells_a", "Cells_c")
    expected = pd.concat([first, second, third])[["Cells_a", "Cells_c"]]
    np.testing.assert_allclose(profiles.X, expected, rtol=1e-6)
    assert any("2 features are common to all 3 files" in line and "'Cells_b'" in line for line in tables.report.notes)
    rows = {row["feature"]: row["files_without_it"] for row in tables.report.tables["features_not_common"]}
    assert rows == {"Cells_b": 1, "Cells_d": 2}
    assert "Cells_b" not in profiles.wells


def test_the_refusal_names_the_setting_and_how_many_there_would_be(tmp_path: Path) -> None:
    tables = reader(tmp_path, plate("1", ["Cells_a", "Cells_b"], 1), plate("2", ["Cells_a", "Cells_c"], 2))
    with pytest.raises(InputError) as error:
        tables.features()
    for culprit in ("1.csv", "['Cells_b']", "['Cells_c']", "on_different_features=common", "1 of 3 features"):
        assert culprit in str(error.value)


def test_a_later_file_that_lacks_what_all_others_have_is_named(tmp_path: Path) -> None:
    same = ["Cells_a", "Cells_b"]
    tables = reader(tmp_path, plate("1", same, 1), plate("2", same, 2), plate("3", ["Cells_a"], 3))
    with pytest.raises(InputError, match=r"2\.csv: features differ from those of .*0\.csv: missing \['Cells_b'\]"):
        tables.features()


def test_the_same_features_need_no_word_whatever_their_order(tmp_path: Path) -> None:
    tables = reader(tmp_path, plate("1", ["Cells_a", "Cells_b"], 1), plate("2", ["Cells_b", "Cells_a"], 2))
    assert tables.features() == ["Cells_a", "Cells_b"]
    assert not [line for line in tables.report.notes if "common" in line]
    assert "features_not_common" not in tables.report.tables


def test_a_column_that_is_empty_in_one_file_is_there(tmp_path: Path) -> None:
    second = plate("2", ["Cells_a", "Cells_b"], 2).assign(Cells_b=np.nan)
    tables = reader(
        tmp_path,
        plate("1", ["Cells_a", "Cells_b"], 1),
        second,
        on_different_features="common",
        on_missing="drop_features",
    )
    assert tables.features() == ["Cells_a"]
    assert "features_not_common" not in tables.report.tables


@pytest.mark.parametrize("choice", ["error", "common"])
def test_nothing_in_common_is_one_line(tmp_path: Path, choice: Any) -> None:
    tables = reader(tmp_path, plate("1", ["Cells_a"], 1), plate("2", ["Cells_b"], 2), on_different_features=choice)
    with pytest.raises(InputError, match=r"no feature in common|no feature that all files have"):
        tables.features()


def test_another_word_is_one_line(tmp_path: Path) -> None:
    choice: Any = "union"
    tables = reader(tmp_path, plate("1", ["Cells_a"], 1), on_different_features=choice)
    with pytest.raises(InputError, match=r"on_different_features: got 'union'; expected one of \['error', 'common'\]"):
        tables.features()


def test_the_choice_is_part_of_the_key(tmp_path: Path) -> None:
    keys = [reader(tmp_path, plate("1", ["Cells_a"], 1), on_different_features=c).key() for c in ("error", "common")]
    assert keys[0] != keys[1]
