from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from audit_toys import compound_screen
from sklearn.covariance import LedoitWolf

from harness.audit.shared.bounded_interval import at_level, auroc_sd, bounded_interval, degrees_of_freedom
from harness.audit.shared.hidden_controls import hide_part, n_hidden_parts
from harness.audit.shared.whitening import fit_whitening
from harness.core.exceptions import NotApplicable


def test_each_control_is_hidden_in_one_part():
    screen = compound_screen()
    n = n_hidden_parts(screen.wells)
    hidden = [hide_part(screen, part, n, 3).wells for part in range(n)]
    count = np.sum([wells["heldout_control"] for wells in hidden], axis=0)
    assert (count == (screen.wells["role"] == "negcon")).all()
    for wells in hidden:
        assert (wells[wells["role"] == "negcon"].groupby("plate").size() >= 3).all()
        assert (wells.loc[wells["heldout_control"], ["role", "compound"]] == ["treated", ""]).all(axis=None)


@pytest.mark.parametrize(("k", "parts"), [(4, 4), (5, 3), (6, 2), (64, 2)])
def test_a_reference_of_three_stays(k, parts):
    wells = pd.DataFrame({"plate": "p", "well": [str(i) for i in range(k)], "role": "negcon"})
    assert n_hidden_parts(wells) == parts


def test_three_controls_are_too_few_to_hide_one():
    wells = pd.DataFrame({"plate": "p", "well": ["1", "2", "3"], "role": "negcon"})
    with pytest.raises(NotApplicable) as undefined:
        n_hidden_parts(wells)
    assert undefined.value.code == "few_controls"


@pytest.mark.parametrize("n_features", [8, 200])
def test_whitening_equals_ledoit_wolf_of_scikit_learn(n_features):
    rng = np.random.default_rng(0)
    wells = pd.DataFrame({"plate": np.repeat(["a", "b", "c"], 20)})
    X = (rng.standard_normal((60, n_features)) @ rng.standard_normal((n_features, n_features))).astype(np.float32)
    X += np.repeat(rng.normal(0, 50, (3, n_features)), 20, axis=0).astype(np.float32)
    white = fit_whitening(X, wells, np.ones(60, dtype=bool))
    residual = (X - pd.DataFrame(X).groupby(wells["plate"]).transform("mean").to_numpy()) * np.sqrt(60 / 57)
    sd = residual.std(axis=0)
    oracle = LedoitWolf(assume_centered=True).fit(residual / sd)
    distance = np.sqrt(oracle.mahalanobis((X - X.mean(axis=0)) / sd))
    np.testing.assert_allclose(np.linalg.norm(white(X), axis=1), distance, rtol=2e-3)


def test_whitened_lengths_do_not_depend_on_units_or_constants():
    rng = np.random.default_rng(1)
    wells = pd.DataFrame({"plate": np.repeat(["a", "b"], 30)})
    X = rng.standard_normal((60, 10)).astype(np.float32)
    moved = (X * 10.0 ** rng.uniform(-3, 3, 10) + rng.normal(0, 5, 10)).astype(np.float32)
    rows = np.ones(60, dtype=bool)
    np.testing.assert_allclose(fit_whitening(moved, wells, rows)(moved), fit_whitening(X, wells, rows)(X), atol=0.02)


def test_a_feature_constant_on_controls_does_not_outweigh_all_others():
    rng = np.random.default_rng(2)
    wells = pd.DataFrame({"plate": np.repeat(["a", "b"], 40)})
    controls = np.tile(np.arange(40) < 20, 2)
    X = rng.standard_normal((80, 5)).astype(np.float32)
    X[:, 0] = np.where(controls, 0, rng.standard_normal(80))
    assert np.abs(fit_whitening(X, wells, controls)(X)[:, 0]).max() < 20


def test_intervals_stay_between_0_and_1_and_hold_the_value():
    rng = np.random.default_rng(0)
    for value in (0.0, 0.02, 0.5, 0.884, 1.0):
        lower, upper = bounded_interval(value, np.clip(value + rng.normal(0, 0.1, 200), 0, 1), freedom=1)
        assert 0 <= lower <= value <= upper <= 1


def test_the_wells_alone_set_a_least_width():
    sd = auroc_sd(0.5, 50, 50)
    assert sd == pytest.approx(1 / np.sqrt(3 * 100), rel=0.03)
    lower, upper = bounded_interval(0.5, np.full(100, 0.5), freedom=1000, least_sd=sd)
    assert upper - lower == pytest.approx(2 * 1.96 * sd, rel=0.05)


def test_another_level_agrees_with_asking_for_it():
    draws = np.random.default_rng(0).normal(0.7, 0.03, 500)
    lower, upper = bounded_interval(0.7, draws, freedom=4)
    direct = bounded_interval(0.7, draws, freedom=4, level=0.99)
    assert at_level(0.7, lower, upper, freedom=4, level=0.99) == pytest.approx(direct)


@pytest.mark.parametrize(("batches", "plates", "freedom"), [(2, 2, 2), (2, 1, 1), (3, 2, 3), (5, 4, 4), (1, 1, 0)])
def test_degrees_of_freedom(batches, plates, freedom):
    wells = pd.DataFrame(
        {"batch": np.repeat(np.arange(batches), plates), "plate": np.arange(batches * plates).astype(str)}
    )
    assert degrees_of_freedom(wells) == freedom
