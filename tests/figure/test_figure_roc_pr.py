from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from harness.core.exceptions import NotApplicable
from harness.figure.roc_pr import RocPr

KEY = ("dmso_vs_treated", "logistic")


def curve_of(table, line, curve):
    return table[(table["line"] == line) & (table["curve"] == curve)]


def farthest(x, y, kept_x, kept_y):
    """Largest distance of a vertex (x, y) from the line through the kept vertices."""
    along = np.linspace(0, len(kept_x) - 1, 50_000)
    line = np.column_stack([np.interp(along, np.arange(len(kept_x)), kept) for kept in (kept_x, kept_y)])
    return cKDTree(line).query(np.column_stack([x, y]))[0].max()


def test_area_under_the_points_is_auroc_and_average_precision(screen, context):
    run = context(screen())
    table = RocPr().tables(run)["roc_pr"]
    for line, e in enumerate(run.evaluations[KEY]):
        roc, pr = curve_of(table, line, "roc"), curve_of(table, line, "pr")
        fpr, tpr, _ = roc_curve(e.y, e.score)
        assert auc(roc["x"], roc["y"]) == pytest.approx(auc(fpr, tpr), abs=1e-3)
        np.testing.assert_allclose(roc["value"], roc_auc_score(e.y, e.score))
        assert auc(pr["x"], pr["y"]) == pytest.approx(average_precision_score(e.y, e.score), abs=1e-3)
        np.testing.assert_allclose(pr["value"], average_precision_score(e.y, e.score))
        assert set(roc["base_rate"]) == {e.y.mean()}
        assert set(roc["n"]) == {len(e.y)}
        assert set(roc["fold"]) == {e.split.name}


def test_long_curves_are_thinned_without_moving(screen, context, evaluation):
    p = screen(plates=30, wells=384, features=2, batches=["b"])
    e = evaluation(p.wells, "b", seed=1, signal=0.5)
    flipped = dataclasses.replace(e, y=1 - e.y, score=-e.score)
    table = RocPr().tables(context(p, evaluations={KEY: [e, flipped]}))["roc_pr"]
    assert table.groupby(["line", "curve"]).size().max() <= 200
    for line, one in enumerate((e, flipped)):
        fpr, tpr, _ = roc_curve(one.y, one.score)
        roc, pr = curve_of(table, line, "roc"), curve_of(table, line, "pr")
        assert farthest(fpr, tpr, roc["x"], roc["y"]) < 0.005
        assert auc(roc["x"], roc["y"]) == pytest.approx(roc_auc_score(one.y, one.score), abs=2e-3)
        assert auc(pr["x"], pr["y"]) == pytest.approx(average_precision_score(one.y, one.score), abs=2e-3)


def test_folds_with_one_class_are_left_out_and_named(screen, context):
    run = context(screen())
    folds = run.evaluations[KEY]
    single = dataclasses.replace(folds[1], y=np.ones_like(folds[1].y))
    run = context(screen(), evaluations={KEY: [folds[0], single, folds[2]], ("dmso_vs_treated", "tree"): [single]})
    tables = RocPr().tables(run)
    left_out = tables["roc_pr"][tables["roc_pr"]["reason"] != ""]
    assert list(left_out["fold"]) == ["b2", "b2"]
    assert left_out[["x", "y", "value"]].isna().all(axis=None)
    figures = RocPr().draw(tables, run)
    assert list(figures) == ["roc_pr_dmso_vs_treated_logistic"]
    figure = figures["roc_pr_dmso_vs_treated_logistic"]
    assert "one class only: b2" in figure.get_suptitle()
    named = [t.get_text().split()[0] for t in figure.axes[0].get_legend().get_texts()]
    assert named == ["b1", "b3"]


@pytest.mark.parametrize("evaluations", ["none", "one class"])
def test_nothing_to_draw(screen, context, evaluations):
    folds = context(screen()).evaluations[KEY]
    single = {KEY: [dataclasses.replace(folds[0], y=np.zeros_like(folds[0].y))]}
    with pytest.raises(NotApplicable, match="both classes"):
        RocPr().tables(context(screen(), evaluations=single if evaluations == "one class" else {}))


@pytest.mark.parametrize("folds", [3, 30])
def test_few_folds_are_named_and_many_are_summarized(screen, context, folds):
    p = screen(plates=30, batches=[f"b{i}" for i in range(folds)])
    run = context(p)
    tables = RocPr().tables(run)
    figure = RocPr().draw(tables, run)["roc_pr_dmso_vs_treated_logistic"]
    figure.canvas.draw()
    roc, pr = figure.axes
    texts = [t.get_text() for t in roc.get_legend().get_texts()]
    value = tables["roc_pr"].query("curve == 'roc'").drop_duplicates("line")["value"]
    if folds == 3:
        assert texts == [f"b{i}  {v:.3f}" for i, v in enumerate(value)]
    else:
        assert texts == [f"mean of 30 folds  {value.mean():.3f}", f"folds  {value.min():.3f} to {value.max():.3f}"]
    assert "base" in pr.get_legend().get_texts()[-1].get_text()
    assert f"in {folds} folds" in figure.get_suptitle()


def test_tasks_with_many_labels_are_left_out(screen, context):
    run = context(screen())
    grouped = [dataclasses.replace(e, group="assay1", unit="compound") for e in run.evaluations[KEY]]
    both = context(screen(), evaluations={**run.evaluations, ("assay_activity", "logistic"): grouped})
    assert set(RocPr().tables(both)["roc_pr"]["task"]) == {"dmso_vs_treated"}
    with pytest.raises(NotApplicable, match="many labels"):
        RocPr().tables(context(screen(), evaluations={("assay_activity", "logistic"): grouped}))
