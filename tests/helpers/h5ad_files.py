"""AnnData files, written without the anndata package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

h5py = pytest.importorskip("h5py")
NAMES = ["Cells_a", "Cells_b", "Nuclei_a"]
N = 24


def matrix() -> np.ndarray[Any, Any]:
    X = np.random.default_rng(5).normal([10.0, -200.0, 3.0], [1, 30, 0.1], (N, 3))
    X[np.random.default_rng(6).random(X.shape) < 0.3] = 0  # so that sparse ones are sparse
    return X


def observations() -> pd.DataFrame:
    wells = [f"{'AB'[i // 6]}{i % 6 + 1:02d}" for i in range(12)]
    df = pd.DataFrame({"plate": ["007"] * 12 + ["010"] * 12, "well": wells * 2, "drug": ["DMSO", "x", "y"] * 8})
    return df.assign(dose=np.where(df["drug"] == "x", np.nan, 0.5), count=[7, None] * 12)


def encoded(group: Any, name: str, values: Any, kind: str, **attributes: Any) -> Any:
    """Write one member as the format's description has it."""
    member = group.create_dataset(name, data=values) if values is not None else group.create_group(name)
    member.attrs.update({"encoding-type": kind, "encoding-version": "0.2.0", **attributes})
    return member


def text(values: Any) -> Any:
    return np.array(list(values), dtype=h5py.string_dtype())


def write(path: Path) -> Path:
    """Write a file with every kind of column, without the anndata package."""
    obs, X = observations(), matrix()
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        encoded(file, "X", X, "array")
        order = np.array(list(obs), dtype=h5py.string_dtype())
        table = encoded(file, "obs", None, "dataframe", **{"_index": "_index", "column-order": order})
        encoded(table, "_index", text(f"cell{i}" for i in range(N)), "string-array")
        encoded(table, "plate", text(obs["plate"]), "string-array")
        encoded(table, "well", text(obs["well"]), "string-array")
        drug = encoded(table, "drug", None, "categorical", ordered=False)
        encoded(drug, "categories", text(["y", "DMSO", "x"]), "string-array")
        encoded(drug, "codes", np.array([1, 2, 0] * 8, np.int8), "array")
        encoded(table, "dose", obs["dose"].to_numpy(), "array")
        count = encoded(table, "count", None, "nullable-integer")
        encoded(count, "values", np.array([7, 1] * 12), "array")
        encoded(count, "mask", np.array([False, True] * 12), "array")
        var = encoded(file, "var", None, "dataframe", **{"_index": "gene", "column-order": np.array([], "S1")})
        encoded(var, "gene", text(NAMES), "string-array")
        layers = encoded(file, "layers", None, "dict")
        encoded(layers, "squared", X**2, "array")
        for kind, held in (("csr_matrix", sparse.csr_matrix(X)), ("csc_matrix", sparse.csc_matrix(X))):
            group = encoded(layers, kind, None, kind, shape=np.array(X.shape))
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(held, part)
        encoded(encoded(file, "obsm", None, "dict"), "X_emb", X[:, :2] + 1, "array")
        raw = encoded(file, "raw", None, "raw")
        encoded(raw, "X", np.hstack([X, X[:, :1]]), "array")
        raw_var = encoded(raw, "var", None, "dataframe", **{"_index": "_index", "column-order": np.array([], "S1")})
        encoded(raw_var, "_index", text([*NAMES, "Nuclei_b"]), "string-array")
    return path
