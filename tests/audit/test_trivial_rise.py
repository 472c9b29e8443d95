from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key
from sklearn.metrics import roc_auc_score

from harness.audit.trivial_rise import TrivialRise
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.raw import Raw

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def findings(audited: Any, profiles: Profiles, normalizer: Any) -> Any:
    found = by_key(TrivialRise().findings(audited(profiles, normalizer)))
    return {key.removeprefix("audit/trivial_rise/row_norm/"): f for key, f in found.items()}


def test_the_score_is_the_mean_auroc_of_lengths_over_held_out_batches(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(k=12)
    control = (profiles.wells["role"] == "negcon").to_numpy()
    X = profiles.X.copy()
    X[~control] *= 1.1
    profiles = profiles.replace(X=X)
    length = np.linalg.norm(X, axis=1)
    batches = [(profiles.wells["batch"] == b).to_numpy() for b in profiles.wells["batch"].unique()]
    by_batch = [roc_auc_score(~control[b], length[b]) for b in batches]
    found = findings(audited, profiles, Raw())
    assert found["raw_auroc"].value == pytest.approx(np.mean(by_batch))
    assert found["auroc"].value == found["raw_auroc"].value
    assert (found["rise"].value, found["rise"].lower, found["rise"].upper) == (0, 0, 0)


@pytest.mark.parametrize("k", [3, 8])
def test_the_textbook_form_raises_it_and_the_exchangeable_one_does_not(audited: Any, noise_screen: Any, k: int) -> None:
    profiles = noise_screen(k=k)
    textbook = findings(audited, profiles, DmsoWithin(exchangeable=False))
    fair = findings(audited, profiles, DmsoWithin())
    assert textbook["rise"].lower > 0.15
    assert textbook["rise_over_yardstick"].lower > 0.15
    assert fair["rise_over_yardstick"].value <= 0
    assert abs(fair["rise"].value) < 0.15


def test_phenotypes_that_a_batch_effect_hid_are_no_rise_over_the_yardstick(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(k=12)
    rng = np.random.default_rng(0)
    X = profiles.X + 40 * rng.standard_normal((4, 60))[profiles.wells["batch"].str[1:].astype(int)]
    X[(profiles.wells["role"] == "treated").to_numpy()] += 8 * rng.standard_normal(60)
    found = findings(audited, profiles.replace(X=X.astype(np.float32)), DmsoWithin())
    assert found["rise"].value > 0.1
    assert found["rise_over_yardstick"].value == 0


def test_too_few_controls_for_the_method_is_not_applicable(audited: Any, noise_screen: Any) -> None:
    with pytest.raises(NotApplicable) as few:
        findings(audited, noise_screen(k=2), DmsoWithin())
    assert few.value.code == "few_controls"
