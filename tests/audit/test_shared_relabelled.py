from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from harness.audit.shared.auroc_bootstrap import bootstrap_auroc, mean_auroc_interval, resample_units
from harness.audit.shared.nearest_wells import NearestWells
from harness.audit.shared.relabelled import MOST_FOLDS, Relabelled, balance_over_plates, few_folds, score_relabelled
from harness.audit.shared.well_choice import sample_evenly
from harness.audit.shared.well_metadata import with_metadata
from harness.baseline.row_norm import RowNorm
from harness.core.evaluation import Split
from harness.norm.raw import Raw

pytestmark = pytest.mark.slow


def test_metadata_moves_as_a_whole_and_keeps_its_types() -> None:
    wells = pd.DataFrame(
        {"plate": "p", "well": ["a", "b", "c"], "batch": "b", "role": ["negcon", "treated", "treated"]}
    )
    wells["compound"] = pd.Categorical(["DMSO", "x", "y"])
    wells["dose"] = [0.0, 1.0, np.nan]
    wells["cell_count"] = [1, 2, 3]
    after = with_metadata(wells, [0, 2], [2, 0])
    assert list(after["role"]) == ["treated", "treated", "negcon"]
    assert list(after["compound"]) == ["y", "x", "DMSO"]
    assert list(after["dose"].fillna(-1)) == [-1, 1, 0]
    pd.testing.assert_frame_equal(after[["plate", "well", "batch", "cell_count"]], wells.iloc[:, [0, 1, 2, 6]])
    pd.testing.assert_series_equal(after.dtypes, wells.dtypes)


def test_a_sample_is_even_over_plates_and_does_not_depend_on_the_order_of_rows() -> None:
    wells = pd.DataFrame({"plate": np.repeat(list("abc"), [30, 10, 3]), "well": [f"w{i}" for i in range(43)]})
    among = np.ones(43, dtype=bool)
    mask = sample_evenly(wells, among, 18, "seed")
    assert wells["plate"][mask].value_counts().to_dict() in ({"a": 8, "b": 7, "c": 3}, {"a": 7, "b": 8, "c": 3})
    order = np.random.default_rng(0).permutation(43)
    again = sample_evenly(wells.iloc[order].reset_index(drop=True), among, 18, "seed")
    np.testing.assert_array_equal(again, mask[order])
    assert sample_evenly(wells, among, 50, "seed").all()
    assert sample_evenly(wells, wells["plate"].to_numpy() == "c", 2, 0)[:40].sum() == 0


def test_folds_are_merged_to_few_and_hold_every_well_out_once() -> None:
    batch = np.repeat(np.arange(12), 5)
    merged = few_folds([Split(str(b), batch != b, batch == b) for b in range(12)])
    assert len(merged) == MOST_FOLDS
    np.testing.assert_array_equal(np.sum([s.test for s in merged], axis=0), 1)
    assert not any((s.train & s.test).any() for s in merged)
    assert all(len(set(batch[s.train])) + len(set(batch[s.test])) == 12 for s in merged)


def test_a_large_screen_that_is_normalized_anew_for_every_fold_has_two_folds(
    audited: Any, noise_screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Trained(Raw):
        def fit(self, plates: Any) -> Any:
            seen.append(len({plate.name for plate in plates}))
            return self

    context = audited(noise_screen(), Trained())
    everything = np.ones(12 * 48, dtype=bool)
    score_relabelled(context, Relabelled(context.profiles, everything), {"row_norm": RowNorm()}, axis=0)
    assert seen == [9] * 4
    monkeypatch.setattr("harness.audit.shared.relabelled.LARGE", 1000)
    score_relabelled(context, Relabelled(context.profiles, everything), {"row_norm": RowNorm()}, axis=0)
    assert seen == [9] * 4 + [6] * 2


def test_folds_that_train_on_little_are_drawn_instead_of_merged() -> None:
    batch = np.arange(40) % 10
    splits = [Split(str(b), batch == b, batch != b) for b in range(10)]
    assert few_folds(splits) == [splits[i] for i in (0, 2, 4, 6, 9)]


@pytest.mark.parametrize("shape", ["radial", "clusters", "shift"])
def test_the_neighbour_model_sees_what_a_linear_model_cannot(shape: str) -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 400).astype(np.int8)
    X = rng.normal(0, 1, (800, 20)) * 7 + 100
    if shape == "radial":
        X[y == 0] = (X[y == 0] - 100) * 0.6 + 100
    if shape == "clusters":
        X[y == 0, :3] = 100 + 14 * rng.choice([-1, 1], (400, 3)) + rng.normal(0, 1, (400, 3))
    if shape == "shift":
        X[y == 0] += 3
    X = X.astype(np.float32)
    train = rng.random(800) < 0.5
    scores = NearestWells().fit(X[train], y[train]).predict_proba(X[~train])[:, 1]
    assert roc_auc_score(y[~train], scores) > 0.75


