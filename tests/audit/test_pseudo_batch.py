from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from audit_toys import by_key

from harness.audit.pseudo_batch import PseudoBatch
from harness.core.arrays import Floats
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.data.wells.aggregation import aggregate
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean
from harness.norm.raw import Raw
from harness.norm.well_mean import WellMean

KEY = "audit/pseudo_batch"


def findings(audited: Any, profiles: Any, normalizer: Any, **options: Any) -> tuple[float, float]:
    found = by_key(PseudoBatch(**options).findings(audited(profiles, normalizer)))
    assert set(found) == {f"{KEY}/displacement", f"{KEY}/neighbours_kept"}
    return found[f"{KEY}/displacement"].value, found[f"{KEY}/neighbours_kept"].value


@pytest.mark.parametrize("normalizer", [Raw(), DmsoWithin(), AllWithin(), WellMean()], ids=lambda n: type(n).__name__)
def test_a_method_that_reads_no_batch_leaves_everything_where_it_is(audited: Any, screen: Any, normalizer: Any) -> None:
    profiles = screen(n_plates=9, n_batches=2, awkward=False)
    assert findings(audited, profiles, normalizer) == (0, 1)


def test_batch_means_move_by_the_difference_between_the_halves(audited: Any, screen: Any) -> None:
    """The largest batch has 5 plates, so 2 are split off; which, is drawn: one of the ten ways is found exactly."""
    profiles = screen(n_plates=9, n_batches=2, sites=(1, 2), awkward=False)
    displacement, kept = findings(audited, profiles, Mean())
    wells = aggregate(profiles, "median")
    batch = wells.wells.groupby("batch")["plate"].nunique().idxmax()
    own = (wells.wells["batch"] == batch).to_numpy()
    X, table = wells.X[own].astype(np.float64), wells.wells[own]
    plates = table["plate"].unique()
    assert len(plates) == 5
    filled = (table["role"] != "empty").to_numpy()
    sd = {p: X[(table["plate"] == p) & (table["role"] == "negcon")].std(axis=0) for p in plates}
    scale = np.stack([sd[p] for p in table["plate"]])
    expected = []
    for pair in combinations(plates, 2):
        half = table["plate"].isin(pair).to_numpy()
        moved = np.empty(X.shape)
        for side in (half, ~half):
            moved[side] = X[filled].mean(axis=0) - X[side & filled].mean(axis=0)
        expected.append(np.sqrt(np.square(moved / scale).mean()))
    assert np.isclose(displacement, expected, rtol=1e-3).sum() == 1
    assert 0 < kept < 1


class Scramble(Normalizer):
    """Another random profile for every well as soon as the batch has another name."""

    scope = FitScope.BATCH

    def transform(self, plate: Plate) -> Floats:
        rng = np.random.default_rng([len(plate.name), *map(ord, str(plate.wells["batch"].iloc[0]) + plate.name)])
        return rng.standard_normal(plate.X.shape).astype(np.float32)


def test_neighbours_of_unrelated_profiles_are_kept_by_chance_only(audited: Any, noise_screen: Any) -> None:
    """5 of 191 neighbours: 2.6% by chance; unit noise moves by sqrt(2) and the error of the control sd."""
    profiles = noise_screen(n_plates=4, n_batches=1, k=20, n_features=8)
    displacement, kept = findings(audited, profiles, Scramble(), k=5)
    assert kept == pytest.approx(5 / 191, abs=0.02)
    assert displacement == pytest.approx(2**0.5, rel=0.15)


def test_neighbours_are_the_nearest_other_wells(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=4, n_batches=1, n_wells=12, k=4, n_features=3)
    seen: list[Any] = []

    def normalize(given: Any) -> Any:
        X = given.X.copy()
        if given.wells["batch"].nunique() > 1:
            X[:, 0] += np.linspace(0, 40, len(X), dtype=np.float32)
        seen.append(X)
        return lambda _: given.replace(X=X)

    found = by_key(PseudoBatch(k=3).findings(audited(profiles, normalize=normalize)))
    near = []
    for X in seen:
        D = np.square(X[:, None].astype(np.float64) - X[None]).sum(axis=2)
        np.fill_diagonal(D, np.inf)
        near.append([set(row.argsort()[:3]) for row in D])
    overlap = np.mean([len(a & b) / 3 for a, b in zip(*near, strict=True)])
    assert found[f"{KEY}/neighbours_kept"].value == pytest.approx(overlap)
    assert 0.05 < overlap < 0.95
    assert findings(audited, profiles, Raw(), k=1000) == (0, 1)


def test_halves_are_as_even_as_can_be_and_of_one_batch(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=11, n_batches=2, n_wells=12)
    seen: list[Any] = []

    def normalize(given: Any) -> Any:
        seen.append(given.wells.groupby("batch")["plate"].nunique())
        return lambda _: given

    list(PseudoBatch().findings(audited(profiles, normalize=normalize)))
    assert seen[0].to_dict() == {"b0": 6}
    assert sorted(seen[1].to_dict().items()) == [("b0/1", 3), ("b0/2", 3)]


def test_fewer_than_four_plates_do_not_apply(audited: Any, noise_screen: Any) -> None:
    with pytest.raises(NotApplicable, match="the largest batch, b0, has 3 plates; 4 are needed"):
        findings(audited, noise_screen(n_plates=6, n_batches=2), Raw())


def test_too_few_controls_do_not_apply(audited: Any, noise_screen: Any) -> None:
    with pytest.raises(NotApplicable, match="2 negative control wells"):
        findings(audited, noise_screen(n_plates=4, n_batches=1, k=2), DmsoWithin())
    with pytest.raises(NotApplicable, match="has 1 control wells"):
        findings(audited, noise_screen(n_plates=4, n_batches=1, k=1), Mean())
