"""Nothing that a user gives is unpickled: a pickle runs whatever its author wanted."""

from __future__ import annotations

import ast
import io
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from command import MAPPING, TABLES, run_command, wide
from oddities import layout
from places import ROOT

from harness.core.exceptions import CorruptedStoreError, InputError
from harness.data.npz import Npz
from harness.data.tables import Tables
from harness.norm.engine import serialization
from harness.store.store import load, open_store, store_folder
from harness.utils.worker_pool import background_tasks

pytestmark = pytest.mark.slow

HARNESS = ROOT / "harness"
WITHIN = ("worker_pool.py",)  # what a process writes for its own helpers


class Mine:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    return tmp_path / "sprung"


def objects(sprung: Path) -> Any:
    found = np.empty(3, dtype=object)
    found[:] = [Mine(sprung)] * 3
    return found


def content(how: str, sprung: Path) -> bytes:
    """A file that runs code where it is unpickled: bare, as npy, inside npz, by joblib."""
    buffer = io.BytesIO()
    match how:
        case "pickle":
            buffer.write(pickle.dumps(Mine(sprung)))
        case "npy":
            np.save(buffer, objects(sprung), allow_pickle=True)
        case "npz":
            np.savez(buffer, features=objects(sprung), names=objects(sprung), about=objects(sprung))
        case "one array of an npz":
            np.savez(buffer, features=np.eye(3), names=np.array(["P_A01", "P_A02", "P_A03_DMSO"]), sids=objects(sprung))
        case "joblib":
            joblib.dump(Mine(sprung), buffer)
    return buffer.getvalue()


each = pytest.mark.parametrize("how", ["pickle", "npy", "npz", "one array of an npz", "joblib"])


def test_the_trap_works(sprung: Path) -> None:
    pickle.loads(content("pickle", sprung))
    assert sprung.exists()


@each
def test_profiles_are_refused(how: str, tmp_path: Path, sprung: Path) -> None:
    path = tmp_path / "screen.npz"
    path.write_bytes(content(how, sprung))
    with pytest.raises(InputError, match=r"screen\.npz"):
        load(Npz(path=str(path)), tmp_path / "store")
    assert not sprung.exists()


@each
@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet"])
def test_tables_are_refused(how: str, ending: str, tmp_path: Path, sprung: Path) -> None:
    path = tmp_path / f"screen.{ending}"
    path.write_bytes(content(how, sprung))
    with pytest.raises(InputError, match="screen"):
        load(Tables(paths=str(path), controls="compound == 'DMSO'"), tmp_path / "store")
    assert not sprung.exists()


@each
def test_fitted_statistics_are_refused(how: str, tmp_path: Path, sprung: Path) -> None:
    path = tmp_path / "fitted.statistics.npz"
    path.write_bytes(content(how, sprung))
    with pytest.raises(InputError, match=r"fitted\.statistics\.npz"):
        serialization.load(path)
    assert not sprung.exists()


@each
@pytest.mark.parametrize("damaged", ["features.npy", "wells.parquet", "store.json"])
def test_a_store_is_packed_again(how: str, damaged: str, tmp_path: Path, sprung: Path) -> None:
    table = layout(1, 6).assign(area=np.arange(6.0))
    table.to_parquet(tmp_path / "screen.parquet")
    source = Tables(paths=str(tmp_path / "screen.parquet"), controls="compound == 'DMSO'")
    load(source, tmp_path / "store")
    folder = store_folder(source, tmp_path / "store")
    (folder / damaged).write_bytes(content(how, sprung))
    with pytest.raises(CorruptedStoreError):
        open_store(folder)
    np.testing.assert_array_equal(load(source, tmp_path / "store").X[:, 0], np.arange(6))
    assert not sprung.exists()


@each
def test_a_matrix_of_labels_is_refused(how: str, tmp_path: Path, sprung: Path) -> None:
    path, compounds, assays = tmp_path / "labels.npz", tmp_path / "compounds.csv", tmp_path / "assays.csv"
    path.write_bytes(content(how, sprung))
    pd.DataFrame({"compound": ["c1"]}).to_csv(compounds, index=False)
    pd.DataFrame({"assay": ["a1"]}).to_csv(assays, index=False)
    wide().to_csv(tmp_path / "screen.csv", index=False)
    outcome = run_command(
        tmp_path, "+norm=raw", *TABLES, *MAPPING, "data.paths=[screen.csv]", "task=[assay_activity]",
        "task.assay_activity.path=labels.npz", "task.assay_activity.row_index=compounds.csv",
        "task.assay_activity.column_index=assays.csv", "task.assay_activity.assay=assay",
    )  # fmt: skip
    assert outcome.status == 2
    assert "labels.npz" in outcome.line
    assert not sprung.exists()


def calls(path: Path) -> list[tuple[str, dict[str, Any]]]:
    found = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), {k.arg or "**": ast.unparse(k.value) for k in node.keywords}) for node in found]


def test_no_other_code_unpickles_anything() -> None:
    names = (
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "pd.read_pickle",
        "torch.load",
        "eval",
        "exec",
        "marshal.loads",
    )
    for path in HARNESS.rglob("*.py"):
        for name, keywords in calls(path):
            assert keywords.get("allow_pickle", "False") == "False", path
            assert name not in names or (name.startswith("pickle") and path.name in WITHIN), f"{path}: {name}"


def test_helpers_are_given_their_work_in_a_private_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def submit(*arguments: Any) -> Any:
        path = Path(arguments[1])
        seen.append((path.parent.stat(), path.exists()))
        raise InterruptedError

    monkeypatch.setattr(
        "harness.utils.worker_pool.worker_pool", lambda *_: type("Pool", (), {"submit": staticmethod(submit)})
    )
    with pytest.raises(InterruptedError), background_tasks(str, run_here=str, names=["x"], n_workers=1):
        pass
    ((folder, there),) = seen
    assert there
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert folder.st_uid == os.getuid()
