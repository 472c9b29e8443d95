from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.arrays import Doubles, Mask
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.data.wells.aggregation import expand, well_table
from harness.norm.dmso_across import DmsoAcross
from harness.norm.engine.normalize import normalize
from harness.split.random_wells import RandomWells


def scaled(profiles: Profiles, row: Mask, controls: Mask, everything: Mask) -> Doubles:
    """Rows ``row`` by mean and sd of ``controls`` in float64; constant there: of ``everything``; else 0."""
    X = profiles.X
    out = np.empty((int(row.sum()), X.shape[1]))
    for g in range(X.shape[1]):
        mean, sd = X[everything, g].mean(dtype=np.float64), 1.0
        for chosen in (controls, everything):
            if len(np.unique(X[chosen, g])) > 1:
                x = X[chosen, g].astype(np.float64)
                mean, sd = x.mean(), x.std()
                break
        out[:, g] = (X[row, g].astype(np.float64) - mean) / sd
    return out


def sides(profiles: Profiles, split: Split) -> tuple[Mask, Mask, Any]:
    """Training controls, filled training rows, and a name for the well of each row."""
    train = expand(split.train, profiles.wells)
    role = profiles.wells["role"].to_numpy()
    name = (profiles.wells["plate"] + "/" + profiles.wells["well"]).to_numpy()
    return train & (role == "negcon"), train & (role != "empty"), name


def hold_out(profiles: Profiles, *plates: str) -> Split:
    test = well_table(profiles.wells)["plate"].isin(plates).to_numpy()
    return Split("f", ~test, test)


def output(profiles: Profiles, split: Split | None, **options: Any) -> Any:
    return normalize(profiles, DmsoAcross(**options), split, aggregate="none").X


def close(Z: Any, expected: Any) -> bool:
    return bool(np.allclose(Z, expected, rtol=2e-5, atol=2e-5))


def check_against_brute_force(profiles: Profiles, split: Split, Z: Any) -> dict[str, int]:
    """Every row has the reference it should have; how many wells were seen of each kind."""
    controls, everything, name = sides(profiles, split)
    seen = {"reference": 0, "beside": 0, "held-out plate": 0}
    plate = profiles.wells["plate"].to_numpy()
    for well in pd.unique(pd.Series(name)):
        row = name == well
        on_plate = controls & (plate == plate[row][0])
        if controls[row].any():
            seen["reference"] += 1
            assert close(Z[row], scaled(profiles, row, controls & ~row, everything)), well
        elif on_plate.any():
            seen["beside"] += 1
            each = [scaled(profiles, row, controls & (name != w), everything) for w in np.unique(name[on_plate])]
            assert sum(close(Z[row], expected) for expected in each) == 1, well
        else:
            seen["held-out plate"] += 1
            assert close(Z[row], scaled(profiles, row, controls, everything)), well
    return seen


def test_held_out_plates_use_all_training_controls_and_others_leave_one_out(screen: Any) -> None:
    profiles = screen(n_plates=4, n_batches=2, n_wells=14, n_controls=3)
    split = hold_out(profiles, "p8", "p7")
    seen = check_against_brute_force(profiles, split, output(profiles, split))
    assert all(seen.values())


def test_a_plate_with_training_and_held_out_controls(screen: Any) -> None:
    """A held-out control is not in the reference: it leaves out one of the plate's training controls, as others do."""
    profiles = screen(n_plates=3, n_batches=3, n_wells=16, n_controls=5)
    split = next(iter(RandomWells(n_folds=3).split(well_table(profiles.wells))))
    seen = check_against_brute_force(profiles, split, output(profiles, split))
    assert seen["held-out plate"] == 0
    held_out = expand(split.test, profiles.wells) & (profiles.wells["role"] == "negcon").to_numpy()
    assert held_out.any()


def test_transductive_scope_reads_the_controls_of_held_out_plates_too(screen: Any) -> None:
    profiles = screen(n_plates=3, n_batches=3, n_wells=12, n_controls=3)
    split = hold_out(profiles, "p8")
    everyone = np.ones(len(split.train), dtype=bool)
    Z = output(profiles, split, scope="transductive")
    assert not close(Z, output(profiles, split))
    check_against_brute_force(profiles, Split("all", everyone, ~everyone), Z)


@pytest.mark.parametrize("scope", ["train", "transductive"])
def test_the_textbook_form_is_one_affine_map_for_the_whole_screen(screen: Any, scope: str) -> None:
    profiles = screen()
    split = hold_out(profiles, "p8")
    full = np.ones(len(split.train), dtype=bool)
    controls, everything, _ = sides(profiles, split if scope == "train" else Split("all", full, ~full))
    every_row = np.ones(len(profiles.wells), dtype=bool)
    expected = scaled(profiles, every_row, controls, everything)
    np.testing.assert_allclose(output(profiles, split, scope=scope, exchangeable=False), expected, rtol=2e-5, atol=2e-5)


