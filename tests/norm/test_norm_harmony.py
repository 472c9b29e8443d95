from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.harmony import Harmony


@pytest.fixture
def installed() -> Any:
    return pytest.importorskip("harmonypy", reason="harmony needs the optional package harmonypy")


def stub(monkeypatch: pytest.MonkeyPatch, correct: Any) -> dict[str, Any]:
    """In place of harmonypy: ``correct(points, levels)`` is the answer; what it was given is kept."""
    given: dict[str, Any] = {}

    def run_harmony(points: Doubles, meta: pd.DataFrame, keys: list[str], **options: Any) -> Any:
        given.update(points=points, levels=meta[keys[0]].to_numpy(), options=options)
        return SimpleNamespace(Z_corr=correct(points, given["levels"]))

    monkeypatch.setitem(sys.modules, "harmonypy", SimpleNamespace(run_harmony=run_harmony))
    return given


def centred(points: Doubles, levels: Any) -> Doubles:
    """The linear part of Harmony with one cluster and no penalty: every level gets the overall mean."""
    frame = pd.DataFrame(points)
    return np.asarray(frame - frame.groupby(levels).transform("mean") + frame.mean())


def sites(profiles: Profiles, **options: Any) -> Any:
    return normalize(profiles, Harmony(**options), aggregate="none").X


def two_clusters(*, seed: int = 0, shift: float = 6.0) -> tuple[Profiles, Any]:
    """Three batches of two plates, two kinds of wells in unequal shares, and a shift of each batch."""
    rng = np.random.default_rng(seed)
    parts, tables = [], []
    directions = rng.standard_normal((4, 30))
    for p in range(6):
        kind = (rng.random(96) < (0.35 if p < 2 else 0.5)).astype(int)
        X = 50 + rng.standard_normal((96, 30))
        X += 5 * kind[:, None] * directions[3] + shift / 6 * directions[p // 2]
        parts.append(X * np.linspace(0.1, 20, 30))
        wells = [f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(96)]
        tables.append(
            pd.DataFrame({"plate": f"p{p}", "well": wells, "batch": f"b{p // 2}", "role": "treated", "kind": kind})
        )
    wells = pd.concat(tables, ignore_index=True)
    wells.loc[::5, "role"] = "negcon"
    return Profiles(np.concatenate(parts).astype(np.float32), wells), wells["kind"].to_numpy()


def predictable(X: Any, label: Any) -> float:
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return float(cross_val_score(LogisticRegression(C=0.1), Z, label, cv=4, scoring="balanced_accuracy").mean())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("key", ["batch", "plate"])
def test_wells_move_by_what_their_components_moved_whichever_way_round_they_come_back(
    screen: Any, monkeypatch: pytest.MonkeyPatch, key: str, transposed: bool
) -> None:
    """With a linear correction the whole map is least squares on the levels, in the space of the components."""
    profiles = screen(awkward=False)
    stub(monkeypatch, lambda p, levels: centred(p, levels).T if transposed else centred(p, levels))
    out = sites(profiles, key=key, n_components=4)
    wells = profiles.wells
    filled = (wells["role"] != "empty").to_numpy()
    table = pd.DataFrame(profiles.X[filled].astype(np.float64))
    means = table.groupby([wells.loc[filled, c].to_numpy() for c in ("plate", "well")]).mean()
    mean, sd = means.to_numpy().mean(axis=0), means.to_numpy().std(axis=0)
    Z = (means - mean) / sd
    V = np.linalg.svd(Z.to_numpy())[2][:4].T
    level = wells.loc[filled].groupby(["plate", "well"])[key].first().to_numpy()
    offset = pd.DataFrame(Z.to_numpy() @ V @ V.T * sd, index=Z.index).groupby(level).transform("mean")
    expected = profiles.X.astype(np.float64)
    at = pd.MultiIndex.from_frame(wells.loc[filled, ["plate", "well"]])
    expected[filled] -= offset.loc[at].to_numpy()
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(out[~filled], profiles.X[~filled])


def test_what_harmony_is_given_does_not_depend_on_the_order_of_rows(
    screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = screen()
    order = np.concatenate([np.arange(p.rows.start, p.rows.stop)[::-1] for p in profiles])
    turned = profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order])
    given = stub(monkeypatch, lambda p, _: p)
    np.testing.assert_array_equal(sites(profiles, seed=7), profiles.X)
    first = dict(given)
    sites(turned, seed=7)
    np.testing.assert_allclose(given["points"], first["points"], rtol=1e-9, atol=1e-9)
    assert list(given["levels"]) == list(first["levels"])
    assert first["options"]["random_state"] == 7
    assert len(first["points"]) == len(profiles.wells.query("role != 'empty'").drop_duplicates(["plate", "well"]))


@pytest.mark.parametrize("answer", [lambda p, _: p * np.nan, lambda p, _: p[:-1]])
def test_an_answer_of_the_wrong_shape_or_without_numbers_is_refused(
    screen: Any, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    stub(monkeypatch, answer)
    with pytest.raises(InputError, match="harmonypy returned"):
        sites(screen())


def test_without_the_extra_one_line_says_what_to_install(screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(InputError, match=r"pip install 'normharness\[harmony\]'") as refused:
        sites(screen())
    assert "\n" not in str(refused.value)


def test_one_batch_an_unknown_key_no_components_or_a_new_plate_are_refused(
    screen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(monkeypatch, lambda p, _: p)
    profiles = screen()
    with pytest.raises(InputError, match="one batch"):
        sites(screen(n_plates=2, n_batches=1))
    with pytest.raises(InputError, match="expected one of batch, plate"):
        sites(profiles, key="role")
    with pytest.raises(InputError, match="n_components=0"):
        sites(profiles, n_components=0)
    first = profiles[0]
    with pytest.raises(InputError, match="'new' took no part"):
        Harmony().fit(profiles).transform(Plate("new", first.rows, first.X, first.wells))


def test_batches_mix_and_the_kinds_of_wells_stay_apart(installed: Any) -> None:  # noqa: ARG001
    profiles, kind = two_clusters()
    batch = profiles.wells["batch"].to_numpy()
    out = sites(profiles, n_components=10)
    assert predictable(profiles.X, batch) > 0.9
    assert predictable(out, batch) < predictable(profiles.X, batch) - 0.2
    assert predictable(out, kind) > 0.95
    np.testing.assert_array_equal(out, sites(profiles, n_components=10))


def test_without_a_batch_effect_little_moves(installed: Any) -> None:  # noqa: ARG001
    profiles, _ = two_clusters(shift=0)
    moved = (sites(profiles, n_components=10) - profiles.X) / profiles.X.std(axis=0)
    assert np.sqrt((moved**2).mean()) < 0.3
