from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from harness.audit.probes.classifiers import N_NEIGHBOURS, RIDGE, linear, neighbours, probes, spread
from harness.audit.probes.excess import Accuracy, accuracy, excess
from harness.audit.probes.partitions import deal_folds, distinct_partitions, n_partitions
from harness.audit.probes.reduced_wells import ReducedWells, reduce_wells
from harness.audit.probes.renormalizer import may_read_batches
from harness.norm.all_within import AllWithin
from harness.norm.chain import Chain
from harness.norm.combat import Combat
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean
from harness.norm.noise import Noise
from harness.norm.raw import Raw

TEST = np.array([True, False, False] * 3)
BATCH = np.repeat(np.arange(3), 3)


def wells(seed: int = 0, n: int = 12, p: int = 8) -> tuple[Any, Any]:
    """Return X and plate of 9 plates of ``n`` wells in 3 batches that differ in the mean."""
    rng = np.random.default_rng(seed)
    plate = np.repeat(np.arange(9), n)
    X = rng.standard_normal((9 * n, p)) + rng.normal(0, 0.8, (3, p))[BATCH[plate]]
    return X.astype(np.float32), plate


def reduced(X: Any, plate: Any, group: Any = None) -> ReducedWells:
    return reduce_wells(X, plate, np.full(len(X), -1) if group is None else group, 9)


@pytest.mark.parametrize(
    ("sizes", "others"), [((2, 2), 2), ((3, 3), 9), ((2, 2, 2), 14), ((4, 4), 34), ((3, 3, 3), 279), ((2, 3), 9)]
)
def test_partitions_are_counted_without_names_of_equal_batches(sizes: tuple[int, ...], others: int) -> None:
    batch = np.repeat(np.arange(len(sizes)), sizes)
    assert n_partitions(batch) == others
    if len(batch) <= 6:
        ways = {
            frozenset(frozenset(np.flatnonzero(np.array(p) == b)) for b in set(p)) for p in set(permutations(batch))
        }
        assert len(ways) - 1 == others


def test_drawn_partitions_are_distinct_and_never_the_true_one() -> None:
    batch = np.array([0, 0, 0, 1, 1, 1])
    draws = distinct_partitions(batch, 50, np.random.default_rng(0))
    ways = {frozenset(frozenset(np.flatnonzero(draw == b)) for b in (0, 1)) for draw in draws}
    assert len(draws) == len(ways) == 9
    assert frozenset({frozenset({0, 1, 2}), frozenset({3, 4, 5})}) not in ways


def test_each_fold_leaves_plates_of_every_batch() -> None:
    batch = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2])
    fold = deal_folds(batch, 5, np.random.default_rng(0))
    for number in np.unique(fold):
        assert set(batch[fold != number]) == {0, 1, 2}


def test_linear_probe_is_a_discriminant_with_equal_priors() -> None:
    X, plate = wells()
    v = reduced(X, plate)
    rows = TEST[plate]

    class Ridged:
        def fit(self, Z: Any) -> Any:
            self.covariance_ = np.cov(Z.T, ddof=0)
            return self

    oracle = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3, covariance_estimator=Ridged())
    # the ridge is that of the pooled covariance: rows that carry it, added to each class
    d = v.scaled.shape[1]
    n = (~rows).sum() / 3
    jitter = np.sqrt(RIDGE * (n + 2 * d) / 2) * np.vstack([np.eye(d), -np.eye(d)])
    mean = [v.scaled[~rows & (BATCH[plate] == b)].mean(axis=0) for b in range(3)]
    shrink = np.sqrt((n + 2 * d) / n)
    Z = np.vstack(
        [
            np.vstack([mean[b] + shrink * (v.scaled[~rows & (BATCH[plate] == b)] - mean[b]), mean[b] + jitter])
            for b in range(3)
        ]
    )
    oracle.fit(Z, np.repeat(np.arange(3), int(n) + 2 * d))
    np.testing.assert_array_equal(linear(v)(BATCH, TEST), oracle.predict(v.scaled[rows]))


def test_neighbours_vote_as_scikit_learn_has_it() -> None:
    X, plate = wells()
    v = reduced(X, plate)
    rows = TEST[plate]
    oracle = KNeighborsClassifier(N_NEIGHBOURS).fit(v.large[~rows], BATCH[plate[~rows]])
    votes = oracle.predict_proba(v.large[rows])
    clear = np.sort(votes, axis=1)[:, -1] > np.sort(votes, axis=1)[:, -2]
    assert clear.mean() > 0.7
    np.testing.assert_array_equal(neighbours(v)(BATCH, TEST)[clear], votes.argmax(axis=1)[clear])


def test_wells_of_one_compound_do_not_vote_for_each_other() -> None:
    X, plate = wells()
    twin = np.arange(len(X)) % 12  # one well of each compound on every plate, exactly alike within a batch
    X = (100 * np.random.default_rng(0).standard_normal((36, 8))[twin + 12 * BATCH[plate]]).astype(np.float32)
    told = (neighbours(reduced(X, plate))(BATCH, TEST) == BATCH[plate[TEST[plate]]]).mean()
    apart = (neighbours(reduced(X, plate, twin))(BATCH, TEST) == BATCH[plate[TEST[plate]]]).mean()
    assert told > apart + 0.05


