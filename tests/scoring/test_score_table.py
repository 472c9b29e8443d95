"""Bootstrap and the table of scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from score_schema import assert_follows_schema

from harness.core.evaluation import Evaluation, Split
from harness.core.seeding import generator
from harness.metric.auroc import Auroc
from harness.metric.balanced_accuracy import BalancedAccuracy
from harness.metric.base_rate import BaseRate
from harness.metric.brier import Brier
from harness.metric.precision import Precision
from harness.scoring.bootstrap import interval, resample, weighted_mean
from harness.scoring.score_table import predictions, score_table


def wells(plates_in: tuple[int, ...] = (3, 2, 4, 2), n_wells: int = 10) -> pd.DataFrame:
    rows = [(f"b{b}_p{p}", f"w{w}", f"b{b}") for b, n in enumerate(plates_in) for p in range(n) for w in range(n_wells)]
    return pd.DataFrame(rows, columns=["plate", "well", "batch"])


def folds(
    plates_in: tuple[int, ...] = (3, 2, 4, 2),
    *,
    n_wells: int = 30,
    shift: float = 0.0,
    seed: int = 0,
    signal: float = 1.0,
) -> list[Evaluation]:
    """One fold per batch; batch b is shifted by b * ``shift``, and its threshold with it."""
    table = wells(plates_in, n_wells)
    made = []
    for b, (batch, part) in enumerate(table.groupby("batch")):
        rng = np.random.default_rng([seed, b])
        y = (rng.random(len(part)) < 0.7).astype(np.int8)
        score = 1 / (1 + np.exp(-(rng.normal(0, 1, len(part)) + signal * y + b * shift)))
        test = (table["batch"] == batch).to_numpy()
        threshold = float(1 / (1 + np.exp(-(signal / 2 + b * shift))))
        made.append(Evaluation(y, score, threshold, part.reset_index(drop=True), Split(str(batch), ~test, test), 7))
    return made


def test_resamples_draw_each_batch_as_many_plates_as_it_has_and_as_many_batches_as_there_are() -> None:
    draws = resample(wells(), n=400, seed=1)
    batch = np.array(draws.batch)
    for name, n in {"b0": 3, "b1": 2, "b2": 4, "b3": 2}.items():
        np.testing.assert_array_equal(draws.within[:, batch == name].sum(axis=1), n)
        assert len(np.unique(draws.above[:, batch == name])) > 1
        assert (np.ptp(draws.above[:, batch == name], axis=1) == 0).all()
    first = [int(np.flatnonzero(batch == name)[0]) for name in ("b0", "b1", "b2", "b3")]
    np.testing.assert_array_equal(draws.above[:, first].sum(axis=1), 4)
    np.testing.assert_allclose(draws.within.mean(axis=0), 1, atol=0.2)
    np.testing.assert_allclose(draws.above.mean(axis=0), 1, atol=0.2)


def test_resamples_depend_on_seed_and_names_and_not_on_order_number_or_wells() -> None:
    table = wells()
    one = resample(table, n=50, seed=1)
    other = resample(table.sample(frac=1, random_state=0).drop_duplicates("plate"), n=50, seed=1)
    assert one.plates == other.plates
    np.testing.assert_array_equal(one.within, other.within)
    np.testing.assert_array_equal(one.above, other.above)
    assert not np.array_equal(one.within, resample(table, n=50, seed=2).within)
    part = resample(table[table["batch"] != "b0"], n=50, seed=1)
    np.testing.assert_array_equal(part.within, one.within[:, 3:])
    renamed = resample(table.assign(plate="x" + table["plate"]), n=50, seed=1)
    assert not np.array_equal(renamed.within, one.within)


def test_batches_are_drawn_independently_of_their_plates_and_of_each_other() -> None:
    draws = resample(wells((2, 2, 2, 2)), n=2000, seed=0)
    within, above = draws.within[:, ::2], draws.above[:, ::2]
    for columns in (within, np.column_stack([within[:, 0], above])):
        correlation = np.corrcoef(columns.T)
        limit = 4 / np.sqrt(2000)
        assert abs(correlation[0, 1:]).max() < limit


@pytest.mark.parametrize("n_batches", [1, 2, 3, 4])
def test_fewer_than_four_batches_are_not_resampled_their_plates_are(n_batches: int) -> None:
    draws = resample(wells((3,) * n_batches), n=200, seed=1)
    assert (draws.above == 1).all() == (n_batches < 4)
    assert np.ptp(draws.within, axis=0).min() > 1


def test_a_fold_in_one_batch_resamples_its_plates_and_one_over_batches_both() -> None:
    table = wells()
    draws = resample(table, n=30, seed=1)
    inside = next(e for e in folds(n_wells=10) if e.split.name == "b2")
    weight, fold = draws.weights_of(inside)
    np.testing.assert_array_equal(weight.by_plate, draws.within)
    np.testing.assert_array_equal(fold, draws.above[:, 5])
    everyone = np.ones(len(table), dtype=bool)
    across = Evaluation(np.ones(len(table), np.int8), np.ones(len(table)), 0.5, table, Split("x", ~everyone, everyone))
    weight, fold = draws.weights_of(across)
    np.testing.assert_array_equal(weight.by_plate, draws.within * draws.above)
    np.testing.assert_allclose(fold, (draws.within * draws.above).sum(axis=1) / 11)


def test_a_draw_of_the_table_is_the_metric_on_the_drawn_plates() -> None:
    """The resampled mean over folds, recomputed by copying the rows of each drawn plate and fold."""
    evaluations = folds()
    _, resamples = score_table(evaluations, [Auroc()], n_resamples=25)
    draws = resample(pd.concat([e.wells for e in evaluations]), n=25, seed=7)
    count = pd.DataFrame(draws.within, columns=list(draws.plates))
    batch_count = pd.DataFrame(draws.above, columns=list(draws.plates))
    for r in range(25):
        values = []
        for e in evaluations:
            rows = np.repeat(np.arange(len(e.y)), count.loc[r, e.wells["plate"]].astype(int))
            copies = int(batch_count.loc[r, e.wells["plate"].iloc[0]])
            drawn = Evaluation(e.y[rows], e.score[rows], e.threshold, e.wells.iloc[rows], e.split)
            values += [Auroc()(drawn)] * copies
        assert resamples["value"][r] == pytest.approx(np.mean(values), rel=1e-9)


def test_resamples_are_paired_across_normalizations() -> None:
    """A difference of two correlated results has a far narrower interval than two unpaired ones."""
    one = folds((6, 6, 6, 6), signal=1.0)
    two = [Evaluation(e.y, e.score**1.3, e.threshold, e.wells, e.split, e.seed) for e in one]
    (_, a), (_, b) = (score_table(evaluations, [Auroc()], n_resamples=200) for evaluations in (one, two))
    np.testing.assert_allclose(a["value"], b["value"], rtol=1e-12)
    assert a["value"].std() > 0.005


def coverage(*, batches_differ: bool, n_screens: int = 60) -> float:
    """Share of intervals that hold the true mean Brier score: 10 batches x 6 plates of coins of known probability p.

    A calibrated score p has expected Brier score p (1 - p); p is uniform on 0.1 to 0.9 over batches, or over plates.
    """
    truth, covered = 0.5 - 0.25 - 0.8**2 / 12, 0
    for seed in range(n_screens):
        evaluations = []
        for b in range(10):
            rng = np.random.default_rng([seed, b])
            table = wells((6,), 8).assign(batch=f"b{b}")
            table["plate"] = f"b{b}" + table["plate"]
            p = np.full(6, rng.uniform(0.1, 0.9)) if batches_differ else rng.uniform(0.1, 0.9, 6)
            score = np.repeat(p, 8)
            y = (rng.random(len(table)) < score).astype(np.int8)
            everyone = np.ones(len(table), dtype=bool)
            evaluations.append(Evaluation(y, score, 0.5, table, Split(f"b{b}", ~everyone, everyone), seed))
        row = score_table(evaluations, [Brier()], n_resamples=100)[0].set_index("over").loc["mean"]
        covered += bool(row["lower"] <= truth <= row["upper"])
    return covered / n_screens


def test_a_95_percent_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Binomial error about 0.03; the percentile bootstrap of 10 batches is a little narrow, 0.90 to 0.93 expected."""
    assert 0.84 <= coverage(batches_differ=True) <= 0.985


