from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, compound_screen, points, shuffled

from harness.audit.ilisi import Ilisi, lisi
from harness.core.exceptions import NotApplicable
from harness.numerics.neighbors import nearest

pytestmark = pytest.mark.slow

KEY = "batch_effect/ilisi"
# scib-metrics 0.5.10 on points(): ilisi_knn(NeighborsResults(self + 59 nearest), batch, perplexity=20)
SCIB = 0.16019559


def index(shift: float, perplexity: float = 20, scale: float = 1.0) -> Any:
    Z, batch = points(shift)
    distances, indices = nearest(Z * scale, 59)
    return lisi(distances, batch[indices], perplexity=perplexity)


def test_it_equals_scib_metrics() -> None:
    assert (np.median(index(1.0)) - 1) / 2 == pytest.approx(SCIB, abs=1e-4)


def test_it_equals_scib_metrics_where_that_is_installed() -> None:
    pytest.importorskip("scib_metrics")
    from scib_metrics import lisi_knn
    from scib_metrics.nearest_neighbors import NeighborsResults

    Z, batch = points()
    distances, indices = nearest(Z, 59)
    with_self = NeighborsResults(np.c_[np.arange(120), indices], np.c_[np.zeros(120), distances])
    np.testing.assert_allclose(index(1.0), lisi_knn(with_self, batch, perplexity=20), rtol=1e-3)


def test_by_hand_where_all_neighbours_are_equally_far() -> None:
    """Equal weights: 1 / (0.5^2 + 0.25^2 + 0.25^2)."""
    batch = np.array([[0, 0, 1, 2], [1, 1, 1, 1]])
    np.testing.assert_allclose(lisi(np.full((2, 4), 3.0), batch, perplexity=2), [1 / 0.375, 1.0])


def test_weights_have_the_perplexity_that_was_asked_for() -> None:
    """Each neighbour in a batch of its own: 1 / sum w^2, for equal weights the number of neighbours."""
    near = np.r_[np.full(6, 1.0), np.full(24, 50.0)][None]
    assert lisi(near, np.arange(30)[None], perplexity=6)[0] == pytest.approx(6, rel=1e-3)


def test_bounds_direction_and_units() -> None:
    values = [np.median(index(shift)) for shift in (0.0, 1.0, 3.0, 30.0)]
    assert 3 >= values[0] > values[1] > values[2] > values[3] == pytest.approx(1.0)
    np.testing.assert_allclose(index(1.0, scale=1e4), index(1.0), rtol=1e-3)


def test_duplicated_wells_are_no_obstacle() -> None:
    assert np.isfinite(lisi(np.zeros((3, 12)), np.tile([0, 1], (3, 6)), perplexity=4)).all()


def test_a_batch_effect_lowers_the_score_and_noise_scores_high(audited: Any) -> None:
    clean, batchy = (by_key(Ilisi().findings(audited(compound_screen(batch_shift=s))))[KEY] for s in (0.0, 2.0))
    assert batchy.value < 0.1 < 0.5 < clean.value
    assert clean.lower <= clean.value <= clean.upper
    assert clean.n == 72


def test_only_controls_are_read_and_their_order_does_not_matter(audited: Any) -> None:
    profiles = compound_screen(batch_shift=0.4)
    X = profiles.X.copy()
    X[(profiles.wells["role"] == "treated").to_numpy()] *= 7
    value = by_key(Ilisi().findings(audited(profiles)))[KEY].value
    assert by_key(Ilisi().findings(audited(profiles.replace(X=X))))[KEY].value == value
    assert by_key(Ilisi().findings(audited(shuffled(profiles))))[KEY].value == pytest.approx(value, abs=1e-4)


def test_a_single_batch_is_declined(audited: Any) -> None:
    profiles = compound_screen()
    with pytest.raises(NotApplicable, match="1 batch; a batch effect needs 2"):
        list(Ilisi().findings(audited(profiles.replace(wells=profiles.wells.assign(batch="b")))))
