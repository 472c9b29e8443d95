from __future__ import annotations

import io
from itertools import pairwise

import pytest

from harness.figure.umap import Umap
from harness.figure.umap_batches import UmapBatches

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("embedded")]


def test_all_controls_and_forty_treated_wells_from_five_plates_of_each_batch(screen, context):
    run = context(screen(plates=24, wells=40))
    table = UmapBatches().tables(run)["umap_batches"]
    assert table.loc[table["role"] == "negcon", "shown"].all()
    treated = table[(table["role"] == "treated") & table["shown"]]
    for _, own in treated.groupby("batch"):
        assert own["plate"].value_counts().tolist() == [8] * 5
    assert treated["batch"].nunique() == 3


def test_fewer_plates_or_wells_are_all_shown(screen, context):
    table = UmapBatches(treated=40, plates=5).tables(context(screen(plates=3, wells=12)))["umap_batches"]
    assert table["shown"].all()


def test_shares_the_embedding_of_the_figure_umap(screen, context, embedded):
    run = context(screen(plates=6))
    points = Umap().tables(run)["umap"]
    table = UmapBatches().tables(run)["umap_batches"]
    assert len(embedded) == 1
    assert table.drop(columns="shown").equals(points)


def test_the_sample_does_not_depend_on_the_normalization(screen, context):
    p = screen(plates=24, wells=40)
    shown = [
        UmapBatches().tables(context(q, norm=n, seed=s))["umap_batches"]["shown"]
        for q, n, s in ((p, "a", 1), (p.replace(X=p.X * 3), "b", 1), (p, "a", 2))
    ]
    assert shown[0].equals(shown[1])
    assert not shown[0].equals(shown[2])


@pytest.mark.parametrize("batches", [1, 5, 30])
def test_a_panel_per_batch_on_the_same_axes(screen, context, batches):
    names = [f"b{i}" for i in range(batches)]
    run = context(screen(plates=max(batches, 2), wells=12, batches=names))
    tables = UmapBatches().tables(run)
    figure = UmapBatches().draw(tables, run)["umap_batches"]
    figure.canvas.draw()
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == names
    assert len({(*axes.get_xlim(), *axes.get_ylim()) for axes in figure.axes}) == 1
    shown = tables["umap_batches"]["shown"]
    for axes, name in zip(figure.axes, names, strict=True):
        drawn = [len(cloud.get_offsets()) for cloud in axes.collections]
        assert sum(drawn) == len(shown)
        assert sum(drawn[1:]) == shown[run.normalized.wells["batch"] == name].sum()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))


def test_hostile_names(screen, context, hostile):
    run = context(screen(plates=5, batches=hostile), norm=hostile[1], data=hostile[3])
    figure = UmapBatches().draw(UmapBatches().tables(run), run)["umap_batches"]
    figure.savefig(io.BytesIO(), format="svg")
    assert max(len(axes.get_title()) for axes in figure.axes) < 80