def test_an_interval_is_rather_too_wide_where_only_plates_differ() -> None:
    """The spread of batch means already holds that of their plates, which the second level adds again."""
    assert coverage(batches_differ=False, n_screens=20) >= 0.9


def test_the_mean_over_folds_leaves_out_undefined_ones_and_is_never_zero_for_them() -> None:
    values = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan], [2.0, 4.0, 8.0]])
    weight = np.array([[1.0, 5.0, 3.0], [1.0, 1.0, 1.0], [0.0, 2.0, 2.0]])
    np.testing.assert_array_equal(weighted_mean(values, weight), [2.5, np.nan, 6.0])
    np.testing.assert_array_equal(weighted_mean(values[:1], np.zeros((1, 3))), [np.nan])


def test_an_interval_is_the_middle_95_percent_of_defined_draws_or_none() -> None:
    values = np.arange(1001.0)
    for draws in (np.random.default_rng(0).permutation(values), np.r_[values, np.full(400, np.nan)]):
        assert interval(draws) == pytest.approx((25, 975))
    for none in (np.r_[values, np.full(1200, np.nan)], np.full(9, np.nan)):
        assert np.isnan(interval(none)).all()


def test_draws_that_are_all_equal_give_an_interval_without_width() -> None:
    """A perfect score has to exclude 0.5: the worst leak must not go unseen for lack of an interval."""
    assert interval(np.ones(50)) == (1.0, 1.0)


