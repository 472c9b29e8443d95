from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from audit_toys import shuffled

from harness.audit.batch_probe import BatchProbe
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean

pytestmark = pytest.mark.slow

KEY = "batch_effect/probe_balanced_accuracy"


def shifted(profiles: Profiles, size: float, by: str = "batch") -> Profiles:
    """Move each batch (or plate) along its own direction by ``size`` sd of a feature."""
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


@pytest.mark.parametrize("size", [0.0, 0.3, 2.0])
def test_above_chance_is_above_the_null_and_above_a_guess(audited: Any, noise_screen: Any, size: float) -> None:
    found = findings(audited, shifted(noise_screen(n_plates=16, n_batches=4, n_features=15), size))
    base = max(found["_null_mean"].value, 0.25)
    above = found["audit/batch_probe/controls/above_chance"]
    assert above.value == pytest.approx((found[""].value - base) / 0.75)
    assert above.lower <= above.value <= above.upper
    assert above.value <= found["audit/batch_probe/controls/excess"].value + 1e-9


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
    assert found[""].reason.endswith("batches with one plate left out: ['b9']")
    assert found[""].n == 8 * 8
    assert found["_chance"].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(("n_plates", "n_batches", "code"), [(4, 4, "plate_is_batch"), (4, 1, "one_batch")])
def test_too_few_plates_or_batches_are_not_applicable(
    audited: Any, noise_screen: Any, n_plates: int, n_batches: int, code: str
) -> None:
    with pytest.raises(NotApplicable, match="needs 2 batches of 2 plates or more") as caught:
        findings(audited, noise_screen(n_plates=n_plates, n_batches=n_batches))
    assert caught.value.code == code


def test_one_batch_left_after_leaving_single_plates_out_is_not_applicable(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=3, n_batches=1)
    batch = profiles.wells["batch"].where(profiles.wells["plate"] != "p02", "b9")
    with pytest.raises(NotApplicable, match="needs 2 batches of 2 plates or more") as caught:
        findings(audited, profiles.replace(wells=profiles.wells.assign(batch=batch)))
    assert caught.value.code == "few_plates"


CONTROLS, TREATED = "audit/batch_probe/controls/excess", "audit/batch_probe/treated/excess"


def compounds(profiles: Profiles) -> Profiles:
    """Add 20 compounds, each on every plate once or more."""
    treated = (profiles.wells["role"] == "treated").to_numpy()
    number = profiles.wells.groupby(["plate", "role"]).cumcount().to_numpy() % 20
    names = np.where(treated, np.char.add("c", number.astype(str)), "DMSO")
    return profiles.replace(wells=profiles.wells.assign(compound=names))


@pytest.mark.parametrize("normalizer", [None, DmsoWithin()])
def test_excess_of_batches_that_differ_and_of_batches_that_do_not(
    audited: Any, noise_screen: Any, normalizer: Normalizer | None
) -> None:
    profiles = compounds(noise_screen(n_plates=20, n_batches=5, k=16, n_features=20))
    none = {f.key: f for f in BatchProbe().findings(audited(profiles, normalizer))}
    assert none[CONTROLS].upper < 0.15
    assert none[TREATED].upper < 0.15
    profiles = compounds(noise_screen(n_plates=20, n_batches=5, k=16, n_features=20))
    spread = {f.key: f for f in BatchProbe().findings(audited(shapes(profiles), normalizer))}
    for name in ("controls", "treated"):
        finding = spread[f"audit/batch_probe/{name}/excess"]
        assert finding.lower > 0.15
        assert finding.value > spread[f"audit/batch_probe/{name}/null_upper"].value
        assert finding.code == ""


def shapes(profiles: Profiles) -> Profiles:
    """Turn each batch's wells in feature space after stretching some features: only correlations tell the batch."""
    X = profiles.X - profiles.X.mean(axis=0)
    X *= np.geomspace(0.3, 3, X.shape[1]).astype(np.float32)
    for i, name in enumerate(profiles.wells["batch"].unique()):
        rows = (profiles.wells["batch"] == name).to_numpy()
        turn = np.linalg.qr(np.random.default_rng(i).standard_normal((X.shape[1],) * 2))[0]
        X[rows] = X[rows] @ turn.astype(np.float32)
    return profiles.replace(X=X)


