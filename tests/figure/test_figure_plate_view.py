from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.figure.plate_view import PlateView

pytestmark = pytest.mark.slow


def make(*, plates=6, rows=8, columns=12, features=5, batches=("b1", "b2"), edge=4.0, seed=0):
    """Feature ``f2`` is ``edge`` sd higher in the first row on plates of the last batch; levels of plates differ."""
    rng = np.random.default_rng(seed)
    parts, X = [], []
    for i in range(plates):
        grid = pd.DataFrame(
            [(r, c) for r in range(1, rows + 1) for c in range(1, columns + 1)], columns=["row", "column"]
        )
        batch = batches[i * len(batches) // plates]
        grid = grid.assign(
            plate=f"p{i:02d}", batch=batch, role=np.where(rng.random(len(grid)) < 0.2, "negcon", "treated")
        )
        grid["well"] = [f"{chr(64 + r)}{c:02d}" for r, c in grid[["row", "column"]].to_numpy()]
        values = 100 + 50 * i + rng.normal(0, 3, (len(grid), features))
        values[:, 2] += 3 * edge * ((grid["row"] == 1) & (batch == batches[-1]))
        parts.append(grid)
        X.append(values)
    return Profiles(np.concatenate(X).astype(np.float32), pd.concat(parts, ignore_index=True))


def test_the_feature_and_the_batch_with_the_planted_edge_come_first(context):
    p = make()
    flat = p.replace(X=np.random.default_rng(1).normal(50, 2, p.X.shape).astype(np.float32))
    tables = PlateView().tables(context(flat, raw=p))
    assert tables["plate_view_value"]["feature"].item() == "f2"
    assert "strongest" in tables["plate_view_value"]["why"].item()
    view, effects = tables["plate_view"], tables["plate_view_effects"]
    assert view["name"].unique().tolist()[:2] == ["b2", "b1"]
    assert set(view.loc[view["kind"] == "plate", "name"]) == {"p03", "p04", "p05"}
    first = effects[(effects["kind"] == "batch") & (effects["name"] == "b2")].set_index("stage")["effect"]
    assert first["before"] > 0.6
    assert abs(first["after"]) < 0.1


def test_values_are_medians_over_plates_from_the_plates_median_in_control_noise(context):
    p = make()
    view = PlateView(feature="f2").tables(context(p, raw=p))["plate_view"]
    own = view[(view["name"] == "b2") & (view["stage"] == "before")].set_index(["row", "column"])
    wells = p.wells.assign(x=p.X[:, 2])
    wells = wells[wells["batch"] == "b2"]
    wells["x"] -= wells.groupby("plate")["x"].transform("median")
    by_hand = wells.groupby(["row", "column"])["x"].median()
    ratio = own["value"] / by_hand.reindex(own.index)
    assert ratio[by_hand.abs() > 0.1].std() < 1e-3  # float32
    assert 1 / ratio.median() == pytest.approx(3, rel=0.2)  # the noise planted; an sd, so the edge does not enter
    assert (own["n"] == 3).all()
    pd.testing.assert_frame_equal(
        view[view["stage"] == "before"].drop(columns="stage").reset_index(drop=True),
        view[view["stage"] == "after"].drop(columns="stage").reset_index(drop=True),
    )


def test_a_column_of_the_wells_and_held_out_scores(context):
    p = make(plates=2)
    wells = p.wells.assign(cell_count=1000.0 + 10 * p.wells["column"])
    wells.loc[5, "cell_count"] = np.nan
    p = p.replace(wells=wells)
    everything = np.ones(len(wells), dtype=bool)
    score = wells["row"].to_numpy() / 10
    once = Evaluation(
        (wells["role"] == "treated").to_numpy().astype(np.int8), score, 0.5, wells, Split("a", ~everything, everything)
    )
    run = context(p, raw=p, evaluations={("task", "model"): [once]})
    view = PlateView(feature="cell_count").tables(run)["plate_view"]
    assert view["stage"].unique().tolist() == ["score"]
    plate = view[view["name"] == "p00"].set_index(["row", "column"])["value"]
    assert len(plate) == 95
    assert plate[3, 12] - plate[3, 2] == pytest.approx(100)
    view = PlateView(feature="task/model").tables(run)["plate_view"]
    at = view[view["name"] == "b1"].set_index(["row", "column"])["value"]
    assert at[8, 1] - at[1, 1] == pytest.approx(0.7)
    with pytest.raises(InputError, match=r"feature='nothing'.*task/model"):
        PlateView(feature="nothing").tables(run)


def test_empty_wells_are_left_out(context):
    p = make()
    X, wells = p.X.copy(), p.wells.copy()
    wells.loc[wells["column"] == 12, "role"] = "empty"
    X[wells["column"] == 12] = 1e6
    p = p.replace(X=X, wells=wells)
    view = PlateView().tables(context(p, raw=p))["plate_view"]
    assert view["column"].max() == 11
    assert view["value"].abs().max() < 20


def test_where_it_has_no_meaning(screen, context):
    p = screen(plates=3)
    with pytest.raises(NotApplicable, match="rows and columns"):
        PlateView().tables(context(p, raw=p))
    p = make(plates=2, rows=1, columns=9)
    p = p.replace(wells=p.wells.assign(column=p.wells["column"] + 20 * (p.wells["plate"] == "p01")))
    with pytest.raises(NotApplicable, match="too few wells"):
        PlateView().tables(context(p, raw=p))
    p = make()
    flat = p.replace(X=np.ones_like(p.X))
    with pytest.raises(NotApplicable, match="does not vary"):
        PlateView(feature="f1").tables(context(flat, raw=p))


@pytest.mark.parametrize(("plates", "shape"), [(1, (16, 24)), (30, (2, 3)), (2, (32, 48))])
def test_panels_of_any_layout_share_one_scale(context, hostile, plates, shape):
    batches = hostile if plates == 30 else hostile[1:2]
    p = make(plates=plates, rows=shape[0], columns=shape[1], features=3, batches=batches)
    named = {name: f"{name}{hostile[3]}" for name in p.wells["plate"].unique()}
    p = p.replace(wells=p.wells.assign(plate=p.wells["plate"].map(named)))
    run = context(p, raw=p, norm=hostile[1])
    tables = PlateView(feature="f2").tables(run)
    figure = PlateView(feature="f2").draw(tables, run)["plate_view"]
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 2 * (min(3, plates) + min(3, len(batches)))
    assert all(axes.images[0].get_array().shape == shape for axes in panels)
    assert len({axes.images[0].get_clim() for axes in panels}) == 1
    boxes = [axes.title.get_window_extent() for axes in panels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    figure.savefig(io.BytesIO(), format="svg")
