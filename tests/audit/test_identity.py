from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, compound_screen, shuffled
from sklearn.metrics import average_precision_score

import harness.audit.replicate.retrieval as module
from harness.audit.identity import Identity
from harness.audit.replicate.retrieval import Retrieval, moved_labels, retrieve
from harness.audit.replicate.selection import PairRule, ReplicateWells, replicate_wells
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin

STRICT = PairRule(batch=True, position=True)


def toy(rule: PairRule = STRICT) -> tuple[Any, ReplicateWells, Retrieval]:
    profiles = compound_screen(effect=0.7)
    wells = replicate_wells(profiles.wells, 0)
    Z = np.random.default_rng(3).standard_normal((len(wells.rows), 4)).astype(np.float32)
    Z += 2 * np.eye(len(np.unique(wells.treatment)), 4, dtype=np.float32)[wells.treatment]
    U = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    return U, wells, retrieve([U], wells, rule, 0)[0]


def apart(wells: ReplicateWells, i: int, rule: PairRule) -> Any:
    differ = wells.plate != wells.plate[i]
    if rule.batch:
        differ &= wells.batch != wells.batch[i]
    if rule.position:
        differ &= wells.position != wells.position[i]
    return differ


@pytest.mark.parametrize("rule", [STRICT, PairRule(batch=False, position=True), PairRule(batch=True, position=False)])
def test_it_equals_scikit_learn_well_by_well(rule: PairRule) -> None:
    U, wells, retrieval = toy(rule)
    S, n_scored = U.astype(np.float64) @ U.T, 0
    for i in range(len(U)):
        differ = apart(wells, i, rule)
        positive = differ & (wells.treatment == wells.treatment[i])
        there = np.isin(wells.plate, wells.plate[positive])
        ranked = positive | (differ & there & (wells.compound != wells.compound[i]))
        if not positive.any():
            assert np.isnan(retrieval.average_precision[i])
            continue
        n_scored += 1
        expected = average_precision_score(positive[ranked], S[i, ranked])
        assert retrieval.average_precision[i] == pytest.approx(expected, abs=1e-6)
        assert retrieval.recall[i] == positive[np.flatnonzero(ranked)[S[i, ranked].argmax()]]
    assert n_scored > 30


def test_blocks_change_nothing(monkeypatch: Any) -> None:
    whole = toy()[2]
    monkeypatch.setattr(module, "BLOCK", 7)
    parts = toy()[2]
    for field in ("average_precision", "recall", "chance"):
        np.testing.assert_allclose(getattr(parts, field), getattr(whole, field))


def test_identical_profiles_score_no_more_than_chance() -> None:
    _, wells, _ = toy()
    same = retrieve([np.ones((len(wells.rows), 3), dtype=np.float32)], wells, STRICT, 0)[0]
    assert np.nanmean(same.average_precision) <= np.nanmean(same.chance) + 0.02
    assert np.nanmax(same.recall) == 0


def test_moved_labels_stay_on_their_plate_and_move() -> None:
    _, wells, _ = toy()
    order = moved_labels(wells, 0, 0)
    np.testing.assert_array_equal(wells.plate[order], wells.plate)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(order)))
    assert (order != np.arange(len(order))).mean() > 0.5


def findings(audited: Any, profiles: Profiles, normalizer: Any = None) -> dict[str, Any]:
    return {key.rpartition("/")[2]: f for key, f in by_key(Identity().findings(audited(profiles, normalizer))).items()}


def test_what_is_scaled_by_controls_is_its_own_yardstick(audited: Any) -> None:
    scores = findings(audited, compound_screen(batch_shift=3.0), DmsoWithin())
    assert scores["map"].value == scores["map_yardstick"].value > scores["map_raw"].value
    assert scores["minus_yardstick"].value == scores["minus_yardstick"].upper == 0
    assert scores["kept"].value == scores["kept"].lower == 1
    assert scores["above_chance"].lower > 0.1
    assert scores["recall_at_1"].value == scores["recall_at_1_yardstick"].value > 0.3


def test_what_hides_behind_the_batch_is_not_lost(audited: Any) -> None:
    scores = findings(audited, compound_screen(batch_shift=3.0))
    assert scores["minus_yardstick"].upper < 0
    assert scores["kept"].upper < 0.9
    assert scores["map_recentred"].value == scores["map_yardstick"].value
    assert scores["kept_recentred"].value == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_retrieved_from_noise(audited: Any, seed: int) -> None:
    scores = findings(audited, compound_screen(effect=0.0, n_compounds=40, seed=seed))
    assert scores["above_chance"].lower < 0.02
    assert scores["above_chance"].upper < 0.12
    assert scores["kept"].code == "nothing_retrieved"
    assert np.isnan(scores["kept"].value)


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=1.0)
    one, other = findings(audited, profiles), findings(audited, shuffled(profiles))
    for key in one:
        assert one[key].value == pytest.approx(other[key].value, abs=2e-3)
        assert one[key].lower == pytest.approx(other[key].lower, abs=2e-3)


def moved(profiles: Profiles, **columns: Any) -> Profiles:
    return profiles.replace(wells=profiles.wells.assign(**columns))


def test_rules_give_way_to_the_design(audited: Any) -> None:
    profiles = compound_screen()
    assert findings(audited, profiles)["map"].code == ""
    w = profiles.wells
    single = moved(profiles, batch="b", compound=w["compound"])
    assert findings(audited, single)["map"].code == "same_batch"
    code = pd.factorize(w["compound"])[0]
    spot = [f"t{c}" if role == "treated" else well for c, role, well in zip(code, w["role"], w["well"], strict=True)]
    fixed = findings(audited, moved(profiles, well=spot))
    assert fixed["map"].code == "same_position"
    assert "position" in fixed["map"].reason


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"compound": ""}, "no_compounds"),
        ({"compound": "DMSO"}, "no_compounds"),
        ({"compound": [str(i) for i in range(1000)]}, "no_replicates"),
        ({"compound": "one"}, "few_compounds"),
    ],
)
def test_what_cannot_be_answered_says_why(audited: Any, columns: Any, code: str) -> None:
    profiles = compound_screen()
    treated = profiles.wells["role"] == "treated"
    given = pd.Series(
        columns["compound"] if isinstance(columns["compound"], str) else columns["compound"][: len(treated)]
    )
    compound = np.where(treated, np.resize(given, len(treated)), "DMSO")
    with pytest.raises(NotApplicable) as undefined:
        findings(audited, moved(profiles, compound=compound))
    assert undefined.value.code == code


def test_of_too_many_wells_compounds_are_drawn_whatever_the_order() -> None:
    profiles = compound_screen(n_compounds=40)
    wells, again = (p.wells for p in (profiles, shuffled(profiles)))
    some, others = replicate_wells(wells, 0, most=60), replicate_wells(again, 0, most=60)
    assert len(some.rows) <= 60
    assert "of" in some.caveat
    assert set(wells["compound"].iloc[some.rows]) == set(again["compound"].iloc[others.rows])
    assert len(some.rows) == wells["compound"].isin(wells["compound"].iloc[some.rows]).sum()