def test_few_partitions_are_no_null(audited: Any, noise_screen: Any) -> None:
    found = findings(audited, shifted(compounds(noise_screen(n_plates=4, n_batches=2)), 2.0), n_permutations=20)
    assert found[CONTROLS].code == found[TREATED].code == "few_partitions"
    assert found["_null_mean"].n == 2
    assert found["audit/batch_probe/controls/plates"].lower > 0.2


def test_not_even_plates_are_told_of_noise(audited: Any, noise_screen: Any) -> None:
    found = findings(audited, noise_screen(n_plates=4, n_batches=2, k=16, n_features=10))
    plates = found["audit/batch_probe/controls/plates"]
    assert abs(plates.value) < 0.2
    assert plates.lower < 0.05


def test_controls_that_cannot_be_hidden_are_read_as_they_are_and_named(audited: Any, noise_screen: Any) -> None:
    found = findings(audited, shifted(noise_screen(n_plates=12, n_batches=3, k=3), 2.0))
    assert found[CONTROLS].code == "controls_were_read"
    assert found[CONTROLS].n == 36


def test_compounds_of_one_batch_leave_controls_alone(audited: Any, noise_screen: Any) -> None:
    profiles = compounds(noise_screen())
    names = profiles.wells["compound"].where(profiles.wells["role"] == "negcon", profiles.wells["batch"])
    found = findings(audited, profiles.replace(wells=profiles.wells.assign(compound=names)))
    assert found[TREATED].code == "compounds_in_one_batch"
    assert not np.isnan(found[CONTROLS].value)


def test_a_compound_effect_is_no_batch_effect(audited: Any, noise_screen: Any) -> None:
    profiles = compounds(noise_screen(n_plates=12, n_batches=3, k=16, n_features=20))
    X = profiles.X.copy()
    for i in range(20):
        X[(profiles.wells["compound"] == f"c{i}").to_numpy(), i] += 60
    found = findings(audited, profiles.replace(X=X), n_permutations=7)
    assert found[TREATED].lower < 0.1


@pytest.mark.parametrize(("normalizer", "times"), [(DmsoWithin(), 0), (DmsoAcross(), 1), (Mean(), 4)])
def test_the_screen_is_normalized_anew_only_if_batches_matter(
    audited: Any, noise_screen: Any, normalizer: Normalizer, times: int
) -> None:
    context = audited(shifted(noise_screen(n_plates=12, n_batches=3), 1.0), normalizer)
    tables = []

    def normalize(profiles: Profiles) -> Any:
        tables.append(profiles.wells)
        return context.normalize(profiles)

    list(BatchProbe(n_permutations=4).findings(replace(context, normalize=normalize, normalizer=normalizer)))
    n_parts = 2
    assert len(tables) == n_parts * (1 + times)
    if times > 1:
        batches = {tuple(table.drop_duplicates("plate")["batch"]) for table in tables}
        assert len(batches) == 1 + times


def test_the_order_of_rows_does_not_matter(audited: Any, noise_screen: Any) -> None:
    profiles = compounds(shifted(noise_screen(n_plates=9, n_batches=3), 0.3))
    found, other = findings(audited, profiles), findings(audited, shuffled(profiles))
    for key in (CONTROLS, TREATED):
        assert other[key].value == pytest.approx(found[key].value, abs=0.05)


def test_plates_without_controls_are_left_out(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=12, n_batches=3)
    role = profiles.wells["role"].where(profiles.wells["plate"] != "p00", "treated")
    found = findings(audited, profiles.replace(wells=profiles.wells.assign(role=role)))
    assert found[CONTROLS].code == "controls_were_read"
    assert found[CONTROLS].n == 11 * 8
    with pytest.raises(NotApplicable, match="no control wells") as caught:
        findings(audited, profiles.replace(wells=profiles.wells.assign(role="treated")))
    assert caught.value.code == "no_controls"
