"""Sparse matrices of labels, .npz and .mtx: what is stored is what is read; what is not stored is missing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from places import SHARED

from harness.core.exceptions import InputError
from harness.task.labels.coding import Coding
from harness.task.labels.entries import Labels, resolve_duplicates
from harness.task.labels.matrix import read_matrix

BRAY = SHARED / "bray2017" / "assay-labels"
SIGNED: dict[str, Any] = {"active": [1], "inactive": [-1]}


def index_files(folder: Path, n: int, names: list[str]) -> dict[str, Any]:
    ids = pd.DataFrame({"INDEX": range(n), "id": [f"00{i}" for i in range(n)], "smiles": "C"})
    ids.to_csv(folder / "rows.csv", index=False)
    pd.DataFrame({"ASSAY_ID": names}).to_csv(folder / "columns.csv", index=False)
    return {"rows": folder / "rows.csv", "columns": folder / "columns.csv", "compound": "id", "assay": "ASSAY_ID"}


def read(path: Path, values: dict[str, Any] = SIGNED, **settings: Any) -> Labels:
    return resolve_duplicates(read_matrix(path, Coding(values), **settings), duplicates="error")


def toy(folder: Path, end: str) -> tuple[Path, np.ndarray[Any, Any], dict[str, Any]]:
    rng = np.random.default_rng(4)
    dense = rng.choice([0, 1, -1], size=(7, 3), p=[0.4, 0.2, 0.4])
    dense[0] = [1, -1, 0]
    if end == ".npz":
        scipy.sparse.save_npz(folder / "m.npz", scipy.sparse.csr_matrix(dense))
    else:
        scipy.io.mmwrite(folder / "m.mtx", scipy.sparse.coo_matrix(dense))
    return folder / f"m{end}", dense, index_files(folder, 7, ["600885", "b", "c"])


@pytest.mark.parametrize("end", [".npz", ".mtx"])
def test_plus_one_is_active_minus_one_inactive_and_what_is_not_stored_missing(tmp_path: Path, end: str) -> None:
    path, dense, settings = toy(tmp_path, end)
    table = read(path, **settings).table(pd.Index([f"00{i}" for i in range(7)]))
    np.testing.assert_array_equal(table.to_numpy(), np.select([dense == 1, dense == -1], [1.0, 0.0], np.nan))
    assert list(table.columns) == ["600885", "b", "c"]


@pytest.mark.parametrize("end", [".npz", ".mtx"])
def test_minus_one_can_be_missing_and_a_stored_zero_inactive(tmp_path: Path, end: str) -> None:
    stored = scipy.sparse.coo_matrix((np.array([1, 0, -1]), ([0, 1, 2], [0, 0, 1])), shape=(3, 2))
    path = tmp_path / f"m{end}"
    scipy.sparse.save_npz(path, stored) if end == ".npz" else scipy.io.mmwrite(path, stored)
    settings = index_files(tmp_path, 3, ["a", "b"])
    table = read(path, {"active": [1], "inactive": [0], "missing": [-1]}, **settings).table(
        pd.Index(["000", "001", "002"])
    )
    np.testing.assert_array_equal(table, [[1, np.nan], [0, np.nan], [np.nan, np.nan]])
    with pytest.raises(InputError, match=r"unknown label values '0' \(1 times\) in \['the matrix'\]"):
        read(path, **settings)


@settings(max_examples=25, deadline=None)
@given(
    wanted=st.sets(st.sampled_from(["a", "b", "c", "d"]), min_size=1),
    cells=st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 3)), st.sampled_from([1, -1]), min_size=1),
)
def test_chosen_assays_keep_their_own_labels(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[str], cells: dict[tuple[int, int], int]
) -> None:
    folder = tmp_path_factory.mktemp("m")
    dense = np.zeros((6, 4), dtype=int)
    for place, value in cells.items():
        dense[place] = value
    scipy.sparse.save_npz(folder / "m.npz", scipy.sparse.csc_matrix(dense))
    settings = index_files(folder, 6, ["a", "b", "c", "d"])
    labels = read(folder / "m.npz", assays=sorted(wanted), **settings)
    table = labels.table(pd.Index([f"00{i}" for i in range(6)]))
    for name in wanted:
        column = dense[:, "abcd".index(name)]
        np.testing.assert_array_equal(table[name], np.select([column == 1, column == -1], [1.0, 0.0], np.nan))


def test_columns_that_share_an_id_stay_apart_and_are_counted(tmp_path: Path) -> None:
    path, dense, settings = toy(tmp_path, ".npz")
    pd.DataFrame({"ASSAY_ID": ["600885", "b", "600885"]}).to_csv(settings["columns"], index=False)
    labels = read(path, **settings)
    assert list(labels.assays) == ["600885", "b", "600885 (2)"]
    assert labels.counts["assays that share their id with another, numbered"] == 2
    third = labels.table(pd.Index([f"00{i}" for i in range(7)]))["600885 (2)"]
    assert (third == 1).sum() == (dense[:, 2] == 1).sum()


def test_a_cell_that_is_stored_twice_is_a_duplicate(tmp_path: Path) -> None:
    settings = index_files(tmp_path, 7, ["a", "b", "c"])
    text = "%%MatrixMarket matrix coordinate integer general\n7 3 3\n1 1 1\n1 1 -1\n2 2 -1\n"
    (tmp_path / "twice.mtx").write_text(text)
    with pytest.raises(
        InputError, match="1 pairs of compound and assay have several labels, which contradict each other"
    ):
        read(tmp_path / "twice.mtx", **settings)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def _objects(path: Path) -> None:
    np.savez(path, format=np.array(b"csr"), data=np.array([{}], dtype=object), shape=(7, 3), indices=[0], indptr=[0, 1])


@pytest.mark.parametrize(
    ("end", "damage", "message"),
    [
        (".npz", lambda p: p.write_bytes(b""), "is empty: 0 bytes"),
        (".npz", _truncated, "not a sparse matrix"),
        (".mtx", _truncated, "not a sparse matrix"),
        (".npz", lambda p: p.write_bytes(pickle.dumps({"data": 1})), "needs pickle, which could run code"),
        (".npz", _objects, "needs pickle, which could run code"),
        (".npz", lambda p: np.savez(p, a=np.zeros(3)), "not a sparse matrix"),
        (".mtx", lambda p: p.write_text("compound,a\nc1,1\n"), "not a sparse matrix"),
        (".mtx", lambda p: scipy.io.mmwrite(p, np.eye(3)), "a dense matrix, where missing cannot be told from 0"),
    ],
)
def test_files_that_are_no_plain_sparse_matrix_are_refused(tmp_path: Path, end: str, damage: Any, message: str) -> None:
    path, _, settings = toy(tmp_path, end)
    damage(path)
    with pytest.raises(InputError, match=message) as told:
        read(path, **settings)
    assert path.name in str(told.value)
    assert "\n" not in str(told.value)


def test_index_files_of_another_length_or_order_are_refused(tmp_path: Path) -> None:
    path, _, settings = toy(tmp_path, ".mtx")
    rows = pd.read_csv(settings["rows"])
    rows.iloc[:-1].to_csv(settings["rows"], index=False)
    with pytest.raises(InputError, match=r"rows\.csv: 6 lines for 7 rows of m\.mtx; expected one per row, in order"):
        read(path, **settings)
    rows.iloc[[1, 0, *range(2, 7)]].to_csv(settings["rows"], index=False)
    with pytest.raises(InputError, match="column 'INDEX' does not count the lines up"):
        read(path, **settings)
    with pytest.raises(InputError, match="no column 'sid'; found"):
        read(path, **{**settings, "compound": "sid"})
    rows.to_csv(settings["rows"], index=False)
    with pytest.raises(InputError, match="no assay 'z'"):
        read(path, assays=["z"], **settings)


def test_the_labels_of_bray_2017_are_all_there() -> None:
    if not BRAY.is_dir():
        pytest.skip(f"no folder {BRAY}; set HARNESS_SHARED_DATA")
    rows, columns = BRAY / "row-compound-index.csv", BRAY / "column-assay-index.csv"
    labels = read(BRAY / "label-matrix.mtx", rows=rows, columns=columns, compound="INCHIKEY", assay="ASSAY_ID")
    ids = pd.read_csv(rows)["INCHIKEY"]
    table = labels.table(pd.Index(ids))
    assert table.shape == (10_574, 209)
    assert int((table == 1).to_numpy().sum()) == 19_274
    assert int((table == 0).to_numpy().sum()) == 36_268
    oracle = scipy.io.mmread(BRAY / "label-matrix.mtx").toarray()
    np.testing.assert_array_equal(table.to_numpy(), np.select([oracle == 1, oracle == -1], [1.0, 0.0], np.nan))
