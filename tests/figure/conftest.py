from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from harness.core.evaluation import Evaluation, Split
from harness.core.profiles import Profiles
from harness.figure.base import FigureContext

HOSTILE = ["_a$x^2$", "$\\frac{", "<b>&amp;</b>", "x" * 200, "10% #{}"]


def make_screen(
    *,
    plates: int = 12,
    wells: int = 24,
    features: int = 20,
    batches: list[str] | None = None,
    shift: float = 2.0,
    seed: int = 3,
) -> Profiles:
    """Features of unequal level and scale; each batch shifts all its wells by ``shift`` sd; unequal control counts."""
    rng = np.random.default_rng(seed)
    names = batches or ["b1", "b2", "b3"]
    of_plate = [names[i * len(names) // plates] for i in range(plates)]
    scale = np.exp(rng.normal(0, 2, features))
    offset = {name: rng.normal(0, shift, features) for name in names}
    X, tables = [], []
    for i, batch in enumerate(of_plate):
        role = np.where(np.arange(wells) < 4 + i % 3, "negcon", "treated")
        X.append(40 * scale + scale * (rng.normal(size=(wells, features)) + offset[batch]))
        table = pd.DataFrame({"plate": f"p{i:03d}", "well": [f"A{j + 1:02d}" for j in range(wells)], "batch": batch})
        tables.append(table.assign(role=role, compound="c", heldout_control=np.arange(wells) < 2 + i % 3))
    return Profiles(np.concatenate(X).astype(np.float32), pd.concat(tables, ignore_index=True))


def make_evaluation(wells: pd.DataFrame, fold: str, *, seed: int, signal: float = 1.0) -> Evaluation:
    rng = np.random.default_rng(seed)
    y = (wells["role"] == "treated").to_numpy().astype(np.int8)
    test = np.ones(len(y), dtype=bool)
    return Evaluation(y, rng.normal(size=len(y)) + signal * y, 0.5, wells, Split(fold, ~test, test))


def make_context(screen: Profiles, **changes: object) -> FigureContext:
    folds = [
        make_evaluation(part.reset_index(drop=True), str(batch), seed=i)
        for i, (batch, part) in enumerate(screen.wells.groupby("batch", sort=False))
    ]
    names = {"norm": "raw", "scope": "train", "split": "leave_batch_out", "data": "toy", "seed": 7}
    evaluations = {("dmso_vs_treated", "logistic"): folds}
    return FigureContext(**{**names, "normalized": screen, "evaluations": evaluations, **changes})  # type: ignore[arg-type]


@pytest.fixture(name="screen")
def screen_factory() -> Callable[..., Profiles]:
    return make_screen


@pytest.fixture(name="context")
def context_factory() -> Callable[..., FigureContext]:
    return make_context


@pytest.fixture(name="evaluation")
def evaluation_factory() -> Callable[..., Evaluation]:
    return make_evaluation


@pytest.fixture
def hostile() -> list[str]:
    return HOSTILE


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two features in place of an embedding; the number of rows of each that was made."""
    made: list[int] = []

    def embed(X: np.ndarray, **_: object) -> np.ndarray:
        made.append(len(X))
        return X[:, :2].astype(np.float64)

    monkeypatch.setattr("harness.figure.umap.embed", embed)
    return made
