from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from places import SHARED

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.columns.from_frame import profiles_from_frame
from harness.data.files.array_columns import expand_arrays
from harness.data.tables import Tables
from harness.store.reading_report import ReadingReport
from harness.store.store import load

WELLS = [f"A{i:02d}" for i in range(1, 9)]


def table(**arrays: Any) -> pa.Table:
    drugs = ["DMSO", "x"] * 4
    return pa.table({"plate": ["1"] * 8, "well": WELLS, "compound": drugs, **arrays})


def vectors(length: int = 4) -> list[list[float]]:
    return np.random.default_rng(3).normal(-7, 2, (8, length)).tolist()  # type: ignore[no-any-return]


def read(path: Path, content: pa.Table, **options: Any) -> Profiles:
    pq.write_table(content, path / "s.parquet")
    reader = Tables(paths=str(path / "s.parquet"), controls={"column": "compound", "values": ["DMSO"]}, **options)
    return load(reader, path / "cache")


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 4)],
    ids=str,
)
def test_an_array_becomes_a_feature_for_each_element(tmp_path: Path, kind: Any) -> None:
    rows = vectors()
    profiles = read(tmp_path, table(all_emb=pa.array(rows, kind)))
    exploded = pd.Series(rows, index=WELLS).explode()  # pandas' own way
    np.testing.assert_array_equal(profiles.X.ravel(), exploded.to_numpy(np.float32))
    assert profiles.features == ("all_emb_0", "all_emb_1", "all_emb_2", "all_emb_3")


def test_several_columns_of_arrays_beside_other_features(tmp_path: Path) -> None:
    content = table(dna_emb=vectors(2), Cells_a=np.arange(8.0), er_emb=[[i, -i] for i in range(8)])
    profiles = read(tmp_path, content)
    assert set(profiles.features) >= {"dna_emb_0", "dna_emb_1", "er_emb_0"}
    np.testing.assert_array_equal(profiles.X[:, profiles.features.index("er_emb_0")], np.arange(8))


@pytest.mark.parametrize("gap", [None, []])
def test_a_well_without_an_array_has_missing_values(tmp_path: Path, gap: Any) -> None:
    rows: list[Any] = vectors()
    rows[2] = gap
    with pytest.raises(InputError, match=r"4 NaN.*all_emb_0 \(1\)"):
        read(tmp_path, table(all_emb=pa.array(rows, pa.list_(pa.float64()))))
    profiles = read(tmp_path, table(all_emb=rows), on_missing="impute_plate_median")
    others = np.delete(np.array([row or [0] * 4 for row in rows]), 2, axis=0)
    np.testing.assert_allclose(profiles.X[2], np.median(others, axis=0), rtol=1e-6)


def test_missing_elements_are_missing_values(tmp_path: Path) -> None:
    rows: list[Any] = vectors()
    rows[1][3], rows[4][0] = None, float("nan")
    profiles = read(tmp_path, table(all_emb=rows), on_missing="drop_features")
    assert profiles.features == ("all_emb_1", "all_emb_2")


def test_features_choose_among_elements_and_leave_other_columns_alone(tmp_path: Path) -> None:
    ragged = [[1.0] * (i % 3 + 1) for i in range(8)]
    content = table(a_emb=vectors(), b_emb=vectors(), parents=ragged)
    assert read(tmp_path, content, features=["a_emb"]).features == tuple(f"a_emb_{i}" for i in range(4))
    assert read(tmp_path, content, features="b_emb_[01]$").features == ("b_emb_0", "b_emb_1")
    assert read(tmp_path, content, features=["b_emb_2", "a_emb_0"]).features == ("a_emb_0", "b_emb_2")


