from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.audit.real_labels import RealLabels
from harness.audit.shared.strong_wells import strong_wells
from harness.baseline.row_norm import RowNorm
from harness.core.evaluation import Evaluation, Split
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.metric.auroc import Auroc
from harness.norm.all_within import AllWithin
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.noise import Noise
from harness.norm.raw import Raw
from harness.scoring.bootstrap import resample, weighted_mean
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut

pytestmark = pytest.mark.slow

KEY = "audit/real_labels/dmso_vs_treated"
MODELS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced")),
    "strong": make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=2000)),
}


@pytest.fixture(scope="module")
def screen() -> Profiles:
    return Demo(size="tiny", share_active=0.6, n_sites=2, seed=2).profiles()


@pytest.fixture(scope="module", name="ran")
def run(audited: Any, screen: Profiles) -> Any:
    """Return the context of a run whose models were trained, with a baseline among the evaluations."""

    def make(normalizer: Any, **options: Any) -> Any:
        context = audited(screen, normalizer)
        splits = list(LeaveBatchOut().split(context.wells))
        task = context.tasks["dmso_vs_treated"]
        normalized = normalize(screen, normalizer)
        evaluations = {
            ("dmso_vs_treated", name): [evaluate(normalized, s, task, model) for s in splits]
            for name, model in {**MODELS, "row_norm": RowNorm()}.items()
        }
        settings = {"splits": splits, "models": MODELS, "evaluations": evaluations, "n_resamples": 60, **options}
        return audited(screen, normalizer, **settings)

    return make


def test_raw_minus_raw_is_exactly_zero(ran: Any) -> None:
    found = by_key(RealLabels().findings(ran(Raw())))
    for model in MODELS:
        f = found[f"{KEY}/{model}/minus_raw"]
        assert (f.value, f.lower, f.upper) == (0, 0, 0)
        assert found[f"{KEY}/{model}/auroc"] != found[f"{KEY}/{model}/minus_raw"]
        a, b = found[f"{KEY}/{model}/auroc"], found[f"{KEY}/{model}/raw_auroc"]
        assert (a.value, a.lower, a.upper, a.n) == (b.value, b.lower, b.upper, b.n)


def test_it_reports_models_and_not_baselines(ran: Any) -> None:
    found = by_key(RealLabels().findings(ran(AllWithin())))
    values = ("auroc", "raw_auroc", "yardstick_auroc", "minus_raw", "minus_yardstick", "strong_wells")
    expected = {f"{KEY}/{m}/{w}" for m in MODELS for w in values}
    assert set(found) == expected
    assert list(RealLabels().findings(ran(AllWithin(), evaluations={}))) == []


def by_hand(profiles: Profiles, context: Any, model: Any) -> list[float]:
    """Return the held-out AUROC by batch from scikit-learn alone."""
    role = profiles.wells["role"].to_numpy()
    batch = profiles.wells["batch"].to_numpy()
    used = np.isin(role, ["negcon", "treated"])
    y = role == "treated"
    values = []
    for name in context.wells["batch"].unique():
        train, test = used & (batch != name), used & (batch == name)
        score = model.fit(profiles.X[train], y[train]).predict_proba(profiles.X[test])[:, 1]
        values.append(roc_auc_score(y[test], score))
    return values


@pytest.mark.parametrize("name", list(MODELS))
def test_scores_are_means_over_held_out_batches(ran: Any, screen: Profiles, name: str) -> None:
    context = ran(AllWithin())
    found = by_key(RealLabels().findings(context))
    own, raw = (np.mean(by_hand(normalize(screen, n), context, MODELS[name])) for n in (AllWithin(), Raw()))
    assert found[f"{KEY}/{name}/auroc"].value == pytest.approx(own, abs=1e-9)
    assert found[f"{KEY}/{name}/raw_auroc"].value == pytest.approx(raw, abs=1e-9)
    assert found[f"{KEY}/{name}/minus_raw"].value == pytest.approx(own - raw, abs=1e-9)
    assert own != raw


