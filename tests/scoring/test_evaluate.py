from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.metric.auroc import Auroc
from harness.metric.balanced_accuracy import BalancedAccuracy
from harness.model.pipeline import pipeline
from harness.model.projection import Projection
from harness.scoring.evaluate import evaluate
from harness.task.dmso_vs_treated import DmsoVsTreated

TASK = DmsoVsTreated()
MODELS = ("logistic", "lightgbm")


@pytest.fixture(scope="module")
def models(member: Any) -> dict[str, Any]:
    return {name: member("model", name) for name in MODELS}


@pytest.fixture
def signal(screen: Any) -> Profiles:
    """Wells of six plates, treated ones moved along two features; unequal classes."""
    profiles: Profiles = screen(n_wells=40, n_controls=12, sites=(1,), awkward=False, seed=4)
    X = profiles.X.copy()
    treated = (profiles.wells["role"] == "treated").to_numpy()
    X[np.ix_(treated, [2, 7])] += 1.2 * X.std(axis=0)[[2, 7]]
    return profiles.replace(X=X)


def hold_out(profiles: Profiles, batch: str = "b2") -> Split:
    test = (well_table(profiles.wells)["batch"] == batch).to_numpy()
    return Split(batch, ~test, test)


def linear(seed: int, n: int, share: float) -> Profiles:
    """Two features, logit linear in them, ``share`` positives or so: what a logistic model can fit exactly."""
    rng = np.random.default_rng(seed)
    X = rng.normal([3, -20], [1, 7], (n, 2)).astype(np.float32)
    logit = np.log(share / (1 - share)) + 1.2 * (X[:, 0] - 3) - 0.1 * (X[:, 1] + 20)
    role = np.where(rng.random(n) < 1 / (1 + np.exp(-logit)), "treated", "negcon")
    batch = np.repeat(["b1", "b2"], [n - n // 4, n // 4])
    wells = pd.DataFrame({"plate": "p" + pd.Series(batch), "well": range(n), "batch": batch, "role": role})
    return Profiles(X, wells)


@pytest.mark.parametrize("share", [0.2, 0.8])
@pytest.mark.parametrize("steps", [1, 2])
def test_class_weights_are_undone_in_the_probabilities(share: float, steps: int) -> None:
    """On much data a balanced and a plain logistic regression give the same probabilities."""
    profiles = linear(0, 20_000, share)
    split = hold_out(profiles)

    def model(weight: Any) -> Any:
        classifier = LogisticRegression(C=1e4, class_weight=weight)
        return classifier if steps == 1 else make_pipeline(StandardScaler(), classifier)

    plain, balanced, chosen = (evaluate(profiles, split, TASK, model(w)) for w in (None, "balanced", {0: 5.0, 1: 0.5}))
    for other in (balanced, chosen):
        assert np.abs(other.score - plain.score).max() < 0.03
        assert other.score.mean() == pytest.approx(plain.y.mean(), abs=0.02)


def test_the_change_of_priors_formula_agrees_with_bayes_and_keeps_the_order(signal: Profiles) -> None:
    split = hold_out(signal)
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    e = evaluate(signal, split, TASK, model)
    y = TASK.labels(signal.wells)
    train, test = split.train & ~np.isnan(y), split.test & ~np.isnan(y)
    p = model.fit(signal.X[train], y[train]).predict_proba(signal.X[test])[:, 1]
    prior = y[train].mean()
    odds = p / (1 - p) * prior / (1 - prior)  # balanced odds are the likelihood ratio
    np.testing.assert_allclose(e.score, odds / (1 + odds), rtol=1e-6)
    np.testing.assert_array_equal(np.argsort(e.score), np.argsort(p))
    np.testing.assert_array_equal(e.score > e.threshold, p > 0.5)


def test_a_tree_without_class_weights_is_left_alone(signal: Profiles) -> None:
    split = hold_out(signal)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    e = evaluate(signal, split, TASK, tree)
    y = TASK.labels(signal.wells)
    train, test = split.train & ~np.isnan(y), split.test & ~np.isnan(y)
    np.testing.assert_allclose(e.score, tree.fit(signal.X[train], y[train]).predict_proba(signal.X[test])[:, 1])


def test_the_threshold_is_the_training_base_rate(signal: Profiles, models: dict[str, Any]) -> None:
    split = hold_out(signal, "b3")
    wells = signal.wells[split.train]
    treated, control = (wells["role"] == "treated").sum(), (wells["role"] == "negcon").sum()
    e = evaluate(signal, split, TASK, models["logistic"])
    assert e.threshold == pytest.approx(treated / (treated + control))
    assert e.threshold != pytest.approx(e.y.mean(), abs=1e-3)


def test_only_labelled_held_out_wells_are_predicted_each_in_its_row(signal: Profiles, models: dict[str, Any]) -> None:
    e = evaluate(signal, hold_out(signal), TASK, models["logistic"], seed=9)
    kept = signal.wells[(signal.wells["batch"] == "b2") & signal.wells["role"].isin(["treated", "negcon"])]
    pd.testing.assert_frame_equal(e.wells, kept.reset_index(drop=True))
    np.testing.assert_array_equal(e.y, (kept["role"] == "treated").to_numpy())
    assert e.y.dtype == np.int8
    assert e.score.dtype == np.float64
    assert e.seed == 9


@pytest.mark.parametrize("name", MODELS)
def test_models_find_a_planted_signal_in_an_unseen_batch_and_none_in_noise(
    name: str, signal: Profiles, models: dict[str, Any], noise_screen: Any
) -> None:
    e = evaluate(signal, hold_out(signal), TASK, models[name])
    assert Auroc()(e) > 0.75
    nothing = [
        Auroc()(evaluate(p, hold_out(p), TASK, models[name])) for p in (noise_screen(seed=s, k=16) for s in range(4))
    ]
    # 3 held-out plates of 16 and 32 wells, 4 screens: standard error 0.025
    assert abs(np.mean(nothing) - 0.5) < 0.1


@pytest.mark.parametrize("name", MODELS)
def test_models_are_reproducible_and_left_unfitted(
    name: str, signal: Profiles, models: dict[str, Any], member: Any
) -> None:
    split = hold_out(signal)
    first = evaluate(signal, split, TASK, models[name]).score
    np.testing.assert_array_equal(first, evaluate(signal, split, TASK, models[name]).score)
    np.testing.assert_array_equal(first, evaluate(signal, split, TASK, member("model", name)).score)
    assert not hasattr(models[name][-1], "classes_")
    assert 0 <= first.min() < first.max() <= 1


@pytest.mark.parametrize("name", MODELS)
def test_models_do_not_care_about_the_units_of_a_feature(name: str, signal: Profiles, models: dict[str, Any]) -> None:
    units = 2.0 ** np.random.default_rng(0).integers(-8, 9, signal.X.shape[1])
    scaled = signal.replace(X=np.asarray(signal.X * units, dtype=np.float32))
    split = hold_out(signal)
    scores = [evaluate(p, split, TASK, models[name]).score for p in (signal, scaled)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-3)


@pytest.mark.parametrize("name", [*MODELS, "row_norm"])
def test_labels_and_features_of_held_out_wells_never_reach_the_fit(
    name: str, signal: Profiles, models: dict[str, Any], member: Any
) -> None:
    model = models[name] if name in models else member("baseline", name)
    split = hold_out(signal)
    honest = evaluate(signal, split, TASK, model)
    swap = {"treated": "negcon", "negcon": "treated"}
    role = signal.wells["role"].where(split.train, signal.wells["role"].replace(swap))
    flipped = evaluate(signal.replace(wells=signal.wells.assign(role=role)), split, TASK, model)
    np.testing.assert_array_equal(flipped.score, honest.score)
    np.testing.assert_array_equal(flipped.y, 1 - honest.y)
    assert flipped.threshold == honest.threshold
    odd = np.flatnonzero(split.test)[0::2]
    X = signal.X.copy()
    X[odd] = X[odd] * 3 + 50
    untouched = ~np.isin(np.flatnonzero(split.test & signal.wells["role"].isin(["treated", "negcon"])), odd)
    moved = evaluate(signal.replace(X=X), split, TASK, model)
    np.testing.assert_array_equal(moved.score[untouched], honest.score[untouched])
    assert not np.array_equal(moved.score, honest.score)


def test_training_labels_do_reach_the_fit(signal: Profiles, models: dict[str, Any]) -> None:
    split = hold_out(signal)
    swap = {"treated": "negcon", "negcon": "treated"}
    role = signal.wells["role"].where(split.test, signal.wells["role"].replace(swap))
    e = evaluate(signal.replace(wells=signal.wells.assign(role=role)), split, TASK, models["logistic"])
    assert Auroc()(e) < 0.3


def test_sites_are_evaluated_on_the_side_of_their_well(screen: Any, models: dict[str, Any]) -> None:
    profiles = screen()
    e = evaluate(profiles, hold_out(profiles), TASK, models["logistic"])
    assert set(e.wells["batch"]) == {"b2"}
    assert e.wells.duplicated(["plate", "well"]).any()


def test_a_shift_of_the_held_out_batch_costs_balanced_accuracy_and_not_auroc(signal: Profiles, models: Any) -> None:
    split = hold_out(signal)
    X = signal.X.copy()
    X[split.test] += 4 * X.std(axis=0)
    honest, shifted = (evaluate(p, split, TASK, models["logistic"]) for p in (signal, signal.replace(X=X)))
    assert Auroc()(shifted) == pytest.approx(Auroc()(honest), abs=1e-6)
    assert BalancedAccuracy()(shifted) < BalancedAccuracy()(honest) - 0.1


def test_a_fold_without_both_classes_is_refused(signal: Profiles, models: dict[str, Any]) -> None:
    role = signal.wells["role"].where(signal.wells["batch"] != "b2", "treated")
    with pytest.raises(InputError, match="fold 'b2' has no negative controls among its held-out wells"):
        evaluate(signal.replace(wells=signal.wells.assign(role=role)), hold_out(signal), TASK, models["logistic"])


def test_a_split_of_another_table_is_refused(signal: Profiles, models: dict[str, Any]) -> None:
    side = np.ones(7, dtype=bool)
    with pytest.raises(InputError, match=r"masks have 7 entries; expected one per well or one per row"):
        evaluate(signal, Split("f", side, ~side), TASK, models["logistic"])


def test_a_projection_keeps_narrow_profiles_and_shrinks_wide_ones() -> None:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(80, 3)) * [9, 5, 3]
    X = (latent @ rng.normal(size=(3, 40)) + 0.01 * rng.normal(size=(80, 40)) + 500).astype(np.float32)
    assert Projection(n_components=3, above=40).fit_transform(X) is X
    wide = Projection(n_components=3, above=39)
    Z = wide.fit_transform(X)
    assert Z.shape == (80, 3)
    assert Z.dtype == np.float32
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    assert (Z.astype(np.float64) ** 2).sum() == pytest.approx((centred**2).sum(), rel=1e-3)
    np.testing.assert_allclose(wide.transform(X[:5]), Z[:5], rtol=1e-3, atol=1e-2)
    assert Projection(n_components=99, above=10).fit_transform(X).shape == (80, 40)
    np.testing.assert_array_equal(Projection(n_components=3, above=39).fit_transform(X), Z)


def test_pipeline_steps_keep_their_order_and_none_is_left_out(models: dict[str, Any]) -> None:
    made = pipeline(scale=None, project=Projection(), classifier=LogisticRegression())
    assert [name for name, _ in made.steps] == ["project", "classifier"]
    assert [name for name, _ in models["logistic"].steps] == ["scale", "project", "classifier"]
    assert models["lightgbm"][-1].get_params()["random_state"] == 3
    assert models["logistic"]["project"].random_state == 3
