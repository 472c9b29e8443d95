from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, compound_screen, shuffled
from sklearn.metrics import average_precision_score

import harness.audit.replicate.label_retrieval as module
from harness.audit.replicate.labelled_profiles import labels_of
from harness.audit.retrieval import RetrievalCheck
from harness.cli.check_overrides import check_overrides
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.numerics.components import standardized

CLASSES = ("x", "y", "z")


def screen(effect: float = 1.5, seed: int = 0, *, batch_shift: float = 0.0) -> Profiles:
    """Make 12 compounds in 3 classes; wells of a class are more alike than their compounds make them."""
    profiles = compound_screen(effect=effect, batch_shift=batch_shift, seed=seed)
    code = pd.factorize(profiles.wells["compound"])[0]
    order = profiles.wells["compound"].str[1:].where(profiles.wells["role"] == "treated", "-1").astype(int)
    label = np.where(order >= 0, np.array(CLASSES)[order // 4], "")
    towards = np.random.default_rng(9).standard_normal((3, profiles.X.shape[1]))
    scale = profiles.X.std(axis=0) * effect
    X = profiles.X + np.where(order.to_numpy()[:, None] >= 0, towards[order // 4] * scale, 0)
    assert len(code) == len(label)
    return profiles.replace(X=X.astype(np.float32), wells=profiles.wells.assign(moa=label))


def findings(audited: Any, profiles: Profiles, **settings: Any) -> dict[str, Any]:
    check = RetrievalCheck(n_permutations=20, **settings)
    return {key.rpartition("/")[2]: f for key, f in by_key(check.findings(audited(profiles))).items()}


def brute(profiles: Profiles, column: str, apart: list[str], *, k: int = 1) -> tuple[float, float, float]:
    """Return mean average precision, recall at k and accuracy of the nearest, by scikit-learn and loops over wells."""
    control = (profiles.wells["role"] == "negcon").to_numpy()
    Z = standardized(profiles.X, origin=control)[~control].astype(np.float64)
    w = profiles.wells[~control].reset_index(drop=True)
    S = Z @ Z.T / np.outer(np.linalg.norm(Z, axis=1), np.linalg.norm(Z, axis=1))
    precision, recall, nearest = [], [], []
    for i in range(len(w)):
        allowed = np.ones(len(w), dtype=bool)
        for name in apart:
            allowed &= (w[name] != w[name][i]).to_numpy()
        allowed[i] = False
        hit = (w[column] == w[column][i]).to_numpy()[allowed]
        if not allowed.any():
            continue
        order = np.argsort(-S[i, allowed])
        nearest.append(hit[order[0]])
        if hit.any():
            precision.append(average_precision_score(hit, S[i, allowed]))
            recall.append(hit[order[:k]].sum() / min(k, hit.sum()))
    return float(np.mean(precision)), float(np.mean(recall)), float(np.mean(nearest))


def test_a_category_equals_brute_force(audited: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "BLOCK", 7)
    profiles = screen(effect=0.5)
    scores = findings(audited, profiles, by="moa", k=3)
    expected = brute(profiles, "moa", ["compound"], k=3)
    for key, value in zip(("map", "recall_at_3", "nsc"), expected, strict=True):
        assert scores[key].value == pytest.approx(value, abs=1e-6)
        assert scores[key].lower < value < scores[key].upper
    assert scores["nscb"].value == pytest.approx(brute(profiles, "moa", ["compound", "batch"])[2])
    assert scores["nsc_other_position"].value == pytest.approx(brute(profiles, "moa", ["compound", "well"])[2])
    assert scores["nscb"].value != scores["nsc"].value


def test_a_compound_equals_brute_force(audited: Any) -> None:
    profiles = screen(effect=0.5)
    scores = findings(audited, profiles, k=2)
    for key, value in zip(("map", "recall_at_2", "nearest"), brute(profiles, "compound", ["plate"], k=2), strict=True):
        assert scores[key].value == pytest.approx(value, abs=1e-6)
    assert scores["nearest_other_batch"].value == pytest.approx(brute(profiles, "compound", ["batch"])[2])


def test_what_is_there_exceeds_the_null(audited: Any) -> None:
    scores = findings(audited, screen(), by="moa")
    for key in ("map", "nsc", "nscb"):
        assert scores[key].value > scores[f"{key}_null_upper"].value > scores[f"{key}_null_mean"].value
        assert scores[f"{key}_p"].value == pytest.approx(1 / 21)


@pytest.mark.parametrize("by", ["moa", "compound"])
def test_neither_noise_nor_batches_pass_for_labels(audited: Any, by: str) -> None:
    noise = [findings(audited, screen(effect=0.0, batch_shift=2.0, seed=seed), by=by) for seed in range(8)]
    for key in [key for key in noise[0] if key.endswith("_p")]:
        assert np.mean([scores[key].value for scores in noise]) > 0.25


def test_treatments_are_means_or_medians(audited: Any) -> None:
    profiles = screen()
    mean = findings(audited, profiles, by="moa", level="treatment_mean")
    assert mean["nsc"].n == 13  # 12 compounds, one at two doses
    odd = profiles.X.copy()
    rows = profiles.wells[profiles.wells["compound"] == "c00"].index
    odd[rows[0]] += 1e6 * odd.std(axis=0)
    outlying = profiles.replace(X=odd)
    median = findings(audited, outlying, by="moa", level="treatment_median", space="as_is")
    assert np.isfinite(median["map"].value)


@pytest.mark.parametrize("space", ["scaled", "as_is", "whitened"])
def test_the_order_of_wells_does_not_matter(audited: Any, space: str) -> None:
    profiles = screen(effect=0.5)
    one, other = (findings(audited, p, by="moa", space=space) for p in (profiles, shuffled(profiles)))
    for key in one:
        assert one[key].value == pytest.approx(other[key].value, abs=1e-6)


def test_labels_of_a_table(audited: Any, tmp_path: Path) -> None:
    profiles = screen()
    pairs = profiles.wells[["compound", "moa"]].drop_duplicates().rename(columns={"compound": "id", "moa": "mechanism"})
    pairs.to_csv(tmp_path / "moa.csv", index=False)
    joined = findings(audited, profiles, by="mechanism", path=str(tmp_path / "moa.csv"), compound="id")
    assert joined["map"].value == findings(audited, profiles, by="moa")["map"].value
    pairs.assign(id="other" + pairs["id"]).to_csv(tmp_path / "none.csv", index=False)
    with pytest.raises(InputError, match="none of its 12 compounds is in the screen"):
        labels_of(profiles.wells, "mechanism", str(tmp_path / "none.csv"), "id")


def test_refusals(audited: Any) -> None:
    profiles = screen()
    with pytest.raises(InputError, match="no column of the wells 'mao'"):
        findings(audited, profiles, by="mao")
    several = profiles.replace(wells=profiles.wells.assign(moa=[CLASSES[i % 3] for i in range(len(profiles.wells))]))
    with pytest.raises(InputError, match="has 3 labels"):
        findings(audited, several, by="moa")
    with pytest.raises(InputError, match="by=compound"):
        RetrievalCheck(level="treatment_mean")
    one = profiles.replace(wells=profiles.wells.assign(moa="x"))
    with pytest.raises(NotApplicable) as undefined:
        findings(audited, one, by="moa")
    assert undefined.value.code == "few_labels"


def test_it_is_a_check_and_no_task() -> None:
    with pytest.raises(InputError, match=r"audit=\[retrieval\]"):
        check_overrides(["task=retrieval"])
