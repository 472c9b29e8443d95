from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key
from sklearn.linear_model import LogisticRegression

from harness.audit.pseudo_control import PseudoControl
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.raw import Raw
from harness.split.leave_batch_out import LeaveBatchOut

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
MODELS = {"logistic": LogisticRegression(C=0.1, class_weight="balanced", max_iter=500)}


def findings(audited: Any, profiles: Profiles, normalizer: Any, *, n_repeats: int = 1, **options: Any) -> Any:
    context = audited(profiles, normalizer, **{"models": MODELS, **options})
    found = by_key(PseudoControl(n_repeats=n_repeats).findings(context))
    return {key.split("/")[2]: f for key, f in found.items()}


def test_each_plate_gets_as_many_pseudo_controls_as_it_had_controls(screen: Any) -> None:
    """Make plates with 8 and 9 controls by turns, a positive control and an empty well on each."""
    profiles = screen(n_wells=40, sites=(1,))
    relabelled = PseudoControl().relabel(profiles, 1, 0)
    before, after = profiles.wells, relabelled.profiles.wells
    role = before.set_index(["plate", "well"])["role"]
    was = role.loc[list(after[["plate", "well"]].itertuples(index=False, name=None))].to_numpy()
    assert "negcon" not in was
    for plate, rows in after.groupby("plate"):
        old = before[before["plate"] == plate]["role"].value_counts()
        new, tested = rows["role"].value_counts(), rows[relabelled.tested[rows.index]]["role"].value_counts()
        k = old["negcon"]
        assert (new["negcon"], tested["negcon"]) == (k, k)
        assert new["treated"] == old["treated"] - k
        assert tested["treated"] == min(np.ceil(1.5 * k), old["treated"] - k)
        assert set(tested.index) == {"negcon", "treated"}


def test_pseudo_controls_bear_every_sign_of_a_control_of_their_plate_and_nothing_else_moves(screen: Any) -> None:
    profiles = screen(n_wells=40, sites=(1,))
    wells = profiles.wells.assign(vendor=np.where(profiles.wells["role"] == "negcon", profiles.wells["plate"], "v"))
    relabelled = PseudoControl().relabel(profiles.replace(wells=wells), 1, 0).profiles
    kept = (profiles.wells["role"] != "negcon").to_numpy()
    np.testing.assert_array_equal(relabelled.X, profiles.X[kept])
    before, after = wells[kept].reset_index(drop=True), relabelled.wells
    still = ["plate", "well", "row", "column", "site", "batch", "cell_count"]
    pd.testing.assert_frame_equal(after[still], before[still])
    pseudo = (after["role"] == "negcon").to_numpy()
    pd.testing.assert_frame_equal(after[~pseudo], before[~pseudo])
    assert set(after.loc[pseudo, "compound"]) == {"DMSO"}
    assert (after.loc[pseudo, "vendor"] == after.loc[pseudo, "plate"]).all()
    for plate, rows in after[pseudo].groupby("plate"):
        controls = wells[(wells["plate"] == plate) & (wells["role"] == "negcon")]
        assert sorted(rows["dose"]) == sorted(controls["dose"])


def test_the_draw_is_seeded_and_does_not_depend_on_the_order_of_rows(screen: Any) -> None:
    profiles = screen(sites=(1,))
    rng = np.random.default_rng(0)
    order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in profiles])
    turned = profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order])

    def drawn(given: Profiles, seed: int) -> set[Any]:
        wells = PseudoControl().relabel(given, seed, 0).profiles.wells
        columns = ["plate", "well", "role", "compound", "dose", "moa"]
        return set(wells[columns].itertuples(index=False, name=None))

    assert drawn(turned, 1) == drawn(profiles, 1)
    assert drawn(profiles, 2) != drawn(profiles, 1)


def test_where_treated_wells_are_few_half_of_them_become_controls(screen: Any) -> None:
    profiles = screen(n_wells=16, n_controls=9, sites=(1,))
    after, before = PseudoControl().relabel(profiles, 0, 0).profiles.wells, profiles.wells
    for plate, rows in after.groupby("plate"):
        n = ((before["plate"] == plate) & (before["role"] == "treated")).sum()
        assert (rows["role"] == "negcon").sum() == n // 2
        assert (rows["role"] == "treated").sum() == n - n // 2


