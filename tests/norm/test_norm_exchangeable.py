"""The reason for exchangeable statistics: on wells with nothing in them, controls and others must look the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from control_norms import SEEDS, auroc_of_norm, squared_norms, standard_error

from harness.norm.dmso_across import DmsoAcross
from harness.norm.dmso_within import DmsoWithin

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def test_the_norm_gives_controls_away_in_the_textbook_form_and_not_in_the_exchangeable_one(noise_screen: Any) -> None:
    """12 plates x 48 wells, 8 controls, 60 features, 8 screens; tolerance: 4 standard errors (0.046)."""
    screens = [noise_screen(seed=seed) for seed in SEEDS]
    tolerance = 4 * standard_error(12 * 8, 12 * 40, len(SEEDS))
    assert tolerance < 0.05
    textbook = [auroc_of_norm(s, DmsoWithin(exchangeable=False)) for s in screens]
    assert min(textbook) > 0.95
    exchangeable = [auroc_of_norm(s, DmsoWithin()) for s in screens]
    assert abs(np.mean(exchangeable) - 0.5) < tolerance
    assert abs(np.mean([auroc_of_norm(s, DmsoAcross()) for s in screens]) - 0.5) < tolerance


def test_at_many_controls_the_textbook_form_still_gives_them_away(noise_screen: Any) -> None:
    screens = [noise_screen(seed=seed, n_wells=96, k=32) for seed in SEEDS]
    assert np.mean([auroc_of_norm(s, DmsoWithin(exchangeable=False)) for s in screens]) > 0.6


@pytest.mark.parametrize("k", [6, 8, 16])
def test_norms_in_the_textbook_form_have_their_expected_size(noise_screen: Any, k: int) -> None:
    """(k-1)/k for controls and (1+1/k)(k-1)/(k-3) for others with divisor n-1; times k/(k-1) with divisor n."""
    found = [squared_norms(noise_screen(seed=s, k=k, n_features=120), DmsoWithin(exchangeable=False)) for s in SEEDS]
    norm, control = (np.concatenate(part) for part in zip(*found, strict=True))
    to_divisor_n = k / (k - 1)
    np.testing.assert_allclose(norm[control].mean(), (k - 1) / k * to_divisor_n, rtol=1e-4)
    expected = (1 + 1 / k) * (k - 1) / (k - 3) * to_divisor_n
    np.testing.assert_allclose(norm[~control].mean(), expected, rtol=0.02)


def test_norms_in_the_exchangeable_form_have_one_expected_size_for_both(noise_screen: Any) -> None:
    """k-1 controls in every reference: (1 + 1/(k-1)) (k-1)/(k-4) with divisor n."""
    k = 9
    found = [squared_norms(noise_screen(seed=s, k=k, n_features=120), DmsoWithin()) for s in SEEDS]
    norm, control = (np.concatenate(part) for part in zip(*found, strict=True))
    expected = (1 + 1 / (k - 1)) * (k - 1) / (k - 4)
    np.testing.assert_allclose([norm[control].mean(), norm[~control].mean()], expected, rtol=0.03)
