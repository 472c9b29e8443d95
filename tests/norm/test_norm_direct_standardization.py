"""Calibration transfer: known distortions are undone, the equations are least squares, noise stays noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from correlated import auroc_of_norm, correlated_noise

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.direct_standardization import DirectStandardization
from harness.norm.engine.normalize import normalize
from harness.norm.engine.transfer_set import QUANTILES, Controls, TransferSet, controls_of, controls_only


def output(profiles: Profiles, split: Split | None = None, **options: Any) -> Doubles:
    return normalize(profiles, DirectStandardization(**options), split, aggregate="none").X.astype(np.float64)


def hold_out_batch(profiles: Profiles, batch: str) -> Split:
    test = (profiles.wells["batch"] == batch).to_numpy()
    return Split(batch, ~test, test)


def rows_of(profiles: Profiles, batch: str) -> Any:
    return (profiles.wells["batch"] == batch).to_numpy()


def with_effects(profiles: Profiles, seed: int) -> tuple[Profiles, Doubles]:
    """Compounds with strong effects on every feature, the same in every batch; and the rows of truth."""
    rng = np.random.default_rng(seed)
    sd = profiles.X.std(axis=0)
    names = sorted(set(profiles.wells["compound"]) - {"DMSO"})
    effect = {name: 4 * sd * rng.standard_normal(len(sd)) for name in names} | {"DMSO": 0 * sd}
    truth = profiles.X + np.stack([effect[c] for c in profiles.wells["compound"]])
    return profiles.replace(X=truth.astype(np.float32)), truth


def test_an_unseen_batch_gets_offset_and_gain_from_its_controls_alone() -> None:
    """An offset and a gain of the unseen batch leave no trace; where the penalty is large the gain stays."""
    profiles = correlated_noise(0, n_features=12)
    unseen = (profiles.wells["batch"] == "b3").to_numpy()
    level, sd = profiles.X.mean(axis=0), profiles.X.std(axis=0)
    X = profiles.X.copy()
    X[unseen] = level + 3 * sd + 2.5 * (X[unseen] - level)
    split, distorted = hold_out_batch(profiles, "b3"), profiles.replace(X=X)
    clean = output(profiles, split, reference="b1", penalty=0)
    np.testing.assert_allclose(output(distorted, split, reference="b1", penalty=0) / sd, clean / sd, atol=1e-3)
    np.testing.assert_allclose(clean[rows_of(profiles, "b1")], X[rows_of(profiles, "b1")], rtol=1e-5)
    held = output(distorted, split, reference="b1", penalty=1e6)
    np.testing.assert_allclose(held[unseen].std(axis=0), X[unseen].std(axis=0), rtol=0.15)
    assert abs((held[unseen].mean(axis=0) - level) / sd).max() < 1.5, "the offset does not wait for the penalty"


def test_a_mixture_of_features_is_undone_by_shared_compounds_and_not_by_controls() -> None:
    profiles, truth = with_effects(correlated_noise(1, n_features=12, n_plates=16), 1)
    rng = np.random.default_rng(2)
    sd = truth.std(axis=0)
    mixing = np.eye(12) + 0.5 * rng.standard_normal((12, 12)) / np.sqrt(12)
    own = (profiles.wells["batch"] == "b2").to_numpy()
    X = truth.copy()
    X[own] = (truth[own] - truth.mean(axis=0)) / sd @ mixing * sd + truth.mean(axis=0) + 2 * sd
    profiles = profiles.replace(X=X.astype(np.float32))
    alone = profiles.replace(wells=profiles.wells.drop(columns="compound"))

    def distance(Z: Any) -> float:
        centred = Z[own] - Z[own].mean(axis=0) - (truth[own] - truth[own].mean(axis=0))
        return float(np.sqrt(((centred / sd) ** 2).mean()))

    assert distance(output(profiles, reference="b0")) < 0.5 * distance(X)
    assert distance(output(alone, reference="b0")) > 0.8 * distance(X)


def test_the_equations_are_weighted_least_squares_on_all_standards() -> None:
    rng = np.random.default_rng(3)
    own, ref = (controls_of(rng.standard_normal((n, 4)) * scale) for n, scale in ((30, 2.0), (50, 1.0)))
    noiseless = Controls(own.n, own.mean, own.quantiles, np.zeros((4, 4)))
    A, B = rng.standard_normal((2, 7, 4))
    n, n_ref = rng.integers(1, 5, (2, 7)).astype(float)
    penalty = 0.3
    rows, targets, weights = [], [], []
    for axis in range(4):
        for q in range(len(QUANTILES)):
            rows.append(np.eye(4)[axis] * own.quantiles[q, axis])
            targets.append(np.eye(4)[axis] * ref.quantiles[q, axis])
            weights.append(own.n / len(QUANTILES))
    rows, targets = np.concatenate([rows, A]), np.concatenate([targets, B])
    root = np.sqrt(np.concatenate([weights, 2 / (1 / n + 1 / n_ref)]))[:, None]
    unit = ((root * rows) ** 2).sum() / 4
    stacked = np.concatenate([root * rows, np.sqrt(penalty * unit) * np.eye(4)])
    expected = np.linalg.lstsq(stacked, np.concatenate([root * (targets - rows), np.zeros((4, 4))]))[0]
    got = TransferSet(noiseless, ref, A, B, n, n_ref).transfer(penalty)
    np.testing.assert_allclose(got.change, expected, atol=1e-9)
    np.testing.assert_allclose(got(own.mean[None]), ref.mean[None])


def test_noise_of_standards_is_taken_out_so_that_effects_do_not_shrink() -> None:
    """Two wells a batch of each of 3,000 compounds whose effects have the size of the noise."""
    rng = np.random.default_rng(4)
    effect = rng.standard_normal((3000, 3))
    A, B = (effect + rng.standard_normal((3000, 3)) / np.sqrt(2) for _ in range(2))
    own, ref = (controls_of(rng.standard_normal((40, 3))) for _ in range(2))
    two = np.full(3000, 2.0)
    gain = np.diag(TransferSet(own, ref, A, B, two, two).transfer(1e-4).change) + 1
    naive = np.diag(np.linalg.lstsq(A, B)[0])
    assert gain == pytest.approx(1, abs=0.15)
    assert naive == pytest.approx(2 / 3, abs=0.05)


def test_without_any_effect_treated_wells_keep_their_spread_and_controls_are_not_given_away() -> None:
    """96 controls among 384 wells, 6 screens; 4 standard errors are 0.056."""
    screens = [correlated_noise(seed, n_features=40) for seed in range(6)]
    assert abs(np.mean([auroc_of_norm(s, DirectStandardization(), in_units=True) for s in screens]) - 0.5) < 0.056
    treated = (screens[0].wells["role"] == "treated").to_numpy()
    kept = output(screens[0])[treated].std(axis=0) / screens[0].X[treated].std(axis=0)
    assert 0.85 < np.median(kept) < 1.15


def test_what_lies_outside_the_axes_stays(screen: Any) -> None:
    profiles = screen(awkward=False, n_features=30)
    moved = output(profiles, n_components=4) - profiles.X
    moved /= profiles.X.std(axis=0)
    assert np.linalg.matrix_rank(moved, tol=1e-3 * np.abs(moved).max() * len(moved)) <= 4
    assert np.abs(moved).max() > 0.1


def test_the_reference_is_the_training_batch_with_most_control_wells(screen: Any) -> None:
    profiles = screen(awkward=False)
    role = profiles.wells["role"].where(profiles.wells["plate"] != "p5", "treated")
    more = profiles.replace(wells=profiles.wells.assign(role=role))
    for batch, others in (("b3", "b2"), ("b2", "b3")):
        got = output(more, hold_out_batch(profiles, batch))
        same = (profiles.wells["batch"] == others).to_numpy()
        np.testing.assert_allclose(got[same], profiles.X[same], rtol=1e-5, atol=1e-3)


def test_the_penalty_holds_the_map_at_an_offset() -> None:
    rng = np.random.default_rng(5)
    own, ref = controls_of(3 * rng.standard_normal((30, 4))), controls_of(rng.standard_normal((30, 4)) + 2)
    free, held = (controls_only(own, ref).transfer(p) for p in (0, 1e9))
    np.testing.assert_allclose(np.diag(free.change) + 1, 1 / 3, atol=0.15)
    np.testing.assert_allclose(held.change, 0, atol=1e-6)


def test_what_cannot_work_is_refused(screen: Any) -> None:
    profiles = screen()
    with pytest.raises(InputError, match=r"norm.reference=b9 is no training batch; choose one of \['b1', 'b2', 'b3'\]"):
        output(profiles, reference="b9")
    with pytest.raises(InputError, match="one training batch, 'b1'; a second one is needed"):
        output(screen(n_batches=1))
    with pytest.raises(InputError, match="penalty 'none'; expected a number >= 0 or 'auto'"):
        output(profiles, penalty="none")
    with pytest.raises(InputError, match="n_components 0; expected a whole number"):
        output(profiles, n_components=0)
    bare = profiles.wells["role"].where(profiles.wells["batch"] != "b2", "treated")
    with pytest.raises(InputError, match="batch 'b2' has 0 negative control wells once a fold is left out"):
        output(profiles.replace(wells=profiles.wells.assign(role=bare)))