def active(noise_screen: Any, **options: Any) -> Profiles:
    """Noise and, in six of ten treated wells, one of eight strong effects; 13 compounds, two or three wells a plate."""
    profiles: Profiles = noise_screen(n_plates=9, n_batches=3, n_wells=40, **options)
    rng = np.random.default_rng(5)
    effect = rng.normal(0, 10, (13, profiles.X.shape[1]))
    effect[8:] = 0
    X, code = profiles.X.copy(), np.full(len(profiles.X), -1)
    for plate in profiles:
        treated = plate.rows.start + np.flatnonzero(plate.wells["role"] == "treated")
        code[treated] = np.resize(rng.permutation(13), len(treated))
    X[code >= 0] += effect[code[code >= 0]].astype(np.float32)
    compound = np.where(code < 0, "DMSO", np.char.add("c", code.astype(str)))
    return profiles.replace(X=X, wells=profiles.wells.assign(compound=compound))


def test_raw_profiles_with_strong_phenotypes_score_chance(audited: Any, noise_screen: Any) -> None:
    found = findings(audited, active(noise_screen, k=10, n_features=20), Raw(), n_repeats=3)
    assert set(found) == {"logistic", "row_norm", "neighbours"}
    for f in found.values():
        assert f.lower < 0.5 < f.upper
        assert abs(f.value - 0.5) < 0.08
    assert found["logistic"].n % (9 * 25) == 0  # of each repeat


def test_keeping_compounds_apart_does_not_turn_phenotypes_into_a_leak(audited: Any, noise_screen: Any) -> None:
    """A compound kept from one side as treated but not as pseudo-control would tell the classes apart: AUROC 0.25."""
    profiles = active(noise_screen, k=10, n_features=20)
    plain = findings(audited, profiles, Raw())
    assert findings(audited, profiles, Raw(), splitter=LeaveBatchOut(compound_disjoint=True)) == plain


def test_few_controls_give_the_textbook_form_away_and_not_the_exchangeable_one(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=12, n_wells=48, k=6, n_features=60, seed=2)
    textbook = findings(audited, profiles, DmsoWithin(exchangeable=False))
    exchangeable = findings(audited, profiles, DmsoWithin())
    assert textbook["row_norm"].value > 0.8
    assert textbook["row_norm"].lower > 0.7
    assert exchangeable["row_norm"].lower < 0.5 < exchangeable["row_norm"].upper
    assert abs(exchangeable["row_norm"].value - 0.5) < 0.12


def test_real_controls_have_no_part_in_it(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(k=8)
    X = profiles.X.copy()
    X[(profiles.wells["role"] == "negcon").to_numpy()] *= 100
    assert findings(audited, profiles.replace(X=X), DmsoWithin()) == findings(audited, profiles, DmsoWithin())


def test_every_treated_well_takes_part_in_the_normalization(audited: Any, noise_screen: Any) -> None:
    """Those that are spared the training included: a method that reads all wells of a plate meets them all."""
    profiles = noise_screen(k=8)
    seen = []

    def normalize(given: Profiles) -> Any:
        seen.append(len(given.wells))
        return lambda _: given

    list(PseudoControl(n_repeats=1).findings(audited(profiles, normalize=normalize)))
    assert seen == [(profiles.wells["role"] != "negcon").sum()]


def test_further_repeats_are_for_models_whose_interval_is_not_clear(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=6, n_batches=3, k=6)

    def repeats(**limits: float) -> int:
        seen = []

        def normalize(given: Profiles) -> Any:
            seen.append(given)
            return lambda _: given

        list(PseudoControl(n_repeats=3, **limits).findings(audited(profiles, normalize=normalize)))
        return len(seen)

    assert repeats(clear_below=1.0) == 1
    assert repeats(clear_below=0.0, clear_above=1.0) == 3


def test_a_screen_with_too_few_wells_does_not_apply(audited: Any, noise_screen: Any) -> None:
    with pytest.raises(NotApplicable, match=r"after relabelling: .*2 negative control wells") as few:
        findings(audited, noise_screen(n_wells=12, k=7), DmsoWithin())
    assert few.value.code == "few_controls"
    with pytest.raises(NotApplicable, match="no plate has a control well and 2 treated wells") as few:
        findings(audited, noise_screen(n_wells=9, k=8), DmsoWithin())
    assert few.value.code == "few_treated"


def test_plates_without_treated_wells_are_left_out(noise_screen: Any) -> None:
    profiles = noise_screen(k=8)
    first = (profiles.wells["plate"] == "p00").to_numpy()
    wells = profiles.wells.assign(role=profiles.wells["role"].where(~first, "negcon"))
    relabelled = PseudoControl().relabel(profiles.replace(wells=wells), 0, 0)
    assert "p00" not in set(relabelled.profiles.wells["plate"])
    assert relabelled.profiles.wells["plate"].nunique() == 11
