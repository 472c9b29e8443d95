from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import run_command

pytestmark = pytest.mark.slow

SMALL = ("data.size=tiny", "model=[logistic]", "baseline=[cell_count]", "metric=[auroc]", "n_resamples=20")


def test_the_figure_reads_the_settings_of_the_check(member: Callable[..., Any]) -> None:
    chosen = ("audit=[known_effects]", "audit.known_effects.column=dose", "audit.known_effects.duplicates=mean")
    figure = member("figure", "known_effects", *chosen)
    assert (figure.column, figure.duplicates, figure.score) == ("dose", "mean", "score")
    assert member("figure", "known_effects", *chosen, "figure.known_effects.column=ic50").column == "ic50"
    assert member("figure", "known_effects").column is None


def test_a_run_on_the_simulated_screen_records_the_planted_strength(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.figure.umap.embed", lambda X, **_: X[:, :2].astype(float))  # compiles for seconds
    chosen = ("audit=[known_effects]", "figure=[known_effects,cell_counts]")
    outcome = run_command(folder, "+norm=dmso_within", *SMALL, *chosen)
    assert outcome.status == 0, outcome.err
    files = {path.stem: path for path in folder.glob("mlruns/artifacts/**/tables/*.parquet")}
    points = pd.read_parquet(files["known_effects"])
    assert {"known_score", "raw_distance", "distance", "dmso_vs_treated_logistic", "cell_count"} <= set(points)
    rho = pd.read_parquet(files["known_effects_spearman"]).set_index("measure")["value"]
    assert rho["distance"] > 0.2
    models = pd.read_parquet(files["cell_count_baseline"])
    assert len(models) == 2
    assert {"known_effects", "known_effects_umap", "cell_counts", "cell_count_effect"} <= {
        path.stem for path in folder.glob("mlruns/artifacts/**/figures/*.png")
    }


def test_a_table_that_does_not_fit_is_refused_before_anything_is_trained(folder: Path) -> None:
    (folder / "scores.csv").write_text("compound,score\nBRD-1,0.5\n")
    settings = ("audit=[known_effects]", "figure=[]", "audit.known_effects.path=scores.csv")
    outcome = run_command(folder, "+norm=raw", *SMALL, *settings)
    assert outcome.status == 2
    assert "scores.csv: matches no row of the screen's wells" in outcome.err
    assert not list(folder.glob("mlruns/artifacts/**/tables/*.parquet"))
