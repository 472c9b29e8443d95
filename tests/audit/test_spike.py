from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.audit.spike import (
    add,
    by_batch,
    control_distance,
    control_sd,
    directions,
    estimated_prevalence,
    everywhere,
    half_of_plates,
    pick,
)
from harness.types import InputError, Profiles

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.exchange.FewControlsWarning")


@pytest.fixture(scope="module")
def wells_only(screen: Any) -> Profiles:
    """7 plates in 3 batches of unequal size, rows of a plate in no order, well level."""
    made: Profiles = screen(n_plates=7, sites=(1,), awkward=False, planted=True)
    return made


def names(profiles: Profiles, chosen: Any) -> set[Any]:
    return set(profiles.wells.loc[chosen, ["plate", "well"]].itertuples(index=False, name=None))


def reordered(profiles: Profiles) -> Profiles:
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in reversed(list(profiles))])
    return profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order], planted=None)


def test_each_plate_gets_its_own_share_of_treated_wells_and_at_least_one(wells_only: Profiles) -> None:
    wells = wells_only.wells
    plates = list(wells["plate"].unique())
    prevalence = dict(zip(plates, [0.0, 1e-9, 0.05, 0.3, 0.5, 0.999, 1.0], strict=True))
    chosen = pick(wells, prevalence, same_positions=False, seed=1)
    assert set(wells["role"][chosen]) == {"treated"}
    treated = wells["role"] == "treated"
    for plate, share in prevalence.items():
        own = (wells["plate"] == plate).to_numpy()
        assert chosen[own].sum() == np.ceil(share * (treated & own).sum())


@pytest.mark.parametrize("same_positions", [False, True])
def test_the_choice_is_of_wells_not_of_rows_and_is_seeded(wells_only: Profiles, same_positions: bool) -> None:
    def chosen(profiles: Profiles, seed: int) -> set[Any]:
        share = everywhere(profiles.wells, 0.4)
        return names(profiles, pick(profiles.wells, share, same_positions=same_positions, seed=seed))

    assert chosen(reordered(wells_only), 1) == chosen(wells_only, 1)
    assert chosen(wells_only, 2) != chosen(wells_only, 1)


def test_same_positions_are_the_same_wells_on_every_plate_and_otherwise_they_differ(noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=6, k=5)
    wells = profiles.wells.assign(role=np.where(profiles.wells["well"].str[1:].astype(int) < 3, "negcon", "treated"))

    def sets(same_positions: bool) -> set[frozenset[str]]:
        chosen = pick(wells, everywhere(wells, 0.2), same_positions=same_positions, seed=4)
        return {frozenset(own) for _, own in wells[chosen].groupby("plate")["well"]}

    assert len(sets(True)) == 1
    assert len(sets(False)) == 6


def test_with_unequal_shares_the_smaller_choice_of_positions_lies_in_the_larger(noise_screen: Any) -> None:
    wells = noise_screen(n_plates=4).wells.assign(role="treated")
    share = dict(zip(sorted(wells["plate"].unique()), (0.1, 0.2, 0.6, 0.3), strict=True))
    chosen = wells[pick(wells, share, same_positions=True, seed=0)].groupby("plate")["well"].apply(set)
    assert chosen["p00"] < chosen["p01"] < chosen["p03"] < chosen["p02"]


def test_half_of_the_plates_of_each_batch_are_rich(wells_only: Profiles) -> None:
    wells = wells_only.wells
    prevalence = half_of_plates(wells, 0.9, 0.1, seed=2)
    assert set(prevalence) == set(wells["plate"])
    for _, plates in wells.groupby("batch")["plate"].unique().items():
        rich = [prevalence[p] for p in plates].count(0.9)
        assert rich == (len(plates) + 1) // 2
        assert {prevalence[p] for p in plates} <= {0.1, 0.9}
    assert half_of_plates(reordered(wells_only).wells, 0.9, 0.1, seed=2) == prevalence


def test_by_batch_rises_in_equal_steps_and_is_constant_within_a_batch(wells_only: Profiles) -> None:
    wells = wells_only.wells
    prevalence = by_batch(wells, 0.1, 0.9, seed=2)
    levels = {b: {prevalence[p] for p in own} for b, own in wells.groupby("batch")["plate"].unique().items()}
    assert all(len(level) == 1 for level in levels.values())
    np.testing.assert_allclose(sorted(x for level in levels.values() for x in level), [0.1, 0.5, 0.9])
    assert by_batch(reordered(wells_only).wells, 0.1, 0.9, seed=2) == prevalence
    orders = {tuple(by_batch(wells, 0, 1, seed=s).values()) for s in range(8)}
    assert len(orders) > 2
    assert everywhere(wells, 0.3) == dict.fromkeys(wells["plate"], 0.3)


def test_control_sd_is_that_of_each_rows_own_plate(wells_only: Profiles) -> None:
    got = control_sd(wells_only.X, wells_only.wells)
    for i, plate in enumerate(wells_only.wells["plate"]):
        own = (wells_only.wells["plate"] == plate) & (wells_only.wells["role"] == "negcon")
        np.testing.assert_allclose(got[i], wells_only.X[own].astype(np.float64).std(axis=0), rtol=1e-6)


