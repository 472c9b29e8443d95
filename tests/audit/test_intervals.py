from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.audit.replicate.crossed_resamples import resample_crossed
from harness.audit.shared.intervals import mean_interval, median_interval
from harness.scoring.bootstrap import resample

WELLS = pd.DataFrame({"plate": np.repeat([f"p{i}" for i in range(12)], 25)})
WELLS["batch"] = "b" + (WELLS["plate"].str[1:].astype(int) // 4).astype(str)


@pytest.mark.parametrize(("taken", "statistic"), [(mean_interval, np.mean), (median_interval, np.median)])
def test_it_is_the_interval_of_copies_of_plates(audited: Any, taken: Any, statistic: Any) -> None:
    value = np.random.default_rng(0).gamma(2, size=300) + np.repeat(np.arange(12), 25)
    drawn = resample(WELLS, n=100, seed=0)
    rows = {plate: np.flatnonzero(WELLS["plate"] == plate) for plate in drawn.plates}
    copies = [
        statistic(np.concatenate([value[np.repeat(rows[p], int(k))] for p, k in zip(drawn.plates, w, strict=True)]))
        for w in drawn.within
    ]
    expected = np.quantile(copies, [0.025, 0.975])
    np.testing.assert_allclose(taken(audited(wells=WELLS), WELLS, value), expected, atol=0.1)


def test_plates_alone_in_their_batch_give_no_interval(audited: Any) -> None:
    alone = WELLS.assign(batch=WELLS["plate"])
    assert np.isnan(mean_interval(audited(wells=alone), alone, np.arange(300.0))).all()


def test_the_crossed_interval_covers_the_mean_over_compounds_and_plates(audited: Any) -> None:
    """Values with an effect of the compound, one of the plate and noise; truth 0; 60 screens."""
    covered, widths = 0, []
    group = np.arange(300) % 50
    plate = np.repeat(np.arange(12), 25)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        value = rng.standard_normal(50)[group] + 0.3 * rng.standard_normal(12)[plate] + rng.standard_normal(300)
        estimate = resample_crossed(audited(wells=WELLS, seed=seed), WELLS, group, kind="groups").mean(value)
        lower, upper = estimate.lower, estimate.upper
        covered += lower < 0 < upper
        widths.append(upper - lower)
    assert covered >= 52
    assert np.mean(widths) < 2.2 * 2 * 1.96 * np.sqrt(1 / 50 + 0.3**2 / 12 + 1 / 300)
