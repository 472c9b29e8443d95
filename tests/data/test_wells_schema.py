"""Wells tables that the readers make fulfil the schema, before and after packing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.wells_schema import COLUMNS, problems
from harness.data.anndata import AnnData
from harness.data.demo import Demo
from harness.data.npz import Npz
from harness.data.tables import Tables
from harness.store.source import Source
from harness.store.store import load

N_WELLS = 12


def observations(**changes: Any) -> pd.DataFrame:
    """Return columns of two plates, numbered as files number them: no column has the type that the schema asks for."""
    row = np.arange(2 * N_WELLS)
    table = {
        "plate": 100 + row // N_WELLS, "well": [f"a{1 + i % N_WELLS}" for i in row], "batch": 1 + row // N_WELLS,
        "compound": [None if i % 6 == 5 else "DMSO" if i % 3 else f"x{i}" for i in row], "dose": row / 8,
        "cell_count": row.astype(str), "Metadata_Run": row,
    }  # fmt: skip
    return pd.DataFrame({**table, **changes})


def demo(_: Path) -> Source:
    return Demo(size="tiny")


def tables(folder: Path, **changes: Any) -> Source:
    X = np.random.default_rng(0).normal(size=(2 * N_WELLS, 3))
    wide = observations(**changes).join(pd.DataFrame(X, columns=["f1", "f2", "f3"]))
    wide.to_csv(folder / "screen.csv", index=False)
    return Tables(paths=str(folder / "screen.csv"), controls={"column": "compound", "values": ["DMSO"]})


def tables_of_named_wells(folder: Path) -> Source:
    return tables(folder, well=[f"well {i % N_WELLS}" for i in range(2 * N_WELLS)])


def tables_of_images(folder: Path) -> Source:
    wells = [i % N_WELLS // 2 for i in range(2 * N_WELLS)]
    compounds = ["DMSO" if well < 3 else "x" for well in wells]
    return tables(folder, well=[f"A{1 + well}" for well in wells], compound=compounds, site=["l", "r"] * N_WELLS)


def npz(folder: Path) -> Source:
    names = [f"{plate}_{'DMSO_' if i % 3 else ''}a{i + 1:02d}" for plate in (24772, 24773) for i in range(N_WELLS)]
    features = np.random.default_rng(0).normal(size=(2 * N_WELLS, 4)).astype(np.float32)
    np.savez(folder / "screen.npz", features=features, names=np.array(names))
    return Npz(path=str(folder / "screen.npz"))


def anndata(folder: Path) -> Source:
    h5ad_files = pytest.importorskip("h5ad_files")  # needs h5py
    controls, columns = {"column": "drug", "values": ["DMSO"]}, {"cell_count": "count"}
    return AnnData(path=str(h5ad_files.write(folder / "s.h5ad")), controls=controls, columns=columns)


@pytest.mark.parametrize("make", [demo, tables, tables_of_named_wells, tables_of_images, npz, anndata])
def test_every_reader_fulfils_the_schema(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path)
    order = [column.name for column in COLUMNS]
    for _, wells, _ in source.plates():
        assert problems(wells) == []
        present = [name for name in wells if name in order]
        assert present == sorted(present, key=order.index), "standard columns stand in the order of the schema"
    packed = load(make(tmp_path), tmp_path / "cache").wells
    assert problems(packed) == []
    assert list(packed.columns) == list(wells.columns)
