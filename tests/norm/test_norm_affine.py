"""Affine methods start from raw wells, which folds share."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

import harness.norm.dmso_across
from harness.core.evaluation import Split
from harness.core.plate_sequence import PlateSequence
from harness.core.profiles import Plate, Profiles
from harness.data.wells.aggregation import aggregate, sites_to_wells, well_codes
from harness.model.fold_pca import FoldPCA, fold_pca_factory
from harness.norm.base import Normalizer
from harness.norm.dmso_across import DmsoAcross
from harness.norm.engine.affine import AffineNormalizer
from harness.norm.engine.normalize import normalize
from harness.norm.engine.plate_summaries import PlateSummaryNormalizer
from harness.split.leave_batch_out import LeaveBatchOut
from harness.store.readahead_memmap import ReadaheadMemmap
from harness.store.store import load

METHODS = [DmsoAcross(), DmsoAcross(exchangeable=False), DmsoAcross(scope="transductive", seed=3)]
LEVEL, SPREAD = [1e4, 7, -40, 3, 0.1, 0], [200, 3, 1, 5, 30, 1]


class Sites:
    """Four plates in two batches, one plate of the second without controls; unequal numbers of sites, shuffled."""

    name = "sites"
    tables = dict

    def __init__(self, sites: tuple[int, ...], sizes: tuple[int, ...] = (17, 23, 20, 19)) -> None:
        self.sites = sites
        self.sizes = sizes

    def key(self) -> dict[str, Any]:
        return {"sites": list(self.sites), "sizes": list(self.sizes)}

    def features(self) -> list[str]:
        return [f"f{i}" for i in range(len(LEVEL))]

    def plates(self) -> Any:
        rng = np.random.default_rng(5)
        for p, n_wells in enumerate(self.sizes):
            n_sites = rng.choice(self.sites, n_wells)
            well = np.repeat([f"{'ABCDEFGHIJKLMNOP'[i // 24]}{i % 24 + 1:02d}" for i in range(n_wells)], n_sites)
            role = np.repeat(["negcon" if i % 3 == 1 and p != 3 else "treated" for i in range(n_wells)], n_sites)
            plate = pd.DataFrame({"plate": f"p{p}", "well": well, "batch": f"b{p // 2}", "role": role})
            plate["site"] = plate.groupby("well").cumcount() + 1
            plate = plate.sample(frac=1, random_state=p).reset_index(drop=True)
            X = rng.normal(LEVEL, SPREAD, (len(plate), len(LEVEL))).astype(np.float32)
            X[:, 3] = np.where(plate["role"] == "negcon", 2.5, X[:, 3])  # falls back to all wells
            X[:, 1] = 7.1  # is left alone
            X[:, 5] += X[:, 4] / 20
            yield X, plate, None


@pytest.fixture(params=[(6,), (1, 2, 3, 5)], ids=str)
def packed(request: pytest.FixtureRequest, tmp_path: Path) -> Profiles:
    return load(Sites(request.param), tmp_path)


def splits(packed: Profiles) -> list[Split]:
    return list(LeaveBatchOut().split(aggregate(packed, "median").wells))


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("how", ["median", "mean"])
def test_from_raw_wells_comes_what_comes_from_sites(packed: Profiles, method: Normalizer, how: str) -> None:
    assert isinstance(method, AffineNormalizer)
    for split in splits(packed):
        sites = normalize(packed, method, split, aggregate="none").X
        expected = np.concatenate([sites_to_wells(sites[p.rows], well_codes(p.wells), how) for p in packed])
        result = normalize(packed, method, split, aggregate=how)
        np.testing.assert_allclose(result.X, expected, rtol=1e-5, atol=1e-4)
        assert result.rescaled is None or np.array_equal(result.rescaled.X, aggregate(packed, how).X)


def test_of_sites_only_those_of_control_wells_are_read_again(packed: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = splits(packed)[0]
    normalize(packed, DmsoAcross(), fold)
    taken: list[int] = []
    really = ReadaheadMemmap.__getitem__

    def spy(self: ReadaheadMemmap, index: Any) -> Any:
        found = really(self, index)
        if len(self) == len(packed.wells):
            taken.append(len(found))
        return found

    monkeypatch.setattr(ReadaheadMemmap, "__getitem__", spy)
    normalize(packed, DmsoAcross(), fold)  # plates of the training batch are known by their summaries
    assert sum(taken) == (packed.wells["role"] == "negcon").sum()


def test_sites_are_read_once_for_raw_wells_and_for_the_fit(packed: Profiles, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    really = DmsoAcross.summarize_plate

    def spy(self: DmsoAcross, plate: Plate) -> Any:
        seen.append(plate.name)
        return really(self, plate)

    monkeypatch.setattr(DmsoAcross, "summarize_plate", spy)
    monkeypatch.setattr(PlateSummaryNormalizer, "_summary_at", forbidden_unless_cached)
    normalize(packed, DmsoAcross(), splits(packed)[0])
    assert sorted(seen) == ["p0", "p1", "p2", "p3"]


def forbidden_unless_cached(self: Any, plates: PlateSequence, rows: slice) -> tuple[str, Any]:
    def refuse() -> Plate:
        raise AssertionError("a plate is read again")

    name = str(plates.facts.of_plate(rows).table["plate"].iloc[0])
    return name, self._cached_summary(plates, name, refuse)


def test_profiles_in_memory_and_profiles_of_wells_give_the_same(packed: Profiles) -> None:
    fold = splits(packed)[0]
    expected = normalize(packed, DmsoAcross(exchangeable=False), fold)
    in_memory = packed.replace(X=np.array(packed.X))
    np.testing.assert_array_equal(normalize(in_memory, DmsoAcross(exchangeable=False), fold).X, expected.X)
    wells = aggregate(in_memory, "median")
    direct = normalize(wells, DmsoAcross(), fold)
    sites = normalize(wells, DmsoAcross(), fold, aggregate="none")
    np.testing.assert_allclose(direct.X, sites.X, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("size", "exchangeable", "atol"), [(20, False, 1e-5), (380, True, 1e-3)])
def test_folds_share_the_products_of_raw_wells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, exchangeable: bool, atol: float
) -> None:
    monkeypatch.setattr(harness.norm.dmso_across, "_MANY", 120)  # of the smaller training batch
    packed = load(Sites((2,), (size,) * 4), tmp_path)
    folds = splits(packed)
    of = fold_pca_factory(lambda split: normalize(packed, DmsoAcross(exchangeable=exchangeable), split), folds)
    first, second = of(folds[0]), of(folds[1])
    assert first is not second
    assert first.base is second.base is not None
    seen = [weakref.ref(of(fold).profiles) for fold in folds]
    gc.collect()
    assert [each() for each in seen] == [None, None], "a fold's own matrix is not kept"
    used = np.ones(len(first.profiles.X), dtype=bool)
    for shared, fold in zip((first, second), folds, strict=True):
        found = shared._correlated(fold.train, used)
        assert found is not None
        X = shared.profiles.X[fold.train].astype(np.float64)
        scaler = StandardScaler().fit(X)
        np.testing.assert_allclose(found.mean, scaler.mean_, atol=1e-6)
        np.testing.assert_allclose(found.scale, scaler.scale_, rtol=1e-6)
        Z = scaler.transform(X)
        np.testing.assert_allclose(found.R, Z.T @ Z / len(Z), atol=atol)


def test_left_out_wells_are_no_rescaling_where_controls_are_few(packed: Profiles) -> None:
    result = normalize(packed, DmsoAcross(), splits(packed)[0])
    assert result.rescaled is None
    assert FoldPCA(result, splits(packed)).base is None


def test_a_rescaling_is_not_passed_on(packed: Profiles) -> None:
    result = normalize(packed, DmsoAcross(exchangeable=False), splits(packed)[0])
    assert result.rescaled is not None
    assert result.replace(X=result.X + 1).rescaled is None
    assert result.take(np.ones(len(result.X), dtype=bool)).rescaled is None
