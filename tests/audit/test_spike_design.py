from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import compound_screen, shuffled
from spike_toys import plates_of_wells

from harness.audit.shared.whitening import fit_whitening
from harness.audit.spike.control_scale import control_sd, shrink_scale
from harness.audit.spike.design import by_batch, deal_plates, deal_wells, half_of_plates, pick_wells, same_on_all_plates
from harness.audit.spike.directions import deviations, spike_directions
from harness.audit.spike.displacements import DisplacementSums
from harness.audit.spike.effect_size import effect_sizes, halves_of_plates
from harness.audit.spike.noise import noise_wells
from harness.audit.spike.plate_resamples import resample_alike_plates
from harness.core.profiles import Profiles


@pytest.fixture(scope="module", name="screen")
def toy_screen() -> Profiles:
    return plates_of_wells(n_features=12, n_batches=3, n_plates=4)


def names(profiles: Profiles, codes: Any) -> set[Any]:
    table = profiles.wells.assign(code=codes)
    return set(table[["plate", "well", "code"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("same_positions", [False, True])
def test_which_wells_are_spiked_depends_on_their_names_alone(same_positions: bool) -> None:
    screen = compound_screen()
    other = shuffled(screen)

    def picked(profiles: Profiles, seed: int) -> set[Any]:
        share = same_on_all_plates(profiles.wells, 0.4)
        return names(profiles, pick_wells(profiles.wells, share, same_positions=same_positions, seed=seed))

    assert picked(screen, 1) == picked(other, 1)
    assert picked(screen, 1) != picked(screen, 2)
    assert names(screen, deal_wells(screen.wells, 3, 0.3, 1)) == names(other, deal_wells(other.wells, 3, 0.3, 1))


def test_shares_of_treated_wells_are_nested(screen: Profiles) -> None:
    wells = screen.wells
    few, many = (
        pick_wells(wells, same_on_all_plates(wells, share), same_positions=False, seed=1) for share in (0.1, 0.5)
    )
    assert (few <= many).all()
    assert set(wells["role"][many]) == {"treated"}
    assert wells[few].groupby("plate").size().tolist() == [8] * 12


def test_directions_are_dealt_evenly_and_to_few_wells(screen: Profiles) -> None:
    codes = deal_wells(screen.wells, 8, 0.1, 0)
    count = pd.crosstab(screen.wells["plate"], codes).drop(columns=-1)
    assert (count == 1).all(axis=None)
    assert set(screen.wells["role"][codes >= 0]) == {"treated"}


def test_a_plate_has_one_strong_direction_and_both_halves_have_all(screen: Profiles) -> None:
    halves = np.arange(12) % 2 == 0
    codes = deal_plates(screen.wells, halves, 3, 0.1, 0)
    spiked = screen.wells.assign(code=codes)[codes >= 0]
    assert len(spiked[["plate", "code"]].drop_duplicates()) == 12
    by_plate = spiked.groupby("plate", sort=False)["code"].first().to_numpy()
    for half in (halves, ~halves):
        assert np.bincount(by_plate[half]).tolist() == [2, 2, 2]


def test_half_of_the_plates_are_rich_and_both_halves_of_a_reading_have_them() -> None:
    for n_plates in (2, 3, 4):
        wells = plates_of_wells(n_features=3, n_batches=5, n_plates=n_plates, n_wells=24, n_controls=4).wells
        share = half_of_plates(wells, 0.9, 0.0, 1)
        level = np.array([share[p] for p in wells["plate"].unique()])
        assert abs((level > 0).sum() - (level == 0).sum()) <= 1
        halves = halves_of_plates(wells, level, np.random.default_rng(0))
        assert abs((level[halves] > 0).sum() - (level[~halves] > 0).sum()) <= 1
        drawn = resample_alike_plates(wells, level, halves, 50, 0).plates
        assert (drawn @ (level * halves) == (level * halves).sum()).all()


@pytest.mark.parametrize("n_batches", [2, 5, 6, 7, 23])
def test_prevalence_bound_to_batches_runs_over_its_whole_range_in_few_steps(n_batches: int) -> None:
    plates = [f"p{i}" for i in range(2 * n_batches)]
    wells = pd.DataFrame({"plate": plates, "batch": [f"b{i // 2}" for i in range(2 * n_batches)]})
    prevalence = pd.Series(by_batch(wells, 0.05, 0.9, 3))
    assert (prevalence.min(), prevalence.max()) == pytest.approx((0.05, 0.9))
    assert prevalence.nunique() == min(n_batches, 6)


def test_half_of_the_directions_are_single_compounds_and_half_are_isotropic_in_white_space(screen: Profiles) -> None:
    drawn = spike_directions(screen, 60, 0)
    deviation = deviations(screen)
    compound = screen.wells["compound"].to_numpy()
    means = np.array([deviation[compound == name].mean(axis=0) for name in np.unique(compound)], dtype=np.float64)
    means /= np.sqrt(np.square(means).mean(axis=1, keepdims=True))
    for direction in drawn[:8:2]:
        assert np.abs(means - direction).max(axis=1).min() < 1e-3
    white = fit_whitening(deviation, screen.wells, (screen.wells["role"] == "negcon").to_numpy())
    random = white.displacements(np.array(drawn[1::2]))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert np.linalg.norm(random.mean(axis=0)) < 0.5
    assert np.square(random).mean(axis=0).max() < 3 / 12


def test_steadier_scales_are_nearer_to_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    true = np.exp(rng.normal(0, 1, 40) + rng.normal(0, 0.2, (8, 1)))
    wells = pd.DataFrame({"plate": np.repeat([f"p{i}" for i in range(8)], 10), "role": "negcon"})
    X = (rng.standard_normal((80, 40)) * np.repeat(true, 10, axis=0)).astype(np.float32)
    X[:, 3] = 1
    measured = control_sd(X, wells)[::10]
    steady = shrink_scale(measured, np.full(8, 10), np.repeat([0, 1], 4))
    assert (steady[:, 3] == 0).all()
    error = [np.abs(np.log(np.delete(s / true, 3, axis=1))).mean() for s in (measured, steady)]
    assert error[1] < 0.7 * error[0]


def test_the_noise_is_what_replicates_and_plates_do_not_share(screen: Profiles) -> None:
    rng = np.random.default_rng(0)
    plate = pd.factorize(screen.wells["plate"])[0]
    compound = pd.factorize(screen.wells["compound"])[0]
    X = rng.standard_normal((len(plate), 4)) * [1, 2, 3, 4]
    X += 5 * rng.standard_normal((12, 4))[plate] + 5 * rng.standard_normal((81, 4))[compound]
    noise = noise_wells(screen.wells, plate, 0)
    assert noise.has_replicates
    residual, _ = noise.residuals(X.astype(np.float32), np.full(len(plate), -1))
    np.testing.assert_allclose(residual.std(axis=0), [1, 2, 3, 4], rtol=0.08)


def test_the_size_of_a_shift_is_its_mahalanobis_length() -> None:
    rng = np.random.default_rng(1)
    mixing = np.eye(6) + 0.3 * rng.standard_normal((6, 6))
    noise = (rng.standard_normal((4000, 6)) @ mixing).astype(np.float32)
    shift = rng.standard_normal((2, 6))
    n_plates, count = 10, np.full(10, 3.0)
    spiked = np.repeat(3 * shift[None], n_plates, axis=0).astype(np.float32)
    other = np.zeros((n_plates, 6), dtype=np.float32)
    moves = DisplacementSums(spiked, np.tile(count[:, None], 2), other, 20 + count, noise, np.arange(4000) % n_plates)
    halves = np.arange(n_plates) % 2 == 0
    got = effect_sizes(moves, halves, np.ones((1, n_plates)))
    expected = np.sqrt(np.einsum("ki,ij,kj->k", shift, np.linalg.inv(mixing.T @ mixing), shift))
    np.testing.assert_allclose(got.contrast[0], expected, rtol=0.05)
    np.testing.assert_allclose(got.spillover[0], 0)
