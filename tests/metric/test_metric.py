from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from sklearn import metrics as sk

from harness.core.evaluation import Evaluation
from harness.core.exceptions import NotApplicable
from harness.metric.auroc import Auroc, won_by_plate, won_by_rank
from harness.metric.average_precision import AveragePrecision
from harness.metric.balanced_accuracy import BalancedAccuracy
from harness.metric.base import Metric, ratio
from harness.metric.base_rate import BaseRate
from harness.metric.brier import Brier
from harness.metric.expected_calibration_error import ExpectedCalibrationError
from harness.metric.f1 import F1
from harness.metric.log_loss import LogLoss
from harness.metric.precision import Precision
from harness.metric.recall import Recall
from harness.metric.shared.weights import BootstrapWeights

Oracle = Callable[[Any, Any, Any, Any], float]


def calibration_error(y: Any, p: Any, _t: Any, w: Any, n_bins: int = 10) -> float:
    """Bin by bin: weight share times |mean probability - share of positives|."""
    total = 0.0
    for i in range(n_bins):
        low, high = i / n_bins, (i + 1) / n_bins
        inside = [j for j in range(len(y)) if low <= p[j] and (p[j] < high or i == n_bins - 1)]
        weight = sum(w[j] for j in inside)
        if weight:
            confidence = sum(w[j] * p[j] for j in inside) / weight
            truth = sum(w[j] * y[j] for j in inside) / weight
            total += weight / sum(w) * abs(confidence - truth)
    return total


ORACLES: list[tuple[Metric, Oracle]] = [
    (Auroc(), lambda y, p, _t, w: sk.roc_auc_score(y, p, sample_weight=w)),
    (AveragePrecision(), lambda y, p, _t, w: sk.average_precision_score(y, p, sample_weight=w)),
    (BalancedAccuracy(), lambda y, p, t, w: sk.balanced_accuracy_score(y, p > t, sample_weight=w)),
    (F1(), lambda y, p, t, w: sk.f1_score(y, p > t, sample_weight=w)),
    (Precision(), lambda y, p, t, w: sk.precision_score(y, p > t, sample_weight=w)),
    (Recall(), lambda y, p, t, w: sk.recall_score(y, p > t, sample_weight=w)),
    (Brier(), lambda y, p, _t, w: sk.brier_score_loss(y, p, sample_weight=w)),
    (LogLoss(), lambda y, p, _t, w: sk.log_loss(y, p, sample_weight=w)),
    (BaseRate(), lambda y, _p, _t, w: float(np.average(y, weights=w))),
    (ExpectedCalibrationError(), calibration_error),
    (ExpectedCalibrationError(n_bins=7), lambda y, p, t, w: calibration_error(y, p, t, w, 7)),
]
METRICS = [metric for metric, _ in ORACLES]
names = [f"{m.name}-{i}" for i, m in enumerate(METRICS)]
against_oracle = pytest.mark.parametrize(("metric", "oracle"), ORACLES, ids=names)
each = pytest.mark.parametrize("metric", METRICS, ids=names)


