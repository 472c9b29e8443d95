"""Screens of hardly any wells: every member gives finite profiles or one line that says why not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.norm.engine.normalize import normalize
from harness.norm.sphering import Sphering
from harness.norm.tvn import Tvn

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for path in (ROOT / "conf" / "norm").glob("*.yaml"))

# of each plate its batch, control wells and treated wells
LAYOUTS: dict[str, list[tuple[str, int, int]]] = {
    "one of two training plates has one control": [("b1", 4, 8), ("b2", 1, 8), ("b3", 4, 8)],
    "one control in one of two plates of a batch": [("b1", 4, 8), ("b1", 1, 8), ("b2", 4, 8)],
    "one well": [("b1", 1, 0), ("b2", 1, 0), ("b3", 1, 0)],
    "two controls and one treated well": [("b1", 2, 1), ("b2", 2, 1), ("b3", 2, 1)],
    "three controls": [("b1", 3, 0), ("b2", 3, 0), ("b3", 3, 0)],
    "four controls and four treated wells": [("b1", 4, 4), ("b2", 4, 4), ("b3", 4, 4)],
    "a plate without controls": [("b1", 4, 8), ("b1", 0, 8), ("b2", 4, 8), ("b3", 4, 8)],
    "a batch without controls": [("b1", 4, 8), ("b2", 0, 8), ("b3", 4, 8)],
    "no controls at all": [("b1", 0, 8), ("b2", 0, 8)],
    "one plate": [("b1", 4, 8)],
}
KINDS = ("ordinary", "identical", "constant", "constant on controls", "constant on plates", "one varies", "huge")


def screen(plates: list[tuple[str, int, int]], kind: str, n_features: int) -> Profiles:
    rng = np.random.default_rng(0)
    parts, tables = [], []
    for p, (batch, k, n_treated) in enumerate(plates):
        n = k + n_treated
        well = [f"{'ABCDEFGH'[i // 4]}{i % 4 + 1:02d}" for i in range(n)]
        role = ["negcon"] * k + ["treated"] * n_treated
        table = pd.DataFrame({"plate": f"p{p}", "well": well, "batch": batch, "role": role})
        table["row"], table["column"] = np.arange(n) // 4 + 1, np.arange(n) % 4 + 1
        table["compound"] = ["DMSO"] * k + [f"c{i}" for i in range(n_treated)]
        tables.append(table.assign(cell_count=rng.integers(20, 90, n)))
        parts.append(_values(rng, n, k, n_features, kind))
    X = np.concatenate(parts).astype(np.float32)
    return Profiles(X, pd.concat(tables, ignore_index=True), planted=X.copy())


def _values(rng: np.random.Generator, n: int, k: int, n_features: int, kind: str) -> Any:
    X = rng.normal(5, 1, (n, n_features))
    match kind:
        case "identical":
            X[:] = X[:, :1]
        case "constant":
            X[:] = 3.3
        case "constant on controls":
            X[:k] = 3.3
        case "constant on plates":
            X[:] = X[0]
        case "one varies":
            X[:, 1:] = 3.3
        case "huge":
            X[0, 0] = 3e38
    return X


def splits(profiles: Profiles, *held_out: tuple[str, int]) -> Iterator[Split | None]:
    """No split; and one that holds out each batch or plate named by column and row."""
    yield None
    table = well_table(profiles.wells)
    for column, row in held_out:
        test = (table[column] == table[column].iloc[row]).to_numpy()
        if not test.all():
            yield Split(column, ~test, test)


def outcome(profiles: Profiles, normalizer: Any, split: Split | None) -> str:
    """``finite``, or the reason of a refusal; a warning of numpy is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            Z = normalize(profiles, normalizer, split).X
        except InputError as refused:
            return str(refused)
    assert np.isfinite(Z).all()
    return "finite"


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
@pytest.mark.parametrize("name", NAMES)
def test_every_member_gives_finite_profiles_or_a_reason(name: str, member: Any) -> None:
    normalizer = member("norm", name)
    for module in normalizer.requires:
        pytest.importorskip(module, reason=f"{name} needs the optional package {module}")
    seen = []
    for plates in LAYOUTS.values():
        for kind in KINDS:
            for n_features in (3, 20) if kind == "ordinary" else (3,):
                profiles = screen(plates, kind, n_features)
                held_out = [("batch", -1), ("plate", 0)] if kind == "ordinary" else [("batch", -1)]
                seen += [outcome(profiles, normalizer, split) for split in splits(profiles, *held_out)]
    assert "finite" in seen
    assert max(map(len, seen)) < 400, "one line"


@pytest.mark.parametrize("n_features", [3, 40])
@pytest.mark.parametrize(("method", "setting"), [(Sphering(), "shrinkage"), (Tvn(), "n_components")])
def test_two_training_plates_of_which_one_has_one_control(method: Any, setting: str, n_features: int) -> None:
    """What one row says of a covariance is nothing: the other plate's fold decides."""
    profiles = screen(LAYOUTS["one of two training plates has one control"], "ordinary", n_features)
    test = (well_table(profiles.wells)["batch"] == "b3").to_numpy()
    held_out = outcome(profiles, method, Split("b3", ~test, test))
    assert held_out == "finite" or "batch 'b2', 0 where a fold is left out, at least 3 are needed" in held_out
    lonely = screen([("b1", 1, 8), ("b1", 1, 8), ("b2", 1, 8), ("b2", 1, 8)], "ordinary", n_features)
    refused = outcome(lonely, type(method)(n_folds=2), None)
    assert refused == "finite" or setting in refused or "at least 3 are needed" in refused
