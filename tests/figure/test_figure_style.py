from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra.utils import instantiate
from matplotlib.transforms import Bbox
from places import ROOT

from harness.figure.plate_correlation import PlateCorrelation
from harness.figure.roc_pr import RocPr
from harness.figure.scores import Scores
from harness.figure.umap import Umap
from harness.plotting.style import batch_colours, label, spaced_labels

MEMBERS = ROOT / "conf" / "figure"


def test_label_is_one_short_line_without_mathematics():
    assert label("a\n b\t c") == "a b c"
    assert label("$x_1$") == r"\$x_1\$"
    long = label("start" + "-" * 300 + "end", 20)
    assert len(long) == 20
    assert long.startswith("start")
    assert long.endswith("end")
    assert "…" in long


def test_colours_differ_between_batches_and_follow_their_order():
    for n in (1, 3, 8, 9, 40):
        colours = batch_colours([f"b{i}" for i in range(n)] * 2)
        assert len(colours) == len({str(c) for c in colours.values()}) == n
    lightness = np.array([sum(c[:3]) for c in batch_colours([f"b{i}" for i in range(12)]).values()])
    assert (np.diff(lightness) > 0).all()


def test_spaced_keeps_a_distance():
    assert spaced_labels([0, 1, 2, 3.5, 4], 2) == [0, 2, 4]


@pytest.mark.parametrize("figure", [PlateCorrelation(), Umap(), RocPr(), Scores()], ids=lambda f: type(f).__name__)
def test_hostile_names_are_drawn_as_they_are_and_nothing_is_cut_off(
    screen, context, hostile, figure, tmp_path, monkeypatch
):
    monkeypatch.setattr("harness.figure.umap.embed", lambda X, **_: X[:, :2])  # the look needs no embedding
    p = screen(plates=10, wells=12, batches=hostile)
    wells = p.wells.assign(plate="$p_{" + "y" * 150 + p.wells["plate"])
    p = p.replace(wells=wells)
    run = context(p, heldout=p, norm="n$_i$" * 40, data="<i>$\\q$</i>" * 30, split="_$s$")
    scores = [("t$", "m$", "auroc", fold, 0.7, 0.6, 0.8) for fold in hostile]
    table = dict(
        zip(["task", "model", "metric", "fold", "value", "lower", "upper"], zip(*scores, strict=True), strict=True)
    )
    run = context(p, **{**vars(run), "normalized": p, "scores": pd.DataFrame(table)})
    for name, drawn in figure.draw(figure.tables(run), run).items():
        drawn.savefig(tmp_path / "figure.png")
        inside = Bbox.from_extents(0, 0, *drawn.get_size_inches()).padded(0.01)
        tight = drawn.get_tightbbox()
        assert inside.x0 <= tight.x0, name
        assert inside.y0 <= tight.y0, name
        assert tight.x1 <= inside.x1, name
        assert tight.y1 <= inside.y1, name
        title = drawn.texts[0].get_window_extent()
        assert not any(title.overlaps(axes.get_tightbbox()) for axes in drawn.axes), name
        assert 5.94 <= drawn.get_size_inches()[0] <= 9.06, name  # inches: as wide as a page
        legends = [axes.get_legend() for axes in drawn.axes if axes.get_legend()]
        texts = [t.get_text() for legend in legends for t in legend.get_texts()]
        if figure.__class__ in (Umap, RocPr):
            assert any(text.startswith(r"_a\$x^2\$") for text in texts)


@pytest.mark.parametrize("path", sorted(MEMBERS.glob("*.yaml")), ids=lambda p: p.stem)
def test_each_member_is_one_key_that_builds_a_figure(path):
    content = yaml.safe_load(path.read_text())
    assert list(content) == [path.stem]
    figure = instantiate(content[path.stem])
    assert callable(figure.tables)
    assert callable(figure.draw)
