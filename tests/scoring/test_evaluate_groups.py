from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from assays import Assays, assay_screen
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.baseline.prior import Prior
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.metric.auroc import Auroc
from harness.scoring.evaluate import evaluate, evaluate_groups
from harness.task.dmso_vs_treated import DmsoVsTreated

MODEL = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))


def hold_out(profiles: Profiles, batch: str) -> Split:
    test = (profiles.wells["batch"] == batch).to_numpy()
    return Split(batch, ~test, test)


def by_group(evaluations: list[Evaluation]) -> dict[str, Evaluation]:
    return {e.group: e for e in evaluations}


def test_one_evaluation_per_group_on_compounds_whose_score_is_the_mean_of_their_wells() -> None:
    profiles, task = assay_screen()
    split = hold_out(profiles, "b3")
    done = evaluate_groups(profiles, split, task, MODEL, seed=5)
    e = by_group(done.evaluations)["a1"]
    assert (e.unit, e.seed, e.split) == ("compound", 5, split)
    label = task.table["a1"].dropna()
    assert sorted(e.wells["compound"]) == sorted(name for name in label.index if name.startswith("b3"))
    np.testing.assert_array_equal(e.y, label[e.wells["compound"]])
    X = profiles.X.astype(np.float64)
    X = (X - X[split.train].mean(axis=0)) / X[split.train].std(axis=0)
    y = task.labels(profiles.wells)[:, 1]
    rows = split.train & ~np.isnan(y)
    p = LogisticRegression(C=0.1, class_weight="balanced").fit(X[rows], y[rows]).predict_proba(X)[:, 1]
    prior = y[rows].mean()
    assert e.threshold == pytest.approx(prior)
    odds = p / (1 - p) * prior / (1 - prior)
    well = pd.Series(odds / (1 + odds))[split.test].groupby(profiles.wells["compound"][split.test]).mean()
    np.testing.assert_allclose(e.score, well[e.wells["compound"]], atol=2e-3)
    first = profiles.wells[split.test].drop_duplicates("compound").set_index("compound").loc[e.wells["compound"]]
    np.testing.assert_array_equal(e.wells[["plate", "well"]], first[["plate", "well"]])


def test_a_group_that_cannot_be_trained_or_has_nothing_held_out_is_declined_with_the_reason() -> None:
    profiles, task = assay_screen()
    done = evaluate_groups(profiles, hold_out(profiles, "b1"), task, MODEL)
    assert done.declined == {"a3": "no labelled held-out wells", "a5": "no labelled held-out wells"}
    assert [e.group for e in done.evaluations] == ["a0", "a1", "a2", "a4"]
    done = evaluate_groups(profiles, hold_out(profiles, "b0"), task, MODEL)
    assert done.declined == {"a5": "no labelled training wells"}
    train = (profiles.wells["batch"] == "b2").to_numpy()
    done = evaluate_groups(profiles, Split("f", train, ~train), task, MODEL)
    n = int((~np.isnan(task.labels(profiles.wells)[train, 4])).sum())
    assert done.declined["a4"] == f"only class 0 among {n} training wells"


def test_a_group_with_one_class_held_out_is_evaluated() -> None:
    profiles, task = assay_screen()
    e = by_group(evaluate_groups(profiles, hold_out(profiles, "b2"), task, MODEL).evaluations)["a4"]
    assert not e.y.any()
    assert len(e.y) == 24


def test_a_compound_of_two_held_out_batches_has_a_row_for_each() -> None:
    profiles, task = assay_screen()
    name = profiles.wells["compound"].where(~profiles.wells["compound"].isin(["b1c03"]), "b2c05")
    profiles = profiles.replace(wells=profiles.wells.assign(compound=name))
    test = profiles.wells["batch"].isin(["b1", "b2"]).to_numpy()
    e = by_group(evaluate_groups(profiles, Split("f", ~test, test), task, MODEL).evaluations)["a4"]
    assert sorted(e.wells.loc[e.wells["compound"] == "b2c05", "batch"]) == ["b1", "b2"]


def test_held_out_labels_and_profiles_of_other_compounds_never_reach_the_fit() -> None:
    profiles, task = assay_screen()
    split = hold_out(profiles, "b3")
    honest = by_group(evaluate_groups(profiles, split, task, MODEL).evaluations)
    flipped = task.table.copy()
    flipped.loc[flipped.index.str.startswith("b3")] = 1 - flipped
    X = profiles.X.copy()
    X[split.test & (profiles.wells["compound"] == "b3c07").to_numpy()] += 1000
    other = by_group(evaluate_groups(profiles.replace(X=X), split, Assays(flipped), MODEL).evaluations)
    for group, e in honest.items():
        same = (e.wells["compound"] != "b3c07").to_numpy()
        np.testing.assert_array_equal(other[group].score[same], e.score[same])
        np.testing.assert_array_equal(other[group].y, 1 - e.y)


def test_a_strong_assay_is_found_in_an_unseen_batch() -> None:
    profiles, task = assay_screen(n_compounds=40)
    folds = [by_group(evaluate_groups(profiles, hold_out(profiles, b), task, MODEL).evaluations) for b in ("b0", "b1")]
    assert np.mean([Auroc()(fold["a0"]) for fold in folds]) > 0.8


def test_a_supervised_step_is_fitted_for_every_group() -> None:
    """The best single feature differs between assays: one choice for all would miss one of them."""
    profiles, task = assay_screen(n_compounds=40)
    model = make_pipeline(StandardScaler(), SelectKBest(k=1), LogisticRegression())
    done = by_group(evaluate_groups(profiles, hold_out(profiles, "b3"), task, model).evaluations)
    assert min(Auroc()(done[group]) for group in ("a0", "a3", "a4")) > 0.75


def test_a_task_with_one_label_is_evaluated_as_before() -> None:
    profiles, _ = assay_screen()
    split, said = hold_out(profiles, "b0"), []
    done = evaluate_groups(profiles, split, DmsoVsTreated(), MODEL, seed=3, each=said.append)
    alone = evaluate(profiles, split, DmsoVsTreated(), MODEL, seed=3)
    (e,) = done.evaluations
    np.testing.assert_array_equal(e.score, alone.score)
    assert (e.group, e.unit, done.declined, said) == ("", "plate", {}, [""])


def test_every_group_is_told_and_the_prior_knows_base_rates_only() -> None:
    profiles, task = assay_screen()
    said: list[str] = []
    done = evaluate_groups(profiles, hold_out(profiles, "b1"), task, Prior(), each=said.append)
    assert said == list(task.groups)
    for e in done.evaluations:
        np.testing.assert_allclose(e.score, e.threshold, atol=1e-3)


@pytest.mark.parametrize("what", ["column", "fold"])
def test_what_the_task_cannot_use_is_refused(what: str) -> None:
    profiles, task = assay_screen()
    wells: Any = profiles.wells.drop(columns="compound") if what == "column" else profiles.wells.assign(compound="x")
    with pytest.raises(InputError, match="no column `compound`" if what == "column" else "has no labels"):
        evaluate_groups(profiles.replace(wells=wells), hold_out(profiles, "b1"), task, MODEL)
