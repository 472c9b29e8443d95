from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, shuffled

from harness.audit.percent_replicating import PercentReplicating, median_correlation, replicating
from harness.audit.replicate.metric_wells import metric_replicates
from harness.core.exceptions import NotApplicable

KEY = "replicates/percent_replicating"


def test_it_equals_the_definition(audited: Any) -> None:
    """The null enumerated at random by other means; treatments near its quantile would tell them apart."""
    wells = metric_replicates(audited(compound_screen(effect=0.6, seed=3)))
    r = np.corrcoef(wells.Z.astype(np.float64))

    def median(rows: Any) -> float:
        return float(np.median([r[i, j] for i, j in combinations(rows, 2) if wells.position[i] != wells.position[j]]))

    got = replicating(wells, n_null=4000, quantile=0.95, seed=0)
    rng = np.random.default_rng(9)
    decided = 0
    for treatment in range(wells.treatment.max() + 1):
        rows = np.flatnonzero(wells.treatment == treatment)
        null = []
        while len(null) < 1500:
            drawn = rng.choice(np.flatnonzero(wells.treatment >= 0), len(rows), replace=False)
            if len(set(wells.compound[drawn])) == len(rows) and len(set(wells.position[drawn])) > 1:
                null.append(median(drawn))
        low, high = np.quantile(null, [0.93, 0.97])
        if not low < median(rows) < high:
            decided += 1
            assert (got[rows] == float(median(rows) > high)).all()
    assert decided >= 10
    assert np.isnan(got[wells.treatment < 0]).all()


def test_pairs_in_one_position_are_left_out() -> None:
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0][:, :3].astype(np.float32)
    groups, position = np.array([[0, 1, 2], [2, 3, 4]]), np.array([0, 0, 1, 7, 7])
    expected = [np.median([U[0] @ U[2], U[1] @ U[2]]), np.median([U[2] @ U[3], U[2] @ U[4]])]
    np.testing.assert_allclose(median_correlation(U, groups, position), expected, rtol=1e-5)
    assert np.isnan(median_correlation(U, np.array([[0, 1]]), position)).all()


def test_noise_scores_one_minus_the_quantile(audited: Any) -> None:
    shares = [
        by_key(PercentReplicating(n_null=300).findings(audited(compound_screen(effect=0.0, n_compounds=30, seed=s))))
        for s in range(6)
    ]
    assert np.mean([found[KEY].value for found in shares]) == pytest.approx(0.05, abs=0.05)


def test_strong_compounds_replicate_until_a_batch_effect_hides_them(audited: Any) -> None:
    clean, batchy = (
        by_key(PercentReplicating(n_null=300).findings(audited(compound_screen(batch_shift=s))))[KEY]
        for s in (0.0, 4.0)
    )
    assert clean.value == pytest.approx(6 / 13, abs=0.1)
    assert batchy.value < clean.value
    assert clean.lower <= clean.value <= clean.upper
    assert clean.n == 13


def test_the_order_of_wells_hardly_matters(audited: Any) -> None:
    """The null is drawn by row; only its sampling error may differ."""
    profiles = compound_screen(effect=2.0)
    values = [by_key(PercentReplicating().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == pytest.approx(values[1], abs=1.01 / 13)


def test_more_replicates_than_compounds_are_declined(audited: Any) -> None:
    profiles = compound_screen()
    few = profiles.take(profiles.wells["compound"].isin(["c01", "c02", "DMSO"]).to_numpy())
    with pytest.raises(NotApplicable, match="undefined for every well"):
        list(PercentReplicating().findings(audited(few)))