def one_class(e: Evaluation) -> Evaluation:
    return Evaluation(np.ones_like(e.y), e.score, e.threshold, e.wells, e.split, e.seed)


def test_the_table_has_each_fold_their_mean_and_all_wells_pooled() -> None:
    evaluations = folds()
    scores, resamples = score_table(evaluations, [Auroc(), Brier()], task="t", model="m", n_resamples=60)
    assert_follows_schema(scores)
    assert (scores["task"] == "t").all()
    assert (scores["model"] == "m").all()
    for name, metric in (("auroc", Auroc()), ("brier", Brier())):
        rows = scores[scores["metric"] == name].set_index(["over", "fold"])
        assert list(rows.index) == [
            ("fold", "b0"),
            ("fold", "b1"),
            ("fold", "b2"),
            ("fold", "b3"),
            ("mean", ""),
            ("pooled", ""),
        ]
        by_fold = [metric(e) for e in evaluations]
        np.testing.assert_allclose(rows.loc["fold", "value"], by_fold)
        assert rows.loc[("mean", ""), "value"] == pytest.approx(np.mean(by_fold))
        assert list(rows["n"]) == [90, 60, 120, 60, 330, 330]
        assert (rows["lower"] < rows["value"]).all()
        assert (rows["value"] < rows["upper"]).all()
        assert (rows["reason"] == "").all()
    assert resamples.groupby("metric")["draw"].apply(list).to_dict() == {
        "auroc": list(range(60)), "brier": list(range(60))
    }  # fmt: skip


def test_pooled_scores_compare_each_well_with_the_threshold_of_its_own_fold() -> None:
    evaluations = folds((4, 4, 4, 4), shift=3.0)
    scores = score_table(evaluations, [BalancedAccuracy(), Auroc()], n_resamples=10)[0]
    pooled = scores[scores["over"] == "pooled"].set_index("metric")["value"]
    y = np.concatenate([e.y for e in evaluations])
    called = np.concatenate([e.score > e.threshold for e in evaluations])
    expected = (called[y == 1].mean() + (~called[y == 0]).mean()) / 2
    assert pooled["balanced_accuracy"] == pytest.approx(expected)
    mean = scores[(scores["over"] == "mean") & (scores["metric"] == "auroc")]["value"].iloc[0]
    assert pooled["auroc"] < mean - 0.05, "pooling is not blind to a shift between batches"