def test_a_plate_with_one_control_is_refused_by_name(wells_only: Profiles) -> None:
    wells = wells_only.wells.copy()
    controls = np.flatnonzero((wells["plate"] == "p8") & (wells["role"] == "negcon"))
    wells.loc[controls[1:], "role"] = "treated"
    with pytest.raises(InputError, match="plate 'p8' has 1 control wells"):
        control_sd(wells_only.X, wells)
    wells.loc[controls[1], "role"] = "negcon"
    assert np.isfinite(control_sd(wells_only.X, wells)).all()


def test_directions_have_length_one_and_differ(wells_only: Profiles) -> None:
    train = (wells_only.wells["batch"] != "b1").to_numpy()
    found = directions(wells_only, train, 3, seed=0)
    for d in found:
        assert np.square(d).mean() == pytest.approx(1)
    assert all(np.abs(found[i] - found[j]).max() > 0.1 for i, j in ((0, 1), (0, 2), (1, 2)))


def test_directions_read_training_plates_only(wells_only: Profiles) -> None:
    held_out = (wells_only.wells["batch"] == "b1").to_numpy()
    X = wells_only.X.copy()
    X[held_out] = X[held_out] * 50 + 7
    plain, moved = (directions(p, ~held_out, 2, seed=0) for p in (wells_only, wells_only.replace(X=X)))
    np.testing.assert_array_equal(plain, moved)
    other = directions(wells_only.replace(X=X), np.ones(len(X), dtype=bool), 2, seed=0)
    assert np.abs(np.subtract(other, plain)).max() > 0.05


def test_directions_follow_the_strong_wells(noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=6, k=12, n_features=20)
    effect = np.linspace(-2, 3, 20)
    X = profiles.X.copy()
    strong = (profiles.wells["role"] == "treated").to_numpy() & (np.arange(len(X)) % 3 == 0)
    X[strong] += (5 * 4 * effect).astype(np.float32)
    (found,) = directions(profiles.replace(X=X), np.ones(len(X), dtype=bool), 1, seed=0)
    assert np.corrcoef(found, effect)[0, 1] > 0.95


def test_features_without_a_scale_on_some_training_plate_have_no_part_in_a_direction(wells_only: Profiles) -> None:
    X = wells_only.X.copy()
    wells = wells_only.wells
    X[(wells["plate"] == "p8") & (wells["role"] == "negcon"), 4] = 3.0
    everywhere_ = np.ones(len(X), dtype=bool)
    (found,) = directions(wells_only.replace(X=X), everywhere_, 1, seed=0)
    assert np.flatnonzero(found == 0).tolist() == [4]
    X[wells["role"] == "negcon"] = 3.0
    with pytest.raises(InputError, match="no feature varies over the control wells"):
        directions(wells_only.replace(X=X), everywhere_, 1, seed=0)


def test_a_spike_is_amplitude_times_direction_times_the_plates_control_sd(wells_only: Profiles) -> None:
    wells = wells_only.wells
    spiked = pick(wells, everywhere(wells, 0.3), same_positions=False, seed=0)
    direction = np.random.default_rng(0).standard_normal(wells_only.X.shape[1])
    before = wells_only.X.copy()
    made = add(wells_only, spiked, direction, 1.7, control_sd(wells_only.X, wells))
    np.testing.assert_array_equal(wells_only.X, before)
    assert made.planted is not None
    assert wells_only.planted is not None
    for after, X in ((made.X, before), (made.planted, wells_only.planted)):
        np.testing.assert_array_equal(after[~spiked], X[~spiked])
        for plate in wells["plate"].unique():
            own = (wells["plate"] == plate).to_numpy()
            sd = X[own & (wells["role"] == "negcon")].astype(np.float64).std(axis=0)
            moved = (after.astype(np.float64) - X)[own & spiked]
            tolerance = 4 * np.finfo(np.float32).eps * (np.abs(X).max(axis=0) + np.abs(1.7 * direction * sd))
            assert (np.abs(moved - 1.7 * direction * sd) <= tolerance).all()
    assert add(wells_only.replace(planted=None), spiked, direction, 1.7, np.ones(before.shape)).planted is None


def test_controls_and_treated_wells_are_measured_alike_on_noise(noise_screen: Any) -> None:
    """8 controls of 40 tied features: a covariance that saw the plate's own controls would put them nearer by far.

    The j-th largest of k controls is exceeded by j / (k + 1) of wells like them, here 1 / 9.
    """
    shares, halves = [], []
    mixing = np.random.default_rng(0).standard_normal((40, 40)) * 0.7 ** np.arange(40)[:, None]
    for seed in range(8):
        profiles = noise_screen(n_plates=6, n_batches=3, n_wells=40, k=8, n_features=40, seed=seed)
        profiles = profiles.replace(X=(30 + (profiles.X - 30) @ mixing).astype(np.float32))
        distance = control_distance(profiles, seed)
        for plate in profiles:
            own, control = distance[plate.rows], plate.negcon
            shares.append((own[~control] > own[control].max()).mean())
            halves.append((own[~control] > np.sort(own[control])[4]).mean())
    assert np.mean(shares) == pytest.approx(1 / 9, abs=4 * np.std(shares) / np.sqrt(len(shares)))
    assert np.mean(halves) == pytest.approx(4 / 9, abs=4 * np.std(halves) / np.sqrt(len(halves)))
    assert np.std(halves) < 0.25


