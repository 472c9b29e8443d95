"""The promises of every normalization in conf/norm, and cheats that the same tests must catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from places import ROOT
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier

from harness.audit.base import AuditContext
from harness.audit.shuffled_wells import ShuffledWells
from harness.core.arrays import Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.data.wells.aggregation import well_table
from harness.norm.base import COLUMNS, Normalizer, declared_columns, depends_on_training
from harness.norm.engine.normalize import normalize, stream
from harness.split.leave_batch_out import LeaveBatchOut

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")

NAMES = sorted(path.stem for path in (ROOT / "conf" / "norm").glob("*.yaml"))
each = pytest.mark.parametrize("name", NAMES)


class PeeksAtOtherPlates(Normalizer):
    """Declares PLATE, centres on the whole screen: reaches it through the array that a plate is a view of."""

    scope = FitScope.PLATE

    def fit(self, plates: Sequence[Plate]) -> Self:
        X = plates[0].X
        everything = X if X.base is None else X.base
        self.mean_ = everything.mean(axis=0)
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X - self.mean_, dtype=np.float32)


class PeeksAtTestRows(PeeksAtOtherPlates):
    """Declares TRAIN, centres on all rows, held-out ones too."""

    scope = FitScope.TRAIN

    def fit(self, plates: Any) -> Self:
        self.mean_ = plates.X.mean(axis=0)
        return self


class PeeksAtOtherBatches(PeeksAtTestRows):
    """Declares BATCH, centres on all batches."""

    scope = FitScope.BATCH


class ReadsHeldOutRoles(Normalizer):
    """Declares TRAIN, moves each row by what it is: the label of a held-out well."""

    scope = FitScope.TRAIN

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + plate.negcon[:, None], dtype=np.float32)


class AdaptsToTreated(Normalizer):
    """Declares TRAIN_AND_CONTROLS, centres a batch on all its wells, treated ones too."""

    scope = FitScope.TRAIN_AND_CONTROLS

    def adapt(self, controls: Any) -> Self:
        adapted = clone(self)
        batch = controls[0].wells["batch"].iloc[0]
        adapted.mean_ = controls.X[(controls.wells["batch"] == batch).to_numpy()].mean(axis=0)
        return adapted

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X - self.mean_, dtype=np.float32)


class ReadsLabels(Normalizer):
    """Moves each row by its mechanism of action."""

    scope = FitScope.TRANSDUCTIVE

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + (plate.wells["moa"] == "x").to_numpy()[:, None], dtype=np.float32)


class ShiftsCompounds(Normalizer):
    """Moves each well by the name of its compound, which it does not declare."""

    scope = FitScope.PLATE

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + (plate.wells["compound"] != "DMSO").to_numpy()[:, None], dtype=np.float32)


class ShiftsDoses(Normalizer):
    """Moves each well by its dose, which it does not declare."""

    scope = FitScope.PLATE

    def transform(self, plate: Plate) -> Floats:
        dose = plate.wells["dose"].to_numpy()
        return np.asarray(plate.X + dose[:, None], dtype=np.float32)


class ShiftsDeclaredCompounds(Normalizer):
    """Moves each well by the name of its compound, and declares that it reads it."""

    scope = FitScope.PLATE
    reads = ("compound",)

    def transform(self, plate: Plate) -> Floats:
        moved = (plate.wells["compound"] != "DMSO").to_numpy()[:, None]
        return np.asarray(plate.X + 5 * moved, dtype=np.float32)


class ShiftsDeclaredDoses(ShiftsDeclaredCompounds):
    """Moves each well that has a dose, and declares that it reads it."""

    reads = ("dose",)

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + 5 * (plate.wells["dose"] > 0).to_numpy()[:, None], dtype=np.float32)


class ShiftsRoles(Normalizer):
    """Moves treated wells, in which every normalization may see that they are no controls."""

    scope = FitScope.PLATE

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + 5 * ~plate.negcon[:, None], dtype=np.float32)


class ShiftsInnerColumns(Normalizer):
    """Moves the wells in the inner columns, which hold no control on many a layout."""

    scope = FitScope.PLATE

    def transform(self, plate: Plate) -> Floats:
        column = plate.wells["column"].to_numpy()
        inner = (column > column.min()) & (column < column.max())
        return np.asarray(plate.X + 5 * inner[:, None], dtype=np.float32)


CHEATS: dict[str, type[Normalizer]] = {
    c.__name__: c
    for c in (
        PeeksAtOtherPlates,
        PeeksAtTestRows,
        PeeksAtOtherBatches,
        ReadsHeldOutRoles,
        AdaptsToTreated,
        ReadsLabels,
        ShiftsCompounds,
        ShiftsDoses,
        ShiftsDeclaredCompounds,
        ShiftsDeclaredDoses,
        ShiftsRoles,
        ShiftsInnerColumns,
    )
}


def with_cheats(*names: str, raises: Any = AssertionError) -> Any:
    caught = [pytest.param(n, marks=pytest.mark.xfail(strict=True, raises=raises, reason="cheat")) for n in names]
    return pytest.mark.parametrize("name", [*NAMES, *caught])


@pytest.fixture(scope="session")
def make(member: Callable[..., Any]) -> Callable[[str], Normalizer]:
    known: dict[str, Normalizer] = {}

    def build(name: str) -> Normalizer:
        if name not in known:
            known[name] = CHEATS[name]() if name in CHEATS else member("norm", name)
        for module in known[name].requires:
            pytest.importorskip(module, reason=f"{name} needs the optional package {module}")
        return known[name]

    return build


@pytest.fixture(scope="session")
def toy(screen: Callable[..., Profiles]) -> Profiles:
    return screen(planted=True)


def sites(profiles: Profiles, normalizer: Normalizer, split: Split | None = None) -> Floats:
    """Normalized rows in the order of ``profiles``, not aggregated."""
    return normalize(profiles, normalizer, split, aggregate="none").X


def hold_out(profiles: Profiles, plate: str) -> Split:
    test = (well_table(profiles.wells)["plate"] == plate).to_numpy()
    return Split(plate, ~test, test)


def of_scope(make: Any, name: str, scope: FitScope) -> Normalizer:
    """The normalizer, or a skip where it declares another scope."""
    normalizer: Normalizer = make(name)
    if FitScope(normalizer.scope) is not scope:
        pytest.skip(f"{name} does not declare scope {scope}")
    return normalizer


def moved(profiles: Profiles, rows: Any, *, factor: float = 1.0) -> Profiles:
    """The same with the marked rows stretched and shifted far off."""
    X = profiles.X.copy()
    X[rows] *= np.float32(factor)
    X[rows] += np.float32(1e4)
    return profiles.replace(X=X)


def unmoved(profiles: Profiles, scope: FitScope, plate: str) -> Any:
    """Rows that may not notice what happens to the features of held-out ``plate``."""
    wells = profiles.wells
    if scope in (FitScope.BATCH, FitScope.TRAIN_AND_CONTROLS):
        return (wells["batch"] != wells.loc[wells["plate"] == plate, "batch"].iloc[0]).to_numpy()
    return (wells["plate"] != plate).to_numpy()


@each
def test_output_is_float32_of_the_same_shape_finite_and_not_the_input_itself_changed(
    name: str, make: Any, toy: Any
) -> None:
    before = toy.X.copy(), toy.planted.copy(), toy.wells.copy()
    for plate, Z in stream(toy, make(name), finish=lambda _, Z: Z):
        assert Z.dtype == np.float32
        assert Z.shape == plate.X.shape
        assert np.isfinite(Z).all()
        assert np.abs(Z).max() < 1e12, "a feature of zero variance was divided by something tiny"
    np.testing.assert_array_equal(toy.X, before[0])
    np.testing.assert_array_equal(toy.planted, before[1])
    pd.testing.assert_frame_equal(toy.wells, before[2])


@each
def test_permuting_the_rows_of_a_plate_permutes_the_output(name: str, make: Any, toy: Any) -> None:
    rng = np.random.default_rng(5)
    order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in toy])
    permuted = toy.replace(X=toy.X[order], wells=toy.wells.iloc[order], planted=toy.planted[order])
    straight = sites(toy, make(name))
    assert not np.array_equal(straight, straight[order])
    np.testing.assert_allclose(sites(permuted, make(name)), straight[order], rtol=1e-5, atol=1e-5)


@each
def test_a_read_only_memory_map_is_accepted_and_left_as_it_is(name: str, make: Any, toy: Any, tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    np.save(path, toy.X)
    before = path.read_bytes()
    mapped = toy.replace(X=np.load(path, mmap_mode="r"))
    np.testing.assert_array_equal(sites(mapped, make(name)), sites(toy, make(name)))
    assert path.read_bytes() == before


@each
def test_two_runs_give_the_same_bits_and_leave_the_normalizer_unfitted(name: str, make: Any, toy: Any) -> None:
    normalizer = make(name)
    before = dict(vars(normalizer))
    first = sites(toy, normalizer)
    np.testing.assert_array_equal(first, sites(toy, normalizer))
    assert vars(normalizer) == before


@pytest.mark.slow
@with_cheats("PeeksAtOtherPlates", "PeeksAtTestRows", "PeeksAtOtherBatches")
def test_shifting_a_held_out_plate_moves_no_row_outside_the_declared_scope(name: str, make: Any, toy: Any) -> None:
    normalizer = make(name)
    scope = FitScope(normalizer.scope)
    if scope is FitScope.TRANSDUCTIVE:
        pytest.skip(f"{name} declares that it reads every row")
    for held_out in ("p10", "p7", "p5"):  # first, middle, last
        split = hold_out(toy, held_out)
        keep = unmoved(toy, scope, held_out)
        assert 0 < keep.sum() < len(keep)
        shifted = sites(moved(toy, (toy.wells["plate"] == held_out).to_numpy(), factor=1.5), normalizer, split)
        np.testing.assert_array_equal(shifted[keep], sites(toy, normalizer, split)[keep])


@with_cheats("AdaptsToTreated")
def test_treated_wells_of_a_held_out_plate_move_no_other_plate(name: str, make: Any, toy: Any) -> None:
    normalizer = of_scope(make, name, FitScope.TRAIN_AND_CONTROLS)
    split = hold_out(toy, "p7")
    held_out = (toy.wells["plate"] == "p7").to_numpy()
    others = held_out & (toy.wells["role"] != "negcon").to_numpy()
    shifted = sites(moved(toy, others), normalizer, split)
    np.testing.assert_array_equal(shifted[~held_out], sites(toy, normalizer, split)[~held_out])


@with_cheats("ReadsHeldOutRoles")
def test_a_training_scope_reads_no_role_of_a_held_out_well(name: str, make: Any, toy: Any) -> None:
    normalizer = of_scope(make, name, FitScope.TRAIN)
    split = hold_out(toy, "p7")
    held_out = (toy.wells["plate"] == "p7").to_numpy()
    swap = {"negcon": "treated", "treated": "negcon"}
    wells = toy.wells.assign(role=toy.wells["role"].where(~held_out, toy.wells["role"].replace(swap)))
    relabelled = sites(toy.replace(wells=wells), normalizer, split)
    np.testing.assert_array_equal(relabelled, sites(toy, normalizer, split))


@with_cheats("ReadsLabels", "ShiftsCompounds", "ShiftsDoses", raises=KeyError)
def test_labels_compounds_and_doses_that_are_not_declared_are_not_there(name: str, make: Any, toy: Any) -> None:
    normalizer = make(name)
    rng = np.random.default_rng(1)
    others = [c for c in ("moa", "dose", "compound") if c not in declared_columns(normalizer)]
    other = {c: rng.permutation(toy.wells[c].to_numpy()) for c in others}
    relabelled = sites(toy.replace(wells=toy.wells.assign(**other)), normalizer)
    np.testing.assert_array_equal(relabelled, sites(toy, normalizer))


@each
def test_the_output_keeps_every_column_of_the_wells(name: str, make: Any, toy: Any) -> None:
    assert list(normalize(toy, make(name)).wells) == list(well_table(toy.wells))


def test_what_a_method_sees_of_the_wells_is_what_all_may_know_and_what_it_declares(toy: Any, make: Any) -> None:
    seen: list[tuple[str, ...]] = []

    class Looks(Normalizer):
        scope = FitScope.TRAIN_AND_CONTROLS
        reads = ("dose",)

        def fit(self, plates: Any) -> Self:
            seen.extend([tuple(plates.wells), *(tuple(plate.wells) for plate in plates)])
            return self

        def adapt(self, controls: Any) -> Self:
            seen.extend([tuple(controls.wells), *(tuple(plate.wells) for plate in controls)])
            return self

        def transform(self, plate: Plate) -> Floats:
            seen.append(tuple(plate.wells))
            return plate.X

    sites(toy, Looks(), hold_out(toy, "p7"))
    assert {frozenset(columns) for columns in seen} == {frozenset({*COLUMNS, "dose"} & set(toy.wells))}
    assert declared_columns(make("direct_standardization")) == ("compound",)
    assert declared_columns(clone(make("combat")).set_params(covariates=["dose", "row"])) == ("dose",)


def test_the_tables_that_a_method_sees_are_made_once_for_all_passes(toy: Any) -> None:
    seen: list[pd.DataFrame] = []

    class Looks(Normalizer):
        scope = FitScope.PLATE

        def transform(self, plate: Plate) -> Floats:
            seen.append(plate.wells)
            return plate.X

    for X in (toy.X, toy.X.copy()):
        sites(toy.replace(X=X), Looks())
    assert len(seen) == 2 * len(toy)
    assert len({id(table) for table in seen}) == len(toy)


@pytest.fixture(scope="session")
def outer_columns(noise_screen: Callable[..., Profiles]) -> Profiles:
    """Noise with everything a method could read: 8 plates in 4 batches, controls in the two outer columns."""
    profiles = noise_screen(n_plates=8, n_batches=4, n_wells=48, n_features=15)
    column = profiles.wells["well"].str[1:].astype(int)
    outer = column.isin([1, 12])
    wells = profiles.wells.assign(
        row=profiles.wells["well"].str[0].map(ord) - 64,
        column=column,
        role=np.where(outer, "negcon", "treated"),
        compound=np.where(outer, "DMSO", "c" + column.astype(str)),
        dose=np.where(outer, 0.0, 3.0),
        cell_count=np.random.default_rng(2).integers(20, 90, len(column)),
    )
    return profiles.replace(wells=wells, planted=profiles.X)


def audited(profiles: Profiles, normalizer: Normalizer) -> AuditContext:
    """What a run hands to a check that trains no model of its own."""

    def by_split(given: Profiles) -> Callable[[Split | None], Profiles]:
        whole = normalize(given, normalizer)
        return lambda split: normalize(given, normalizer, split) if depends_on_training(normalizer) else whole

    return AuditContext(
        profiles=profiles,
        wells=well_table(profiles.wells),
        normalize=by_split,
        normalized=by_split(profiles),
        splits=[],
        splitter=LeaveBatchOut(),
        tasks={},
        models={},
        evaluations={},
        n_resamples=100,
        seed=0,
        normalizer=normalizer,
    )


LEAK = {"dmso_within_textbook": "controls take part in their own reference"}


@pytest.mark.slow
@with_cheats("ShiftsDeclaredCompounds", "ShiftsDeclaredDoses", "ShiftsRoles", "ShiftsInnerColumns")
def test_no_null_finds_a_signal_that_the_normalization_makes(name: str, make: Any, outer_columns: Profiles) -> None:
    normalizer = make(name)
    try:
        findings = list(ShuffledWells(n_repeats=1).findings(audited(outer_columns, normalizer)))
    except NotApplicable as undefined:
        pytest.skip(f"{name}: {undefined.reason}")
    leaks = max(finding.lower for finding in findings) > 0.55
    assert leaks == (name in LEAK)


@each
def test_the_scope_is_a_known_one_and_survives_cloning_and_set_params(name: str, make: Any) -> None:
    normalizer = make(name)
    assert FitScope(normalizer.scope) in FitScope
    assert normalizer.set_params(**normalizer.get_params()) is normalizer
    assert type(normalizer).__doc__


def test_a_normalizer_that_needs_the_truth_says_so_where_there_is_none(make: Any, member: Any, screen: Any) -> None:
    needy = [name for name in NAMES if member("norm", name).needs_planted]
    assert needy == ["oracle"]
    for name in needy:
        with pytest.raises(InputError, match="planted truth"):
            sites(screen(), make(name))


# why a feature that is constant on each plate still tells the plate: every other member must hide it
TELLS_THE_PLATE = {
    "raw": "nothing is normalized",
    "shuffle": "a control of the measurement: it keeps every plate and batch effect",
    "dmso_within_textbook": "keeps the origin's rule: norm.on_constant=leave",
    "dmso_across_textbook": "keeps the origin's rule, and one map for the whole screen removes no shift",
    "dmso_across": "one map for the whole screen removes no shift",
    "sphering": "one map for the whole screen removes no shift",
    "cell_count": "one line for the whole screen removes no shift",
    "well_mean": "what is subtracted is the mean over plates",
    "sva": "only the leading components of the screen are taken out",
    "harmony": "wells are moved along the leading components of the screen, by clusters: the shift becomes smaller",
    "direct_standardization": "batches are aligned, on principal components, and not the plates in them",
    **dict.fromkeys(
        ("mean", "ratio", "rank", "combat", "combat_nonparametric", "coral", "tvn"),
        "batches are aligned, not the plates in them",
    ),
}
# the same of a feature that is constant in each batch and tells the batch
TELLS_THE_BATCH = {
    **{
        name: TELLS_THE_PLATE[name]
        for name in ("raw", "shuffle", "dmso_within_textbook", "dmso_across_textbook", "dmso_across", "sphering")
    },
    **{name: TELLS_THE_PLATE[name] for name in ("cell_count", "well_mean", "sva")},
    "direct_standardization": "the reference batch stays as it is and others get gains along axes that mix features",
    "harmony": TELLS_THE_PLATE["harmony"],
}
MIXES = {"coral", "tvn"}  # the column also holds what the feature shares with others: no constant


@pytest.fixture(scope="session")
def constants(noise_screen: Callable[..., Profiles]) -> Profiles:
    """6 plates in 3 batches of noise. Features 0, 1 are constant on each plate, 2 on each batch, 3 everywhere."""
    profiles = noise_screen(n_plates=6, n_batches=3, n_wells=32, k=10, n_features=8)
    wells = profiles.wells
    plate, batch = (pd.factorize(wells[c])[0] for c in ("plate", "batch"))
    X = profiles.X.copy()
    X[:, 0] = np.float32([0.1, 1 / 3, 1e7 + 1, 1e-30, -3e37, 7.1])[plate]
    X[:, 1] = 0.02 + 0.011 * plate
    X[:, 2] = np.float32([0.3, 0.1, 7.7])[batch]
    X[:, 3] = 1e7 + 1
    counts = np.random.default_rng(1).integers(20, 90, len(wells))
    places = {"row": wells["well"].str[0].map(ord) - 64, "column": wells["well"].str[1:].astype(int)}
    return profiles.replace(X=X, wells=wells.assign(compound="c", cell_count=counts, **places), planted=profiles.X)


def accuracy_of_a_tree(Z: Floats, label: Any) -> float:
    """Of a tree that is trained on half of the rows."""
    rows = np.random.default_rng(0).permutation(len(label))
    train, test = rows[::2], rows[1::2]
    tree = DecisionTreeClassifier(random_state=0, min_samples_leaf=5).fit(Z[train], label[train])
    return float(tree.score(Z[test], label[test]))


@pytest.mark.parametrize(
    ("unit", "columns", "exceptions"), [("plate", [0, 1], TELLS_THE_PLATE), ("batch", [2, 3], TELLS_THE_BATCH)]
)
@each
def test_no_tree_tells_the_plate_or_the_batch_from_features_that_are_constant_there(
    name: str, unit: str, columns: list[int], exceptions: dict[str, str], make: Any, constants: Profiles
) -> None:
    Z = sites(constants, make(name))[:, columns]
    label = constants.wells[unit].to_numpy()
    chance = 1 / len(np.unique(label))
    limit = chance + 4 * np.sqrt(chance * (1 - chance) / (len(label) / 2))
    told = accuracy_of_a_tree(Z, label)
    assert (told > limit) == (name in exceptions), (told, limit)
    if name not in {*exceptions, *MIXES, "noise", "oracle"}:
        assert (Z[0] == Z).all(), "one value for all wells, to the bit"


@each
def test_features_constant_on_each_plate_are_0_after_every_method_of_a_plate_with_a_location(
    name: str, make: Any, constants: Profiles
) -> None:
    if FitScope(make(name).scope) is not FitScope.PLATE or name in TELLS_THE_PLATE:
        pytest.skip(f"{name} is not fitted by plate, or tells the plate: {TELLS_THE_PLATE.get(name, '')}")
    assert not sites(constants, make(name))[:, :4].any()
