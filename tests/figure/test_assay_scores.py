from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.core.score_schema import COLUMNS
from harness.figure.assay_scores import AssayScores

HELD_OUT = {"b1": 7, "b2": 12}


def scores_table(aurocs: dict[str, list[float]], task: str = "assay_activity") -> pd.DataFrame:
    """Per-fold and mean rows of each model's assays (two folds of 7 and 12 compounds), and the summary over assays."""
    rows = []
    for model, values in aurocs.items():
        for i, auroc in enumerate(values):
            base = 0.02 * 1.35**i
            means = {"auroc": auroc, "average_precision": base * (1 + 4 * (auroc - 0.5)), "base_rate": base}
            for metric, value in means.items():
                own = {"task": task, "model": model, "metric": metric, "group": f"a{i}"}
                why = "one class" if np.isnan(value) else ""
                for sign, (fold, n) in zip((-1, 1), HELD_OUT.items(), strict=True):
                    rows.append(
                        {**own, "over": "fold", "fold": fold, "value": value + sign / 50, "n": n, "reason": why}
                    )
                rows.append({**own, "over": "mean", "fold": "", "value": value, "n": 19, "reason": why})
        rows.append(
            {"task": task, "model": model, "metric": "auroc", "over": "mean", "group": "", "value": 0.123, "n": 9}
        )
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


AUROCS = {"logistic": [0.95, 0.9, 0.81, 0.7, 0.62, 0.48, np.nan], "lightgbm": [0.72, 0.699, 0.85, 0.6, 0.55, 0.5, 0.4]}


def test_a_row_per_assay_holds_means_over_folds_and_shares_count_the_scored_assays(screen, context):
    tables = AssayScores().tables(context(screen(), scores=scores_table(AUROCS)))
    table = tables["assay_scores"].set_index(["model", "assay"])
    assert len(table) == 14
    assert 0.123 not in set(table["auroc"])
    for model, values in AUROCS.items():
        np.testing.assert_allclose(table.loc[model, "auroc"], values)
        base = [np.nan if np.isnan(v) else 0.02 * 1.35**i for i, v in enumerate(values)]
        np.testing.assert_allclose(table.loc[model, "base_rate"], base)
    assert table.loc[("logistic", "a6"), ["n", "n_folds", "reason"]].tolist() == [0, 0, "one class"]
    assert table.loc[("logistic", "a0"), ["n", "n_folds", "reason"]].tolist() == [19, 2, ""]
    shares = tables["assay_scores_shares"].set_index(["model", "threshold"])
    for model, values in AUROCS.items():
        known = [v for v in values if not np.isnan(v)]
        for threshold in (0.7, 0.8, 0.9):
            above = sum(v > threshold for v in known)
            row = shares.loc[(model, threshold)]
            assert row[["n_above", "n_scored", "n_assays"]].tolist() == [above, len(known), 7]
            assert row["share"] == pytest.approx(above / len(known))


def test_a_fold_with_one_class_counts_for_none_of_the_three_scores(screen, context):
    scores = scores_table({"logistic": [0.8, 0.7]})
    one_class = (scores["fold"] == "b1") & (scores["group"] == "a1")
    scores.loc[one_class & (scores["metric"] == "auroc"), ["value", "reason"]] = [np.nan, "one class"]
    scores.loc[one_class & (scores["metric"] != "auroc"), "value"] = 1.0  # every held-out compound is active
    table = AssayScores().tables(context(screen(), scores=scores))["assay_scores"].set_index("assay")
    base = 0.02 * 1.35
    expected = [0.72, base * 1.8 + 0.02, base + 0.02, 1, 12]
    found = table.loc["a1", ["auroc", "average_precision", "base_rate", "n_folds", "n"]]
    np.testing.assert_allclose(found.to_numpy(float), expected)
    assert table.loc["a1", "reason"] == ""
    assert table.loc["a0", "n"] == 19


def test_the_curve_falls_from_all_assays_to_none_and_says_what_was_not_scored(screen, context):
    run = context(screen(), scores=scores_table(AUROCS))
    figures = AssayScores().draw(AssayScores().tables(run), run)
    assert set(figures) == {"assay_scores_assay_activity"}
    figure = figures["assay_scores_assay_activity"]
    figure.canvas.draw()
    curves = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-pre"]
    for line, values in zip(curves, AUROCS.values(), strict=True):
        x, y = line.get_xdata(), line.get_ydata()
        known = np.array([v for v in values if not np.isnan(v)])
        for at in (0.41, 0.55, 0.7, 0.75, 0.9, 0.951):  # a step curve drawn "pre" takes the value of the next point
            drawn = y[np.searchsorted(x, at, side="right")] if at < x[-1] else 0.0
            assert drawn == pytest.approx((known > at).mean())
    assert "not scored: 0 to 1" in figure.get_suptitle()
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend[0].endswith("50% · 50% · 17%")
    assert legend[1].endswith("29% · 14% · 0%")
    np.testing.assert_allclose(figure.axes[1].lines[1].get_xdata(), [0.02 * 1.35**i for i in range(6)])


def test_without_assays_or_without_a_metric_the_figure_is_declined_with_the_reason(screen, context):
    single = scores_table(AUROCS).assign(group="")
    for scores in (None, single):
        with pytest.raises(NotApplicable, match="no task has several labels"):
            AssayScores().tables(context(screen(), scores=scores))
    table = scores_table(AUROCS)
    with pytest.raises(NotApplicable, match="average_precision was not computed"):
        AssayScores().tables(context(screen(), scores=table[table["metric"] != "average_precision"]))


def test_a_task_in_which_nothing_could_be_scored_has_a_table_and_no_picture(screen, context):
    run = context(screen(), scores=scores_table({"logistic": [np.nan, np.nan]}))
    tables = AssayScores().tables(run)
    assert tables["assay_scores"]["reason"].tolist() == ["one class", "one class"]
    assert tables["assay_scores_shares"]["share"].isna().all()
    assert AssayScores().draw(tables, run) == {}


def test_names_of_any_kind_survive(screen, context, hostile):
    table = scores_table({name: [0.7, 0.8] for name in hostile}, task=hostile[0])
    run = context(screen(), scores=table)
    for figure in AssayScores().draw(AssayScores().tables(run), run).values():
        figure.canvas.draw()
        legend = figure.axes[1].get_legend()
        assert len(legend.get_texts()) == len(hostile)
