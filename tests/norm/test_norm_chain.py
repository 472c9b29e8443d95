"""A chain: every step sees what its own scope allows, after the steps before it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pytest
from places import ROOT
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import expand, well_table
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer, depends_on_training
from harness.norm.chain import Chain
from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import fit, normalize, stream
from harness.norm.mean import Mean
from harness.norm.oracle import Oracle
from harness.norm.raw import Raw
from harness.norm.well_mean import WellMean

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
SEEN: list[dict[str, tuple[list[str], Floats]]] = []


class Spy(Normalizer):
    """Keeps what it is given to fit, or to adapt to, and adds 1."""

    def __init__(self, *, scope: str) -> None:
        self.scope = scope

    def _look(self, plates: Sequence[Plate]) -> None:
        SEEN.append({plate.name: (list(plate.wells["well"]), plate.X.copy()) for plate in plates})

    def fit(self, plates: Sequence[Plate]) -> Self:
        self._look(plates)
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:
        self._look(controls)
        return self

    def transform(self, plate: Plate) -> Floats:
        return plate.X + np.float32(1)


def rows_of(profiles: Profiles, normalizer: Normalizer, split: Split | None = None) -> Floats:
    return normalize(profiles, normalizer, split, aggregate="none").X


def thirds(profiles: Profiles) -> Split:
    """Through the middle of plates: every third well is tested."""
    test = np.arange(len(well_table(profiles.wells))) % 3 == 0
    return Split("thirds", ~test, test)


def stepwise(profiles: Profiles, steps: Sequence[Normalizer], split: Split | None) -> Floats:
    """The oracle: one whole normalized screen after another."""
    for step in steps:
        profiles = profiles.replace(X=rows_of(profiles, step, split))
    return profiles.X


CHAINS: dict[str, list[Normalizer]] = {
    "plate, train": [DmsoWithin(), DmsoAcross()],
    "train, plate": [DmsoAcross(), AllWithin()],
    "plate, batch": [DmsoWithin(exchangeable=False), Mean()],
    "batch, train, plate": [Mean(), DmsoAcross(exchangeable=False), DmsoWithin()],
    "plate, transductive, batch": [AllWithin(), WellMean(), Mean()],
    "one": [DmsoWithin()],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("held_out", [False, True])
def test_a_chain_is_its_steps_one_screen_after_another(name: str, held_out: bool, screen: Any) -> None:
    profiles = screen()
    split = thirds(profiles) if held_out else None
    steps = CHAINS[name]
    np.testing.assert_array_equal(rows_of(profiles, Chain(steps=steps), split), stepwise(profiles, steps, split))


def test_wells_are_the_median_of_what_the_last_step_gives(screen: Any) -> None:
    profiles = screen()
    for steps in ([DmsoWithin(), AllWithin()], [AllWithin(), DmsoAcross()]):
        chain = Chain(steps=steps)
        by_hand = normalize(profiles.replace(X=rows_of(profiles, chain)), Raw())
        np.testing.assert_allclose(normalize(profiles, chain).X, by_hand.X, rtol=1e-5, atol=1e-5)
    assert Chain(steps=[DmsoWithin(), AllWithin()]).is_monotone
    assert not Chain(steps=[DmsoWithin(), DmsoAcross()]).is_monotone


def test_a_chain_in_a_chain_is_the_flat_chain(screen: Any) -> None:
    profiles = screen()
    flat = Chain(steps=[DmsoWithin(), Mean(), DmsoAcross()])
    for nested in (
        Chain(steps=[Chain(steps=[DmsoWithin(), Mean()]), DmsoAcross()]),
        Chain(steps=[DmsoWithin(), Chain(steps=[Mean(), Chain(steps=[DmsoAcross()])])]),
    ):
        assert nested.scope == flat.scope
        np.testing.assert_array_equal(rows_of(profiles, nested), rows_of(profiles, flat))


@pytest.mark.parametrize("scope", list(FitScope))
def test_a_second_step_sees_the_rows_of_its_scope_as_the_first_left_them(scope: FitScope, screen: Any) -> None:
    profiles = screen()
    wells, split = profiles.wells, thirds(profiles)
    whole = rows_of(profiles, DmsoWithin())
    train = expand(split.train, wells)
    control = (wells["role"] == "negcon").to_numpy()
    SEEN.clear()
    rows_of(profiles, Chain(steps=[DmsoWithin(), Spy(scope=scope)]), split)
    every = np.ones(len(wells), dtype=bool)
    by_plate = [(wells["plate"] == p.name).to_numpy() for p in profiles]
    by_batch = [(wells["batch"] == b).to_numpy() for b in wells["batch"].unique()]
    allowed = {
        FitScope.PLATE: by_plate,
        FitScope.BATCH: by_batch,
        FitScope.TRAIN: [train],
        FitScope.TRAIN_AND_CONTROLS: [train, *(control & b for b in by_batch)],
        FitScope.TRANSDUCTIVE: [every],
    }[scope]
    expected = []
    for mask in allowed:
        plates = {str(p): mask & (wells["plate"] == p).to_numpy() for p in wells["plate"].unique()}
        expected.append({p: (list(wells.loc[m, "well"]), whole[m]) for p, m in plates.items() if m.any()})
    assert len(SEEN) == len(expected)
    order = lambda seen: (sum(len(w) for w, _ in seen.values()), sorted(seen))  # noqa: E731
    for got, wanted in zip(sorted(SEEN, key=order), sorted(expected, key=order), strict=True):
        assert {p: w for p, (w, _) in got.items()} == {p: w for p, (w, _) in wanted.items()}
        for plate in wanted:
            np.testing.assert_array_equal(got[plate][1], wanted[plate][1])


def test_held_out_wells_of_a_training_plate_move_its_controls_but_are_not_read_by_the_second_step(screen: Any) -> None:
    """The mask comes after the transform: the first step still normalizes whole plates."""
    profiles = screen()
    SEEN.clear()
    rows_of(profiles, Chain(steps=[AllWithin(), Spy(scope="train")]), thirds(profiles))
    (seen,) = SEEN
    whole = rows_of(profiles, AllWithin())
    for plate, (wells, X) in seen.items():
        shown = ((profiles.wells["plate"] == plate) & profiles.wells["well"].isin(wells)).to_numpy()
        assert shown.sum() < (profiles.wells["plate"] == plate).sum()
        np.testing.assert_array_equal(X, whole[shown])


@pytest.mark.parametrize(
    ("steps", "scope"),
    [
        ([DmsoWithin(), AllWithin()], "plate"),
        ([DmsoWithin(), Mean()], "batch"),
        ([DmsoAcross(), DmsoAcross()], "train"),
        ([DmsoWithin(), DmsoAcross()], "train_and_controls"),
        ([DmsoAcross(), DmsoWithin()], "train_and_controls"),
        ([Mean(), DmsoAcross()], "transductive"),
        ([Mean(), Spy(scope="train_and_controls")], "transductive"),
        ([Spy(scope="train"), Spy(scope="train_and_controls")], "train_and_controls"),
        ([DmsoWithin(), DmsoAcross(scope="transductive")], "transductive"),
        ([Raw(), DmsoWithin()], "plate"),
        ([Raw(), Raw()], "train"),
        ([Oracle(), Mean()], "batch"),
    ],
)
def test_the_scope_is_the_least_that_promises_no_more_than_the_steps_keep(steps: Any, scope: str) -> None:
    assert Chain(steps=steps).scope == scope


def test_what_makes_a_chain_depend_on_the_split() -> None:
    assert depends_on_training(Chain(steps=[Mean(), DmsoAcross()]))
    assert not depends_on_training(Chain(steps=[Mean(), WellMean()]))
    assert not depends_on_training(Chain(steps=[Raw(), DmsoWithin()]))


def test_nothing_normalized_is_kept_and_no_array_of_all_rows_is_offered(screen: Any) -> None:
    held: list[Any] = []

    class Nosy(Spy):
        def fit(self, plates: Sequence[Plate]) -> Self:
            held.append(plates)
            return self

    rows_of(screen(), Chain(steps=[AllWithin(), Nosy(scope="train")]))
    (plates,) = held
    with pytest.raises(AttributeError):
        _ = plates.X
    first, again = plates[0], plates[0]
    assert first.X is not again.X
    np.testing.assert_array_equal(first.X, again.X)
    assert [p.name for p in plates] == [p.name for p in plates[:]]


def test_cloning_setting_and_fitting_leave_the_steps_alone(screen: Any) -> None:
    chain = Chain(steps=[DmsoWithin(seed=3), DmsoAcross()])
    copy = clone(chain)
    assert [type(s) for s in copy.steps] == [DmsoWithin, DmsoAcross]
    assert copy.steps[0] is not chain.steps[0]
    assert copy.steps[0].get_params() == chain.steps[0].get_params()
    fitted = fit(screen(), chain)
    assert vars(chain) == {"steps": chain.steps}
    assert all(set(vars(s)) == set(s.get_params()) for s in chain.steps)
    assert hasattr(fitted.stages()[1], "controls_")
    assert not hasattr(fitted.stages()[0], "mean_")
    chain.set_params(steps=[Mean()])
    assert chain.scope == "batch"


def test_fitted_once_it_normalizes_other_plates_without_reading_them_again(screen: Any) -> None:
    """What is frozen does not move with the new plates, and each new plate is normalized by itself first."""
    old, new = screen(seed=1, awkward=False), screen(seed=2, awkward=False)
    chain = Chain(steps=[DmsoWithin(), DmsoAcross(exchangeable=False)])
    fitted = fit(old, chain)
    got = [Z for _, Z in stream(new, fitted, fitted=True, finish=lambda _, Z: Z)]
    middle = rows_of(new, DmsoWithin())
    controls = rows_of(old, DmsoWithin())[(old.wells["role"] == "negcon").to_numpy()].astype(np.float64)
    expected = (middle - controls.mean(axis=0)) / controls.std(axis=0)
    np.testing.assert_allclose(np.concatenate(got), expected, rtol=1e-4, atol=1e-4)


def test_every_step_reports(screen: Any) -> None:
    tables: list[Any] = []
    normalize(screen(), Chain(steps=[AllWithin(), DmsoAcross()]), report=tables.append)
    told = [table["plate"].iloc[0] for table in tables]
    assert sorted(told) == sorted(["p10", "p9", "p8", "p7", "p6", "p5", "training plates"])


@pytest.mark.parametrize("steps", [[], "dmso_within", [DmsoWithin(), "mean"]])
def test_a_chain_of_something_else_is_refused(steps: Any, screen: Any) -> None:
    with pytest.raises(InputError, match=r"chain: "):
        normalize(screen(), Chain(steps=steps))


def test_a_chain_cannot_be_fitted_behind_the_harness_s_back(screen: Any) -> None:
    chain = Chain(steps=[Mean()])
    with pytest.raises(TypeError, match="step by step"):
        chain.fit(screen())
    with pytest.raises(TypeError, match="step by step"):
        chain.transform(screen()[0])


def test_controls_are_not_told_from_treated_wells_on_noise(member: Any, noise_screen: Any) -> None:
    """By the length of a profile, held out; 576 wells of which 96 are controls: standard error 0.03."""
    profiles = noise_screen()
    test = profiles.wells["batch"].isin(["b2", "b3"]).to_numpy()
    split = Split("half", ~test, test)
    control = (profiles.wells["role"] == "negcon").to_numpy()

    def auroc(normalizer: Normalizer, rows: Any) -> float:
        length = np.linalg.norm(rows_of(profiles, normalizer, split)[rows], axis=1)
        return float(roc_auc_score(control[rows], length))

    chain = member("norm", "dmso_within_then_sphering")
    for rows in (test, ~test):
        assert abs(auroc(chain, rows) - 0.5) < 0.12
    textbook = clone(chain)
    for step in textbook.steps:
        step.set_params(exchangeable=False)
    assert abs(auroc(textbook, ~test) - 0.5) > 0.3


def test_the_member_is_dmso_within_and_then_sphering(member: Any) -> None:
    chain = member("norm", "dmso_within_then_sphering")
    assert [type(s).__name__ for s in chain.steps] == ["DmsoWithin", "Sphering"]
    assert chain.scope == "train_and_controls"
    assert (ROOT / "conf/norm/dmso_within_then_sphering.yaml").is_file()