def test_distances_need_other_plates_and_three_controls(noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=4, k=3)
    assert np.isfinite(control_distance(profiles, 0)).all()
    with pytest.raises(InputError, match="found 1 plate"):
        control_distance(profiles.take((profiles.wells["plate"] == "p01").to_numpy()), 0)
    with pytest.raises(InputError, match="has 2 negative control wells"):
        control_distance(noise_screen(n_plates=4, k=2), 0)


def planted(shares: list[float], *, k: int = 64, n: int = 320, batches: int = 5, seed: int = 0) -> Any:
    """Distances on plates of ``k`` controls and ``n`` treated wells, the given shares of which are far away."""
    rng = np.random.default_rng(seed)
    tables, parts = [], []
    for p, share in enumerate(shares):
        role = np.r_[np.full(k, "negcon"), np.full(n, "treated"), np.full(3, "poscon")]
        distance = rng.chisquare(9, len(role)) * (1 + p)
        distance[k : k + round(share * n)] += 1e4
        order = rng.permutation(len(role))
        tables.append(pd.DataFrame({"plate": f"p{p}", "batch": f"b{p % batches}", "role": role[order]}))
        parts.append(distance[order])
    return np.concatenate(parts), pd.concat(tables, ignore_index=True), rng


@pytest.mark.parametrize("share", [0.0, 0.1, 0.8])
def test_the_share_of_active_wells_is_recovered(share: float) -> None:
    found = estimated_prevalence(*planted([share] * 20))
    assert list(found) == [f"p{i}" for i in range(20)]
    assert np.mean(list(found.values())) == pytest.approx(share, abs=0.02)
    assert np.std(list(found.values())) < 0.03


@pytest.mark.parametrize("k", [4, 6, 19])
def test_few_controls_do_not_bias_the_mean(k: int) -> None:
    found = list(estimated_prevalence(*planted([0.3] * 200, k=k, n=60)).values())
    assert np.mean(found) == pytest.approx(0.3, abs=0.03)
    assert np.std(found) < 0.06


def test_few_controls_draw_plates_to_their_batch_by_the_share_of_variance_that_is_noise() -> None:
    """Shares differ as much as 9 controls are noisy: nearer to the truth than each plate's own estimate."""
    shares = np.random.default_rng(1).uniform(0, 0.3, 150)
    distance, wells, rng = planted(list(shares), k=9, n=200, batches=1)
    found = np.array(list(estimated_prevalence(distance, wells, rng).values()))
    own = []
    for _, rows in wells.groupby("plate", sort=False).indices.items():
        role, d = wells["role"].to_numpy()[rows], distance[rows]
        own.append(((d[role == "treated"] > d[role == "negcon"].max()).mean() - 0.1) / 0.9)
    assert np.sqrt(np.square(found - shares).mean()) < 0.85 * np.sqrt(np.square(np.array(own) - shares).mean())
    assert 0.1 * np.std(own) < np.std(found) < 0.9 * np.std(own)


def test_with_many_controls_plates_keep_their_own_estimate() -> None:
    shares = [0.0, 0.9, 0.15, 0.5, 0.05, 0.7]
    found = estimated_prevalence(*planted(shares, k=1000, n=2000, batches=2))
    np.testing.assert_allclose(list(found.values()), shares, atol=0.035)


@pytest.mark.parametrize(("n_plates", "batches"), [(1, 1), (5, 1), (4, 4)])
def test_one_batch_one_plate_or_one_plate_a_batch(n_plates: int, batches: int) -> None:
    found = estimated_prevalence(*planted([0.4] * n_plates, batches=batches))
    np.testing.assert_allclose(list(found.values()), 0.4, atol=0.08)


def test_batches_keep_their_differences() -> None:
    shares = [0.05, 0.5, 0.9] * 4
    found = list(estimated_prevalence(*planted(shares, batches=3)).values())
    np.testing.assert_allclose(found, shares, atol=0.08)


def test_shares_stay_between_zero_and_one_and_repeats_differ() -> None:
    distance, wells, rng = planted([0.0, 1.0, 0.0, 1.0], k=9, batches=2)
    first, second = (estimated_prevalence(distance, wells, rng) for _ in range(2))
    assert all(0 <= x <= 1 for x in first.values())
    assert first != second


def test_a_plate_without_treated_wells_has_no_prevalence() -> None:
    distance, wells, rng = planted([0.2] * 4)
    wells.loc[wells["plate"] == "p2", "role"] = "negcon"
    assert set(estimated_prevalence(distance, wells, rng)) == {"p0", "p1", "p3"}
