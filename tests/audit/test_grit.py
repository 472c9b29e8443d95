from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, shuffled

from harness.audit.grit import Grit, grit
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.similarity import Replicates
from harness.core.exceptions import NotApplicable

KEY = "replicates/grit"
# cytominer-eval 0.1 (np.float = float, np.str = str set before import): grit(profile_col="id", replicate_group_col=
# "treatment") of metric_melt(..., eval_metric="grit", similarity_metric="pearson") on one_plate(), mean over the wells
CYTOMINER = 0.5459354


def one_plate(wells: Replicates) -> Replicates:
    """All wells as if on one plate: then all controls are controls of the plate, as cytominer-eval has it."""
    plate = np.zeros(len(wells.plate), dtype=np.intp)
    position = np.arange(len(wells.plate))
    return Replicates(wells.Z, wells.wells, wells.treatment, wells.compound, plate, position)


def test_it_equals_cytominer_eval(audited: Any) -> None:
    value = grit(one_plate(metric_replicates(audited(compound_screen(effect=0.6)))))
    assert np.nanmean(value) == pytest.approx(CYTOMINER, abs=1e-4)


def test_it_equals_the_definition(audited: Any) -> None:
    wells = metric_replicates(audited(compound_screen(effect=0.6)))
    r = np.corrcoef(wells.Z.astype(np.float64))
    value = grit(wells)
    for i in np.flatnonzero(wells.treatment >= 0):
        control = r[i, (wells.treatment < 0) & (wells.plate == wells.plate[i])]
        mates = (wells.treatment == wells.treatment[i]) & (wells.position != wells.position[i])
        assert value[i] == pytest.approx(((r[i, mates] - control.mean()) / control.std()).mean(), abs=1e-4)
    assert np.isnan(value[wells.treatment < 0]).all()


def test_noise_scores_next_to_nothing(audited: Any) -> None:
    """sqrt(25 features) / 72 controls = 0.07, beside a standard error of 0.04."""
    values = [
        by_key(Grit().findings(audited(compound_screen(effect=0.0, n_compounds=30, seed=s))))[KEY].value
        for s in range(10)
    ]
    assert np.mean(values) == pytest.approx(0.07, abs=0.1)


def test_it_grows_with_the_effect_and_falls_below_zero_with_the_batch_effect(audited: Any) -> None:
    weak, strong, batchy = (
        by_key(Grit().findings(audited(compound_screen(effect=e, batch_shift=s))))[KEY]
        for e, s in ((0.3, 0.0), (1.5, 0.0), (0.3, 4.0))
    )
    assert batchy.value < 0 < weak.value < 1 < strong.value
    assert strong.lower <= strong.value <= strong.upper
    assert strong.n == 13


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen()
    values = [by_key(Grit().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_wells_with_fewer_than_three_controls_are_left_out(audited: Any) -> None:
    profiles = compound_screen()
    control = profiles.wells["role"] == "negcon"
    nth = control.groupby(profiles.wells["plate"]).cumsum()
    two = profiles.take((~control | (nth <= 2)).to_numpy())
    with pytest.raises(NotApplicable, match="undefined for every well: too few controls"):
        list(Grit().findings(audited(two)))
    poor = profiles.take((~control | (nth <= 2) | (profiles.wells["plate"] != "p9")).to_numpy())
    wells = metric_replicates(audited(poor))
    undefined = np.isnan(grit(wells)[wells.treatment >= 0])
    np.testing.assert_array_equal(undefined, wells.wells.loc[wells.treatment >= 0, "plate"] == "p9")
