"""The view that MLflow's UI opens on."""

from __future__ import annotations

import json

from harness.tracking.ui_view import LONGEST, saved_view

PAIR = "dmso_vs_treated/logistic"


def test_scores_are_columns_and_images_a_grid() -> None:
    text = saved_view(None, evaluated=[PAIR], images=["figures/umap", "figures/roc"])
    assert text is not None
    view = json.loads(text)
    assert [c for c in view["selectedColumns"] if c.startswith("metrics.")] == [
        f"metrics.`{PAIR}/auroc`",
        f"metrics.`{PAIR}/balanced_accuracy`",
        "metrics.`batch_effect/probe_balanced_accuracy`",
    ]
    assert [s["name"] for s in view["compareRunSections"]] == ["figures", PAIR, "batch_effect"]
    shown = [c["imageKeys"] for c in view["compareRunCharts"] if not c["deleted"]]
    assert shown == [["figures/umap", "figures/roc"]]


def test_a_later_run_adds_and_takes_nothing_away() -> None:
    first = saved_view(None, evaluated=[PAIR], images=["figures/umap"])
    second = saved_view(first, evaluated=["dmso_vs_treated/lightgbm"], images=[])
    assert second is not None
    names = [s["name"] for s in json.loads(second)["compareRunSections"]]
    assert names == ["figures", PAIR, "dmso_vs_treated/lightgbm", "batch_effect"]
    assert saved_view(second, evaluated=[PAIR], images=["figures/umap"]) == second


def test_without_images_there_is_no_empty_section() -> None:
    text = saved_view(None, evaluated=[PAIR], images=[])
    assert text is not None
    assert json.loads(text)["compareRunCharts"] == []
    assert json.loads(text)["compareRunSections"][0]["name"] == PAIR


def test_a_users_own_view_and_a_tag_too_long_are_left_alone() -> None:
    assert saved_view("deflate;eJyrVkrO", evaluated=[PAIR], images=[]) is None
    assert saved_view('{"selectedColumns": []}', evaluated=[PAIR], images=[]) is None
    assert saved_view(None, evaluated=[f"task{i}/model" for i in range(LONGEST // 20)], images=[]) is None
