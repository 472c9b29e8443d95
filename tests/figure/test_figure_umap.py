from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.wells.sampling import sample
from harness.figure.umap import Umap

pytestmark = pytest.mark.slow


def test_all_controls_below_the_cap_and_treated_spread_over_plates(screen):
    wells = screen(plates=12, wells=24).wells
    shown = wells.loc[sample(wells, max_points=130, seed=1)]
    controls = wells.index[wells["role"] == "negcon"]
    assert len(shown) == 130
    assert set(controls) <= set(shown.index)
    treated = shown[shown["role"] == "treated"]["plate"].value_counts()
    assert len(treated) == 12
    assert treated.max() - treated.min() <= 1


def test_controls_beyond_half_are_sampled_evenly_over_plates(screen):
    wells = screen(plates=12, wells=24).wells
    shown = wells.loc[sample(wells, max_points=50, seed=1)]
    per_plate = pd.crosstab(shown["role"], shown["plate"])
    assert per_plate.sum(axis=1).to_dict() == {"negcon": 25, "treated": 25}
    assert (per_plate.max(axis=1) - per_plate.min(axis=1)).max() <= 1


def test_controls_fill_what_scarce_treated_wells_leave(screen):
    wells = screen(plates=3, wells=24).wells
    wells = wells.assign(role=np.where(np.arange(len(wells)) % 24 < 20, "negcon", "treated"))
    shown = wells.loc[sample(wells, max_points=40, seed=0)]
    assert shown["role"].value_counts().to_dict() == {"negcon": 28, "treated": 12}


def test_sample_depends_on_the_seed_and_leaves_other_roles_out(screen):
    wells = screen().wells
    wells.loc[wells["well"] == "A20", "role"] = "empty"
    wells.loc[wells["well"] == "A21", "role"] = "poscon"
    first, again, other = (sample(wells, max_points=100, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(other)
    assert set(wells["role"].to_numpy()[sample(wells, max_points=10_000, seed=0)]) == {"negcon", "treated"}


def test_embedding_is_reproducible_and_keeps_planted_batches_apart(screen, context):
    p = screen(plates=6, wells=16, shift=8.0)
    figure = Umap()
    table = figure.tables(context(p))["umap"]
    pd.testing.assert_frame_equal(table, figure.tables(context(p.replace()))["umap"])  # not the remembered one
    assert list(table.columns) == ["plate", "well", "batch", "role", "compound", "umap_1", "umap_2"]
    assert len(table) == len(p.wells)
    at = table[["umap_1", "umap_2"]].to_numpy()
    distance = np.linalg.norm(at[:, None] - at[None], axis=2) + np.diag(np.full(len(at), np.inf))
    batch = table["batch"].to_numpy()
    assert (batch[distance.argmin(axis=1)] == batch).mean() > 0.95
    assert not np.allclose(at, figure.tables(context(p, seed=8))["umap"][["umap_1", "umap_2"]])


def test_scale_of_a_feature_does_not_matter(screen, context):
    p = screen(plates=3, wells=16)
    powers = 2.0 ** np.arange(-10, 10)  # exact in float32
    found = Umap().tables(context(p.replace(X=(p.X * powers).astype(np.float32))))["umap"]
    pd.testing.assert_frame_equal(found, Umap().tables(context(p))["umap"])


@pytest.mark.parametrize(("n", "features", "reason"), [(9, 5, "9 control"), (20, 1, "single feature")])
def test_too_little_to_embed(context, n, features, reason):
    wells = pd.DataFrame({"plate": "p", "well": [f"A{i:02d}" for i in range(n)], "batch": "b", "role": "treated"})
    X = np.random.default_rng(0).normal(5, 2, (n, features)).astype(np.float32)
    with pytest.raises(NotApplicable, match=reason):
        Umap().tables(context(Profiles(X, wells)))


@pytest.mark.parametrize("batches", [3, 20])
def test_both_panels_show_every_point_and_name_every_batch(screen, context, batches):
    names = [f"b{i}" for i in range(batches)]
    run = context(screen(plates=20, wells=8, batches=names))
    at = np.random.default_rng(0).normal(size=(len(run.normalized.wells), 2))
    table = run.normalized.wells.assign(umap_1=at[:, 0], umap_2=at[:, 1])
    figure = Umap().draw({"umap": table}, run)["umap"]
    figure.canvas.draw()
    roles, by_batch = figure.axes
    assert sum(len(c.get_offsets()) for c in roles.collections) == len(by_batch.collections[0].get_offsets()) == 160
    assert len(np.unique(by_batch.collections[0].get_facecolors(), axis=0)) == batches
    if batches <= 8:
        named = [t.get_text() for t in by_batch.get_legend().get_texts()]
    else:
        named = [t.get_text() for t in by_batch.child_axes[0].get_yticklabels()]
    assert named == names
    assert "n = 160 of 160 control and treated wells on 20 plates" in figure.get_suptitle()
