"""Profiles that are already normalized or selected are pointed out; raw ones never are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.data.conventions.processed import names_warning, step_in_name, values_warning
from harness.data.tables import Tables

pytestmark = pytest.mark.slow

N_PLATES, N_WELLS, N_CONTROLS, N_FEATURES = 5, 96, 16, 30
Array = Any


@pytest.fixture(scope="module")
def wells() -> pd.DataFrame:
    role = np.resize(["negcon"] * N_CONTROLS + ["treated"] * (N_WELLS - N_CONTROLS), N_PLATES * N_WELLS)
    return pd.DataFrame({"plate": np.repeat([f"p{i}" for i in range(N_PLATES)], N_WELLS), "role": role})


@pytest.fixture(scope="module")
def raw() -> Array:
    """Skewed features of unequal scales; plates shifted; one feature constant, one constant on one plate."""
    rng = np.random.default_rng(3)
    X = rng.gamma(3.0, 1.0, (N_PLATES, N_WELLS, N_FEATURES)) * 10.0 ** rng.uniform(-2, 3, N_FEATURES)
    X *= rng.uniform(0.7, 1.4, (N_PLATES, 1, N_FEATURES))
    X[:, :, 4] = 17.0
    X[2, :, 5] = 3.0
    return X


def z(X: Array, reference: Array, axis: int) -> Array:
    sd = reference.std(axis=axis, keepdims=True)
    return (X - reference.mean(axis=axis, keepdims=True)) / np.where(sd > 0, sd, 1)


def robust(X: Array, reference: Array, axis: int) -> Array:
    center = np.median(reference, axis=axis, keepdims=True)
    mad = 1.4826 * np.median(np.abs(reference - center), axis=axis, keepdims=True)
    return (X - center) / (mad + 1e-18 + (mad == 0))


def iqr(X: Array, reference: Array, axis: int) -> Array:
    low, center, high = np.quantile(reference, [0.25, 0.5, 0.75], axis=axis, keepdims=True)
    return (X - center) / np.where(high > low, high - low, 1)


PROCESSED: dict[str, Callable[[Array], Array]] = {
    "controls of every plate": lambda X: z(X, X[:, :N_CONTROLS], 1),
    "controls, n - 1": lambda X: z(X, X[:, :N_CONTROLS], 1) * np.sqrt(1 - 1 / N_CONTROLS),
    "controls, robust": lambda X: robust(X, X[:, :N_CONTROLS], 1),
    "controls, IQR": lambda X: iqr(X, X[:, :N_CONTROLS], 1),
    "wells of every plate": lambda X: z(X, X, 1),
    "wells, robust": lambda X: robust(X, X, 1),
    "the whole screen": lambda X: z(X, X.reshape(-1, N_FEATURES), 0),
    "written with three decimals": lambda X: z(X, X[:, :N_CONTROLS], 1).round(3),
    "some values missing": lambda X: np.where(np.arange(X.size).reshape(X.shape) % 997, z(X, X, 1), np.nan),
    "one plate": lambda X: z(X, X[:, :N_CONTROLS], 1)[:1],
}
RAW: dict[str, Callable[[Array], Array]] = {
    "raw": lambda X: X,
    "one plate": lambda X: X[:1],
    "one plate is normalized": lambda X: np.concatenate([z(X[:1], X[:1, :N_CONTROLS], 1), X[1:]]),
    "tiny spread": lambda X: 1e-6 * X,
    "centred only": lambda X: X - X[:, :N_CONTROLS].mean(axis=1, keepdims=True),
    "scaled only": lambda X: X / X.std(axis=1, keepdims=True).clip(1e-9),
    "standard normal by nature": lambda X: np.random.default_rng(0).normal(size=X.shape),
    "a standard normal feature": lambda X: np.random.default_rng(1).normal(size=(*X.shape[:2], 1)),
    "nothing varies": lambda X: np.zeros_like(X),
    "nothing is known": lambda X: np.full_like(X, np.nan),
}


@pytest.mark.parametrize("name", PROCESSED)
def test_values_that_are_standardized_are_pointed_out(name: str, raw: Array, wells: pd.DataFrame) -> None:
    X = PROCESSED[name](raw).astype(np.float32)
    flat = X.reshape(-1, X.shape[-1])
    line = values_warning([flat[:7], flat[7:]], wells[: len(flat)], source="s.csv")
    assert line is not None
    assert "already normalized" in line


@pytest.mark.parametrize("name", RAW)
def test_raw_values_are_not_blamed(name: str, raw: Array, wells: pd.DataFrame) -> None:
    X = RAW[name](raw).astype(np.float32)
    flat = X.reshape(-1, X.shape[-1])
    assert values_warning([flat], wells[: len(flat)], source="s.csv") is None


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("SQ00014812_normalized.csv.gz", "normalized"),
        ("SQ00014812_normalized_feature_select_negcon_batch.csv.gz", "normalized and feature-selected"),
        ("2016_level_4b_spherized.parquet", "sphered"),
        ("profiles_var_mad_int_featselect_harmony.parquet", "feature-selected and corrected"),
        ("profiles_wellpos_cc_var_mad_outlier_featselect_sphering.parquet", "feature-selected and sphered"),
        ("BR00117037_augmented.csv.gz", None),
        ("BR00117037.parquet", None),
        ("unnormalized.csv", None),
        ("harmonyhill_plate1.csv", None),
        ("not_selected_yet.csv", None),
    ],
)  # fmt: skip
def test_names_of_files(name: str, step: str | None) -> None:
    assert step_in_name(Path(f"/data/normalized/{name}")) == step


def test_what_a_name_says_is_a_warning_of_the_run(tmp_path: Path, raw: Array, wells: pd.DataFrame) -> None:
    assert names_warning([Path("a.csv")]) is None
    df = wells.assign(well=[f"{'ABCDEFGH'[i // 12]}{i % 12 + 1}" for i in range(N_WELLS)] * N_PLATES)
    df["compound"] = np.where(df["role"] == "negcon", "DMSO", "x")
    df = df.drop(columns="role").assign(**{f"Cells_{i}": raw[..., i].ravel() for i in range(4)})
    path = tmp_path / "p_normalized.csv"
    df.to_csv(path, index=False)
    tables = Tables(paths=str(path))
    list(tables.plates())
    assert len(tables.report.warnings) == 1
    assert (
        "p_normalized.csv: by its name, profiles that are already normalized (1 of 1 files)"
        in tables.report.warnings[0]
    )
