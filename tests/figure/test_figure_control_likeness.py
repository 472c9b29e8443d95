from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.figure.control_likeness import ControlLikeness
from harness.figure.umap import Umap
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize

pytestmark = pytest.mark.slow

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def source() -> Demo:
    return Demo(scenario="balanced", size="small", n_batches=3, plates_per_batch=3, wells_per_plate=96, n_controls=16)


@pytest.fixture(scope="module")
def normalized(source: Demo) -> Profiles:
    return normalize(source.profiles(), DmsoWithin(exchangeable=True, seed=0))


@pytest.fixture(scope="module")
def strength(source: Demo) -> Any:
    return source.tables()["compounds"].set_index("compound")


@pytest.fixture
def tables(normalized: Profiles, context: Any) -> Tables:
    return ControlLikeness(n_wells=60).tables(context(normalized))


def test_scores_follow_the_planted_strength(tables: Tables, strength: Any) -> None:
    treated = tables["control_likeness"].query("role == 'treated'")
    planted = treated["compound"].map(strength["strength"])
    assert spearmanr(treated["mahalanobis"], planted)[0] > 0.25
    assert spearmanr(treated["log_density"], planted)[0] < 0
    least, most = (
        tables[f"wells_{end}_control_like"]["compound"].map(strength["strength"]) for end in ("least", "most")
    )
    assert least.mean() > planted.mean() + 0.2 > most.mean() + 0.2


def test_planted_strong_compounds_are_enriched_among_the_least_control_like(tables: Tables, strength: Any) -> None:
    found = tables["compounds_least_control_like"]
    assert list(found) == ["compound", "n_wells", "n_chosen", "expected", "p", "q"]
    assert found["n_chosen"].sum() == len(tables["wells_least_control_like"]) == 60
    assert found["expected"].sum() == pytest.approx(60)
    active = found["compound"].map(strength["active"])
    leading = found["p"] < 0.05
    assert leading.sum() >= 5
    assert active[leading].mean() > 0.7 > 0.2 > active[~leading].mean()


def test_the_map_is_that_of_the_umap_and_order_follows_the_choice(
    tables: Tables, normalized: Profiles, context: Any
) -> None:
    run = context(normalized)
    shown = Umap().tables(run)["umap"]
    table = tables["control_likeness"]
    both = table.merge(shown, on=["plate", "well"], suffixes=("", "_shown"))
    assert len(both) == len(table) == len(shown)
    np.testing.assert_array_equal(both["umap_1"], both["umap_1_shown"])
    least = tables["wells_least_control_like"]
    assert list(least) == ["rank", "plate", "well", "batch", "role", "compound", "log_density", "mahalanobis"]
    assert least["rank"].tolist() == list(range(1, 61))
    assert least["mahalanobis"].is_monotonic_decreasing
    by_density = ControlLikeness(n_wells=60, rank_by="log_density").tables(run)["wells_least_control_like"]
    assert by_density["log_density"].is_monotonic_increasing
    value = tables["control_likeness_spearman"]["value"].item()
    treated = table[table["role"] == "treated"]
    assert value == pytest.approx(spearmanr(treated["log_density"], treated["mahalanobis"])[0])


def test_wells_off_the_map_are_still_scored_by_their_distance(normalized: Profiles, context: Any) -> None:
    table = ControlLikeness(max_points=200).tables(context(normalized))["control_likeness"]
    assert table["umap_1"].notna().sum() == table["log_density"].notna().sum() == 200
    assert table["mahalanobis"].notna().all()


@pytest.mark.parametrize("per", ["all", "batch"])
def test_pictures_show_every_well_of_the_map_and_three_ellipses_a_fit(
    normalized: Profiles, context: Any, per: str
) -> None:
    figure, run = ControlLikeness(per=per), context(normalized)
    tables = figure.tables(run)
    picture = figure.draw(tables, run)["control_likeness"]
    picture.canvas.draw()
    on_map, _, both = picture.axes
    n = tables["control_likeness"]["log_density"].notna().sum()
    assert sum(len(dots.get_offsets()) for dots in on_map.collections) == n
    assert sum(len(dots.get_offsets()) for dots in both.collections) == n
    fits = tables["control_likeness_fit"]
    assert fits["group"].tolist() == (["all"] if per == "all" else list(dict.fromkeys(normalized.wells["batch"])))
    assert len(on_map.lines) == 3 * len(fits)
    assert f"{n:,} of them on the map" in picture.get_suptitle()


def test_hostile_names_and_batches_with_few_controls(screen: Any, context: Any, hostile: list[str]) -> None:
    p = screen(plates=20, wells=24, batches=hostile)
    few = p.wells["batch"] == hostile[0]
    wells = p.wells.assign(role=p.wells["role"].mask(few & (p.wells["well"] > "A02"), "treated"), compound=hostile[2])
    figure, run = ControlLikeness(per="batch"), context(p.replace(wells=wells), norm=hostile[0], data=hostile[1])
    tables = figure.tables(run)
    table = tables["control_likeness"]
    assert table.loc[table["batch"] == hostile[0], "mahalanobis"].isna().all()
    assert table.loc[table["batch"] != hostile[0], "mahalanobis"].notna().all()
    picture = figure.draw(tables, run)["control_likeness"]
    picture.canvas.draw()
    assert f"{few.sum():,} in batches with too few controls" in picture.get_suptitle()


def test_a_screen_of_few_controls_has_no_figure(screen: Any, context: Any) -> None:
    p = screen(plates=2, wells=12)
    wells = p.wells.assign(role=np.where(p.wells["well"] < "A04", "negcon", "treated"))
    with pytest.raises(NotApplicable, match="no screen has 10 control wells"):
        ControlLikeness().tables(context(p.replace(wells=wells)))
