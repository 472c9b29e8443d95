from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, compound_screen, shuffled

from harness.audit.prevalence import PrevalenceCheck
from harness.audit.replicate.prevalence import prevalence_by_plate
from harness.audit.replicate.shrinkage import shrink_plate_shares
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles

pytestmark = pytest.mark.slow


def test_half_of_the_compounds_act(audited: Any) -> None:
    share = prevalence_by_plate(audited(compound_screen(n_compounds=30)))
    assert share.lower < 0.5 < share.upper
    assert share.overall == pytest.approx(0.5, abs=0.1)


def layered(
    share: float, seed: int, *, one_direction: bool = False, columns: bool = False, n_controls: int = 8
) -> Profiles:
    """12 plates in 3 batches x 32 wells; 24 compounds a plate map, one replicate a batch, ``share`` of them active.

    ``columns``: controls stand in columns of their own, and every column has an effect.
    """
    rng = np.random.default_rng(seed)
    n = 32 - n_controls
    towards = rng.standard_normal((1 if one_direction else 4 * n, 20))
    towards = 5 * np.resize(towards / np.linalg.norm(towards, axis=1, keepdims=True), (4 * n, 20))
    active = np.arange(4 * n) % n < round(share * n)
    column_effect = 2 * rng.standard_normal((8, 20)) if columns else np.zeros((8, 20))
    X, tables = [], []
    for batch in range(3):
        for layout in range(4):
            spots = np.arange(32) if columns else rng.permutation(32)
            spots = np.r_[np.sort(spots[:n_controls]), rng.permutation(spots[n_controls:])]
            compound = np.r_[np.full(n_controls, -1), layout * n + np.arange(n)]
            x = rng.standard_normal((32, 20)) + rng.standard_normal(20) + column_effect[spots // 4]
            x[n_controls:] += np.where(active, 1, 0)[compound[n_controls:], None] * towards[compound[n_controls:]]
            X.append(x)
            tables.append(
                pd.DataFrame(
                    {
                        "plate": f"b{batch}p{layout}",
                        "batch": f"b{batch}",
                        "well": [f"{chr(65 + s % 4)}{s // 4 + 1:02d}" for s in spots],
                        "row": spots % 4,
                        "column": spots // 4,
                        "role": np.where(compound < 0, "negcon", "treated"),
                        "compound": [f"c{c}" if c >= 0 else "DMSO" for c in compound],
                    }
                )
            )
    return Profiles(np.concatenate(X).astype(np.float32), pd.concat(tables, ignore_index=True))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("one_direction", [False, True])
def test_a_planted_share_is_estimated(audited: Any, seed: int, one_direction: bool) -> None:
    for share, n_controls in ((0.0, 8), (0.25, 8), (0.75, 4)):
        profiles = layered(share, seed, one_direction=one_direction, n_controls=n_controls)
        estimate = prevalence_by_plate(audited(profiles))
        planted = round(share * (32 - n_controls)) / (32 - n_controls)
        assert estimate.overall == pytest.approx(planted, abs=0.12)
        assert estimate.lower - 0.03 <= planted <= estimate.upper + 0.03
        assert estimate.code == ""
        assert set(estimate.by_plate) == set(profiles.wells["plate"])


def test_columns_of_controls_do_not_make_treated_wells_active(audited: Any) -> None:
    nothing = [prevalence_by_plate(audited(layered(0.0, seed, columns=True))) for seed in range(3)]
    assert np.mean([estimate.overall for estimate in nothing]) < 0.06
    assert {estimate.code for estimate in nothing} == {"controls_apart"}


def test_a_common_phenotype_beside_columns_of_controls_is_left_open(audited: Any) -> None:
    estimate = prevalence_by_plate(audited(layered(0.75, 0, columns=True, one_direction=True)))
    assert estimate.code == "shared_direction"
    assert estimate.lower < 0.75 < estimate.upper


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_acts(audited: Any, seed: int) -> None:
    share = prevalence_by_plate(audited(compound_screen(effect=0.0, n_compounds=30, batch_shift=2.0, seed=seed)))
    assert share.overall < 0.15
    assert share.lower == 0


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(n_compounds=30)
    one, other = (by_key(PrevalenceCheck().findings(audited(p))) for p in (profiles, shuffled(profiles)))
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].value == pytest.approx(other[key].value, abs=1e-3)


def test_compounds_in_one_position_have_no_answer(audited: Any) -> None:
    profiles = compound_screen()
    first = profiles.wells.drop_duplicates("compound").set_index("compound")["well"]
    treated = profiles.wells["role"] == "treated"
    tied = profiles.wells.assign(
        well=profiles.wells["well"].where(~treated, "t" + profiles.wells["compound"].map(first))
    )
    with pytest.raises(NotApplicable) as undefined:
        prevalence_by_plate(audited(profiles.replace(wells=tied)))
    assert undefined.value.code == "same_position"


def test_compounds_on_one_plate_have_no_answer(audited: Any) -> None:
    profiles = compound_screen()
    single = profiles.wells.assign(compound=profiles.wells["compound"] + profiles.wells["plate"])
    with pytest.raises(NotApplicable) as undefined:
        prevalence_by_plate(audited(profiles.replace(wells=single)))
    assert undefined.value.code == "no_replicates"


def test_a_plate_without_controls_has_no_zero(audited: Any) -> None:
    profiles = compound_screen()
    bare = profiles.take(~((profiles.wells["plate"] == "p3") & (profiles.wells["role"] == "negcon")).to_numpy())
    with pytest.raises(NotApplicable) as undefined:
        prevalence_by_plate(audited(bare))
    assert undefined.value.code == "few_controls"
    assert "'p3' has 0" in undefined.value.reason


def test_noise_is_shrunk_and_signal_stays() -> None:
    batch = np.repeat(["a", "b"], 4).astype(object)
    noisy = np.array([0.1, 0.3, 0.2, 0.2, 0.2, 0.1, 0.3, 0.2])
    np.testing.assert_allclose(shrink_plate_shares(noisy, np.full(8, 0.1), batch), 0.2)
    real = np.array([0.0, 0.9, 0.0, 0.9, 0.1, 0.8, 0.1, np.nan])
    np.testing.assert_allclose(shrink_plate_shares(real, np.full(8, 1e-6), batch)[:7], real[:7], atol=1e-4)
