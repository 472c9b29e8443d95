from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy.stats import spearmanr

from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.figure import umap
from harness.figure.known_effects import KnownEffects
from harness.figure.umap import Umap


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two features in place of an embedding, which compiles for seconds; the list grows by one for each."""
    made: list[int] = []

    def two(X: np.ndarray, **_: Any) -> np.ndarray:
        made.append(len(X))
        return X[:, :2].astype(np.float64)

    monkeypatch.setattr(umap, "embed", two)
    return made


@pytest.fixture
def graded(screen: Any) -> Profiles:
    """60 compounds, stronger by their number, on 12 plates."""
    p = screen(plates=12, wells=24)
    rng = np.random.default_rng(0)
    treated = (p.wells["role"] == "treated").to_numpy()
    code = np.where(treated, rng.permutation(len(treated)) % 60, 0)
    scale = np.std(p.X[~treated], axis=0)
    X = p.X + (code[:, None] / 10 * scale).astype(np.float32)
    name = np.where(treated, [f"_$c{i:02d}" for i in code], "DMSO")
    count = np.round(300 - 3 * code + rng.normal(0, 5, len(code)))
    return p.replace(X=X, wells=p.wells.assign(compound=name, cell_count=count, dose=10.0 ** (code % 5)))


@pytest.fixture
def scores(tmp_path: Any) -> str:
    path = tmp_path / "scores.csv"
    names = [f"_$c{i:02d}" for i in range(50)]  # ten compounds without a score
    pd.DataFrame({"compound": names, "score": np.arange(50.0) - 20}).to_csv(path, index=False)
    return str(path)


def test_tables_hold_what_is_drawn(graded: Profiles, scores: str, context: Any) -> None:
    run = context(
        graded, raw=graded, baselines={("dmso_vs_treated", "prior"): context(graded).evaluations.popitem()[1]}
    )
    tables = KnownEffects(path=scores).tables(run)
    points, rho = tables["known_effects"], tables["known_effects_spearman"].set_index("measure")
    assert len(points) == 50
    assert points["n_wells"].sum() == graded.wells["compound"].isin(points["compound"]).sum()
    assert rho.loc["distance", "value"] == pytest.approx(spearmanr(points["known_score"], points["distance"])[0])
    assert rho.loc["distance", "value"] == rho.loc["raw_distance", "value"] > 0.8
    assert rho["kind"].to_dict() == {
        "raw_distance": "distance", "distance": "distance", "dmso_vs_treated_logistic": "model",
        "dmso_vs_treated_prior": "baseline", "cell_count": "cell count",
    }  # fmt: skip
    assert "50 of 60 compounds" in tables["known_effects_join"]["matched"].iloc[0]
    shown = tables["known_effects_umap"]
    assert shown.loc[shown["role"] == "negcon", "known_score"].isna().all()
    assert shown.loc[shown["compound"] == "_$c07", "known_score"].unique() == [-13.0]
    assert shown.loc[shown["compound"] == "_$c55", "known_score"].isna().all()


def test_pictures_show_every_point_with_its_numbers(graded: Profiles, scores: str, context: Any) -> None:
    run = context(graded, raw=graded)
    figure = KnownEffects(path=scores)
    tables = figure.tables(run)
    drawn = figure.draw(tables, run)
    assert set(drawn) == {"known_effects", "known_effects_spearman", "known_effects_umap"}
    for picture in drawn.values():
        picture.canvas.draw()
    row = tables["known_effects_spearman"].set_index("measure").loc["distance"]
    for axes in drawn["known_effects"].axes:
        assert len(axes.collections[0].get_offsets()) == 50
        assert f"Spearman {row['value']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]" in axes.get_title()
    grey, coloured = drawn["known_effects_umap"].axes[0].collections[:2]
    known = tables["known_effects_umap"]["known_score"].notna()
    assert (len(grey.get_offsets()), len(coloured.get_offsets())) == ((~known).sum(), known.sum())
    assert np.allclose(grey.get_facecolors(), to_rgba("0.85"))
    assert len(np.unique(coloured.get_facecolors(), axis=0)) > 40


def test_doses_have_a_second_correlation_and_lines(graded: Profiles, context: Any) -> None:
    wells = graded.wells.assign(compound=[f"d{i}" for i in np.arange(len(graded.wells)) % 20])
    p = graded.replace(wells=wells)
    run = context(p, raw=p)
    figure = KnownEffects(column="dose")
    tables = figure.tables(run)
    assert set(tables["known_effects_spearman"]["how"]) == {"spearman", "within_compound"}
    drawn = figure.draw(tables, run)
    drawn["known_effects_spearman"].canvas.draw()
    axes = drawn["known_effects"].axes[0]
    assert axes.get_xscale() == "log"
    assert "within compounds" in axes.get_title()
    assert len(axes.lines) == 20 + 1


def test_the_embedding_of_the_umap_figure_is_reused(
    graded: Profiles, scores: str, context: Any, embedded: list[int]
) -> None:
    run = context(graded, raw=graded)
    first = Umap().tables(run)["umap"]
    again = KnownEffects(path=scores).tables(run)["known_effects_umap"]
    pd.testing.assert_frame_equal(again[list(first)], first)
    assert len(embedded) == 1
    Umap(max_points=100).tables(run)
    Umap().tables(context(graded, seed=8))
    assert len(embedded) == 3


def test_nothing_known_and_nothing_kept_are_declined(graded: Profiles, context: Any) -> None:
    with pytest.raises(NotApplicable, match="no known score"):
        KnownEffects().tables(context(graded, raw=graded))
    with pytest.raises(NotApplicable, match="before normalization"):
        KnownEffects(column="dose").tables(context(graded))
