from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import compound_screen

import harness.audit.replicate.metric_wells as module
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.pair_products import pair_products
from harness.audit.replicate.similarity import replicate_pairs
from harness.core.exceptions import NotApplicable


def test_replicates_share_treatment_and_differ_in_position() -> None:
    treatment, position = np.array([2, 0, -1, 0, 2, 0, -1]), np.array([0, 5, 5, 6, 1, 6, 5])
    query, mate = replicate_pairs(treatment, position)
    assert list(zip(query.tolist(), mate.tolist(), strict=True)) == [(0, 4), (1, 3), (1, 5), (3, 1), (4, 0), (5, 1)]


def test_a_treatment_is_a_compound_at_a_dose(audited: Any) -> None:
    profiles = compound_screen()
    wells = metric_replicates(audited(profiles))
    last = wells.wells["compound"].to_numpy() == "c11"
    assert wells.wells.loc[last, "dose"].nunique() == len(np.unique(wells.treatment[last])) == 2
    assert len(np.unique(wells.compound[last])) == 1
    without = metric_replicates(audited(profiles.replace(wells=profiles.wells.drop(columns="dose"))))
    assert without.treatment.max() == 11
    unknown = metric_replicates(audited(profiles.replace(wells=profiles.wells.assign(dose=np.nan))))
    np.testing.assert_array_equal(unknown.treatment, without.treatment)


def test_only_controls_and_replicated_compounds_are_kept(audited: Any) -> None:
    profiles = compound_screen()
    wells = profiles.wells.copy()
    treated = np.flatnonzero(wells["role"] == "treated")
    wells.loc[treated[0], "compound"] = "lonely"
    wells.loc[treated[1], "compound"] = None
    wells.loc[treated[2], "role"] = "poscon"
    kept = metric_replicates(audited(profiles.replace(wells=wells)))
    assert len(kept.wells) == len(wells) - 3
    assert set(kept.wells.loc[kept.treatment < 0, "role"]) == {"negcon"}
    assert (kept.treatment[kept.wells["role"] == "treated"] >= 0).all()


def test_units_are_the_same_for_every_plate_and_zero_is_the_mean_control(audited: Any) -> None:
    wells = metric_replicates(audited(compound_screen()))
    np.testing.assert_allclose(wells.Z.std(axis=0, dtype=np.float64), 1, rtol=1e-4)
    np.testing.assert_allclose(wells.Z[wells.treatment < 0].mean(axis=0, dtype=np.float64), 0, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(wells.cosine, axis=1), 1, rtol=1e-5)
    a, b = wells.pairs
    expected = [np.corrcoef(wells.Z[i], wells.Z[j])[0, 1] for i, j in zip(a, b, strict=True)]
    np.testing.assert_allclose(pair_products(wells.pearson, a, b), expected, atol=1e-5)


def test_a_feature_that_is_constant_on_controls_does_not_outweigh_the_others(audited: Any) -> None:
    profiles = compound_screen()
    control = (profiles.wells["role"] == "negcon").to_numpy()
    X = profiles.X.copy()
    X[control, 0] = 1e-3 * (profiles.wells.loc[control, "plate"] == "p9")
    wells = metric_replicates(audited(profiles.replace(X=X)))
    assert np.abs(wells.Z[:, 0]).max() < 5


def test_constant_features_are_left_out_and_huge_levels_do_no_harm(audited: Any) -> None:
    profiles = compound_screen()
    X = np.c_[np.full(len(profiles.X), 1e7 + 1), profiles.X].astype(np.float32)
    got = metric_replicates(audited(profiles.replace(X=X, features=[f"g{i}" for i in range(X.shape[1])])))
    np.testing.assert_array_equal(got.Z, metric_replicates(audited(profiles)).Z)


def test_limits_choose_the_same_treatments_for_every_normalization(audited: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MOST_WELLS", 20)
    monkeypatch.setattr(module, "MOST_REPLICATES", 3)
    profiles = compound_screen()
    first, second = (
        metric_replicates(audited(profiles)),
        metric_replicates(audited(profiles.replace(X=profiles.X[:, ::-1].copy()))),
    )
    sizes = np.bincount(first.treatment[first.treatment >= 0])
    assert 15 < sizes.sum() <= 20
    assert set(sizes) == {2, 3} or set(sizes) == {3}
    assert first.wells.equals(second.wells)


def test_replicates_within_one_batch_carry_a_caveat(audited: Any) -> None:
    profiles = compound_screen()
    assert metric_replicates(audited(profiles)).caveat == ""
    one = metric_replicates(audited(profiles.replace(wells=profiles.wells.assign(batch="b"))))
    assert one.caveat == "100% of replicate pairs lie in one batch, whose effect makes them alike too"


def test_what_cannot_be_scored_is_declined(audited: Any) -> None:
    profiles = compound_screen()
    wells = profiles.wells

    def declined(match: str, **columns: Any) -> None:
        with pytest.raises(NotApplicable, match=match):
            metric_replicates(audited(profiles.replace(wells=wells.assign(**columns))))

    with pytest.raises(NotApplicable, match="no compound is known"):
        metric_replicates(audited(profiles.replace(wells=wells.drop(columns="compound"))))
    declined("none of 60 treated wells has a replicate", compound=[f"x{i}" for i in range(len(wells))])
    declined("none of 0 treated wells", compound=None)
    fixed = np.where(wells["role"] == "treated", "A" + wells["compound"].str[1:], wells["well"])
    declined("same well on all its plates", well=fixed)
    declined("no control well", role=wells["role"].replace("negcon", "empty"))
    with pytest.raises(NotApplicable, match="no feature of the normalized profiles varies"):
        metric_replicates(audited(profiles.replace(X=np.ones_like(profiles.X))))
