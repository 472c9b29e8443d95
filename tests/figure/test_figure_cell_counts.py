from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.figure.cell_counts import CellCounts


@pytest.fixture
def counted(screen: Any) -> Profiles:
    """Plates of unequal density; compounds take cells away and move the profile by their number."""
    p = screen(plates=12, wells=24)
    rng = np.random.default_rng(0)
    treated = (p.wells["role"] == "treated").to_numpy()
    code = np.where(treated, rng.permutation(len(treated)) % 45, 0)
    density = 100 + 40 * pd.factorize(p.wells["plate"])[0]
    count = np.round(density * (1 - code / 60) * np.exp(rng.normal(0, 0.05, len(code))))
    X = p.X + (code[:, None] / 10 * np.std(p.X[~treated], axis=0)).astype(np.float32)
    name = np.where(treated, [f"_$c{i:02d}" for i in code], "DMSO")
    return p.replace(X=X, wells=p.wells.assign(compound=name, cell_count=count))


def test_counts_are_relative_to_the_controls_of_the_plate(counted: Profiles, context: Any) -> None:
    table = CellCounts(n_compounds=7).tables(context(counted))["cell_counts"]
    groups = list(dict.fromkeys(table["group"]))
    assert groups[0] == "controls"
    assert len(groups) == 8
    first = table[table["group"] == groups[1]].iloc[0]
    plate = counted.wells[counted.wells["plate"] == first["plate"]]
    own = float(plate.loc[plate["well"] == first["well"], "cell_count"].iloc[0])
    assert first["cell_count"] == pytest.approx(own / plate.loc[plate["role"] == "negcon", "cell_count"].median())
    medians = table.groupby("group", sort=False)["cell_count"].median().to_numpy()
    assert medians[0] == pytest.approx(1, abs=0.02)
    assert (np.diff(medians[1:]) <= 0).all()


def test_the_compounds_drawn_do_not_depend_on_the_normalization(counted: Profiles, context: Any) -> None:
    other = counted.replace(X=np.sqrt(np.abs(counted.X)))
    a, b = (
        CellCounts(n_compounds=7).tables(context(p, norm=n))["cell_counts"] for p, n in ((counted, "a"), (other, "b"))
    )
    pd.testing.assert_frame_equal(a, b)


def test_correlation_with_the_effect_is_that_of_scipy(counted: Profiles, context: Any) -> None:
    tables = CellCounts().tables(context(counted))
    effect, found = tables["cell_count_effect"], tables["cell_count_spearman"].iloc[0]
    assert len(effect) == 45
    assert found["value"] == pytest.approx(spearmanr(effect["cell_count"], effect["distance"])[0])
    assert found["upper"] < -0.8


def test_pictures_with_models_beside_baselines(counted: Profiles, context: Any) -> None:
    def scores(models: list[str], values: list[float]) -> pd.DataFrame:
        rows = {"task": "t_$", "model": models, "metric": "auroc", "over": "mean", "fold": "", "group": ""}
        return pd.DataFrame(
            {**rows, "value": values, "lower": np.array(values) - 0.1, "upper": np.array(values) + 0.05}
        )

    models, baselines = scores(["logistic"], [0.8]), scores(["prior", "cell_count"], [0.5, np.nan])
    fold = models.assign(over="fold", value=0.1)
    run = context(counted, scores=pd.concat([models, fold]), baseline_scores=baselines)
    figure = CellCounts(n_compounds=9)
    tables = figure.tables(run)
    assert tables["cell_count_baseline"]["value"].tolist()[:2] == [0.8, 0.5]
    drawn = figure.draw(tables, run)
    assert list(drawn) == ["cell_counts", "cell_count_effect", "cell_count_baseline_t_$"]
    for picture in drawn.values():
        picture.canvas.draw()
    texts = [t.get_text() for t in drawn["cell_count_baseline_t_$"].axes[0].texts]
    assert texts == ["0.80 [0.70, 0.85]", "0.50 [0.40, 0.55]", "undefined"]
    assert len(drawn["cell_counts"].axes[0].get_xticks()) == 10


def test_without_counts_or_compounds_there_is_no_figure(counted: Profiles, context: Any) -> None:
    for column, reason in (("cell_count", "no cell count"), ("compound", "no compound")):
        with pytest.raises(NotApplicable, match=reason):
            CellCounts().tables(context(counted.replace(wells=counted.wells.drop(columns=column))))
    with pytest.raises(NotApplicable, match="no cell count"):
        CellCounts().tables(context(counted.replace(wells=counted.wells.assign(cell_count=np.nan))))
