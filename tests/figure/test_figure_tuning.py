from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json

from harness.core.exceptions import NotApplicable
from harness.figure.tuning_history import TuningHistory
from harness.figure.tuning_importance import TuningImportance

SPACE = {"classifier__C": FloatDistribution(1e-4, 10, log=True), "kind": CategoricalDistribution(["a", "b"])}


def trials(metric: str = "auroc", *, n: int = 25, folds: tuple[str, ...] = ("b1", "_a$x^2$")) -> pd.DataFrame:
    """Values that follow C and hardly the kind; every fourth trial is pruned with a value that would be the best."""
    rng = np.random.default_rng(4)
    rows = []
    for fold in folds:
        for number in range(n):
            params = {"classifier__C": float(10 ** rng.uniform(-4, 1)), "kind": str(rng.choice(["a", "b"]))}
            pruned = number % 4 == 3
            value = 0.99 if pruned else 0.7 + 0.05 * np.log10(params["classifier__C"]) + 0.001 * (params["kind"] == "a")
            state = "pruned" if pruned else "complete"
            rows.append((fold, number, value, state, json.dumps(params)))
    table = pd.DataFrame(rows, columns=["fold", "number", "value", "state", "params"])
    space = json.dumps({name: distribution_to_json(d) for name, d in SPACE.items()})
    return table.assign(task="dmso_vs_treated", model="logistic", metric=metric, space=space, seconds=1.0)


def test_the_best_so_far_counts_complete_trials_of_its_own_fold(screen: Any, context: Any) -> None:
    table = TuningHistory().tables(context(screen(), trials=trials()))["tuning_history"]
    for _, rows in table.groupby("fold"):
        complete = rows["value"].where(rows["state"] == "complete")
        expected = [np.nanmax(complete[: i + 1]) for i in range(len(rows))]
        assert rows["best"].tolist() == expected
        assert rows["best"].max() < 0.99
    lower = TuningHistory().tables(context(screen(), trials=trials("log_loss")))["tuning_history"]
    assert (lower.groupby("fold")["best"].diff().dropna() <= 0).all()


def test_the_parameter_that_decides_is_the_important_one(screen: Any, context: Any) -> None:
    table = TuningImportance().tables(context(screen(), trials=trials()))["tuning_importance"]
    assert set(table["n"]) == {19}
    by_name = table.groupby("parameter")["importance"].min()
    assert by_name["classifier__C"] > 0.8
    assert table.groupby("fold")["importance"].sum().tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("figure", [TuningHistory(), TuningImportance()], ids=["history", "importance"])
def test_nothing_is_drawn_where_nothing_was_tuned_and_any_name_is_where_it_was(
    screen: Any, context: Any, figure: Any
) -> None:
    with pytest.raises(NotApplicable, match="nothing was tuned"):
        figure.tables(context(screen()))
    run = context(screen(), trials=trials())
    pictures = figure.draw(figure.tables(run), run)
    assert len(pictures) == 1
    assert next(iter(pictures)).endswith("_dmso_vs_treated_logistic")
    for picture in pictures.values():
        picture.canvas.draw()


def test_too_few_trials_have_no_importance(screen: Any, context: Any) -> None:
    with pytest.raises(NotApplicable, match="5 complete trials"):
        TuningImportance().tables(context(screen(), trials=trials(n=4)))
    with pytest.raises(NotApplicable, match="different values"):
        TuningImportance().tables(context(screen(), trials=trials().assign(value=0.5)))
