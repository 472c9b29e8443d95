"""noise, shuffle, oracle, raw: the controls of the measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.core.profiles import Plate, Profiles
from harness.norm.noise import Noise
from harness.norm.oracle import Oracle
from harness.norm.raw import Raw
from harness.norm.shuffle import Shuffle


def everything(normalizer: Any, profiles: Profiles) -> Any:
    return np.concatenate([normalizer.fit([plate]).transform(plate) for plate in profiles])


def test_raw_returns_the_profiles_as_they_are(screen: Any) -> None:
    profiles = screen()
    np.testing.assert_array_equal(everything(Raw(), profiles), profiles.X)


def test_oracle_returns_the_planted_truth(screen: Any) -> None:
    profiles = screen(planted=True)
    np.testing.assert_array_equal(everything(Oracle(), profiles), profiles.planted)


def test_noise_is_standard_gaussian_and_reads_no_feature(screen: Any) -> None:
    profiles = screen(n_wells=30, n_features=40)
    Z = everything(Noise(), profiles)
    assert stats.kstest(Z.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(Z)[np.triu_indices(len(Z), 1)]).max() < 0.8
    other = profiles.replace(X=profiles.X[::-1].copy())
    np.testing.assert_array_equal(everything(Noise(), other), Z)
    relabelled = profiles.replace(wells=profiles.wells.assign(role="treated", compound="x"))
    np.testing.assert_array_equal(everything(Noise(), relabelled), Z)
    assert not np.array_equal(everything(Noise(seed=1), profiles), Z)


def test_noise_differs_between_sites_wells_and_plates(screen: Any) -> None:
    Z = everything(Noise(), screen())
    assert len(np.unique(Z[:, 0])) == len(Z)


def numbered(plate: Plate) -> Plate:
    """A plate whose first two features say which well and which site a row is."""
    X = plate.X.copy()
    X[:, 0], X[:, 1] = pd.factorize(plate.wells["well"], sort=True)[0], plate.wells["site"]
    return Plate(plate.name, plate.rows, X, plate.wells)


def test_shuffle_moves_whole_wells_within_the_plate_one_to_one(screen: Any) -> None:
    for plate in map(numbered, screen(sites=(1, 3, 2, 4))):
        Z = Shuffle().transform(plate)
        moved = pd.DataFrame({"to": plate.X[:, 0], "from": Z[:, 0]}).drop_duplicates()
        assert moved["to"].is_unique, "the sites of a well came from different wells"
        assert sorted(moved["from"]) == sorted(moved["to"])
        assert (moved["to"] != moved["from"]).mean() > 0.7
        rows = {tuple(row) for row in plate.X}
        assert all(tuple(row) in rows for row in Z)


def test_shuffle_gives_each_site_another_site_of_the_donor_as_far_as_they_go(screen: Any) -> None:
    for plate in map(numbered, screen(sites=(1, 3, 2, 4))):
        Z = Shuffle().transform(plate)
        n_sites = plate.wells.groupby("well")["site"].size().sort_index().to_numpy()
        for well in np.unique(plate.X[:, 0]):
            own = plate.X[:, 0] == well
            donor = int(Z[own, 0][0])
            assert len(np.unique(Z[own, 1])) == min(own.sum(), n_sites[donor])


def test_shuffle_permutes_each_plate_and_seed_differently_and_ignores_roles(screen: Any) -> None:
    plate = numbered(screen()[0])
    Z = Shuffle().transform(plate)
    assert not np.array_equal(Shuffle(seed=1).transform(plate), Z)
    other = Plate("other", plate.rows, plate.X, plate.wells)
    assert not np.array_equal(Shuffle().transform(other), Z)
    relabelled = Plate(plate.name, plate.rows, plate.X, plate.wells.assign(role="treated"))
    np.testing.assert_array_equal(Shuffle().transform(relabelled), Z)


@pytest.mark.parametrize("name", ["raw", "noise", "oracle"])
def test_members_that_fit_nothing_report_nothing(member: Any, screen: Any, name: str) -> None:
    normalizer = member("norm", name)
    assert normalizer.fit([screen(planted=True)[0]]).report() is None
