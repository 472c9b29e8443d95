from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key, compound_screen, shuffled
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

import harness.audit.mean_average_precision as module
from harness.audit.mean_average_precision import MeanAveragePrecision, against_compounds, against_controls
from harness.audit.replicate.chance import chance_average_precision, p_values
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.similarity import Replicates
from harness.core.profiles import Profiles

CONTROLS, COMPOUNDS = "replicates/map_against_controls", "replicates/map_against_compounds"
# copairs 0.5.5: mean over treatments of the mean over wells of copairs_scores(...), of compound_screen(effect=0.5)
COPAIRS = (0.57877052, 0.22247437)


@pytest.fixture(scope="module")
def wells(audited: Any) -> Replicates:
    return metric_replicates(audited(compound_screen(effect=0.5)))


def findings(audited: Any, profiles: Profiles) -> dict[str, Any]:
    return by_key(MeanAveragePrecision(n_null=999).findings(audited(profiles)))


def copairs_scores(wells: Replicates, *, controls: bool) -> Any:
    from copairs.map import average_precision

    columns = {"treatment": wells.treatment, "plate": wells.plate, "position": wells.position}
    meta = pd.DataFrame({**columns, "compound": wells.compound, "control": wells.treatment < 0})
    rows = np.ones(len(meta), dtype=bool) if controls else ~meta["control"].to_numpy()
    same, differ = (["plate"], ["control"]) if controls else ([], ["compound"])
    found = average_precision(
        meta[rows].reset_index(drop=True), wells.Z[rows], ["treatment"], ["position"], same, differ, progress_bar=False
    )
    return found[~found["control"]]


def test_it_equals_copairs(wells: Replicates) -> None:
    assert wells.mean(against_controls(wells)[0]) == pytest.approx(COPAIRS[0], abs=1e-5)
    assert wells.mean(against_compounds(wells)[0]) == pytest.approx(COPAIRS[1], abs=1e-5)


@pytest.mark.parametrize("controls", [True, False])
def test_it_equals_copairs_where_that_is_installed(wells: Replicates, controls: bool) -> None:
    pytest.importorskip("copairs")
    from copairs.map import mean_average_precision

    found = copairs_scores(wells, controls=controls)
    value, positives, negatives = (against_controls if controls else against_compounds)(wells)
    treated = wells.treatment >= 0
    np.testing.assert_allclose(value[treated], found["average_precision"], atol=1e-6)
    np.testing.assert_array_equal(positives[treated], found["n_pos_pairs"])
    np.testing.assert_array_equal((positives + negatives)[treated], found["n_total_pairs"])
    scaled = (value - chance_average_precision(positives, negatives)) / (
        1 - chance_average_precision(positives, negatives)
    )
    np.testing.assert_allclose(scaled[treated], found["normalized_average_precision"], atol=1e-6)
    table = mean_average_precision(found, ["treatment"], null_size=20_000, threshold=0.05, seed=1, progress_bar=False)
    p = p_values(wells.treatment, (value, positives, negatives), n_null=20_000, seed=0)
    np.testing.assert_allclose(p, table.sort_values("treatment")["p_value"], atol=0.015)


def test_it_equals_scikit_learn_well_by_well(wells: Replicates) -> None:
    similarity = cosine_similarity(wells.Z.astype(np.float64))
    controls, compounds = against_controls(wells)[0], against_compounds(wells)[0]
    for i in np.flatnonzero(wells.treatment >= 0):
        positive = (wells.treatment == wells.treatment[i]) & (wells.position != wells.position[i])
        control = (wells.treatment < 0) & (wells.plate == wells.plate[i])
        other = (wells.treatment >= 0) & (wells.compound != wells.compound[i])
        for negative, value in ((control, controls[i]), (other, compounds[i])):
            ranked = positive | negative
            assert value == pytest.approx(average_precision_score(positive[ranked], similarity[i, ranked]), abs=1e-6)
    assert np.isnan(controls[wells.treatment < 0]).all()


def test_blocks_change_nothing(wells: Replicates, monkeypatch: Any) -> None:
    whole = against_compounds(wells)
    monkeypatch.setattr(module, "_BLOCK", 7)
    for a, b in zip(against_compounds(wells), whole, strict=True):
        np.testing.assert_allclose(a, b)


def test_identical_profiles_score_like_chance_and_not_one(wells: Replicates) -> None:
    Z = np.tile(wells.Z[0], (len(wells.Z), 1))
    same = Replicates(Z, wells.wells, wells.treatment, wells.compound, wells.plate, wells.position)
    for ranked in (against_controls(same), against_compounds(same)):
        assert same.mean(ranked[0]) < same.mean(chance_average_precision(*ranked[1:]))


def test_chance_is_the_mean_of_random_rankings() -> None:
    rng = np.random.default_rng(0)
    for m, n in ((1, 3), (4, 64), (9, 2)):
        y = rng.permuted(np.tile(np.arange(m + n) < m, (20_000, 1)), axis=1)
        simulated = (y * y.cumsum(axis=1) / np.arange(1, m + n + 1)).sum(axis=1).mean() / m
        assert chance_average_precision(np.array([m]), np.array([n]))[0] == pytest.approx(simulated, rel=0.02)
    assert np.isnan(chance_average_precision(np.array([0, 3]), np.array([5, 0]))).all()


def test_p_of_a_perfect_and_of_a_hopeless_treatment() -> None:
    treatment = np.repeat([3, 8], 3)
    ranked = (np.repeat([1.0, 0.05], 3), np.full(6, 2), np.full(6, 40))
    p = p_values(treatment, ranked, n_null=1999, seed=0)
    assert p[0] < 0.01
    assert p[1] > 0.7


def test_noise_scores_chance_and_nothing_is_significant(audited: Any) -> None:
    values = {CONTROLS: [], COMPOUNDS: []}
    for seed in range(6):
        found = findings(audited, compound_screen(effect=0.0, seed=seed))
        assert found[f"{CONTROLS}_share_significant"].value <= 0.1
        for key, difference in values.items():
            difference.append(found[key].value - found[f"{key}_chance"].value)
    for difference in values.values():
        assert abs(np.mean(difference)) < 0.03


def test_it_grows_with_the_effect_and_falls_with_the_batch_effect(audited: Any) -> None:
    weak, strong = (findings(audited, compound_screen(effect=e)) for e in (0.3, 1.5))
    batchy = findings(audited, compound_screen(effect=1.5, batch_shift=3.0))
    for key in (CONTROLS, COMPOUNDS):
        assert weak[key].value < strong[key].value > batchy[key].value
        assert strong[key].lower <= strong[key].value <= strong[key].upper
        assert strong[key].n == 13
    assert batchy[CONTROLS].value < batchy[f"{CONTROLS}_chance"].value
    assert strong[f"{CONTROLS}_share_significant"].value == pytest.approx(6 / 13, abs=0.1)


def test_the_order_of_wells_does_not_matter(audited: Any) -> None:
    profiles = compound_screen()
    one, other = findings(audited, profiles), findings(audited, shuffled(profiles))
    for key in one:
        assert one[key].value == pytest.approx(other[key].value, abs=1e-6)


def test_a_single_compound_has_no_others(audited: Any) -> None:
    profiles = compound_screen()
    single = profiles.take((profiles.wells["compound"].isin(["c02", "DMSO"])).to_numpy())
    found = findings(audited, single)
    assert np.isfinite(found[CONTROLS].value)
    assert np.isnan(found[COMPOUNDS].value)
    assert "undefined for every well" in found[COMPOUNDS].reason
