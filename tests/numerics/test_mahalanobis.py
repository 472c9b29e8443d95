from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from harness.numerics.mahalanobis import shrunk_mahalanobis


@pytest.mark.parametrize(("m", "constant"), [(15, 0), (15, 3), (200, 0), (200, 3)])
def test_it_equals_that_of_the_inverted_matrix(m: int, constant: int) -> None:
    rng = np.random.default_rng(m)
    mix = rng.normal(size=(40, 40)) * np.geomspace(0.05, 8, 40)
    reference, X = (rng.normal(size=(n, 40)) @ mix + 0.3 for n in (m, 60))
    reference[:, :constant] = 0
    expected = np.sqrt(LedoitWolf(assume_centered=True).fit(reference).mahalanobis(X))
    np.testing.assert_allclose(shrunk_mahalanobis(X, reference), expected, rtol=1e-7)
    assert expected.std() > 0.1
