from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.norm import rank
from harness.norm.engine.normalize import normalize
from harness.norm.rank import Rank


def output(profiles: Profiles, target: str) -> Any:
    return normalize(profiles, Rank(target=target), aggregate="none").X


def rounded(profiles: Profiles) -> Profiles:
    """Ties within and between batches."""
    return profiles.replace(X=np.round(profiles.X / 20).astype(np.float32))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("target", ["pooled", "normal"])
def test_ranks_of_the_batch_are_mapped_to_the_target_by_scipy(screen: Any, target: str, ties: bool) -> None:
    profiles = screen(n_plates=7)
    profiles = rounded(profiles) if ties else profiles
    wells, X = profiles.wells, profiles.X.astype(np.float64)
    Z, filled = output(profiles, target), (wells["role"] != "empty").to_numpy()
    for batch in wells["batch"].unique():
        own = filled & (wells["batch"] == batch).to_numpy()
        place = (rankdata(X[own], method="average", axis=0) - 0.5) / own.sum()
        if target == "normal":
            expected = norm.ppf(place)
        else:
            pairs = zip(X[filled].T, place.T, strict=True)
            expected = np.stack([np.quantile(x, p, method="hazen") for x, p in pairs], axis=1)
        np.testing.assert_allclose(Z[own], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", ["pooled", "normal"])
def test_an_increasing_change_of_a_batch_goes_and_the_order_in_the_batch_stays(screen: Any, target: str) -> None:
    profiles = screen(awkward=False, n_batches=2)
    batch = (profiles.wells["batch"] == "b1").to_numpy()
    X = profiles.X.copy()
    X[batch] *= 4  # exact, so that no ties arise
    Z, moved = output(profiles, target), output(profiles.replace(X=X), target)
    if target == "normal":
        np.testing.assert_array_equal(moved, Z)
    filled = batch & (profiles.wells["role"] != "empty").to_numpy()
    in_order = np.take_along_axis(moved[filled], np.argsort(profiles.X[filled], axis=0), axis=0)
    assert (np.diff(in_order, axis=0) >= 0).all()


def test_one_batch_is_left_as_it_is(screen: Any) -> None:
    profiles = screen(n_batches=1)
    filled = (profiles.wells["role"] != "empty").to_numpy()
    np.testing.assert_allclose(output(profiles, "pooled")[filled], profiles.X[filled], rtol=1e-6)


def test_empty_wells_are_not_ranked_and_get_the_place_they_would_have(screen: Any) -> None:
    profiles = screen(awkward=False)
    empty = (profiles.wells["role"] == "empty").to_numpy()
    X = profiles.X.copy()
    X[empty] = 1e9
    for target in ("pooled", "normal"):
        Z = output(profiles.replace(X=X), target)
        np.testing.assert_array_equal(Z[~empty], output(profiles, target)[~empty])
        for batch in profiles.wells["batch"].unique():
            own = (profiles.wells["batch"] == batch).to_numpy()
            np.testing.assert_array_equal(Z[own & empty], np.broadcast_to(Z[own].max(axis=0), Z[own & empty].shape))


def test_the_scope_follows_the_target() -> None:
    assert Rank().scope is FitScope.TRANSDUCTIVE
    assert Rank(target="normal").scope is FitScope.BATCH
    assert Rank().set_params(target="normal").scope is FitScope.BATCH
    with pytest.raises(InputError, match=r"target 'gauss' is unknown; choose one of \['pooled', 'normal'\]"):
        _ = Rank(target="gauss").scope


def test_normal_reads_no_other_batch(screen: Any) -> None:
    profiles = screen(awkward=False)
    other = (profiles.wells["batch"] == "b1").to_numpy()
    X = profiles.X.copy()
    X[other] = 0
    np.testing.assert_array_equal(output(profiles.replace(X=X), "normal")[~other], output(profiles, "normal")[~other])


def test_with_more_rows_than_knots_the_pooled_quantiles_stay_close_and_keep_the_extremes(
    screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = screen(n_wells=36, n_plates=8, awkward=False)
    exact = output(profiles, "pooled")
    monkeypatch.setattr(rank, "_KNOTS", 100)
    close = output(profiles, "pooled")
    spread = exact.std(axis=0)
    assert 0 < np.abs((close - exact) / spread).mean() < 0.02
    filled = profiles.X[(profiles.wells["role"] != "empty").to_numpy()]
    pooled = Rank().fit(list(profiles)).pooled_
    assert pooled.shape == (10, 100)
    np.testing.assert_array_equal(pooled[:, [0, -1]].T, [filled.min(axis=0), filled.max(axis=0)])


def test_an_unknown_batch_is_refused_by_name(screen: Any) -> None:
    plates = list(screen())
    fitted = Rank(target="normal").fit(plates[:2])
    with pytest.raises(InputError, match=r"plate 'p5' is of batch 'b1'"):
        fitted.transform(plates[-1])
