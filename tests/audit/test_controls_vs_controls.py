from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.audit.controls_vs_controls import ControlsVsControls
from harness.audit.shared.hidden_controls import hide_controls
from harness.core.exceptions import NotApplicable
from harness.data.wells.aggregation import well_table
from harness.norm.dmso_within import DmsoWithin
from harness.norm.raw import Raw
from harness.split.leave_batch_out import LeaveBatchOut

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
KEY = "audit/controls_vs_controls/{}/auroc"


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_hiding_relabels_a_share_of_each_plates_controls_all_sites_of_a_well(screen: Any, share: float) -> None:
    profiles = screen(n_controls=7)
    hidden = hide_controls(profiles, share=share, seed=1)
    before, after = profiles.wells, hidden.wells
    changed = after["heldout_control"]
    np.testing.assert_array_equal(changed, before["role"] != after["role"])
    assert set(before["role"][changed]) == {"negcon"}
    assert set(after["role"][changed]) == {"treated"}
    assert len(after.drop_duplicates(["plate", "well", "role"])) == len(well_table(after))
    table = well_table(after)
    for plate, wells in well_table(before).groupby("plate"):
        k = (wells["role"] == "negcon").sum()
        assert table.loc[table["plate"] == plate, "heldout_control"].sum() == int(k * share)
    assert hidden.X is profiles.X
    assert "heldout_control" not in profiles.wells
    assert set(profiles.wells["role"]) == {"negcon", "treated", "poscon", "empty"}


def test_hiding_is_seeded_and_does_not_depend_on_the_order_of_rows(screen: Any) -> None:
    profiles = screen()

    def hidden(wells: pd.DataFrame, seed: int) -> set[Any]:
        table = hide_controls(profiles.replace(wells=wells), share=0.5, seed=seed).wells
        return set(table.loc[table["heldout_control"], ["plate", "well"]].itertuples(index=False, name=None))

    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in profiles])
    assert hidden(profiles.wells.iloc[order], 1) == hidden(profiles.wells, 1)
    assert hidden(profiles.wells, 2) != hidden(profiles.wells, 1)


def findings(audited: Any, profiles: Any, normalizer: Any, models: Any = None, **options: Any) -> dict[str, Any]:
    context = audited(profiles, normalizer, models=models or {}, **options)
    return {f.key: f for f in ControlsVsControls(n_repeats=1).findings(context)}


@pytest.fixture(scope="module")
def lightgbm(member: Any) -> Any:
    return member("model", "lightgbm")


def test_few_controls_give_the_textbook_form_away_and_not_the_exchangeable_one(
    audited: Any, noise_screen: Any, lightgbm: Any
) -> None:
    """BBBC021's design, 6 controls a plate. Over 16 seeds the exchangeable form gave LightGBM 0.509 +- 0.016, sd 0.065,
    and 14 of 16 intervals held 0.5, as 15 did for raw noise."""
    profiles = noise_screen(n_plates=32, n_wells=12, k=6, n_features=40, seed=3)
    models = {"lightgbm": lightgbm}
    textbook = findings(audited, profiles, DmsoWithin(exchangeable=False), models)
    exchangeable = findings(audited, profiles, DmsoWithin(), models)
    assert set(textbook) == {KEY.format(name) for name in ("lightgbm", "row_norm", "neighbours")}
    for name in ("lightgbm", "row_norm"):
        caught, fair = textbook[KEY.format(name)], exchangeable[KEY.format(name)]
        assert caught.value > 0.8
        assert fair.lower < 0.5 < fair.upper
        assert abs(fair.value - 0.5) < 0.15
        assert caught.n == fair.n == 32 * 6
    assert textbook[KEY.format("lightgbm")].lower > 0.6


@pytest.mark.parametrize(("k", "hidden"), [(4, 1), (5, 2), (6, 3), (16, 8)])
def test_half_of_the_controls_are_hidden_or_as_many_as_leave_three(noise_screen: Any, k: int, hidden: int) -> None:
    profiles = noise_screen(k=k)
    relabelled = ControlsVsControls().relabel(profiles, 0, 0)
    after = relabelled.profiles.wells
    assert (relabelled.tested == (profiles.wells["role"] == "negcon")).all()
    moved = after[relabelled.tested & (after["role"] == "treated")]
    assert set(moved.groupby("plate").size()) == {hidden}
    assert relabelled.profiles.X is profiles.X


def test_hidden_controls_bear_the_signs_of_treated_wells_of_their_plate(screen: Any) -> None:
    profiles = screen(sites=(1,))
    relabelled = ControlsVsControls().relabel(profiles, 0, 0)
    before, after = profiles.wells, relabelled.profiles.wells
    hidden = ((before["role"] == "negcon") & (after["role"] == "treated")).to_numpy()
    for plate, rows in after[hidden].groupby("plate"):
        treated = before[(before["plate"] == plate) & (before["role"] == "treated")]
        signs = set(treated[["compound", "dose", "moa"]].itertuples(index=False, name=None))
        assert set(rows[["compound", "dose", "moa"]].itertuples(index=False, name=None)) <= signs
    pd.testing.assert_frame_equal(after[~hidden], before[~hidden])


def test_what_treated_wells_look_like_is_not_scored(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(k=10)
    treated = (profiles.wells["role"] == "treated").to_numpy()
    X = profiles.X.copy()
    X[treated] *= 100
    straight, moved = (findings(audited, p, DmsoWithin()) for p in (profiles, profiles.replace(X=X)))
    assert straight == moved


def test_a_screen_of_controls_alone_has_the_null_too(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_wells=12, k=12)
    assert findings(audited, profiles, Raw())[KEY.format("row_norm")].n == 12 * 12


def test_compounds_of_controls_do_not_stand_in_the_way_of_a_compound_disjoint_split(
    audited: Any, noise_screen: Any
) -> None:
    """Every control carries the compound DMSO: hidden ones must not be kept apart by it."""
    profiles = noise_screen(k=10)
    profiles = profiles.replace(
        wells=profiles.wells.assign(compound=profiles.wells["role"].map({"negcon": "DMSO"}).fillna("x"))
    )
    plain = findings(audited, profiles, Raw())
    assert findings(audited, profiles, Raw(), splitter=LeaveBatchOut(compound_disjoint=True)) == plain


def test_too_few_controls_to_hide_one_is_not_applicable_to_a_method_that_needs_a_reference(
    audited: Any, noise_screen: Any
) -> None:
    with pytest.raises(NotApplicable, match="after relabelling: DmsoWithin: plate 'p00' has 2") as few:
        findings(audited, noise_screen(k=3), DmsoWithin())
    assert few.value.code == "few_controls"
    assert findings(audited, noise_screen(k=3), Raw())[KEY.format("row_norm")].n == 12 * 3


def test_repeats_are_averaged_over_different_relabellings(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=8, k=24, n_features=10)
    context = audited(profiles, DmsoWithin(exchangeable=False))
    one, three = (
        next(iter(ControlsVsControls(n_repeats=n, clear_below=0, clear_above=1).findings(context))) for n in (1, 3)
    )
    assert one.value != three.value
    assert 0.5 < three.value < 1
    assert three.upper - three.lower < one.upper - one.lower
