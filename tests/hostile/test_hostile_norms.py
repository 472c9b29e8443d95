"""Every normalization in conf/norm on screens that are small, uneven and badly scaled."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oddities import few, one_line
from places import CONF

from harness.core.arrays import Floats
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.data.columns.from_frame import profiles_from_frame
from harness.norm.base import Normalizer
from harness.norm.engine.normalize import normalize

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for path in (CONF / "norm").glob("*.yaml"))
each = pytest.mark.parametrize("name", NAMES)

KINDS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "ordinary": lambda rng, n: 50 + 7 * rng.standard_normal(n),
    "heavy tails": lambda rng, n: 3 + rng.standard_t(1.2, n),
    "constant": lambda _, n: np.full(n, -37.3),
    "zero": lambda _, n: np.zeros(n),
    "nearly constant": lambda rng, n: np.where(rng.random(n) < 0.1, 2.5, 2.0),
    "a hair's breadth": lambda rng, n: np.nextafter(np.float32(7), np.float32(8) * rng.integers(0, 2, n)),
    "far from zero": lambda rng, n: 1e6 + rng.standard_normal(n),
    "tiny": lambda rng, n: 1e-6 * (2 + rng.standard_normal(n)),
    "large": lambda rng, n: 1e6 * (2 + rng.standard_normal(n)),
    "whole numbers": lambda rng, n: rng.integers(0, 4, n),
    "one outlier": lambda rng, n: np.where(np.arange(n) == n // 3, 1e9, rng.standard_normal(n)),
    "both signs of zero": lambda rng, n: np.where(rng.random(n) < 0.5, -0.0, 0.0),
}


def screen(rng: np.random.Generator, plates: list[tuple[int, int, int]], kinds: list[str]) -> Profiles:
    """Plates of (wells, controls, most sites of a well), two to a batch, rows of a plate in no order."""
    tables = []
    for p, (n_wells, n_controls, sites) in enumerate(plates):
        role = np.where(rng.permutation(n_wells) < n_controls, "negcon", "treated")
        table = pd.DataFrame({"well": [f"{'ABCDEFGH'[i // 6]}{i % 6 + 1:02d}" for i in range(n_wells)], "role": role})
        table["row"], table["column"] = np.arange(n_wells) // 6 + 1, np.arange(n_wells) % 6 + 1
        table["compound"] = np.where(role == "negcon", "DMSO", [f"c{i % 5}" for i in range(n_wells)])
        table["cell_count"] = rng.integers(0, 90, n_wells)
        table = table.loc[np.repeat(table.index, rng.integers(1, sites + 1, n_wells))]
        table["site"] = table.groupby("well").cumcount() + 1
        tables.append(table.sample(frac=1, random_state=p).assign(plate=f"p{9 - p}", batch=f"b{p // 2}"))
    wells = pd.concat(tables, ignore_index=True)
    X = np.column_stack([KINDS[kind](rng, len(wells)) for kind in kinds]).astype(np.float32)
    return Profiles(X, wells, planted=X.copy(), name="odd")


plates = st.lists(st.tuples(st.integers(2, 14), st.integers(0, 6), st.integers(1, 3)), min_size=1, max_size=4)
screens = st.builds(
    lambda seed, plates, kinds: screen(np.random.default_rng(seed), plates, kinds),
    st.integers(0, 10**6),
    plates,
    st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6),
)
larger = st.builds(
    lambda seed, sizes, sites, kinds: screen(np.random.default_rng(seed), [(n, n // 3, sites) for n in sizes], kinds),
    st.integers(0, 10**6),
    st.lists(st.integers(24, 36), min_size=2, max_size=4),
    st.integers(1, 3),
    st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=6),
)


@pytest.fixture(scope="session")
def make(member: Callable[..., Any]) -> Callable[[str], Normalizer]:
    def build(name: str) -> Normalizer:
        normalizer: Normalizer = member("norm", name)
        for module in normalizer.requires:
            pytest.importorskip(module, reason=f"{name} needs the optional package {module}")
        return normalizer

    return build


def normalized(profiles: Profiles, normalizer: Normalizer, *, aggregate: str = "none") -> Floats | None:
    """The rows, or None where the method says in one line that it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return normalize(profiles, normalizer, aggregate=aggregate).X
        except (InputError, NotApplicable) as refused:
            one_line(refused)
            return None


@each
def test_any_screen_gives_finite_rows_in_order_or_one_line(name: str, make: Any) -> None:
    normalizer = make(name)

    @few(6)
    @given(screens | larger)
    def check(profiles: Profiles) -> None:
        before, wells = profiles.X.copy(), profiles.wells.copy()
        for aggregate in ("none", "median"):
            Z = normalized(profiles, normalizer, aggregate=aggregate)
            assert profiles.X.tobytes() == before.tobytes()
            pd.testing.assert_frame_equal(profiles.wells, wells)
            if Z is None:
                continue
            rows = wells if aggregate == "none" else wells.drop_duplicates(["plate", "well"])
            assert Z.dtype == np.float32
            assert Z.shape == (len(rows), before.shape[1])
            assert np.isfinite(Z).all()

    check()


