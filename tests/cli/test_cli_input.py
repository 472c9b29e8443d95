"""Bad input through the command line: exit status 2, one line that names the culprit, nothing half-written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import MAPPING, TABLES, run_command, runs_of, wide

pytestmark = pytest.mark.slow

Case = tuple[str, ...]


def _csv(folder: Path, table: pd.DataFrame, name: str = "plates.csv") -> None:
    table.to_csv(folder / name, index=False)


def _changed(column: str, row: int, value: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        table = wide().astype({column: object})
        table.loc[row, column] = value
        _csv(folder, table)

    return write


def _with(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda folder: _csv(folder, change(wide()))


def _two_files(folder: Path) -> None:
    table = wide()
    _csv(folder, table[table["Plate"] < "P3"], "a.csv")
    _csv(folder, table[table["Plate"] >= "P3"].drop(columns="Cells_Zern"), "b.csv")


def _same_name_twice(folder: Path) -> None:
    table = wide()
    table.columns = [c.replace("Cells_Edge", "Cells_Area") for c in table]
    _csv(folder, table)


def _corrupt_parquet(folder: Path) -> None:
    wide().to_parquet(folder / "plates.parquet")
    content = (folder / "plates.parquet").read_bytes()
    (folder / "plates.parquet").write_bytes(content[: len(content) // 2])


def _pickled(folder: Path) -> None:
    names = np.array([f"P{p}_A0{w}" for p in (1, 2) for w in (1, 2)], dtype=object)
    np.savez(folder / "arrays.npz", features=np.zeros((4, 3)), names=names)


def _raw_pickle(folder: Path) -> None:
    (folder / "arrays.npz").write_bytes(pickle.dumps({"features": 1}))


DATA = {
    "no such file": (lambda _: None, ("nowhere.csv",), ["nowhere.csv", "no such file"]),
    "empty file": (lambda f: (f / "plates.csv").touch(), ("plates.csv",), ["plates.csv", "empty"]),
    "header only": (_with(lambda t: t.iloc[:0]), ("plates.csv",), ["plates.csv", "no rows"]),
    "no plate column": (_with(lambda t: t.drop(columns="Plate")), (), ["'Plate'", "Well", "Cells_Area"]),
    "no feature columns": (_with(lambda t: t.iloc[:, :4]), (), ["no feature columns", "Compound"]),
    "text in a feature": (_changed("Cells_Mean", 41, "n.a.!"), (), ["plates.csv, row 42", "Cells_Mean", "n.a.!"]),
    "NaN": (_changed("Cells_Zern", 5, np.nan), (), ["Cells_Zern (1)", "on_missing", "impute_plate_median"]),
    "infinity": (_changed("Cells_Zern", 5, np.inf), (), ["Cells_Zern (1)", "infinite"]),
    "a well twice": (_with(lambda t: pd.concat([t, t.iloc[[7]]])), (), ["P1", "B02"]),
    "controls match nothing": (lambda f: _csv(f, wide()), ("data.controls.values=[dmso]",), ["dmso", "'DMSO'", "c1"]),
    "controls match all": (_with(lambda t: t.assign(Compound="DMSO")), (), ["all 96 rows", "DMSO"]),
    "features differ": (_two_files, ("[a.csv,b.csv]",), ["b.csv", "Cells_Zern"]),
    "name twice": (_same_name_twice, (), ["Cells_Area", "unique"]),
    "a plate in two batches": (_changed("Batch", 3, "week2"), (), ["P1", "week1", "week2"]),
    "corrupt parquet": (_corrupt_parquet, ("plates.parquet",), ["plates.parquet", "corrupt Parquet"]),
    "unknown kind": (lambda f: (f / "plates.xlsx").write_bytes(b"PK"), ("plates.xlsx",), ["plates.xlsx", ".parquet"]),
}


@pytest.mark.parametrize("case", DATA)
def test_bad_tables_are_one_line_and_leave_nothing(case: str, tmp_path: Path) -> None:
    write, options, named = DATA[case]
    write(tmp_path)
    paths = [f"data.paths={o}" for o in options if "=" not in o] or ["data.paths=plates.csv"]
    others = [o for o in options if "=" in o]
    outcome = run_command(tmp_path, "+norm=dmso_within", *TABLES, *paths, *MAPPING, *others)
    _refused(tmp_path, outcome.status, outcome.line, named)
    assert [path for path in (tmp_path / "mlruns/store").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("write", [_pickled, _raw_pickle])
def test_pickles_are_refused(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    outcome = run_command(tmp_path, "+norm=raw", "data=npz", "data.path=arrays.npz", *TABLES[1:])
    _refused(tmp_path, outcome.status, outcome.line, ["arrays.npz", "pickle"])


def _one_class(table: pd.DataFrame) -> pd.DataFrame:
    table["Batch"] = table["Plate"].replace({"P1": "week1", "P2": "week2", "P3": "week3", "P4": "week3"})
    return table[(table["Batch"] != "week2") | (table["Compound"] != "DMSO")]


SPLITS = {
    "one batch": (lambda t: t.assign(Batch="week1"), ["week1", "at least 2 are needed"]),
    "a plate without batch": (lambda t: t.assign(Batch=t["Batch"].where(t["Plate"] != "P2")), ["P2", "batch"]),
    "a held-out batch without controls": (_one_class, ["'week2'", "no negative controls among its held-out wells"]),
}


@pytest.mark.parametrize("case", SPLITS)
def test_folds_that_cannot_work_are_refused_before_a_run(case: str, tmp_path: Path) -> None:
    change, named = SPLITS[case]
    _csv(tmp_path, change(wide()))
    outcome = run_command(tmp_path, "+norm=raw", *TABLES, "data.paths=plates.csv", *MAPPING)
    _refused(tmp_path, outcome.status, outcome.line, named)


def _refused(folder: Path, status: int, line: str, named: list[str]) -> None:
    assert status == 2
    assert line.startswith("harness: ")
    assert [name for name in named if name not in line] == [], line
    assert runs_of(folder, "tables") == {}
    assert runs_of(folder, "npz") == {}
    assert list((folder / "mlruns/store").glob(".*")) == []


@pytest.mark.parametrize(("n", "said"), [(0, "has 0 negative control wells"), (2, "has 2 negative control wells")])
def test_too_few_controls_for_the_normalization_is_a_failed_run(n: int, said: str, folder: Path) -> None:
    table = wide()
    own = table.index[(table["Plate"] == "P3") & (table["Compound"] == "DMSO")]
    _csv(folder, table.drop(index=own[n:]))
    outcome = run_command(folder, "+norm=dmso_within", *TABLES, "data.paths=plates.csv", *MAPPING)
    assert outcome.status == 2
    assert outcome.line.startswith("harness: dmso_within: ")
    assert "'P3'" in outcome.line
    assert said in outcome.line
    run = runs_of(folder, "tables")["dmso_within"]
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == outcome.line.removeprefix("harness: dmso_within: ")


def test_good_tables_run_and_a_changed_file_is_noticed(folder: Path) -> None:
    _csv(folder, wide())
    command = ("+norm=raw", *TABLES, "data.paths=plates.csv", *MAPPING)
    found = []
    for change in (0.0, 0.0, 5.0):
        table = wide()
        table.loc[0, "Cells_Area"] += change
        _csv(folder, table)
        assert run_command(folder, *command).status == 0
        found.append(runs_of(folder, "tables")["raw"].data.tags["data_fingerprint"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("choice", ["drop_features", "impute_plate_median"])
def test_missing_values_can_be_allowed(choice: str, folder: Path) -> None:
    _changed("Cells_Zern", 5, np.nan)(folder)
    options = ("data.paths=plates.csv", *MAPPING, f"data.on_missing={choice}")
    assert run_command(folder, "+norm=raw", *TABLES, *options).status == 0
