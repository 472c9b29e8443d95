from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.audit.batch_probe import BatchProbe
from harness.types import NotApplicable, Profiles

KEY = "batch_effect/probe_balanced_accuracy"


def shifted(profiles: Profiles, size: float, by: str = "batch") -> Profiles:
    """Each batch (or plate) moved along its own direction, ``size`` in sd of a feature."""
    X = profiles.X.copy()
    for i, name in enumerate(profiles.wells[by].unique()):
        rows = (profiles.wells[by] == name).to_numpy()
        X[rows] += np.float32(5 * size) * np.random.default_rng(i).standard_normal(X.shape[1]).astype(np.float32)
    return profiles.replace(X=X)


def findings(audited: Any, profiles: Profiles, seed: int = 0, n_permutations: int = 3) -> dict[str, Any]:
    check = BatchProbe(n_folds=3, n_permutations=n_permutations)
    return {f.key.removeprefix(KEY): f for f in check.findings(audited(profiles, seed=seed))}


def test_a_planted_batch_effect_is_found_on_unseen_plates(audited: Any, noise_screen: Any) -> None:
    profiles = shifted(noise_screen(n_plates=16, n_batches=4, n_features=15), 2.0)
    found = findings(audited, profiles, n_permutations=10)
    assert found[""].value > 0.95
    assert found["_null_upper"].value < 0.6
    assert found["_p"].value == pytest.approx(1 / (1 + found["_null_mean"].n))
    assert found["_chance"].value == 0.25
    assert found[""].n == 16 * 8
    assert found["_null_mean"].n == 6  # the answer was clear


def test_without_a_batch_effect_the_probe_scores_like_its_null(audited: Any, noise_screen: Any) -> None:
    values, nulls, ps = [], [], []
    for seed in range(4):
        found = findings(audited, noise_screen(n_plates=16, n_batches=4, n_features=15, seed=seed), seed, 7)
        values.append(found[""].value)
        nulls.append(found["_null_mean"].value)
        ps.append(found["_p"].value)
    # 128 wells: one balanced accuracy has a standard error of about 0.04, the mean of four 0.02
    assert abs(np.mean(values) - np.mean(nulls)) < 0.08
    assert abs(np.mean(nulls) - 0.25) < 0.06
    assert max(ps) > 0.2


def test_a_plate_effect_alone_is_no_batch_effect(audited: Any, noise_screen: Any) -> None:
    """Whole plates are held out: what distinguishes one plate says nothing about another of its batch.

    16 plates, each right or wrong as a whole: one accuracy has a standard error of 0.11, the mean of three 0.06.
    """
    found = [
        findings(audited, shifted(noise_screen(n_plates=16, n_batches=4, n_features=15, seed=s), 3.0, by="plate"), s)
        for s in range(3)
    ]
    assert np.mean([f[""].value for f in found]) < 0.45
    assert np.mean([f["_null_mean"].value for f in found]) < 0.45


def test_only_control_wells_are_read(audited: Any, noise_screen: Any) -> None:
    profiles = shifted(noise_screen(n_features=20), 1.0)
    X = profiles.X.copy()
    X[(profiles.wells["role"] == "treated").to_numpy()] = 1e6
    assert repr(findings(audited, profiles.replace(X=X))) == repr(findings(audited, profiles))


def test_the_answer_is_reproducible(audited: Any, noise_screen: Any) -> None:
    profiles = shifted(noise_screen(n_features=20), 0.3)
    assert repr(findings(audited, profiles)) == repr(findings(audited, profiles))


def test_batches_of_one_plate_are_left_out_and_named(audited: Any, noise_screen: Any) -> None:
    profiles = shifted(noise_screen(n_plates=9, n_batches=3, n_features=20), 2.0)
    alone = profiles.wells["batch"].where(profiles.wells["plate"] != "p08", "b9")
    found = findings(audited, profiles.replace(wells=profiles.wells.assign(batch=alone)))
    assert found[""].reason == "by linear; batches with one plate left out: ['b9']"
    assert found[""].n == 8 * 8
    assert found["_chance"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(("n_plates", "n_batches"), [(4, 4), (4, 1)])
def test_too_few_plates_or_batches_are_not_applicable(
    audited: Any, noise_screen: Any, n_plates: int, n_batches: int
) -> None:
    with pytest.raises(NotApplicable, match="needs 2 batches of 2 plates or more"):
        findings(audited, noise_screen(n_plates=n_plates, n_batches=n_batches))


def test_one_batch_left_after_leaving_single_plates_out_is_not_applicable(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=3, n_batches=1)
    batch = profiles.wells["batch"].where(profiles.wells["plate"] != "p02", "b9")
    with pytest.raises(NotApplicable, match="needs 2 batches of 2 plates or more"):
        findings(audited, profiles.replace(wells=profiles.wells.assign(batch=batch)))
