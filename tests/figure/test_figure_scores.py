from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.figure.scores import Scores


def scores_table(folds=3):
    rows = [
        ("dmso_vs_treated", model, metric, f"b{i}", value + i / 100, value - 0.1, value + 0.2)
        for model, value in (("logistic", 0.6), ("lightgbm", 0.7))
        for metric in ("auroc", "f1")
        for i in range(folds)
    ]
    return pd.DataFrame(rows, columns=["task", "model", "metric", "fold", "value", "lower", "upper"])


@pytest.mark.parametrize("folds", [3, 300])
def test_draws_a_dot_per_fold_and_model_of_one_metric(screen, context, folds):
    run = context(screen(), scores=scores_table(folds))
    tables = Scores().tables(run)
    assert len(tables["scores_auroc"]) == 2 * folds
    figure = Scores().draw(tables, run)["scores_auroc_dmso_vs_treated"]
    figure.canvas.draw()
    logistic, lightgbm, _chance = figure.axes[0].lines
    np.testing.assert_allclose(logistic.get_xdata(), 0.6 + np.arange(folds) / 100)
    np.testing.assert_allclose(lightgbm.get_ydata() - logistic.get_ydata(), 0.35)
    assert len(figure.axes[0].get_yticks()) <= 40


def test_an_undefined_fold_is_named_and_nothing_defined_is_not_applicable(screen, context):
    table = scores_table()
    table.loc[table["fold"] == "b1", ["value", "lower", "upper"]] = np.nan
    run = context(screen(), scores=table)
    figure = Scores().draw(Scores().tables(run), run)["scores_auroc_dmso_vs_treated"]
    assert "undefined in 1: b1" in figure.get_suptitle()
    with pytest.raises(NotApplicable, match="no fold has a defined auroc"):
        Scores().tables(context(screen(), scores=table.assign(value=np.nan)))
    with pytest.raises(NotApplicable, match="no table of scores"):
        Scores().tables(context(screen()))
