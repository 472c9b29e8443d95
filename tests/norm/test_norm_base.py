"""The loop that fits normalizers: what each scope lets them see, and what comes out of it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import expand, well_table
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize, stream
from harness.norm.raw import Raw

SEEN: list[list[tuple[str, list[str]]]] = []


class Spy(Normalizer):
    """Notes which wells of which plates it is given to fit."""

    def __init__(self, *, scope: str = "plate") -> None:
        self.scope = scope

    def fit(self, plates: Sequence[Plate]) -> Self:
        SEEN.append([(plate.name, list(plate.wells["well"])) for plate in plates])
        assert all(len(plate.X) == len(plate.wells) for plate in plates)
        return self

    def transform(self, plate: Plate) -> Floats:
        return plate.X


class Wrong(Normalizer):
    def __init__(self, *, how: str) -> None:
        self.how = how

    def transform(self, plate: Plate) -> Floats:
        return plate.X.astype(np.float64) if self.how == "float64" else plate.X[1:]  # type: ignore[return-value]


class MeanOfBatch(Normalizer):
    scope = FitScope.BATCH

    def fit(self, plates: Sequence[Plate]) -> Self:
        self.mean_ = np.concatenate([plate.X for plate in plates]).mean(axis=0, dtype=np.float64)
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X - self.mean_, dtype=np.float32)


def spied(profiles: Profiles, scope: str, split: Split | None = None) -> list[list[tuple[str, list[str]]]]:
    SEEN.clear()
    normalize(profiles, Spy(scope=scope), split)
    return list(SEEN)


def held_out(profiles: Profiles) -> Split:
    """A split through the middle of plates: every third well is tested."""
    test = np.arange(len(well_table(profiles.wells))) % 3 == 0
    return Split("thirds", ~test, test)


def test_plate_scope_sees_one_whole_plate_at_a_time_whatever_the_split(screen: Any) -> None:
    profiles = screen()
    expected = [[(plate.name, list(plate.wells["well"]))] for plate in profiles]
    assert sorted(spied(profiles, "plate", held_out(profiles))) == sorted(expected)


def test_batch_scope_sees_the_whole_batch(screen: Any) -> None:
    profiles = screen()
    seen = spied(profiles, "batch", held_out(profiles))
    assert [[name for name, _ in call] for call in seen] == [["p10", "p9"], ["p8", "p7"], ["p6", "p5"]]


def test_batch_scope_normalizes_each_batch_by_itself(screen: Any) -> None:
    profiles = screen(awkward=False)
    Z = normalize(profiles, MeanOfBatch(), aggregate="none").X.astype(np.float64)
    for batch in ("b1", "b2", "b3"):
        rows = (profiles.wells["batch"] == batch).to_numpy()
        assert np.abs(Z[rows].mean(axis=0) / profiles.X[rows].std(axis=0)).max() < 1e-5


def test_train_scope_sees_training_rows_only_all_sites_of_a_well_on_one_side(screen: Any) -> None:
    profiles = screen()
    split = held_out(profiles)
    (seen,) = spied(profiles, "train", split)
    train = profiles.wells[expand(split.train, profiles.wells)]
    assert [(n, sorted(w)) for n, w in seen] == [
        (str(n), sorted(part["well"])) for n, part in train.groupby("plate", sort=False)
    ]
    assert len(train) < len(profiles.wells)


def test_train_scope_without_a_split_and_transductive_scope_see_everything_once(screen: Any) -> None:
    profiles = screen()
    everything = [[(plate.name, list(plate.wells["well"])) for plate in profiles]]
    assert spied(profiles, "train") == everything
    assert spied(profiles, "transductive", held_out(profiles)) == everything


def test_the_fitting_loop_leaves_the_given_normalizer_alone(screen: Any) -> None:
    normalizer = AllWithin()
    normalize(screen(), normalizer)
    assert vars(normalizer) == {"on_constant": "centre"}


@pytest.mark.parametrize("how", ["float64", "a row too few"])
def test_an_output_of_another_type_or_shape_stops_the_run(screen: Any, how: str) -> None:
    with pytest.raises(TypeError, match=r"Wrong: got .*expected float32"):
        normalize(screen(), Wrong(how=how))


def test_normalization_comes_before_aggregation(screen: Any) -> None:
    profiles = screen()
    by_site = normalize(profiles, DmsoWithin(), aggregate="none")
    by_well = normalize(profiles, DmsoWithin(), aggregate="median")
    expected = pd.DataFrame(by_site.X).groupby([profiles.wells["plate"], profiles.wells["well"]]).median()
    got = by_well.X[pd.MultiIndex.from_frame(by_well.wells[["plate", "well"]]).argsort()]
    np.testing.assert_allclose(got, expected.sort_index().to_numpy(), rtol=1e-5, atol=1e-5)
    pd.testing.assert_frame_equal(by_well.wells, well_table(profiles.wells))


def test_an_unknown_aggregation_is_refused_before_anything_is_read(screen: Any) -> None:
    with pytest.raises(InputError, match=r"aggregate='mode' is unknown; choose one of \['median', 'mean', 'none'\]"):
        normalize(screen(), Raw(), aggregate="mode")


@pytest.mark.parametrize("hidden", ["a plate", "rows"])
def test_a_view_is_refused_and_its_copy_is_not(screen: Any, hidden: str) -> None:
    """Rows that a view hides would keep whatever stood in memory."""
    profiles = screen(awkward=False)
    shown = (profiles.wells["plate"] != "p8").to_numpy() if hidden == "a plate" else np.arange(len(profiles.X)) % 2 == 0
    with pytest.raises(InputError, match=r"got a view made by where or by_batch.*use take\(mask\)"):
        normalize(profiles.where(shown), Raw(), aggregate="none")
    copied = normalize(profiles.take(shown), Raw(), aggregate="none")
    np.testing.assert_array_equal(copied.X, profiles.X[shown])


def test_plates_come_in_order_and_only_a_few_are_worked_on_ahead(screen: Any) -> None:
    profiles = screen(n_plates=12, n_batches=3, awkward=False)
    started: list[str] = []
    lock = threading.Lock()

    def finish(plate: Plate, _: Floats) -> str:
        with lock:
            started.append(plate.name)
        return plate.name

    names = [plate.name for plate in profiles]
    for i, (plate, result) in enumerate(stream(profiles, AllWithin(), finish=finish, workers=2)):
        assert plate.name == result == names[i]
        with lock:
            assert len(started) <= i + 1 + 2


def test_reports_arrive_in_plate_order(screen: Any) -> None:
    tables: list[pd.DataFrame] = []
    normalize(screen(), AllWithin(), report=tables.append)
    assert [table["plate"].iloc[0] for table in tables] == ["p10", "p9", "p8", "p7", "p6", "p5"]


class Reporter(Spy):
    """Reports feature 0 when fitted, and feature 1 besides for every batch but the first."""

    def fit(self, plates: Sequence[Plate]) -> Self:  # noqa: ARG002
        self.rows_ = [("all", 0)]
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:
        own = copy.copy(self)
        batch = str(controls[0].wells["batch"].iloc[0])
        own.rows_ = [*self.rows_, *([] if batch == "b3" else [(batch, 1)])]
        return own

    def report(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows_, columns=["plate", "feature_number"])


def test_an_adaptation_reports_once_for_a_batch_and_only_what_the_fit_did_not(screen: Any) -> None:
    profiles = screen()
    tables: list[pd.DataFrame] = []
    normalize(profiles, Reporter(scope="train_and_controls"), report=tables.append)
    batches = list(dict.fromkeys(profiles.wells["batch"]))
    rows = [tuple(row) for table in tables for row in table.to_numpy()]
    assert rows == [("all", 0), *((batch, 1) for batch in batches if batch != "b3")]


def test_an_error_in_a_plate_reaches_the_caller(screen: Any) -> None:
    profiles = screen()
    wells = profiles.wells.assign(role=profiles.wells["role"].where(profiles.wells["plate"] != "p7", "treated"))
    with pytest.raises(InputError, match="plate 'p7' has 0 negative control wells"):
        normalize(profiles.replace(wells=wells), DmsoWithin())
