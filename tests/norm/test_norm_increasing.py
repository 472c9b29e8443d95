"""Methods that declare ``is_monotone`` get only the middle sites of a well: the answer must be the same to the bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.profiles import Profiles
from harness.data.wells.aggregation import sites_to_wells, well_codes
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.quantile import Quantile
from harness.norm.robust_within import RobustWithin

METHODS = [
    DmsoWithin(), DmsoWithin(exchangeable=False, seed=3), AllWithin(), RobustWithin(), Quantile(),
    Quantile(exchangeable=False),
]  # fmt: skip


def screen(*, sites: list[int], shuffled: bool) -> Profiles:
    """Two plates; unequal numbers of sites; a feature of mean 1e6, one constant, one constant on controls."""
    rng = np.random.default_rng(5)
    plates = []
    for p, n_wells in enumerate((17, 23)):
        n_sites = rng.choice(sites, n_wells)
        well = np.repeat([f"{'ABCD'[i // 6]}{i % 6 + 1:02d}" for i in range(n_wells)], n_sites)
        role = np.repeat(
            ["negcon" if i % 3 == 1 else "empty" if i == 4 else "treated" for i in range(n_wells)], n_sites
        )
        plate = pd.DataFrame({"plate": f"p{p}", "well": well, "batch": "b", "role": role})
        plates.append(plate.sample(frac=1, random_state=p) if shuffled else plate)
    wells = pd.concat(plates, ignore_index=True)
    X = rng.normal([1e6, 7, -40, 3, 0.1], [2, 3, 1e-3, 5, 30], (len(wells), 5)).astype(np.float32)
    X[:, 3] = np.where(wells["role"] == "negcon", 2.5, X[:, 3])
    X[:, 1] = 7.1
    return Profiles(X, wells)


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("sites", [[6], [5], [1, 2, 3, 4, 9], [30, 25]], ids=str)
@pytest.mark.parametrize("shuffled", [False, True])
def test_median_of_the_middle_sites_is_the_median_of_all(method: Normalizer, sites: list[int], shuffled: bool) -> None:
    assert method.is_monotone
    profiles = screen(sites=sites, shuffled=shuffled)
    every_site = normalize(profiles, method, aggregate="none").X
    expected = [sites_to_wells(every_site[p.rows], well_codes(p.wells), "median") for p in profiles]
    np.testing.assert_array_equal(normalize(profiles, method).X, np.concatenate(expected))
