from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import ROOT
from sklearn.metrics import adjusted_rand_score

from harness.batch.inference.changepoints import change_points, penalty
from harness.batch.inference.clusters import clusters, correlation
from harness.batch.inference.stability import stability
from harness.batch.inferred import Inferred
from harness.batch.ranges import Ranges
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.demo import Demo

CONF = ROOT / "conf" / "batch"


def screen(sizes: tuple[int, ...] = (3, 6, 4), *, shift: float = 3.0, outlier: int | None = None) -> Profiles:
    """Plates in shuffled rows, unequal numbers of controls; features of unequal level and scale."""
    rng = np.random.default_rng(5)
    n, features = sum(sizes), 30
    scale, X, tables = np.exp(rng.normal(0, 2, features)), [], []
    batch = np.repeat(np.arange(len(sizes)), sizes)
    moved = shift * rng.normal(size=(len(sizes), features))
    for p in rng.permutation(n):
        own = moved[batch[p]] + rng.normal(size=features) + 8 * rng.normal(size=features) * (p == outlier)
        k = 5 + p % 4
        role = np.r_[np.repeat("negcon", k), np.repeat("treated", 6)]
        X.append(50 * scale + scale * (own + rng.normal(size=(len(role), features))))
        tables.append(pd.DataFrame({"plate": f"P{p + 1}", "well": range(len(role)), "batch": "", "role": role}))
    names = [f"Cells_{'Intensity' if i < 7 else 'Texture'}_{i}" for i in range(features)]
    wells = pd.concat(tables, ignore_index=True)
    return Profiles(np.concatenate(X).astype(np.float32), wells, features=names)


@pytest.mark.parametrize("method", ["changepoints", "clustering"])
def test_planted_batches_and_an_outlier_are_found_in_natural_order(method: str) -> None:
    profiles = screen(outlier=4)
    found = Inferred(method=method, n_resamples=5).find(profiles)
    assert list(found.plates["plate"]) == [f"P{i}" for i in range(1, 14)]
    assert adjusted_rand_score([0] * 3 + [1] * 6 + [2] * 4, found.plates["batch"]) == 1
    assert found.outliers == ["P5"]
    assert list(found.plates["batch"].unique()) == ["batch01", "batch02", "batch03"]
    assert list(found.boundaries["before_plate"]) == ["P4", "P10"]
    assert "robust sd" in found.plates.set_index("plate").loc["P5", "reason"]
    assert (found.plates.loc[~found.plates["outlier"], "reason"] == "").all()
    assert found.adjusted_rand > 0.9


def test_treated_wells_batches_and_rows_order_are_never_read() -> None:
    profiles = screen()
    treated = (profiles.wells["role"] == "treated").to_numpy()
    X = profiles.X.copy()
    X[treated] *= -7
    wells = profiles.wells.assign(batch=np.where(profiles.wells["plate"] == "P1", "x", "y"), compound="c")
    expected = Inferred(n_resamples=4).find(profiles)
    found = Inferred(n_resamples=4).find(profiles.replace(X=X, wells=wells))
    pd.testing.assert_frame_equal(found.plates, expected.plates)


def test_sites_of_a_well_count_as_one_well() -> None:
    profiles = screen()
    twice = np.repeat(np.arange(len(profiles.wells)), np.where(profiles.wells["well"] == 0, 3, 1))
    sites = Profiles(profiles.X[twice], profiles.wells.iloc[twice], features=profiles.features)
    expected, found = (Inferred(n_resamples=4).find(p).plates for p in (profiles, sites))
    pd.testing.assert_frame_equal(found, expected)


def test_the_order_of_another_column_decides() -> None:
    profiles = screen((4, 4))
    number = profiles.wells["plate"].str[1:].astype(int)
    wells = profiles.wells.assign(day=(number % 4) * 10 + number)  # batches interleave
    found = Inferred(order="day", n_resamples=2).find(profiles.replace(wells=wells))
    assert list(found.plates["plate"]) == ["P4", "P8", "P1", "P5", "P2", "P6", "P3", "P7"]
    assert set(found.plates["batch"]) == {"batch01"}
    both = Inferred(method="clustering", order="day", n_resamples=2).find(profiles.replace(wells=wells)).plates
    assert (both["batch"] == np.where(both["plate"].str[1:].astype(int) <= 4, "batch01", "batch02")).all()


def test_one_batch_says_what_to_do() -> None:
    found = Inferred(n_resamples=3).find(screen((12,)))
    assert set(found.plates["batch"]) == {"batch01"}
    assert len(found.boundaries) == 0
    assert found.adjusted_rand == 1
    assert "split=leave_plate_out" in found.sentence()


