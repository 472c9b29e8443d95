from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.audit.shared.pattern_copies import pattern_copies
from harness.audit.spatial_null import SpatialNull
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.raw import Raw
from harness.norm.well_position import WellPosition

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
MODELS = {"logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced"))}


def table(control: Any, n_plates: int = 1) -> pd.DataFrame:
    row, column = (x.ravel() + 1 for x in np.indices((8, 12)))
    role = np.where(control(row, column), "negcon", "treated")
    well = [f"{chr(64 + r)}{c:02d}" for r, c in zip(row, column, strict=True)]
    one = pd.DataFrame({"well": well, "row": row, "column": column, "role": role})
    return pd.concat([one.assign(plate=f"p{p}", batch=f"b{p // 2}") for p in range(n_plates)], ignore_index=True)


def edges(control: Any, *, n_plates: int = 8, seed: int = 0, strength: float = 3.0) -> Profiles:
    """Make a screen without phenotypes: noise, batches, smooth effects of the distance from the edge and the column."""
    wells = table(control, n_plates)
    rng = np.random.default_rng(seed)
    effects = rng.normal(0, 1, (2, 20)) * strength
    inwards = np.minimum(wells["column"] - 1, 12 - wells["column"]).to_numpy()
    X = rng.standard_normal((len(wells), 20)) + rng.normal(0, 2, (4, 20))[pd.factorize(wells["batch"])[0]]
    X += np.exp(-inwards / 1.2)[:, None] * effects[0] + (wells["column"] / 12).to_numpy()[:, None] * effects[1] / 4
    control_wells = wells["role"] == "negcon"
    wells["compound"] = np.where(control_wells, "DMSO", [f"c{i}" for i in rng.integers(30, size=len(wells))])
    return Profiles((X * 3 + 50).astype(np.float32), wells)


def outer(row: Any, column: Any) -> Any:  # noqa: ARG001
    return (column == 1) | (column == 12)


def findings(audited: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    context = audited(profiles, normalizer, models=MODELS)
    return {
        k.removeprefix("audit/spatial_null/"): f for k, f in by_key(SpatialNull(**options).findings(context)).items()
    }


@pytest.mark.parametrize(
    ("control", "names"),
    [
        (outer, {"inward_1": {2, 11}, "inward_2": {3, 10}, "inward_3": {4, 9}}),
        (lambda r, c: c == 1, {"inward_1": {2}, "inward_2": {3}, "inward_3": {4}}),  # noqa: ARG005
        (lambda r, c: (c == 6) | (c == 7), {"outward_1": {5, 8}, "outward_2": {4, 9}, "outward_3": {3, 10}}),  # noqa: ARG005
        (lambda r, c: (c == 11) | (c == 12), {"inward_2": {9, 10}, "inward_3": {8, 9}, "mirrored": {1, 2}}),  # noqa: ARG005
    ],
)
def test_copies_are_the_nearest_patterns_of_treated_wells(control: Any, names: dict[str, set[int]]) -> None:
    wells = table(control)
    patterns = pattern_copies(wells, 3)
    assert {p.name: set(wells["column"].iloc[p.rows]) for p in patterns} == names
    assert all(len(p.rows) == (wells["role"] == "negcon").sum() for p in patterns)
    assert all(set(wells["role"].iloc[p.rows]) == {"treated"} for p in patterns)


def test_controls_in_a_row_are_moved_to_other_rows_and_full_plates_have_no_copy() -> None:
    wells = table(lambda r, c: r == 1)  # noqa: ARG005
    assert [p.name for p in pattern_copies(wells, 2)] == ["rows_inward_1", "rows_inward_2"]
    assert pattern_copies(table(lambda r, c: (r + c) % 4 != 0), 3) == []


def test_each_plate_has_the_copy_of_its_own_pattern() -> None:
    one, other = table(lambda r, c: c == 1), table(lambda r, c: c == 12).assign(plate="p9")  # noqa: ARG005
    (copy,) = pattern_copies(pd.concat([one, other], ignore_index=True), 1)
    wells = pd.concat([one, other], ignore_index=True).iloc[copy.rows]
    assert set(wells.groupby("plate")["column"].unique().map(tuple).items()) == {("p0", (2,)), ("p9", (11,))}


def test_an_effect_of_the_edge_scores_at_the_nearest_copy_and_not_farther_in(audited: Any) -> None:
    for normalizer in (Raw(), DmsoWithin()):
        found = findings(audited, edges(outer), normalizer)
        assert found["inward_1/logistic/auroc"].lower > 0.85
        assert all(re.fullmatch(r"[\w./ -]+", key) for key in found)  # what a server of MLflow accepts
        assert found["inward_3/logistic/auroc"].value < found["inward_1/logistic/auroc"].value - 0.2
        assert found["logistic/auroc"].value == max(found[f"inward_{k}/logistic/auroc"].value for k in (1, 2, 3))
        assert found["logistic/auroc"].code == ""


def test_without_an_effect_of_position_or_once_it_is_removed_copies_score_chance(audited: Any) -> None:
    for profiles, normalizer in ((edges(outer, strength=0.0), DmsoWithin()), (edges(outer), WellPosition())):
        found = findings(audited, profiles, normalizer, most_copies=1)
        assert found["inward_1/logistic/auroc"].lower < 0.5
        assert abs(found["inward_1/logistic/auroc"].value - 0.5) < 0.1


def test_real_controls_are_left_out_and_copies_bear_their_names(audited: Any) -> None:
    profiles = edges(outer)
    seen = []

    def normalize(given: Profiles) -> Any:
        seen.append(given)
        return lambda _: given

    list(SpatialNull(most_copies=1).findings(audited(profiles, normalize=normalize)))
    (given,) = seen
    assert len(given.wells) == (profiles.wells["role"] == "treated").sum()
    controls = given.wells[given.wells["role"] == "negcon"]
    assert set(controls["column"]) == {2, 11}
    assert set(controls["compound"]) == {"DMSO"}
    assert set(given.wells.loc[given.wells["role"] == "treated", "column"]) == {1, *range(3, 11), 12} - {1, 12}


def test_compounds_with_wells_of_their_own_are_said(audited: Any) -> None:
    profiles = edges(outer)
    wells = profiles.wells.assign(compound=profiles.wells["well"].where(profiles.wells["role"] == "treated", "DMSO"))
    found = findings(audited, profiles.replace(wells=wells), Raw(), most_copies=1)
    assert found["logistic/auroc"].code == "compounds_tied_to_position"


def test_where_roles_share_positions_or_have_none_it_does_not_apply(audited: Any, noise_screen: Any) -> None:
    random = noise_screen()
    places = {"row": random.wells["well"].str[0].map(ord) - 64, "column": random.wells["well"].str[1:].astype(int)}
    for profiles, code in (
        (random.replace(wells=random.wells.assign(**places)), "roles_share_positions"),
        (random, "no_positions"),
        (edges(lambda r, c: (r + c) % 4 != 0), "no_copies"),
    ):
        with pytest.raises(NotApplicable) as undefined:
            findings(audited, profiles, Raw())
        assert undefined.value.code == code