def test_lists_that_are_no_numbers_and_metadata_are_no_features(tmp_path: Path) -> None:
    lists = table(
        emb=vectors(2), targets=[["EGFR", "SRC"], ["p53"], [], None] * 2, Metadata_ids=[[i] for i in range(8)],
        box=[{"x": 1.0}] * 8, flags=[[True, False]] * 8,
        pairs=pa.array([[("a", 1.0)]] * 8, pa.map_(pa.string(), pa.float64())),
    )  # fmt: skip
    pq.write_table(lists, tmp_path / "s.parquet")
    reader = Tables(paths=str(tmp_path / "s.parquet"), controls="compound == 'DMSO'")
    profiles = load(reader, tmp_path / "cache")
    assert profiles.features == ("emb_0", "emb_1")
    assert {"targets", "Metadata_ids"} <= set(profiles.wells)
    assert any("'targets'" in line for line in reader.report.notes)
    assert not [line for line in reader.report.notes if "Metadata_ids" in line]


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "several lengths": ({"emb": [*vectors()[:7], [1.0]]}, ["'emb'", "4 numbers in row 1, 1 in row 8"]),
    "arrays in arrays": ({"emb": [[[1.0, 2.0], [3.0, 4.0]]] * 8}, ["'emb'", "row 1", "arrays in an array"]),
    "a name that is there": ({"emb": vectors(), "emb_1": np.arange(8.0)}, ["'emb_1'", "more than once"]),
    "text alone": ({"emb": [["a"]] * 8}, ["no feature columns"]),
    "nothing": ({"emb": pa.array([None] * 8, pa.list_(pa.float64()))}, ["no feature columns"]),
    "no elements": ({"emb": pa.array([[]] * 8, pa.list_(pa.float64()))}, ["no feature columns"]),
    "text asked for": ({"emb": [["a"]] * 8, "x": vectors()}, ["'emb'"]),
    "too long": ({"emb": [np.zeros(100_001)] * 8}, ["'emb'", "100001 numbers", "100000 at most"]),
    "infinity": ({"emb": [[np.inf, 1.0]] * 8}, ["8 NaN or infinite", "emb_0"]),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_are_no_embeddings_are_one_line(tmp_path: Path, case: str) -> None:
    arrays, culprits = BAD[case]
    with pytest.raises(InputError) as error:
        read(tmp_path, table(**arrays), features=["emb"] if case == "text asked for" else None)
    assert "\n" not in str(error.value)
    for culprit in ["s.parquet", *culprits]:
        assert culprit in str(error.value)


def test_a_frame_with_arrays() -> None:
    rows = vectors(3)
    profiles = profiles_from_frame(
        pd.DataFrame({"plate": "1", "well": WELLS, "compound": ["DMSO", "x"] * 4, "emb": rows})
    )
    np.testing.assert_array_equal(profiles.X, np.array(rows, np.float32))
    assert profiles.features == ("emb_0", "emb_1", "emb_2")


def test_a_table_without_arrays_is_not_copied() -> None:
    df = pd.DataFrame({"plate": ["a", "b"], "x": [1.0, 2.0], "note": [None, "text"]})
    assert expand_arrays(df, source="s") is df


def test_many_rows_take_no_longer_than_copying_them() -> None:
    X = np.random.default_rng(0).random((20_000, 256), dtype=np.float32)
    cells = np.empty(len(X), dtype=object)
    cells[:] = list(X)
    begin = time.process_time()
    expanded = expand_arrays(pd.DataFrame({"well": range(len(X)), "emb": cells}), source="s", report=ReadingReport())
    assert time.process_time() - begin < 3  # 0.1 s; element by element it is 5 s and more
    np.testing.assert_array_equal(expanded.iloc[:, 1:].to_numpy(), X)


@pytest.mark.parametrize(("folder", "features"), [("cpcnn", 3), ("efficientnet", 5)])
def test_embeddings_of_jump(tmp_path: Path, folder: str, features: int) -> None:
    files = sorted((SHARED / "jump-recipe/inputs").glob(f"profiles_{folder}*/**/*.parquet"))
    if not files:
        pytest.skip(f"{SHARED}/jump-recipe is absent; set HARNESS_SHARED_DATA")
    reader = Tables(paths=[str(file) for file in files], controls="well == 'A01' or well == 'B02'")
    profiles = load(reader, tmp_path)
    assert profiles.X.shape == (384 * len(files), features)
    first = pq.read_table(files[0]).to_pylist()[0]
    values = [value for column in first.values() if isinstance(column, list) for value in column]
    np.testing.assert_allclose(profiles.X[0], values, rtol=1e-6)