def test_an_undefined_fold_is_nan_with_its_reason_and_the_mean_is_over_the_others() -> None:
    evaluations = folds()
    evaluations[1] = one_class(evaluations[1])
    scores = score_table(evaluations, [Auroc()], n_resamples=60)[0].set_index(["over", "fold"])
    row = scores.loc[("fold", "b1")]
    assert np.isnan([row["value"], row["lower"], row["upper"]]).all()
    assert row["reason"] == "only class 1 among 60 held-out wells"
    mean = scores.loc[("mean", "")]
    assert mean["value"] == pytest.approx(np.mean([Auroc()(evaluations[i]) for i in (0, 2, 3)]))
    assert mean["reason"] == "undefined in 1 of 4 folds"
    assert mean["lower"] < mean["value"] < mean["upper"]
    assert np.isfinite(scores.loc[("pooled", ""), "value"])


def test_a_metric_undefined_everywhere_is_nan_with_a_reason_in_every_row() -> None:
    evaluations = [Evaluation(e.y, e.score, 1.5, e.wells, e.split, e.seed) for e in folds()]
    scores, resamples = score_table(evaluations, [Precision()], n_resamples=20)
    assert scores["value"].isna().all()
    assert (scores["reason"] == "precision is undefined here (0/0)").all()
    assert resamples["value"].isna().all()


def test_a_fold_of_one_plate_has_a_value_but_no_interval_and_says_why() -> None:
    scores = score_table(folds((1, 3, 2)), [Auroc()], n_resamples=60)[0].set_index(["over", "fold"])
    row = scores.loc[("fold", "b0")]
    assert np.isfinite(row["value"])
    assert np.isnan([row["lower"], row["upper"]]).all()
    assert row["reason"] == "no interval: 1 plate"
    assert scores.loc[("fold", "b1"), "reason"] == ""
    assert np.isfinite(scores.loc[("mean", ""), ["lower", "upper"]].astype(float)).all()


def test_a_value_without_an_interval_always_says_why() -> None:
    """One plate a batch: a fold has nothing to resample, their mean has."""
    table = wells((1, 1), 8)
    evaluations = []
    for batch, part in table.groupby("batch"):
        test = (table["batch"] == batch).to_numpy()
        y = np.tile([0, 1, 1, 1], 2).astype(np.int8)
        evaluations.append(Evaluation(y, 0.1 + 0.8 * y, 0.5, part.reset_index(drop=True), Split(batch, ~test, test)))
    scores = score_table(evaluations, [Auroc(), BaseRate()], n_resamples=20)[0]
    assert scores["value"].notna().all()
    without = scores["lower"].isna()
    assert (without == (scores["over"] == "fold")).all()
    assert (scores.loc[without, "reason"] == "no interval: 1 plate").all()
    assert (scores.loc[~without, "reason"] == "").all()


def test_one_fold_alone_has_a_mean_equal_to_itself() -> None:
    scores = score_table(folds((4,)), [Auroc()], n_resamples=40)[0].set_index("over")
    for column in ("value", "lower", "upper"):
        np.testing.assert_allclose(scores[column], scores.loc["fold", column])


def test_predictions_hold_every_held_out_well_with_its_fold() -> None:
    evaluations = folds()
    table = pd.concat(predictions(evaluations), ignore_index=True)
    assert set(table.columns) == {"plate", "well", "fold", "y", "score", "threshold"}
    assert len(table) == 330
    assert not table.duplicated(["plate", "well"]).any()
    np.testing.assert_array_equal(table["y"], np.concatenate([e.y for e in evaluations]))
    np.testing.assert_array_equal(table["score"], np.concatenate([e.score for e in evaluations]))
    assert table.groupby("fold")["threshold"].nunique().eq(1).all()


def test_draws_of_plates_are_those_of_every_run_so_far() -> None:
    """Names, order and form of the draws are part of what makes stored runs comparable with new ones."""
    draws = resample(wells(), n=30, seed=11)
    names = ["b0", "b1", "b2", "b3"]
    above = generator(11, "bootstrap batches", *names).multinomial(4, np.full(4, 1 / 4), 30)
    start = 0
    for b, (name, n) in enumerate(zip(names, (3, 2, 4, 2), strict=True)):
        own = [f"{name}_p{p}" for p in range(n)]
        within = generator(11, "bootstrap plates", *own).multinomial(n, np.full(n, 1 / n), 30)
        assert list(draws.plates[start : start + n]) == own
        np.testing.assert_array_equal(draws.within[:, start : start + n], within)
        np.testing.assert_array_equal(draws.above[:, start : start + n], np.repeat(above[:, [b]], n, axis=1))
        start += n
