from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, compound_screen, shuffled

from harness.audit.plate_correlation import PlateCorrelation, within_minus_between
from harness.core.exceptions import NotApplicable
from harness.data.wells.plate_medians import within_minus_between as of_table
from harness.norm.dmso_within import DmsoWithin

KEY = "batch_effect/plate_correlation"
BATCH = np.array([0, 0, 0, 1, 1, 2])


def correlation(undefined: bool = False) -> Any:
    r = np.corrcoef(np.random.default_rng(2).standard_normal((6, 5)))
    if undefined:
        r[4], r[:, 4] = np.nan, np.nan
    return r


@pytest.mark.parametrize("undefined", [False, True])
def test_once_each_it_is_the_figures_number(undefined: bool) -> None:
    r = correlation(undefined)
    a, b = (x.ravel() for x in np.indices((6, 6)))
    columns = {"plate_a": a, "plate_b": b, "batch_a": BATCH[a], "batch_b": BATCH[b], "correlation": r.ravel()}
    assert within_minus_between(r, BATCH, np.ones((1, 6)))[0] == pytest.approx(of_table(pd.DataFrame(columns)))


def test_weights_count_plates_several_times_but_never_pair_a_plate_with_itself() -> None:
    r, weight = correlation(), np.array([2.0, 1.0, 0.0, 3.0, 1.0, 1.0])
    copies = np.repeat(np.arange(6), weight.astype(int))
    pairs = [(i, j) for i, j in combinations(copies, 2) if i != j]
    same = np.mean([r[i, j] for i, j in pairs if BATCH[i] == BATCH[j]])
    other = np.mean([r[i, j] for i, j in pairs if BATCH[i] != BATCH[j]])
    assert within_minus_between(r, BATCH, weight[None])[0] == pytest.approx(same - other)


def test_a_draw_without_a_pair_of_a_kind_is_undefined() -> None:
    assert np.isnan(within_minus_between(correlation(), BATCH, np.array([[1.0, 0, 0, 1, 0, 1]]))).all()


def test_a_batch_effect_raises_the_score_and_noise_is_near_zero(audited: Any) -> None:
    clean, batchy = (
        by_key(PlateCorrelation().findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 2.0)
    )
    assert clean.lower < 0 < clean.upper
    assert abs(clean.value) < 0.2
    assert batchy.value > 0.8
    assert batchy.lower <= batchy.value <= batchy.upper
    assert clean.n == 9
    assert clean.reason == ""


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
def test_control_normalization_is_measured_on_wells_it_did_not_use(audited: Any) -> None:
    found = by_key(PlateCorrelation().findings(audited(compound_screen(batch_shift=2.0), DmsoWithin())))[KEY]
    assert abs(found.value) < 0.25
    assert found.reason == ""


def few_controls(n: int) -> Any:
    profiles = compound_screen(batch_shift=2.0)
    control = profiles.wells["role"] == "negcon"
    return profiles.take((~control | (control.groupby(profiles.wells["plate"]).cumsum() <= n)).to_numpy())


@pytest.mark.parametrize(("n", "min_heldout", "normalizer"), [(5, 3, None), (4, 2, DmsoWithin())])
@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
def test_treated_wells_where_half_of_the_controls_are_too_few(
    audited: Any, n: int, min_heldout: int, normalizer: Any
) -> None:
    """Too few to be hidden, or too few left for a method that needs 3."""
    found = by_key(PlateCorrelation(min_heldout=min_heldout).findings(audited(few_controls(n), normalizer)))[KEY]
    assert found.reason == "medians of treated wells (too few held-out controls)"
    assert np.isfinite(found.value)


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=0.4)
    values = [by_key(PlateCorrelation().findings(audited(x)))[KEY] for x in (profiles, shuffled(profiles))]
    assert values[0].value == pytest.approx(values[1].value, abs=1e-5)
    assert values[0].lower == pytest.approx(values[1].lower, abs=1e-5)


def test_a_single_batch_is_declined(audited: Any) -> None:
    profiles = compound_screen()
    with pytest.raises(NotApplicable, match="no pair of plates"):
        list(PlateCorrelation().findings(audited(profiles.replace(wells=profiles.wells.assign(batch="b")))))
