from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key, shuffled
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from harness.audit.batch_cost import BatchCost
from harness.audit.probes.plate_transfer import RIDGE, PlateSums, ordered_pairs
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles

KEY = "audit/batch_cost/auroc"


def effects(profiles: Profiles, size: float, by: str) -> Profiles:
    """Move treated wells by ``size`` sd of a feature, along a direction of each batch or plate, or of all ("")."""
    X = profiles.X.copy()
    groups = profiles.wells[by].to_numpy() if by else np.zeros(len(X), dtype=int)
    treated = (profiles.wells["role"] == "treated").to_numpy()
    for i, name in enumerate(np.unique(groups)):
        direction = np.random.default_rng(i).standard_normal(X.shape[1])
        X[treated & (groups == name)] += (5 * size * direction / np.linalg.norm(direction)).astype(np.float32)
    return profiles.replace(X=X)


def findings(audited: Any, profiles: Profiles, seed: int = 0) -> dict[str, Any]:
    return by_key(BatchCost().findings(audited(profiles, seed=seed)))


def test_effects_that_differ_between_batches_cost_on_a_new_batch(audited: Any, noise_screen: Any) -> None:
    profiles = effects(noise_screen(n_plates=20, n_batches=5, n_features=20), 3.0, "batch")
    answer = findings(audited, profiles)
    assert answer[f"{KEY}_known_batch"].lower > 0.6
    assert answer[f"{KEY}_difference"].upper < -0.1
    value = answer[f"{KEY}_new_batch"].value - answer[f"{KEY}_known_batch"].value
    assert answer[f"{KEY}_difference"].value == pytest.approx(value)


def test_effects_shared_by_all_batches_cost_nothing(audited: Any, noise_screen: Any) -> None:
    covered = 0
    for seed in range(6):
        profiles = effects(noise_screen(n_plates=20, n_batches=5, n_features=20, seed=seed), 2.0, "")
        answer = findings(audited, profiles, seed)
        assert answer[f"{KEY}_new_batch"].lower > 0.8
        difference = answer[f"{KEY}_difference"]
        assert abs(difference.value) < 0.03
        covered += difference.lower <= 0 <= difference.upper
    assert covered >= 5


def test_effects_of_each_plate_are_no_cost_of_the_batch(audited: Any, noise_screen: Any) -> None:
    profiles = effects(noise_screen(n_plates=20, n_batches=5, n_features=20), 2.0, "plate")
    difference = findings(audited, profiles)[f"{KEY}_difference"]
    assert difference.lower < 0 < difference.upper


def test_the_order_of_rows_does_not_matter(audited: Any, noise_screen: Any) -> None:
    profiles = effects(noise_screen(n_plates=8, n_batches=2, n_features=10), 2.0, "batch")
    answer, other = findings(audited, profiles), findings(audited, shuffled(profiles))
    for key, finding in answer.items():
        assert other[key].value == pytest.approx(finding.value, abs=0.003)


def test_auroc_follows_from_pairs_of_plates() -> None:
    rng = np.random.default_rng(0)
    score, positive, plate = rng.integers(0, 9, 90).astype(float), rng.random(90) < 0.6, rng.integers(0, 4, 90)
    U = ordered_pairs(score, positive, plate)
    n1, n0 = (np.bincount(plate[mask], minlength=4) for mask in (positive, ~positive))
    w = np.array([2.0, 0.0, 1.0, 3.0])
    assert w @ U @ w / (w @ n1 * (w @ n0)) == pytest.approx(roc_auc_score(positive, score, sample_weight=w[plate]))


def test_log_odds_are_those_of_a_linear_discriminant_with_a_ridge() -> None:
    rng = np.random.default_rng(1)
    Z, plate = rng.standard_normal((120, 4)), np.repeat(np.arange(4), 30)
    positive = np.tile(np.arange(30) % 2 == 0, 4)
    Z[positive] += [1, 0, 0.5, 0]
    train = np.array([True, True, True, False])
    score = PlateSums(Z, plate, positive).log_odds(train, 3)
    rows = train[plate]
    oracle = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=_Ridged()).fit(Z[rows], positive[rows])
    np.testing.assert_allclose(score, oracle.decision_function(Z[~rows]), rtol=1e-6)


class _Ridged:
    def fit(self, X: Any) -> Any:
        self.covariance_ = np.cov(X.T, ddof=0) + RIDGE * np.eye(X.shape[1])
        return self


@pytest.mark.parametrize(("n_plates", "n_batches", "code"), [(4, 4, "plate_is_batch"), (4, 1, "one_batch")])
def test_too_few_plates_or_batches_do_not_apply(
    audited: Any, noise_screen: Any, n_plates: int, n_batches: int, code: str
) -> None:
    with pytest.raises(NotApplicable) as caught:
        findings(audited, noise_screen(n_plates=n_plates, n_batches=n_batches))
    assert caught.value.code == code


def test_a_plate_of_treated_wells_alone_is_left_out(audited: Any, noise_screen: Any) -> None:
    profiles = noise_screen(n_plates=8, n_batches=2)
    alone = profiles.wells["plate"] == "p03"
    changed = profiles.replace(wells=profiles.wells.assign(role=profiles.wells["role"].mask(alone, "treated")))
    without = profiles.take(~alone.to_numpy())
    assert [(f.key, f.n) for f in findings(audited, changed).values()] == [
        (f.key, f.n) for f in findings(audited, without).values()
    ]
    nothing = profiles.replace(wells=profiles.wells.assign(role="treated"))
    with pytest.raises(NotApplicable):
        findings(audited, nothing)
