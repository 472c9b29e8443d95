from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, points, shuffled
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from harness.audit.pcr import Pcr, pcr
from harness.core.exceptions import NotApplicable

KEY = "batch_effect/pcr"
# scib-metrics 0.5.10 on points(): utils.principal_component_regression(Z, batch, categorical=True)
SCIB = 0.25707495


def test_it_equals_scib_metrics() -> None:
    assert pcr(*points()) == pytest.approx(SCIB, abs=1e-5)


def test_it_equals_scib_metrics_where_that_is_installed() -> None:
    pytest.importorskip("scib_metrics")
    from scib_metrics.utils import principal_component_regression

    Z, batch = points()
    assert pcr(Z, batch) == pytest.approx(principal_component_regression(Z, batch, categorical=True), abs=1e-4)


def test_it_equals_the_definition() -> None:
    Z, batch = points()
    scores = PCA().fit_transform(Z.astype(float))
    dummies = np.eye(3)[batch]
    r2 = [LinearRegression().fit(dummies, pc).score(dummies, pc) for pc in scores.T]
    assert pcr(scores, batch) == pytest.approx(np.average(r2, weights=scores.var(axis=0)), abs=1e-9)


def test_bounds_noise_and_level() -> None:
    rng = np.random.default_rng(3)
    batch = np.arange(3000) % 4
    Z = rng.standard_normal((3000, 10)).astype(np.float32)
    noise = [pcr(rng.standard_normal((300, 20)), batch[:300]) for _ in range(20)]
    assert np.mean(noise) == pytest.approx(3 / 299, rel=0.2)
    assert pcr(np.eye(4)[batch], batch) == pytest.approx(1)
    assert pcr(Z + np.float32(1e4), batch) == pytest.approx(pcr(Z, batch), rel=1e-2)


def test_a_batch_effect_raises_the_score(audited: Any) -> None:
    clean, batchy = (by_key(Pcr().findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 2.0))
    assert clean.value < 0.1 < 0.5 < batchy.value
    assert clean.n == 72
    assert np.isnan(clean.lower)


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=0.4)
    values = [by_key(Pcr().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def test_components_without_variance_are_declined() -> None:
    with pytest.raises(NotApplicable, match="do not vary"):
        pcr(np.full((20, 3), 7.0), np.arange(20) % 2)