def test_the_neighbour_model_is_at_chance_where_classes_are_alike_and_takes_wide_and_constant_features() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(2, size=600).astype(np.int8)
    X = rng.normal(0, 1, (600, 900)).astype(np.float32)
    X[:, 5] = 7
    scores = NearestWells().fit(X[:400], y[:400]).predict_proba(X[400:])[:, 1]
    assert np.isfinite(scores).all()
    assert abs(roc_auc_score(y[400:], scores) - 0.5) < 0.1


def test_two_wells_of_a_class_suffice_and_equal_wells_have_no_infinite_score() -> None:
    X = np.zeros((6, 3), dtype=np.float32)
    assert np.isfinite(NearestWells().fit(X, np.array([0, 0, 1, 1, 1, 1])).predict_proba(X)).all()


def evaluations(predicted: Any, value: float, n_batches: int, seed: int) -> list[Any]:
    """Make folds of one batch each, with 4 plates of 8 wells of either class."""
    rng = np.random.default_rng(seed)
    shift = np.sqrt(2) * 2.0 * (value - 0.5)
    folds = []
    for b in range(n_batches):
        y = np.tile([0, 1], 32)
        e = predicted(y, rng.normal(0, 1, 64) + shift * y, plate=np.repeat([f"{b}{p}" for p in range(4)], 16), batch=b)
        e.wells["role"] = np.where(e.y == 1, "treated", "negcon")
        folds.append(e)
    return folds


def summary(folds: Any) -> Any:
    return bootstrap_auroc(folds, resample_units(folds, 200))


@pytest.mark.parametrize("n_batches", [2, 5])
def test_intervals_hold_chance_as_often_as_they_claim_and_are_no_wider_than_wells_demand(
    predicted: Any, n_batches: int
) -> None:
    intervals = [mean_auroc_interval([summary(evaluations(predicted, 0.5, n_batches, seed))]) for seed in range(120)]
    covered = np.mean([low <= 0.5 <= high for _, low, high in intervals])
    assert covered >= 0.93
    width = np.median([high - low for _, low, high in intervals])
    exact = 2 * 1.96 * np.sqrt(1 / 12 * 2 / (32 * n_batches))
    assert width < 1.9 * exact


def test_a_score_near_one_with_perfect_folds_has_an_interval_near_one(predicted: Any) -> None:
    folds = evaluations(predicted, 0.5, 5, 0)
    for i, e in enumerate(folds):
        e.score[:] = e.y + (0.55 * np.random.default_rng(i).standard_normal(64) if i == 2 else 0)
    value, lower, upper = mean_auroc_interval([summary(folds)])
    assert 0.95 < value < 1
    assert 0.5 < lower < value < upper <= 1
    for e in folds:
        e.score[:] = e.y
    value, lower, upper = mean_auroc_interval([summary(folds)])
    assert (value, upper) == (1, 1)
    assert 0.9 < lower < 1


def test_the_mean_of_repeats_is_narrower(predicted: Any) -> None:
    repeats = [summary(evaluations(predicted, 0.5, 5, seed)) for seed in range(3)]
    one, three = mean_auroc_interval(repeats[:1]), mean_auroc_interval(repeats)
    assert three[0] == pytest.approx(np.mean([r.value for r in repeats]))
    assert three[2] - three[1] < one[2] - one[1]


def test_a_neighbour_model_of_the_largest_sample_takes_no_time() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(0, 1, (840, 100)).astype(np.float32), np.arange(840) % 2
    start = time.process_time()
    NearestWells().fit(X[:640], y[:640]).predict_proba(X[640:])
    assert time.process_time() - start < 0.5


def test_plates_of_different_shares_are_scored_on_as_many_wells_of_either_class() -> None:
    sizes = {"a": (6, 2), "b": (6, 20), "c": (6, 0), "d": (3, 5)}
    rows = [(p, "negcon", i) for p, (n, _) in sizes.items() for i in range(n)]
    rows += [(p, "treated", 50 + i) for p, (_, n) in sizes.items() for i in range(n)]
    wells = pd.DataFrame(rows, columns=["plate", "role", "well"]).sample(frac=1, random_state=0)
    wells = wells.sort_values("plate", kind="stable").reset_index(drop=True)
    tested = balance_over_plates(wells, np.ones(len(wells), dtype=bool), 3)
    counts = pd.crosstab(wells["plate"][tested], wells["role"][tested])
    assert counts.loc["a"].tolist() == [2, 2]
    assert counts.loc["b"].tolist() == [6, 6]
    assert counts.loc["d"].tolist() == [3, 3]
    assert "c" not in counts.index
    again = wells.iloc[::-1].reset_index(drop=True)
    names = [set(zip(w["plate"][m], w["well"][m], strict=True)) for w, m in
             ((wells, tested), (again, balance_over_plates(again, np.ones(len(again), dtype=bool), 3)))]  # fmt: skip
    assert names[0] == names[1]


def test_plates_of_one_share_keep_their_wells() -> None:
    wells = pd.DataFrame({"plate": ["a"] * 10 + ["b"] * 10, "role": (["negcon"] * 4 + ["treated"] * 6) * 2})
    wells["well"] = [str(i) for i in range(20)]
    tested = np.ones(20, dtype=bool)
    assert balance_over_plates(wells, tested, 0).all()