@each
def test_a_screen_that_is_large_enough_is_not_refused(name: str, make: Any) -> None:
    normalizer = make(name)
    profiles = screen(np.random.default_rng(4), [(36, 12, 2)] * 3, ["ordinary", "far from zero", "tiny", "constant"])
    assert normalized(profiles, normalizer) is not None


@each
def test_the_rows_of_a_plate_may_stand_in_any_order(name: str, make: Any) -> None:
    normalizer = make(name)

    @few(3)
    @given(larger, st.integers(0, 10**6))
    def check(profiles: Profiles, seed: int) -> None:
        rng = np.random.default_rng(seed)
        order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in profiles])
        X = profiles.X[order]
        straight = normalized(profiles, normalizer)
        permuted = normalized(profiles.replace(X=X, wells=profiles.wells.iloc[order], planted=X), normalizer)
        assert (straight is None) == (permuted is None)
        assume(straight is not None and permuted is not None)
        size = np.abs(straight).max(axis=0) + 1e-30
        np.testing.assert_allclose(permuted / size, straight[order] / size, rtol=0, atol=1e-4)

    check()


def test_standards_that_are_all_alike_ask_for_no_change(make: Any) -> None:
    plates = [(7, 2, 1), (13, 5, 1), (6, 1, 2), (7, 4, 1)]  # no control, and no compound, moves from batch to batch
    profiles = screen(np.random.default_rng(2178), plates, ["nearly constant"])
    Z = normalized(profiles, make("direct_standardization"))
    assert Z is None or np.isfinite(Z).all()


OWN_UNITS = ["all_within", "dmso_within", "dmso_within_textbook", "robust_within", "well_position"]


@pytest.mark.parametrize("name", OWN_UNITS)
def test_what_is_measured_in_units_of_the_plate_does_not_notice_the_units_of_a_plate(name: str, make: Any) -> None:
    normalizer = make(name)
    assert FitScope(normalizer.scope) is FitScope.PLATE
    kinds = st.lists(st.sampled_from(["ordinary", "heavy tails", "tiny", "large"]), min_size=2, max_size=2)

    @few(6)
    @given(kinds, st.integers(0, 10**6), st.tuples(st.integers(-20, 20), st.integers(-20, 20)), st.floats(-3, 3))
    def check(kinds: list[str], seed: int, powers: tuple[int, int], shift: float) -> None:
        profiles = screen(np.random.default_rng(seed), [(30, 10, 2)] * 2, kinds)
        X, rows = profiles.X.copy(), profiles[1].rows
        X[rows] = (X[rows] + shift * X[rows].std(axis=0)) * np.float32(2.0) ** np.float32(powers)
        straight, other = normalized(profiles, normalizer), normalized(profiles.replace(X=X), normalizer)
        assert straight is not None
        assert other is not None
        np.testing.assert_allclose(other, straight, rtol=1e-3, atol=1e-3)

    check()


EXTREMES: dict[str, Callable[[Any], Any]] = {
    "below the smallest normal number": lambda z: 1e-39 * (2 + z),
    "a few steps of the smallest number": lambda z: 1e-44 * np.round(100 + 3 * z),
    "residues beside zeros": lambda z: np.where(z > 1.5, 1e-39, 0.0),
    "all but constant among numbers near 1": lambda z: np.where(z > 0, z, 1e-40 * z),
    "near 1e37": lambda z: 5e36 * np.sign(z),
    "near the largest number": lambda z: 3e38 * np.sign(z),
    "74 orders of magnitude": lambda z: np.where(z > 1, 1e37, 1e-37 * z),
}


@each
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_at_the_ends_of_float32_the_result_is_finite_or_the_feature_is_named(name: str, make: Any) -> None:
    normalizer = make(name)
    profiles = screen(np.random.default_rng(8), [(24, 9, 1)] * 3, ["ordinary"] * 4)
    for extreme in EXTREMES:
        X = profiles.X.copy()
        X[:, 1] = EXTREMES[extreme](np.random.default_rng(9).standard_normal(len(X)))
        assert np.isfinite(X).all()
        try:
            Z = normalize(profiles.replace(X=X, planted=X), normalizer, aggregate="none").X
        except InputError as refused:
            said = one_line(refused)
            assert "feature 'f1'" in said, extreme
            assert "data.features" in said
            assert np.abs(X[:, 1]).max() > 1e30, f"{extreme}: numbers that are only small were refused"
        else:
            assert np.isfinite(Z).all(), extreme


def test_numbers_that_stand_for_missing_at_the_end_of_float32_are_refused_by_the_readers() -> None:
    wells = pd.DataFrame({"plate": "P", "well": ["A01", "A02", "A03"], "compound": ["DMSO", "c", "c"]})
    for largest in (3.4028235e38, -3.4028235e38, 1.1e37):
        with pytest.raises(InputError, match=r"1 NaN or infinite values \(or beyond 1e37\).*area \(1\)"):
            profiles_from_frame(wells.assign(area=[1.0, 2.0, largest], edge=[1.0, 2.0, 9e36]))
