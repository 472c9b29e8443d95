from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key

from harness.audit.shuffled_wells import ShuffledWells
from harness.core.profiles import Profiles
from harness.norm.all_within import AllWithin
from harness.norm.dmso_within import DmsoWithin
from harness.norm.raw import Raw

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def findings(audited: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    found = by_key(ShuffledWells(n_repeats=1).findings(audited(profiles, normalizer, **options)))
    return {key.split("/")[2]: f for key, f in found.items()}


def test_profiles_and_cell_counts_move_together_within_the_controls_and_treated_wells_of_a_plate(screen: Any) -> None:
    profiles = screen(sites=(1,), planted=True, awkward=False)
    relabelled = ShuffledWells().relabel(profiles, 1, 0)
    after, wells = relabelled.profiles, profiles.wells
    pd.testing.assert_frame_equal(after.wells.drop(columns="cell_count"), wells.drop(columns="cell_count"))
    source = np.array([np.flatnonzero((row == profiles.X).all(axis=1))[0] for row in after.X])
    dealt = wells["role"].isin(["negcon", "treated"]).to_numpy()
    assert sorted(source) == list(range(len(source)))
    assert (source[~dealt] == np.flatnonzero(~dealt)).all()
    assert (source != np.arange(len(source))).sum() > 0.8 * dealt.sum()
    assert (wells["plate"].to_numpy()[source] == wells["plate"]).all()
    assert dealt[source[dealt]].all()
    np.testing.assert_array_equal(after.planted, profiles.planted[source])
    np.testing.assert_array_equal(after.wells["cell_count"], wells["cell_count"].to_numpy()[source])
    for _, rows in wells.groupby("plate"):
        tested = rows["role"][relabelled.tested[rows.index]].value_counts()
        n = rows["role"].value_counts()
        assert tested.to_dict() == {"negcon": n["negcon"], "treated": min(np.ceil(1.5 * n["negcon"]), n["treated"])}


def test_the_deal_is_seeded_and_does_not_depend_on_the_order_of_rows(screen: Any) -> None:
    profiles = screen(sites=(1,))
    order = np.concatenate(
        [np.random.default_rng(0).permutation(np.arange(p.rows.start, p.rows.stop)) for p in profiles]
    )
    turned = profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order])

    def dealt(given: Profiles, seed: int) -> Any:
        relabelled = ShuffledWells().relabel(given, seed, 0)
        table = relabelled.profiles.wells.assign(value=relabelled.profiles.X[:, 5], tested=relabelled.tested)
        return table.sort_values(["plate", "well"])[["plate", "well", "value", "tested"]].reset_index(drop=True)

    pd.testing.assert_frame_equal(dealt(turned, 1), dealt(profiles, 1))
    assert not dealt(profiles, 2).equals(dealt(profiles, 1))


@pytest.mark.parametrize("normalizer", [Raw(), DmsoWithin(), AllWithin()])
def test_controls_that_look_like_nothing_else_score_chance(audited: Any, noise_screen: Any, normalizer: Any) -> None:
    profiles = noise_screen(n_plates=9, n_batches=3, k=12, n_features=20)
    X = profiles.X.copy()
    X[(profiles.wells["role"] == "negcon").to_numpy()] += 10
    for f in findings(audited, profiles.replace(X=X), normalizer).values():
        assert f.lower < 0.5 < f.upper
        assert abs(f.value - 0.5) < 0.12


def test_three_controls_a_plate_give_the_textbook_form_away(audited: Any, noise_screen: Any) -> None:
    """A real screen's control wells, half of each plate's six called treated: the other nulls do not apply."""
    profiles = noise_screen(n_plates=32, n_wells=6, k=3, n_features=40)
    textbook = findings(audited, profiles, DmsoWithin(exchangeable=False))
    exchangeable = findings(audited, profiles, DmsoWithin())
    assert textbook["row_norm"].lower > 0.9
    assert textbook["neighbours"].lower > 0.7
    for f in exchangeable.values():
        assert f.lower < 0.5
