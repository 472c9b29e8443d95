"""The README's Python example runs as printed; its commands name things that exist."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from harness.data.demo import Demo

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_scores_every_batch() -> None:
    profiles = Demo(size="tiny").profiles()
    wells = profiles.wells[["plate", "well", "batch", "compound"]].reset_index(drop=True)
    df = pd.concat([wells, pd.DataFrame(profiles.X, columns=list(profiles.features))], axis=1)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names: dict[str, object] = {"df": df}
    exec(example, names)
    scores = names["scores"]
    assert isinstance(scores, pd.DataFrame)
    folds = scores[scores["over"] == "fold"]
    assert list(folds["fold"]) == list(pd.unique(wells["batch"]))
    mean = scores.loc[scores["over"] == "mean", "value"].item()
    assert mean == pytest.approx(folds["value"].mean())
    assert np.isfinite(scores["value"]).all()


def test_every_normalization_stands_in_the_table() -> None:
    members = {path.stem for path in (ROOT / "conf" / "norm").glob("*.yaml")}
    section = README.partition("## Normalizations")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    assert {len(row) for row in rows} == {7}
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(named) == sorted(members)


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.M))
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