def test_the_interval_is_that_of_paired_resamples(ran: Any, screen: Profiles) -> None:
    context = ran(AllWithin())
    found = by_key(RealLabels().findings(context))[f"{KEY}/logistic/minus_raw"]
    task = context.tasks["dmso_vs_treated"]
    drawn = []
    for profiles in (normalize(screen, AllWithin()), normalize(screen, Raw())):
        folds = [evaluate(profiles, s, task, MODELS["logistic"]) for s in context.splits]
        held_out = context.wells
        draws = resample(held_out, n=60, seed=0)
        weights = [draws.weights_of(f) for f in folds]
        values = np.column_stack([Auroc().values(f, w) for f, (w, _) in zip(folds, weights, strict=True)])
        drawn.append(weighted_mean(values, np.column_stack([w for _, w in weights])))
    paired, swapped = drawn[0] - drawn[1], drawn[0] - drawn[1][::-1]
    np.testing.assert_allclose((found.lower, found.upper), np.quantile(paired, [0.025, 0.975]), atol=1e-12)
    assert np.std(paired) < np.std(swapped)


def test_noise_loses_what_raw_profiles_showed(ran: Any) -> None:
    f = by_key(RealLabels().findings(ran(Noise())))[f"{KEY}/logistic/minus_raw"]
    assert f.value < -0.1
    assert f.upper < 0


def test_the_yardstick_is_each_plate_scaled_by_its_controls(ran: Any, screen: Profiles) -> None:
    found = by_key(RealLabels().findings(ran(DmsoWithin())))
    for model in MODELS:
        difference = found[f"{KEY}/{model}/minus_yardstick"]
        assert (difference.value, difference.lower, difference.upper) == (0, 0, 0)
    other = by_key(RealLabels().findings(ran(Raw())))
    assert other[f"{KEY}/logistic/yardstick_auroc"].value == pytest.approx(
        np.mean(by_hand(normalize(screen, DmsoWithin()), ran(Raw()), MODELS["logistic"])), abs=1e-9
    )


def test_without_enough_controls_there_is_no_yardstick(audited: Any, ran: Any, screen: Profiles) -> None:
    context = ran(Raw())
    wells = screen.wells.copy()
    first = wells["plate"] == wells["plate"].iloc[0]
    controls = wells.index[first & (wells["role"] == "negcon")]
    wells.loc[controls[2:], "role"] = "poscon"
    few = screen.replace(wells=wells)
    settings = {k: getattr(context, k) for k in ("splits", "models", "evaluations", "n_resamples")}
    found = by_key(RealLabels().findings(audited(few, Raw(), **settings)))
    assert f"{KEY}/logistic/raw_auroc" in found
    assert f"{KEY}/logistic/minus_yardstick" not in found


def test_it_aggregates_sites_as_the_run_does(audited: Any, ran: Any, screen: Profiles) -> None:
    context = ran(Raw())
    settings = {k: getattr(context, k) for k in ("splits", "models", "evaluations", "n_resamples")}
    by_mean = by_key(RealLabels().findings(audited(screen, Raw(), aggregate="mean", **settings)))
    expected = np.mean(by_hand(normalize(screen, Raw(), aggregate="mean"), context, MODELS["logistic"]))
    assert by_mean[f"{KEY}/logistic/raw_auroc"].value == pytest.approx(expected, abs=1e-9)


def test_strong_wells_are_those_that_few_controls_exceed() -> None:
    rng = np.random.default_rng(0)
    wells = pd.DataFrame({"plate": np.repeat(["a", "b"], 4000), "batch": "x"})
    y = np.tile(np.r_[np.zeros(1600), np.ones(2400)], 2).astype(np.int8)
    score = rng.standard_normal(8000)
    score[np.flatnonzero(y == 1)[::10]] += 20
    fold = Evaluation(y=y, score=score, threshold=0, wells=wells, split=Split("x", y == 0, y == 1))
    value, lower, upper = strong_wells([fold], n_resamples=100)
    assert value == pytest.approx(0.1, abs=0.03)
    assert 0.03 < lower <= value <= upper < 0.17
    nothing = Evaluation(y=y, score=rng.standard_normal(8000), threshold=0, wells=wells, split=fold.split)
    value, lower, upper = strong_wells([nothing], n_resamples=100)
    assert lower < 0 < upper
