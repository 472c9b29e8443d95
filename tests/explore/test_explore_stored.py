from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.explore.__main__ import main
from harness.explore.stored import select_runs, views_of, with_scores
from harness.tracking.tracking import Tracking


@dataclass
class Run:
    """A stored run in memory."""

    name: str
    data: str = "aaaa"
    split: str = "ssss"
    status: str = "FINISHED"
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=lambda: {"t/logistic/auroc_by_fold": 0.7})
    predictions: bool = True
    maps: tuple[str, ...] = ("umap",)

    @property
    def tags(self) -> dict[str, str]:
        return {
            "data": f"data {self.data}",
            "data_fingerprint": self.data,
            "split": "held out",
            "split_fingerprint": self.split,
            "scope": "plate",
        }

    def table(self, name: str) -> pd.DataFrame:
        if name in self.maps:
            wells = {"plate": ["p2", "p1"], "well": ["B02", "C03"], "batch": "b", "role": "treated"}
            return pd.DataFrame(wells).assign(umap_1=[1.0, 2.0], umap_2=[3.0, 5.0 + self.maps.index(name)])
        if name in ("umap", "explorer") or not self.predictions:
            raise InputError(f"lacks {name}")
        scores = {"plate": ["p1", "p1"], "well": ["C03", "C03"], "score": [0.2, 0.6]}
        return pd.DataFrame(scores).assign(task="t", model=["logistic", "baseline"])

    def file(self, path: str) -> bytes:
        raise InputError(path)


def test_the_newest_finished_run_of_each_name_is_chosen_oldest_first() -> None:
    runs = {"a1": Run("mad"), "b2": Run("raw"), "c3": Run("raw"), "d4": Run("combat", status="FAILED")}
    found = select_runs(runs)
    assert list(found) == ["raw", "mad"]
    assert found["raw"] is runs["b2"]
    assert list(select_runs(runs, ids=["c"]).values()) == [runs["c3"]]


def test_runs_that_do_not_show_the_same_wells_are_refused_until_one_group_is_named() -> None:
    runs = {"a1": Run("raw"), "b2": Run("raw", data="bbbb")}
    with pytest.raises(InputError, match=r"'data bbbb' 'held out' \(--data bbbb --split ssss\)"):
        select_runs(runs)
    assert list(select_runs(runs, data="bb").values()) == [runs["b2"]]
    assert list(select_runs(runs, data="data aaaa").values()) == [runs["a1"]]
    with pytest.raises(InputError, match="no finished run"):
        select_runs(runs, split="other")
    with pytest.raises(InputError, match="--run z: 0 finished runs"):
        select_runs(runs, ids=["z"])


def test_a_view_carries_held_out_scores_of_models_and_says_what_it_shows() -> None:
    [view] = views_of({"raw": Run("raw")})
    assert view.note == "norm raw (plate) · data data aaaa · split held out"
    assert view.scores == ["t/logistic"]
    np.testing.assert_array_equal(view.points["t/logistic"], [np.nan, 0.2])
    assert views_of({"raw": Run("raw", predictions=False)})[0].scores == []


def test_runs_without_a_map_are_left_out_and_the_map_of_more_wells_comes_first() -> None:
    runs = {"raw": Run("raw", maps=()), "mad": Run("mad", maps=("umap", "explorer")), "z": Run("z")}
    views = views_of(runs)
    assert [view.name for view in views] == ["mad", "z"]
    assert [view.points["umap_2"].max() for view in views] == [6.0, 5.0]
    with pytest.raises(InputError, match="none of raw has a map"):
        views_of({"raw": runs["raw"]})


def test_a_well_held_out_twice_has_the_mean_and_its_sites_share_it() -> None:
    points = pd.DataFrame({"plate": "p", "well": ["B02", "B02", "B03"], "site": ["1", "2", "1"]})
    predictions = pd.DataFrame({"plate": "p", "well": ["B02", "B02"], "task": "t", "model": "m", "score": [0.25, 0.75]})
    np.testing.assert_array_equal(with_scores(points, predictions, [("t", "m")])["t/m"], [0.5, 0.5, np.nan])


def test_the_command_writes_a_page_of_recorded_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri, out = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "page.html"
    tracking = Tracking(uri=uri, artifacts=str(tmp_path / "artifacts"), experiment="toy")
    for name in ("raw", "mad", "combat"):
        with tracking.run(name, params={}, tags=Run(name).tags, dataset=("toy", "aaaa")) as recorder:
            if name != "combat":
                recorder.table("umap", Run(name).table("umap"))
    assert main(["--uri", uri, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2 points, 2 normalizations (raw, mad)" in said
    assert "Left out because they have no map (figure umap or explorer): combat" in said
    assert "Map of wells: toy" in out.read_text(encoding="utf-8")
    assert main(["toy", "--uri", uri, "--out", str(tmp_path / "no" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err
