from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, shuffled

from harness.audit.prevalence import PrevalenceCheck
from harness.audit.replicate.prevalence import prevalence_by_plate
from harness.audit.replicate.shrinkage import shrunk
from harness.types import NotApplicable


def test_half_of_the_compounds_act(audited: Any) -> None:
    share = prevalence_by_plate(audited(compound_screen(n_compounds=30)))
    assert share.lower < 0.5 < share.upper
    assert share.overall == pytest.approx(0.5, abs=0.1)


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


def test_noise_is_shrunk_and_signal_stays() -> None:
    batch = np.repeat(["a", "b"], 4).astype(object)
    noisy = np.array([0.1, 0.3, 0.2, 0.2, 0.2, 0.1, 0.3, 0.2])
    np.testing.assert_allclose(shrunk(noisy, np.full(8, 0.1), batch), 0.2)
    real = np.array([0.0, 0.9, 0.0, 0.9, 0.1, 0.8, 0.1, np.nan])
    np.testing.assert_allclose(shrunk(real, np.full(8, 1e-6), batch)[:7], real[:7], atol=1e-4)
