"""Scores over many labels, and resamples of compounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from assays import assay_screen
from score_schema import assert_follows_schema
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError
from harness.metric.auroc import Auroc
from harness.metric.base_rate import BaseRate
from harness.metric.brier import Brier
from harness.scoring.bootstrap import resample
from harness.scoring.evaluate import evaluate_groups
from harness.scoring.score_table import draws_of, score_table
from harness.scoring.score_table_multilabel import score_groups

METRICS = [Auroc(), Brier(), BaseRate()]
R = 40


@pytest.fixture(scope="module", name="ran")
def run() -> tuple[list[Evaluation], dict[str, dict[str, str]]]:
    profiles, task = assay_screen()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    evaluations, declined = [], {}
    for batch in ("b0", "b1", "b2", "b3"):
        test = (profiles.wells["batch"] == batch).to_numpy()
        done = evaluate_groups(profiles, Split(batch, ~test, test), task, model, seed=7)
        evaluations += done.evaluations
        declined[batch] = done.declined
    return evaluations, declined


def rows(scores: pd.DataFrame, group: str, metric: str = "auroc") -> pd.DataFrame:
    return scores[(scores["group"] == group) & (scores["metric"] == metric)].set_index(["over", "fold"])


def test_each_group_has_the_rows_that_it_has_alone(ran: tuple) -> None:
    evaluations, declined = ran
    scores, _ = score_groups(evaluations, METRICS, declined=declined, task="t", model="m", n_resamples=R)
    assert_follows_schema(scores)
    assert set(scores["group"]) == {"", "a0", "a1", "a2", "a3", "a4", "a5"}
    for group in ("a0", "a1"):
        alone, _ = score_table([e for e in evaluations if e.group == group], METRICS, n_resamples=R)
        own = scores[scores["group"] == group].reset_index(drop=True)
        pd.testing.assert_series_equal(own["value"], alone["value"])
        assert (own["lower"] < own["upper"]).all()


def test_a_fold_without_an_evaluation_is_a_row_with_the_reason_and_never_zero(ran: tuple) -> None:
    evaluations, declined = ran
    scores, _ = score_groups(evaluations, METRICS, declined=declined, n_resamples=R)
    for metric in METRICS:
        a3 = rows(scores, "a3", metric.name)
        assert np.isnan(a3.loc[("fold", "b1"), ["value", "lower", "upper"]].astype(float)).all()
        assert a3.loc[("fold", "b1"), "reason"] == "no labelled held-out wells"
        assert a3.loc[("mean", ""), "reason"] == "undefined in 1 of 4 folds"
        assert rows(scores, "a5", metric.name)["value"].isna().all()
        assert (rows(scores, "a5", metric.name)["reason"] != "").all()
    a4 = rows(scores, "a4").loc[("fold", "b2")]
    assert np.isnan(a4["value"])
    assert a4["reason"] == "only class 0 among 24 held-out compounds"
    assert rows(scores, "a4", "base_rate").loc[("fold", "b2"), "value"] == 0
    assert set(rows(scores, "a5").index) == {("fold", b) for b in ("b0", "b1", "b2", "b3")} | {
        ("mean", ""),
        ("pooled", ""),
    }


def test_rows_over_groups_are_means_quartiles_and_shares_of_the_defined(ran: tuple) -> None:
    evaluations, declined = ran
    scores, _ = score_groups(evaluations, METRICS, declined=declined, n_resamples=R)
    over = rows(scores, "")
    single = scores[(scores["group"] != "") & (scores["metric"] == "auroc")]
    for place in [("fold", "b1"), ("fold", "b2"), ("mean", ""), ("pooled", "")]:
        own = single[(single["over"] == place[0]) & (single["fold"] == place[1])]["value"].dropna()
        assert over.loc[place, "value"] == pytest.approx(own.mean())
        assert over.loc[place, "n"] == len(own) < 6
        assert over.loc[place, "lower"] < over.loc[place, "value"] < over.loc[place, "upper"]
        assert over.loc[place, "reason"] == f"undefined for {6 - len(own)} of 6"
    means = single[single["over"] == "mean"]["value"].dropna()
    for name, q in {"q25": 0.25, "median": 0.5, "q75": 0.75}.items():
        assert over.loc[(name, ""), "value"] == pytest.approx(np.quantile(means, q))
    for limit in (0.7, 0.8, 0.9):
        assert over.loc[(f"above_{limit}", ""), "value"] == pytest.approx((means > limit).mean())
    assert np.isnan(over.loc[("median", ""), "lower"])
    assert over.loc[("median", ""), "reason"] != ""
    assert ("above_0.7", "") not in rows(scores, "", "brier").index
    assert list(rows(scores, "", "n_groups")[["value", "n"]].iloc[0]) == [5, 6]


def test_a_draw_is_the_mean_over_groups_of_the_score_on_the_drawn_compounds(ran: tuple) -> None:
    """Recomputed by copying the rows of each drawn compound and the folds of each drawn batch."""
    evaluations, declined = ran
    _, resamples = score_groups(evaluations, [Brier()], declined=declined, n_resamples=5)
    draws = draws_of(evaluations, n_resamples=5)
    names = pd.MultiIndex.from_arrays([draws.batch, draws.plates])
    for r in range(5):
        within, above = (pd.Series(m[r].astype(int), index=names) for m in (draws.within, draws.above))
        means = []
        for group in ("a0", "a1", "a2", "a3", "a4"):
            values = []
            for e in (e for e in evaluations if e.group == group):
                drawn = np.repeat(
                    np.arange(len(e.y)), within.loc[pd.MultiIndex.from_frame(e.wells[["batch", "compound"]])]
                )
                copies = above.loc[pd.MultiIndex.from_frame(e.wells[["batch", "compound"]])].sum() / len(e.y)
                if len(drawn):
                    values += [np.mean((e.score[drawn] - e.y[drawn]) ** 2)] * int(copies)
            means.append(np.mean(values))
        assert resamples["value"][r] == pytest.approx(np.mean(means))


def test_compounds_are_drawn_within_batches_by_seed_and_names_only() -> None:
    table = pd.DataFrame({"compound": ["x", "y", "z", "x", "y", "w", "v"], "batch": list("aaabbcd"), "plate": "p"})
    draws = resample(table, n=300, seed=3, unit="compound")
    assert list(zip(draws.batch, draws.plates, strict=True)) == sorted(
        zip(table["batch"], table["compound"], strict=True)
    )
    for name, n in {"a": 3, "b": 2, "c": 1}.items():
        np.testing.assert_array_equal(draws.within[:, np.array(draws.batch) == name].sum(axis=1), n)
    assert np.ptp(draws.above) > 0, "batches are drawn too, from four on"
    again = resample(table.sample(frac=2, replace=True, random_state=1), n=300, seed=3, unit="compound")
    shuffled = resample(pd.concat([table, table[::-1]]), n=300, seed=3, unit="compound")
    np.testing.assert_array_equal(shuffled.within, draws.within)
    assert again.within.shape[0] == 300
    part = resample(table[table["batch"] != "d"], n=300, seed=3, unit="compound")
    np.testing.assert_array_equal(part.within, draws.within[:, :-1])
    assert (part.above == 1).all()


def test_a_fold_sees_its_own_compounds_only_and_each_in_its_batch(ran: tuple) -> None:
    evaluations, _ = ran
    draws = draws_of(evaluations, n_resamples=R)
    e = next(e for e in evaluations if e.group == "a1" and e.split.name == "b2")
    weight, fold = draws.weights_of(e)
    assert weight.by_plate.shape == (R, len(e.y))
    place = [list(zip(draws.batch, draws.plates, strict=True)).index(("b2", c)) for c in e.wells["compound"]]
    np.testing.assert_array_equal(weight.by_plate[:, weight.index], draws.within[:, place])
    np.testing.assert_array_equal(fold, draws.above[:, place[0]])


def test_all_groups_share_their_draws_and_a_part_of_the_groups_keeps_them(ran: tuple) -> None:
    evaluations, _ = ran
    half = [e for e in evaluations if e.group in ("a3", "a4")]
    one, two = draws_of(half, n_resamples=R), draws_of([e for e in half if e.group == "a4"], n_resamples=R)
    assert one.plates == two.plates
    np.testing.assert_array_equal(one.within, two.within)


def test_no_group_at_all_is_refused_naming_one_with_its_reason() -> None:
    with pytest.raises(InputError, match=r"none of 2 could be .* 'a7' with 'b1' held out: no labelled training wells"):
        score_groups([], METRICS, declined={"b0": {}, "b1": {"a7": "no labelled training wells", "a8": "x"}})