def test_change_points_are_the_best_of_all_partitions() -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(9, 3)) * [4.0, 1.0, 0.2] + np.repeat([[0.0], [9.0], [3.0]], [4, 2, 3], axis=0)

    def cost(bits: int) -> float:
        ends = [i + 1 for i in range(8) if bits >> i & 1] + [9]
        parts = [X[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        if min(map(len, parts)) < 2:
            return np.inf
        return sum(((p - p.mean(axis=0)) ** 2).sum() for p in parts) + penalty(X) * (len(parts) - 1)

    best = min(range(2**8), key=cost)
    found = change_points(X, 2)
    assert [int(b - a) for a, b in pairwise(found)] == [best >> i & 1 for i in range(8)]


def test_no_cluster_is_smaller_than_asked_and_correlation_is_that_of_scaled_profiles() -> None:
    rng = np.random.default_rng(0)
    profiles = rng.normal(size=(11, 40)) + np.repeat(4 * rng.normal(size=(3, 40)), [2, 4, 5], axis=0)
    centred = profiles - profiles.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    cosine = centred @ centred.T / np.outer(*[np.linalg.norm(centred, axis=1)] * 2)
    np.testing.assert_allclose(correlation(profiles @ axes.T), cosine, atol=1e-12)
    assert list(np.bincount(clusters(profiles, 2))) == [2, 4, 5]
    assert np.bincount(clusters(profiles, 3)).min() >= 3


def test_stability_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    found = stability(labels, [labels, np.array([0, 0, 1, 1, 1])])
    np.testing.assert_allclose(found.adjusted_rand, [1, adjusted_rand_score(labels, [0, 0, 1, 1, 1])])
    np.testing.assert_allclose(found.boundaries, [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(
        found.plates, [(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, (1 + 1 / 5) / 2] + [(1 + 2 / 3) / 2] * 2
    )


def test_the_written_member_gives_the_same_batches_by_ranges(tmp_path: Path) -> None:
    found = Inferred(n_resamples=2).find(screen())
    (tmp_path / "found.yaml").write_text(found.member())
    member = instantiate(OmegaConf.load(tmp_path / "found.yaml"), _convert_="all")
    assert isinstance(member, Ranges)
    assert member.ranges == {"batch01": [[1, 3]], "batch02": [[4, 9]], "batch03": [[10, 13]]}
    parted = found.plates.assign(batch=["a", "b", "b", *["a"] * 10])
    assert type(found)(found.method, parted, found.boundaries, 1.0).ranges() == {"a": [[1, 1], [4, 13]], "b": [[2, 3]]}
    assert list(found.files()) == ["batch/found.csv", "batch/found.yaml"]
    weeks = found.plates.assign(plate="Week1_" + found.plates["plate"])
    unnumbered = type(found)(found.method, weeks, found.boundaries, 1.0)
    assert list(unnumbered.files()) == ["batch/found.csv"]
    with pytest.raises(InputError, match="batch=column"):
        unnumbered.member()


def without_controls(*plates: str) -> Profiles:
    profiles = screen()
    bare = profiles.wells["plate"].isin(plates)
    return profiles.replace(wells=profiles.wells.assign(role=profiles.wells["role"].mask(bare, "treated")))


def with_day(**changes: Any) -> Profiles:
    profiles = screen()
    day = profiles.wells["plate"].map({f"P{i}": str(i) for i in range(1, 14)} | changes)
    return profiles.replace(wells=profiles.wells.assign(day=day))


@pytest.mark.parametrize(
    ("profiles", "options", "culprits"),
    [
        (without_controls("P3", "P7"), {}, ["['P3', 'P7']", "data.controls", "batch=ranges"]),
        (screen((3,)), {}, ["3 plates", "4", "batch=column"]),
        (screen((3, 2)), {"min_size": 3}, ["5 plates", "6"]),
        (screen(), {"order": "date"}, ["'date'", "'plate'", "batch.order"]),
        (with_day(P2=None), {"order": "day"}, ["['P2']", "'day'", "batch.order"]),
        (screen().replace(wells=screen().wells.assign(day=range(len(screen().wells)))), {"order": "day"}, ["several"]),
        (screen().replace(X=np.ones_like(screen().X)), {}, ["the same", "13 plates"]),
        (screen(), {"method": "eye"}, ["'eye'", "changepoints", "clustering"]),
        (screen(), {"min_size": 1}, ["min_size=1", "at least 2"]),
        (screen(), {"cutoff": 0}, ["cutoff=0"]),
    ],
)
def test_refusals_name_the_culprit_in_one_line(
    profiles: Profiles, options: dict[str, Any], culprits: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        Inferred(**options).find(profiles)
    assert "\n" not in str(error.value)
    for culprit in culprits:
        assert culprit in str(error.value)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("method", ["changepoints", "clustering"])
def test_demo_screen(seed: int, method: str) -> None:
    demo = Demo(seed=seed, n_sites=1)
    truth = demo.tables()["plates"].set_index("plate")
    found = Inferred(method=method, n_resamples=3).find(demo.profiles())
    plates = found.plates.set_index("plate")
    assert adjusted_rand_score(truth.loc[plates.index, "batch"], plates["batch"]) >= 0.9
    assert found.outliers == list(truth.index[truth["outlier"]])


@pytest.mark.parametrize("method", ["changepoints", "clustering"])
def test_demo_screen_without_technical_effects_is_one_batch(method: str) -> None:
    found = Inferred(method=method, n_resamples=3).find(Demo(scenario="no_batch_effect", n_sites=1).profiles())
    assert set(found.plates["batch"]) == {"batch01"}
    assert found.outliers == []


def test_configuration() -> None:
    node = OmegaConf.merge({"seed": 3}, {"batch": OmegaConf.load(CONF / "inferred.yaml")})
    member = instantiate(node.batch, _convert_="all")
    assert isinstance(member, Inferred)
    assert (member.seed, member.min_size) == (3, 2)
    profiles = screen()
    batch = member.assign(profiles)
    assert batch.index.equals(profiles.wells.index)
    assert list(member.result_.tables()) == ["inferred_batches", "inferred_boundaries"]
    assert dict(zip(profiles.wells["plate"], batch, strict=True))["P13"] == "batch03"
