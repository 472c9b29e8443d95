from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from promises import assert_empty_wells_are_not_read

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.ratio import Ratio


def positive(profiles: Profiles) -> Profiles:
    return profiles.replace(X=(np.abs(profiles.X) + np.float32(0.5)))


def output(profiles: Profiles) -> Any:
    return normalize(profiles, Ratio(), aggregate="none").X


def test_each_row_is_divided_by_the_mean_of_the_filled_rows_of_its_batch(screen: Any) -> None:
    profiles = positive(screen(n_plates=7, awkward=False))
    wells, Z = profiles.wells, output(profiles)
    for batch in wells["batch"].unique():
        own = (wells["batch"] == batch).to_numpy()
        filled = own & (wells["role"] != "empty").to_numpy()
        mean = [sum(float(x) for x in column) / filled.sum() for column in profiles.X[filled].T]
        np.testing.assert_allclose(Z[own], profiles.X[own].astype(np.float64) / mean, rtol=1e-5)
        np.testing.assert_allclose(Z[filled].mean(axis=0, dtype=np.float64), 1, rtol=1e-5)


def test_a_factor_per_batch_goes_and_a_factor_per_well_stays(screen: Any) -> None:
    profiles = positive(screen(awkward=False))
    X = profiles.X.copy()
    batch = (profiles.wells["batch"] == "b2").to_numpy()
    X[batch] *= np.linspace(0.2, 30, X.shape[1], dtype=np.float32)
    np.testing.assert_allclose(output(profiles.replace(X=X)), output(profiles), rtol=1e-5)


@pytest.mark.parametrize(("on_constant", "word"), [("centre", "centred"), ("leave", "left alone")])
def test_features_with_negative_values_are_left_alone_and_only_zeros_have_the_ratio_1(
    screen: Any, on_constant: Any, word: str
) -> None:
    profiles = positive(screen(awkward=False))
    X = profiles.X.copy()
    treated = np.flatnonzero((profiles.wells["role"] == "treated").to_numpy())
    X[treated[0], 4], X[:, 6] = -1e-3, 0.0
    reports: list[Any] = []
    ratio = Ratio(on_constant=on_constant)
    Z = normalize(profiles.replace(X=X), ratio, aggregate="none", report=reports.append).X
    first = (profiles.wells["batch"] == profiles.wells["batch"].iloc[treated[0]]).to_numpy()
    np.testing.assert_array_equal(Z[first, 4], X[first, 4])
    np.testing.assert_array_equal(Z[:, 6], 1 if on_constant == "centre" else 0)
    assert [list(r["feature_number"]) for r in reports] == [[4, 6], [6], [6]]
    assert reports[0]["fallback"].tolist() == ["left alone", word]


def test_empty_wells_are_not_read(screen: Any) -> None:
    assert_empty_wells_are_not_read(output, positive(screen(awkward=False)), value=-1e9)


def test_centred_profiles_are_refused_by_batch(screen: Any) -> None:
    profiles = screen(awkward=False)
    with pytest.raises(InputError, match=r"Ratio: every feature of batch 'b3' .* norm=mean"):
        output(profiles.replace(X=profiles.X - profiles.X.mean(axis=0)))