def case(predicted: Any, seed: int, *, ties: bool = False, n: int = 150) -> tuple[Evaluation, BootstrapWeights]:
    """Five plates of unequal size; scores far from calibrated; with ``ties`` on a grid of 1/8."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.8).astype(int)
    score = 1 / (1 + np.exp(-(rng.normal(0.6, 1.5, n) + 0.8 * y)))
    if ties:
        score = np.round(score * 8) / 8
    plate = rng.choice(5, n, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    evaluation = predicted(y, score, threshold=0.7, plate=[f"p{i}" for i in plate])
    by_plate = rng.multinomial(5, np.full(5, 0.2), size=40).astype(float)
    return evaluation, BootstrapWeights(by_plate, plate.astype(np.intp))


@against_oracle
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_agrees_with_an_independent_implementation(
    metric: Metric, oracle: Oracle, predicted: Any, seed: int, ties: bool
) -> None:
    e, _ = case(predicted, seed, ties=ties)
    assert metric(e) == pytest.approx(oracle(e.y, e.score, e.threshold, np.ones(len(e.y))), rel=1e-10)


@against_oracle
@pytest.mark.parametrize("ties", [False, True])
def test_agrees_with_it_under_whole_weights_of_plates(
    metric: Metric, oracle: Oracle, predicted: Any, ties: bool
) -> None:
    e, weights = case(predicted, 3, ties=ties)
    values = metric.values(e, weights)
    per_well = np.concatenate(list(weights.blocks()))
    assert values.shape == (40,)
    compared = 0
    for value, w in zip(values, per_well, strict=True):
        if len(np.unique(e.y[w > 0])) == 2:
            kept = w > 0
            expected = oracle(e.y[kept], e.score[kept], e.threshold, w[kept])
            assert value == pytest.approx(expected, rel=1e-10)
            compared += 1
    assert compared > 30


@each
def test_a_weight_of_two_is_the_well_counted_twice(metric: Metric, predicted: Any) -> None:
    e, _ = case(predicted, 4)
    index = np.arange(len(e.y)) % 3
    weighted = metric.values(e, BootstrapWeights(np.array([[1.0, 2.0, 0.0]]), index.astype(np.intp)))[0]
    rows = np.concatenate([np.flatnonzero(index == 0), np.repeat(np.flatnonzero(index == 1), 2)])
    assert weighted == pytest.approx(metric(predicted(e.y[rows], e.score[rows], threshold=0.7)), rel=1e-12)


@each
def test_the_order_of_wells_does_not_matter(metric: Metric, predicted: Any) -> None:
    e, _ = case(predicted, 5, ties=True)
    order = np.random.default_rng(0).permutation(len(e.y))
    assert metric(predicted(e.y[order], e.score[order], threshold=0.7)) == pytest.approx(metric(e), rel=1e-12)


@each
@settings(max_examples=40, deadline=None)
@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 1), st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]))),
        min_size=1,
        max_size=25,
    ),
    threshold=st.floats(0, 1),
)
def test_every_value_is_within_bounds_or_not_applicable(
    metric: Metric, predicted: Any, pairs: list[tuple[int, float]], threshold: float
) -> None:
    y, score = zip(*pairs, strict=True)
    try:
        value = metric(predicted(y, score, threshold=threshold))
    except NotApplicable:
        return
    low, high = metric.bounds
    assert low - 1e-12 <= value <= high + 1e-12


@pytest.mark.parametrize("only", [0, 1])
@each
def test_one_class_only_is_not_applicable_where_both_are_needed(metric: Metric, predicted: Any, only: int) -> None:
    e = predicted([only] * 4, [0.1, 0.4, 0.8, 0.9])
    if metric.needs_both_classes:
        with pytest.raises(NotApplicable, match=f"only class {only} among 4 held-out wells"):
            metric(e)
    else:
        assert np.isfinite(metric(e))


@each
def test_no_wells_are_not_applicable(metric: Metric, predicted: Any) -> None:
    with pytest.raises(NotApplicable, match="no held-out wells"):
        metric(predicted([], []))


@pytest.mark.parametrize("metric", [Auroc(), AveragePrecision(), BalancedAccuracy(), Precision(), Recall(), F1()])
def test_a_draw_without_positives_is_undefined_and_not_zero(metric: Metric, predicted: Any) -> None:
    e = predicted([1, 1, 0, 0], [0.9, 0.2, 0.8, 0.1])
    weight = BootstrapWeights(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0, 0, 1, 1]))
    both, without = metric.values(e, weight)
    assert np.isfinite(both)
    # F1 and precision are defined where something was called positive, and 0 then is the right answer
    assert without == 0 if metric.name in ("f1", "precision") else np.isnan(without)


def test_precision_is_undefined_where_nothing_is_called_positive(predicted: Any) -> None:
    e = predicted([1, 0, 1], [0.1, 0.2, 0.3], threshold=0.9)
    with pytest.raises(NotApplicable, match=r"precision is undefined here \(0/0\)"):
        Precision()(e)
    assert Recall()(e) == 0.0
    assert F1()(e) == 0.0


def test_a_score_equal_to_the_threshold_is_not_called_positive(predicted: Any) -> None:
    e = predicted([1, 1, 0], [0.5, 0.6, 0.4], threshold=0.5)
    assert Recall()(e) == 0.5


def test_each_well_may_have_its_own_threshold(predicted: Any) -> None:
    y, score = [1, 0, 1, 0], [0.3, 0.1, 0.8, 0.6]
    assert BalancedAccuracy()(predicted(y, score, threshold=np.array([0.2, 0.2, 0.7, 0.7]))) == 1.0
    assert BalancedAccuracy()(predicted(y, score, threshold=0.5)) == 0.5


def test_auroc_sees_no_shift_or_change_of_units_within_a_batch(predicted: Any) -> None:
    e, _ = case(predicted, 6)
    assert Auroc()(predicted(e.y, e.score**3 / 10)) == pytest.approx(Auroc()(e))


def test_average_precision_of_a_constant_score_is_the_base_rate(predicted: Any) -> None:
    y = [1, 0, 1, 1, 0, 1, 1]
    e = predicted(y, [0.3] * 7)
    assert AveragePrecision()(e) == pytest.approx(BaseRate()(e)) == pytest.approx(5 / 7)
    assert Auroc()(e) == 0.5


def test_log_loss_of_certain_and_wrong_is_finite(predicted: Any) -> None:
    assert LogLoss()(predicted([1, 0], [0.0, 1.0])) == pytest.approx(-np.log(np.finfo(float).eps))


def test_a_probability_of_one_belongs_to_the_last_bin(predicted: Any) -> None:
    assert ExpectedCalibrationError()(predicted([1, 0], [1.0, 0.95])) == pytest.approx(0.475)


def test_ratio_is_nan_only_where_the_denominator_is_zero() -> None:
    np.testing.assert_array_equal(ratio(np.array([0.0, 0.0, 3.0]), np.array([0.0, 2.0, 4.0])), [np.nan, 0, 0.75])


def test_totals_and_blocks_of_weights_agree_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    weight = BootstrapWeights(rng.integers(0, 4, (50, 6)).astype(float), rng.integers(0, 6, 200).astype(np.intp))
    x = rng.normal(3, 2, (200, 2))
    monkeypatch.setattr("harness.metric.shared.weights._BLOCK", 999)
    blocks = list(weight.blocks())
    assert len(blocks) > 5
    np.testing.assert_allclose(weight.total(x), np.concatenate(blocks) @ x, rtol=1e-12)


def test_facts_of_every_configured_metric_are_stated(conf: Path) -> None:
    directions = {}
    for path in sorted((conf / "metric").glob("*.yaml")):
        metric = instantiate(OmegaConf.load(path)[path.stem])
        assert metric.name == path.stem
        assert metric.bounds[0] < metric.bounds[1]
        directions[metric.name] = metric.better
    assert set(directions.values()) <= {"higher", "lower", "neither"}
    lower = {name for name, better in directions.items() if better == "lower"}
    assert lower == {"log_loss", "brier", "expected_calibration_error"}
    assert directions["base_rate"] == "neither"


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("clusters", [1, 7, 90, 150])
def test_both_ways_to_count_pairs_agree(predicted: Any, ties: bool, clusters: int) -> None:
    """Few plates with many rows, and a plate for each row; fractional weights, some of them 0."""
    e, _ = case(predicted, 11, ties=ties)
    rng = np.random.default_rng(5)
    index = rng.permutation(np.r_[np.arange(clusters), rng.integers(0, clusters, len(e.y) - clusters)])
    weight = BootstrapWeights(
        rng.integers(0, 3, (900, clusters)) * rng.uniform(0.5, 2, (900, 1)), index.astype(np.intp)
    )
    np.testing.assert_allclose(won_by_rank(e, weight), won_by_plate(e, weight), rtol=1e-10, atol=1e-9)
    whole = sk.roc_auc_score(e.y, e.score)
    n = e.y.sum() * (1 - e.y).sum()
    for count in (won_by_plate, won_by_rank):
        assert count(e, BootstrapWeights.once(len(e.y)))[0] / n == pytest.approx(whole)


def test_scores_of_compounds_name_compounds_where_they_are_undefined(predicted: Any) -> None:
    e = replace(predicted([1, 1, 1], [0.1, 0.5, 0.6]), unit="compound", group="assay")
    with pytest.raises(NotApplicable, match="only class 1 among 3 held-out compounds"):
        Auroc()(e)
