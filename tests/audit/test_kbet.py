from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, points, shuffled
from scipy.stats import chisquare

from harness.audit.kbet import Kbet, kbet, neighbourhood_size
from harness.core.exceptions import NotApplicable
from harness.numerics.neighbors import nearest

KEY = "batch_effect/kbet"
# scib-metrics 0.5.10 on points(0.5): kbet(NeighborsResults(self + 9 nearest), batch)[0]
SCIB = 0.71666667


def p(shift: float) -> Any:
    Z, batch = points(shift)
    return kbet(nearest(Z, 20)[1], batch)


def test_it_equals_scib_metrics() -> None:
    assert (p(0.5) >= 0.05).mean() == pytest.approx(SCIB, abs=1e-6)


def test_it_equals_scib_metrics_where_that_is_installed() -> None:
    pytest.importorskip("scib_metrics")
    from scib_metrics import kbet as scib_kbet
    from scib_metrics.nearest_neighbors import NeighborsResults

    Z, batch = points(0.5)
    distances, indices = nearest(Z, 9)
    with_self = NeighborsResults(np.c_[np.arange(120), indices], np.c_[np.zeros(120), distances])
    np.testing.assert_allclose(p(0.5), scib_kbet(with_self, batch)[2], atol=1e-5)


def test_each_well_is_a_chi_squared_test() -> None:
    Z, batch = points(0.5)
    indices = nearest(Z, 9)[1]
    for i in (0, 17, 119):
        counts = np.bincount(np.r_[batch[i], batch[indices[i]]], minlength=3)
        assert p(0.5)[i] == pytest.approx(chisquare(counts, 10 * np.bincount(batch) / 120).pvalue)


def test_neighbourhoods_are_those_of_scib() -> None:
    assert [neighbourhood_size(np.arange(n) % 2) for n in (20, 160, 4000)] == [10, 20, 70]


def test_without_a_batch_effect_all_but_alpha_pass() -> None:
    rng = np.random.default_rng(1)
    accepted = (kbet(nearest(rng.standard_normal((2000, 8)), 70)[1], rng.integers(0, 4, 2000)) >= 0.05).mean()
    assert accepted == pytest.approx(0.95, abs=0.03)
    assert (p(30.0) >= 0.05).mean() == 0


def test_a_batch_effect_lowers_the_score(audited: Any) -> None:
    clean, batchy = (by_key(Kbet().findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 2.0))
    assert batchy.value < 0.1 < 0.8 < clean.value
    assert clean.lower <= clean.value <= clean.upper
    assert clean.n == 72


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=0.4)
    values = [by_key(Kbet().findings(audited(x)))[KEY].value for x in (profiles, shuffled(profiles))]
    assert values[0] == values[1]
    assert 0 < values[0] < 1


def test_too_few_wells_are_declined() -> None:
    with pytest.raises(NotApplicable, match="10 control wells; k-BET on neighbourhoods of 10 needs more"):
        kbet(np.zeros((10, 9), dtype=int), np.arange(10) % 2)