def only_one_well_deviates(screen: Any, first_plate: str) -> tuple[Profiles, str]:
    """Feature 6 is 5.0 on all controls of the screen but one, which stands on the first plate."""
    profiles = screen(n_plates=4, n_batches=2, n_wells=14, n_controls=4, awkward=False)
    wells, X = profiles.wells.copy(), profiles.X.copy()
    first = wells["plate"] == "p10"
    names = sorted(wells.loc[first & (wells["role"] == "negcon"), "well"].unique())
    odd = first & (wells["well"] == names[0])
    if first_plate == "has no other control":
        wells.loc[first & wells["well"].isin(names[1:]), "role"] = "treated"
    if first_plate == "has mostly sites of that well":
        keep = ~(first & wells["well"].isin(names[1:]) & (wells["site"] > 1)).to_numpy()
        extra = np.flatnonzero(odd)
        rows = np.sort(np.r_[np.flatnonzero(keep), np.repeat(extra, 5)])
        wells, X = wells.iloc[rows].reset_index(drop=True), X[rows]
        odd = (wells["plate"] == "p10") & (wells["well"] == names[0])
    X[(wells["role"] == "negcon").to_numpy(), 6] = 5.0
    X[odd.to_numpy(), 6] = 8.0
    return Profiles(X, wells), f"p10/{names[0]}"


@pytest.mark.parametrize("first_plate", ["has more controls", "has no other control", "has mostly sites of that well"])
def test_where_one_control_alone_varies_it_falls_back_to_all_wells(screen: Any, first_plate: str) -> None:
    profiles, odd = only_one_well_deviates(screen, first_plate)
    split = hold_out(profiles, "p7")
    controls, everything, name = sides(profiles, split)
    expected = scaled(profiles, name == odd, controls & (name != odd), everything)
    got = output(profiles, split)[name == odd]
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)
    assert abs(got[:, 6] - 8.0).min() > 1, "the feature was left alone although treated wells vary"


def test_features_without_variance_are_reported_over_the_training_controls(screen: Any) -> None:
    tables: list[pd.DataFrame] = []
    profiles = screen()
    normalize(profiles, DmsoAcross(), hold_out(profiles, "p8"), report=tables.append)
    (table,) = tables
    assert dict(zip(table["feature_number"], table["fallback"], strict=True)) == {0: "centred", 1: "all wells"}
    assert set(table["plate"]) == {"training plates"}


@pytest.mark.parametrize("exchangeable", [True, False])
def test_a_feature_constant_on_training_wells_is_0_on_every_plate_or_left_alone(
    screen: Any, exchangeable: bool
) -> None:
    profiles = screen()
    X = profiles.X.copy()
    X[(profiles.wells["plate"] == "p8").to_numpy(), 0] = 3.0
    split = hold_out(profiles, "p8")
    centred = output(profiles.replace(X=X), split, exchangeable=exchangeable)
    assert not centred[:, 0].any()
    alone = output(profiles.replace(X=X), split, exchangeable=exchangeable, on_constant="leave")
    np.testing.assert_array_equal(alone[:, 0], X[:, 0])
    np.testing.assert_array_equal(alone[:, 1:], centred[:, 1:])


def test_held_out_wells_have_no_part_in_the_fallback_to_all_wells(screen: Any) -> None:
    profiles = screen()
    split = hold_out(profiles, "p8")
    X = profiles.X.copy()
    X[(profiles.wells["plate"] == "p8").to_numpy(), 1] += 1e5
    moved = output(profiles.replace(X=X), split)
    stay = (profiles.wells["plate"] != "p8").to_numpy()
    np.testing.assert_array_equal(moved[stay], output(profiles, split)[stay])


def test_fewer_than_three_training_controls_are_refused(screen: Any) -> None:
    profiles = screen(n_plates=2, n_batches=2, n_controls=2)
    with pytest.raises(InputError, match="2 negative control wells on the training plates, at least 3"):
        output(profiles, hold_out(profiles, "p9"))


def test_training_plates_without_controls_are_passed_over(screen: Any) -> None:
    profiles = screen(n_plates=4, n_batches=2, n_wells=14, n_controls=3)
    wells = profiles.wells.copy()
    wells.loc[(wells["plate"] == "p10") & (wells["role"] == "negcon"), "role"] = "treated"
    profiles = profiles.replace(wells=wells)
    split = hold_out(profiles, "p7")
    check_against_brute_force(profiles, split, output(profiles, split))


def test_an_unknown_scope_is_refused_with_the_known_ones(screen: Any) -> None:
    with pytest.raises(InputError, match=r"scope 'everything' is unknown.*'transductive'"):
        output(screen(), None, scope="everything")


def test_folds_summarize_a_whole_plate_once_and_part_of_it_anew(screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles, seen, summarize = screen(), [], DmsoAcross.summarize_plate

    def noted(self: DmsoAcross, plate: Plate) -> Any:
        seen.append(plate.name)
        return summarize(self, plate)

    monkeypatch.setattr(DmsoAcross, "summarize_plate", noted)
    batch, first = profiles.wells["batch"].to_numpy(), str(profiles.wells["plate"].iloc[0])
    for held_out in ("b1", "b2", "b3"):
        rows = profiles.where(batch != held_out)
        kept, anew = DmsoAcross().fit(rows), DmsoAcross().fit(list(rows))
        np.testing.assert_array_equal(kept.controls_.mean, anew.controls_.mean)
        np.testing.assert_array_equal(kept.everything_.M2, anew.everything_.M2)
    n_plates = len(profiles)
    assert len(seen) == n_plates + 2 * n_plates  # once for all folds; and in two of three folds by the list's fit
    seen.clear()
    DmsoAcross().fit(profiles.where(np.arange(len(batch)) > 0))
    assert seen == [first]
    other = profiles.replace(X=profiles.X * 2)
    np.testing.assert_allclose(DmsoAcross().fit(other).controls_.mean, 2 * DmsoAcross().fit(profiles).controls_.mean)
