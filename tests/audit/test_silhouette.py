from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, points, shuffled
from scipy.spatial.distance import cdist

from harness.audit.silhouette import Silhouette, silhouette
from harness.core.exceptions import NotApplicable

KEY = "batch_effect/silhouette"
# scib-metrics 0.5.10 on points(): bras(Z, np.zeros(120), batch)
SCIB = 0.6283596


def bras(Z: Any, batch: Any) -> float:
    return float((1 - np.abs(silhouette(Z, batch))).mean())


def test_it_equals_scib_metrics() -> None:
    assert bras(*points()) == pytest.approx(SCIB, abs=1e-5)


def test_it_equals_scib_metrics_where_that_is_installed() -> None:
    pytest.importorskip("scib_metrics")
    from scib_metrics import bras as scib_bras

    Z, batch = points()
    assert bras(Z, batch) == pytest.approx(float(scib_bras(Z, np.zeros(120), batch)), abs=1e-5)


def test_it_equals_the_definition() -> None:
    Z, batch = points()
    D = cdist(Z, Z, "cosine")
    for i, s in enumerate(silhouette(Z, batch)):
        own = batch == batch[i]
        a, b = D[i, own].sum() / (own.sum() - 1), D[i, ~own].mean()
        assert s == pytest.approx((b - a) / max(a, b), abs=1e-6)


def test_a_batch_of_one_well_scores_zero() -> None:
    Z, batch = points()
    batch[5] = 3
    assert silhouette(Z, batch)[5] == 0


def test_direction_and_noise() -> None:
    values = [bras(*points(shift)) for shift in (0.0, 1.0, 3.0)]
    assert 1 >= values[0] > values[1] > values[2] >= 0
    assert values[0] > 0.9


def test_a_batch_effect_lowers_the_score(audited: Any) -> None:
    clean, batchy = (by_key(Silhouette().findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 2.0))
    assert batchy.value < 0.6 < 0.95 < clean.value
    assert batchy.lower <= batchy.value <= batchy.upper
    assert clean.n == 72


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=0.4)
    values = [by_key(Silhouette().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_undefined_angles_and_single_batches_are_declined() -> None:
    Z, batch = points()
    Z[[3, 8]] = 0
    with pytest.raises(NotApplicable, match="2 control wells do not differ from the mean"):
        silhouette(Z, batch)
    with pytest.raises(NotApplicable, match="needs 2"):
        silhouette(Z, np.zeros(120, dtype=int))
