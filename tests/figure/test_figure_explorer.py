"""The page of a run: every well is on it once, embedded or placed, with its held-out scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from harness.figure.base import FigureContext
from harness.figure.explorer import Explorer
from harness.figure.shared.project_points import project_points
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated

pytestmark = pytest.mark.slow


def context(screen: Any) -> FigureContext:
    wells = normalize(screen(plates=6, wells=16), Raw())
    model = LogisticRegression(C=1e-4, max_iter=200)
    folds = [evaluate(wells, split, DmsoVsTreated(), model) for split in LeaveBatchOut().split(wells.wells)]
    names = {"norm": "raw", "scope": "train", "split": "leave_batch_out", "data": "a <toy>"}
    return FigureContext(**names, seed=3, normalized=wells, evaluations={("dmso_vs_treated", "lr"): folds})


def test_all_wells_are_shown_once_with_their_scores(screen: Any) -> None:
    run = context(screen)
    wells = run.normalized.wells
    known = wells[wells["role"].isin(["negcon", "treated"])]
    whole, sampled = (Explorer(max_points=n).tables(run)["explorer"] for n in (len(wells), 40))
    assert not whole["placed"].any()
    assert sampled["placed"].sum() == len(known) - 40
    for table in (whole, sampled):
        pd.testing.assert_frame_equal(
            table[["plate", "well", "role"]], known[["plate", "well", "role"]].reset_index(drop=True)
        )
        score = table.set_index(["plate", "well"])["dmso_vs_treated/lr"]
        for e in run.evaluations["dmso_vs_treated", "lr"]:
            np.testing.assert_allclose(score.loc[list(zip(e.wells["plate"], e.wells["well"], strict=True))], e.score)
    inside = sampled.loc[~sampled["placed"], ["umap_1", "umap_2"]]
    placed = sampled.loc[sampled["placed"], ["umap_1", "umap_2"]]
    assert (placed.min() >= inside.min()).all()
    assert (placed.max() <= inside.max()).all()


def test_the_page_says_how_many_were_placed_and_escapes_names(screen: Any) -> None:
    run = context(screen)
    html = Explorer(max_points=40).pages(Explorer(max_points=40).tables(run), run)["explorer"]
    assert "wells placed by their neighbours" in html
    assert "a <toy>" not in html


def test_a_well_that_was_embedded_is_placed_where_it_is_and_others_between_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal([5, -40, 1e3], [1, 9, 200], (60, 3)).astype(np.float32)
    at = rng.normal(3, 8, (60, 2))
    np.testing.assert_allclose(project_points(X, at, X[::7], seed=0), at[::7], atol=1e-5)
    middle = X[[4]] * 0.5 + X[[9]] * 0.5
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    distance = np.linalg.norm(scaled - (middle - X.mean(axis=0)) / X.std(axis=0), axis=1)
    near = np.argsort(distance)[:5]
    expected = np.average(at[near], axis=0, weights=1 / distance[near])
    np.testing.assert_allclose(project_points(X, at, middle, seed=0)[0], expected, rtol=1e-4)
