from __future__ import annotations

import io

import numpy as np
import pytest

from harness.core.exceptions import NotApplicable
from harness.figure.umap import Umap
from harness.figure.umap_density import UmapDensity

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("embedded")]


def test_hexagons_hold_every_well_once(screen, context):
    run = context(screen(plates=12, wells=40))
    cells = UmapDensity().tables(run)["umap_density"]
    role = Umap().tables(run)["umap"]["role"].value_counts()
    assert cells["n_negcon"].sum() == role["negcon"]
    assert cells["n_treated"].sum() == role["treated"]
    assert ((cells["n_negcon"] + cells["n_treated"]) > 0).all()
    assert cells[["share_negcon", "share_treated"]].sum().tolist() == pytest.approx([1, 1])


def test_counts_are_those_of_the_nearest_centre(screen, context):
    run = context(screen(plates=12, wells=40, shift=0.0))
    tables = UmapDensity().tables(run)
    cells, grid = tables["umap_density"], tables["umap_density_grid"].iloc[0]
    points = Umap().tables(run)["umap"]
    across = (grid["right"] - grid["left"]) / grid["across"]
    down = (grid["top"] - grid["bottom"]) / int(grid["across"] / np.sqrt(3))
    scale = np.array([across, down / np.sqrt(3)])  # in which the hexagons are regular
    at, centre = (t[["umap_1", "umap_2"]].to_numpy() / scale for t in (points, cells))
    nearest = np.linalg.norm(at[:, None] - centre[None], axis=2).argmin(axis=1)
    controls = (points["role"] == "negcon").to_numpy()
    np.testing.assert_array_equal(np.bincount(nearest[controls], minlength=len(cells)), cells["n_negcon"])


def test_log_ratio_points_to_the_role_that_is_denser_and_is_finite(screen, context):
    p = screen(plates=12, wells=40, shift=0.0)
    treated = (p.wells["role"] == "treated").to_numpy()
    X = p.X.copy()
    X[treated, 0] += 6 * X[:, 0].std()
    cells = UmapDensity().tables(context(p.replace(X=X)))["umap_density"]
    assert np.isfinite(cells["log2_ratio"]).all()
    apart = np.median(X[treated, 0])
    right = cells["umap_1"] > apart
    only_treated = cells[right & (cells["n_negcon"] == 0)]
    assert (only_treated.nlargest(5, "n_treated")["log2_ratio"] > 1).all()
    most = cells["n_negcon"].idxmax()
    assert cells.loc[most, "log2_ratio"] < -2
    by_hand = (cells["n_treated"] + 0.5) / (cells["n_treated"].sum() + 0.5 * len(cells))
    by_hand /= (cells["n_negcon"] + 0.5) / (cells["n_negcon"].sum() + 0.5 * len(cells))
    np.testing.assert_allclose(cells["log2_ratio"], np.log2(by_hand))


def test_shares_the_embedding_and_needs_both_roles(screen, context, embedded):
    run = context(screen(plates=4))
    Umap().tables(run)
    UmapDensity().tables(run)
    assert len(embedded) == 1
    p = screen(plates=4)
    with pytest.raises(NotApplicable, match="no negcon wells"):
        UmapDensity().tables(context(p.replace(wells=p.wells.assign(role="treated"))))


def test_three_panels_with_one_scale_of_shares(screen, context, hostile):
    run = context(screen(plates=10, batches=hostile), norm=hostile[1])
    tables = UmapDensity().tables(run)
    figure = UmapDensity().draw(tables, run)["umap_density"]
    controls, treated, ratio = (axes.collections[0] for axes in figure.axes)
    assert controls.get_clim() == treated.get_clim()
    assert ratio.get_clim()[0] == -ratio.get_clim()[1]
    cells = tables["umap_density"]
    assert sorted(controls.get_array().compressed()) == pytest.approx(
        sorted(cells["share_negcon"][cells["n_negcon"] > 0])
    )
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}) == 1
    figure.savefig(io.BytesIO(), format="svg")