def test_spread_sees_variances_and_correlations_but_no_means() -> None:
    X, plate = wells(n=40)
    actual = BATCH[plate[TEST[plate]]]
    moved = np.random.default_rng(3).standard_normal((9, 8)).astype(np.float32)[plate]
    assert (linear(reduced(X, plate))(BATCH, TEST) == actual).mean() > 0.6
    assert (spread(reduced(X, plate))(BATCH, TEST) == actual).mean() < 0.5
    turned = np.stack([np.linalg.qr(np.random.default_rng(b).standard_normal((8, 8)))[0] for b in range(3)])
    shapes = np.random.default_rng(9).standard_normal((360, 8)) * np.geomspace(0.3, 3, 8)
    rotated = np.einsum("ni,nij->nj", shapes, turned[BATCH[plate]]).astype(np.float32) + moved
    assert (spread(reduced(rotated, plate))(BATCH, TEST) == actual).mean() > 0.8
    assert (linear(reduced(rotated, plate))(BATCH, TEST) == actual).mean() < 0.6


def test_trees_see_a_rounding_fingerprint_of_one_feature() -> None:
    rng = np.random.default_rng(0)
    X, plate = rng.standard_normal((180, 30)).astype(np.float32), np.repeat(np.arange(9), 20)
    X[:, 7] = np.float32(1e-7) * (BATCH[plate] ** 2).astype(np.float32)
    told = {
        name: (predict(BATCH, TEST) == BATCH[plate[TEST[plate]]]).mean()
        for name, predict in probes(reduced(X, plate), 0).items()
    }
    assert told["trees"] > 0.9


def test_accuracy_is_balanced_and_its_error_that_of_plates() -> None:
    rng = np.random.default_rng(0)
    plate = np.repeat(np.arange(9), rng.integers(5, 20, 9))
    predicted = rng.integers(0, 3, len(plate))
    result = accuracy((predicted == BATCH[plate]).astype(float), plate, BATCH)
    assert result.value == pytest.approx(balanced_accuracy_score(BATCH[plate], predicted))
    assert result.freedom == 6
    whole = np.repeat([1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], 10)
    shares = np.array([2 / 3, 2 / 3, 1 / 3])
    assert accuracy(whole, np.repeat(np.arange(9), 10), BATCH).sd == pytest.approx(
        np.sqrt((shares * (1 - shares) / 2).sum() / 9)
    )


def test_a_fingerprint_under_any_labels_does_not_drown_another_probe() -> None:
    rng = np.random.default_rng(0)
    observed = {"trees": Accuracy(0.95, 0.01, 15), "neighbours": Accuracy(0.48, 0.03, 15)}
    null = [{"trees": 0.94 + 0.02 * rng.standard_normal(), "neighbours": 0.16 + 0.02 * rng.random()} for _ in range(8)]
    answer = excess(observed, null, 0.2)
    assert answer.probe == "neighbours"
    assert answer.value == pytest.approx((0.48 - answer.null_mean["neighbours"]) / (1 - answer.null_mean["neighbours"]))
    assert answer.lower > 0.15
    assert answer.value > answer.null_upper
    assert answer.p == pytest.approx(1 / 9)


def test_the_interval_stays_in_bounds_and_holds_the_value() -> None:
    for value in (0.0, 0.2, 1.0):
        answer = excess({"linear": Accuracy(value, 0.2, 3)}, [{"linear": x} for x in (0.1, 0.3, 0.2)], 0.2)
        assert -0.25 - 1e-9 <= answer.lower <= answer.value + 1e-9
        assert answer.value <= answer.upper + 1e-9 <= 1 + 2e-9


@pytest.mark.parametrize(
    ("normalizer", "reads"),
    [(Raw(), False), (Noise(), False), (DmsoWithin(), False), (AllWithin(), False), (Mean(), True), (Combat(), True)],
)
def test_what_is_fitted_on_one_plate_is_not_normalized_anew(normalizer: Any, reads: bool) -> None:
    assert may_read_batches(normalizer) is reads
    assert may_read_batches(Chain(steps=[DmsoWithin(), normalizer])) is reads


def test_a_feature_that_is_constant_on_plates_does_not_hide_the_batch() -> None:
    """Its value follows the place of the plate within its batch, so that held-out plates are drawn to other batches."""
    X, plate = wells(n=30)
    place = np.random.default_rng(1).normal(0, 50, (3, 4))[np.arange(9) % 3][plate].astype(np.float32)
    actual = BATCH[plate[TEST[plate]]]
    for probe in (linear, neighbours):
        alone, beside = (probe(reduced(table, plate))(BATCH, TEST) for table in (X, np.hstack([X, place])))
        assert (beside == actual).mean() == pytest.approx((alone == actual).mean(), abs=0.02)
