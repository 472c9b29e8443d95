from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from audit_toys import by_key
from scipy import stats

from harness.audit.bench import contrast, retention, spillover, student
from harness.audit.spike import Design, by_batch, everywhere
from harness.audit.spike_in import SpikeIn
from harness.data.demo import Demo
from harness.norm.all_within import AllWithin
from harness.norm.dmso_within import DmsoWithin
from harness.norm.mean import Mean
from harness.norm.noise import Noise
from harness.norm.raw import Raw
from harness.norm.well_mean import WellMean
from harness.seeding import derive
from harness.split.leave_batch_out import LeaveBatchOut
from harness.types import NotApplicable, Profiles

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.exchange.FewControlsWarning")
ARMS = ("matched", "sparse", "common", "batch_bound", "position_bound")


def twins(*, n_plates: int = 7, n_batches: int = 3, k: int = 9, n_wells: int = 48, n_features: int = 12) -> Profiles:
    """Plates whose controls have the same profiles, in turn in each of the same wells: all plates have one scale, so
    that forms are closed."""
    rng = np.random.default_rng(1)
    scale = 10 ** rng.uniform(-1, 2, n_features)
    role = np.full(n_wells, "treated", dtype=object)
    role[rng.permutation(n_wells)[: k + 2]] = ["negcon"] * k + ["poscon", "empty"]
    control = rng.standard_normal((k, n_features))
    tables, parts = [], []
    for p in range(n_plates):
        own = rng.standard_normal((n_wells, n_features)) + 0.5
        own[role == "negcon"] = rng.permutation(control)
        parts.append(30 + scale * own)
        wells = [f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(n_wells)]
        batch = f"b{p * n_batches // n_plates}"
        tables.append(pd.DataFrame({"plate": f"p{p}", "well": wells, "batch": batch, "role": role}))
    return Profiles(np.concatenate(parts).astype(np.float32), pd.concat(tables, ignore_index=True))


@pytest.fixture(scope="module", name="context")
def context_of(audited: Any) -> Any:
    def make(profiles: Profiles, normalizer: Any) -> Any:
        splits = list(LeaveBatchOut().split(audited(profiles).wells))
        return audited(profiles, normalizer, splits=splits)

    return make


@pytest.fixture(scope="module")
def tiny() -> Profiles:
    return Demo(size="tiny", plates_per_batch=3, seed=1).profiles()


def findings(context: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    return by_key(SpikeIn(**{"n_directions": 2, "n_others": 1, **options}).findings(context(profiles, normalizer)))


def plates(rng: Any, n: int = 6) -> tuple[Any, ...]:
    n1, n0 = rng.integers(0, 9, n), rng.integers(3, 30, n)
    n1[0], n1[-1] = 0, 5
    return n1.astype(float), rng.normal(0.8, 0.4, n), n0.astype(float), rng.normal(0.1, 0.3, n)


@pytest.mark.parametrize("seed", range(5))
def test_statistics_equal_those_of_wells(seed: int) -> None:
    n1, d1, n0, d0 = plates(np.random.default_rng(seed))
    spiked = np.concatenate([np.r_[np.ones(int(a)), np.zeros(int(b))] for a, b in zip(n1, n0, strict=True)])
    moved = np.concatenate(
        [np.r_[np.full(int(a), x), np.full(int(b), y)] for a, x, b, y in zip(n1, d1, n0, d0, strict=True)]
    )
    plate = np.repeat(np.arange(len(n1)), (n1 + n0).astype(int))
    design = np.column_stack([np.ones(len(spiked)), spiked])
    slope = np.linalg.lstsq(design, moved, rcond=None)[0][1]
    assert contrast(n1, d1, n0, d0) == pytest.approx(slope)
    assert retention(n1, d1, n0, d0) == pytest.approx(moved[spiked == 1].mean())
    touched = np.isin(plate, np.unique(plate[spiked == 1]))
    assert spillover(n1, d1, n0, d0) == pytest.approx(moved[(spiked == 0) & touched].mean())


def test_a_shift_of_all_wells_changes_retention_and_spillover_but_not_the_contrast() -> None:
    n1, d1, n0, d0 = plates(np.random.default_rng(3))
    assert contrast(n1, d1 - 0.4, n0, d0 - 0.4) == pytest.approx(contrast(n1, d1, n0, d0))
    assert retention(n1, d1 - 0.4, n0, d0 - 0.4) == pytest.approx(retention(n1, d1, n0, d0) - 0.4)
    assert spillover(n1, d1 - 0.4, n0, d0 - 0.4) == pytest.approx(spillover(n1, d1, n0, d0) - 0.4)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_interval_of_few_repeats_is_students(n: int) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    np.testing.assert_allclose(student(values), expected)
    assert np.isnan(student(values[:1])).all()


@pytest.mark.parametrize("normalizer", [Raw(), DmsoWithin(exchangeable=False)], ids=["raw", "dmso_within"])
def test_what_reads_no_treated_well_keeps_every_phenotype(context: Any, tiny: Profiles, normalizer: Any) -> None:
    found = findings(context, tiny, normalizer)
    for arm in ARMS:
        assert found[f"audit/spike_in/{arm}/contrast"].value == pytest.approx(1, abs=1e-3)
        assert found[f"audit/spike_in/{arm}/retention"].value == pytest.approx(1, abs=1e-3)
        assert found[f"audit/spike_in/{arm}/spillover"].value == pytest.approx(0, abs=1e-3)


def test_exchangeable_references_add_noise_to_scales_and_nothing_else(context: Any, tiny: Profiles) -> None:
    found = findings(context, tiny, DmsoWithin())
    for arm in ARMS:
        assert found[f"audit/spike_in/{arm}/contrast"].value == pytest.approx(1, abs=0.1)
        assert found[f"audit/spike_in/{arm}/spillover"].value == pytest.approx(0, abs=1e-6)


def displaced(context: Any, profiles: Profiles, normalizer: Any, arm: Design) -> Any:
    """Statistics of one arm in one direction, and which wells it spiked."""
    bench = SpikeIn(n_directions=1).bench(context(profiles, normalizer))
    table = bench.moved(arm, 0)
    columns = [table[c].to_numpy() for c in ("n_spiked", "spiked", "n_other", "other")]
    return contrast(*columns), retention(*columns), arm.pick(profiles.wells, derive(bench.seed, arm.name, 0))


def test_batch_means_take_the_share_of_the_phenotype_that_lies_between_batches(context: Any) -> None:
    """contrast = (1 - B / T) / (1 - f): variance of the indicator between batches and in all, f the share of wells of
    the reference. Batches have 3, 2 and 2 plates, positive controls and empty wells are not spiked."""
    profiles = twins()
    profiles = profiles.take((profiles.wells["role"] != "empty").to_numpy())
    arm = Design("batch_bound", by_batch(profiles.wells, 0.05, 0.9, 3))
    got, kept, spiked = displaced(context, profiles, Mean(), arm)
    batch = profiles.wells["batch"].to_numpy()
    share = pd.Series(spiked.astype(float)).groupby(batch).transform("mean").to_numpy()
    f = 1 / 47
    assert got == pytest.approx((1 - share.var() / spiked.var()) / (1 - f), abs=1e-3)
    assert kept == pytest.approx((1 - share[spiked].mean()) / (1 - f), abs=1e-3)
    assert got < 0.8
    even = Design("everywhere", everywhere(profiles.wells, 0.5))
    assert displaced(context, profiles, Mean(), even)[0] == pytest.approx(1 / (1 - f), abs=1e-3)


def test_well_means_take_a_phenotype_that_is_bound_to_its_position(context: Any) -> None:
    profiles = twins()
    fixed = Design("position_bound", everywhere(profiles.wells, 0.2), same_positions=True)
    got, kept, _ = displaced(context, profiles, WellMean(), fixed)
    assert got == pytest.approx(0, abs=1e-3)
    assert kept == pytest.approx(0, abs=1e-3)
    loose = Design("loose", everywhere(profiles.wells, 0.2))
    assert displaced(context, profiles, WellMean(), loose)[0] > 0.9


def test_whole_plate_z_scores_lose_a_common_phenotype_and_not_a_sparse_one(context: Any, tiny: Profiles) -> None:
    found = {k.removeprefix("audit/spike_in/"): f.value for k, f in findings(context, tiny, AllWithin()).items()}
    assert found["sparse/contrast"] > 0.93
    assert found["common/contrast"] < 0.5
    assert found["common/retention"] < found["sparse/retention"] - 0.3
    assert found["common/spillover"] < -0.2
    assert abs(found["sparse/spillover"]) < 0.1
    assert found["sparse/prevalence"] == pytest.approx(0.05)
    assert 0.05 < found["batch_bound/prevalence"] < 0.9


def test_a_method_that_ignores_its_input_does_not_apply(context: Any, tiny: Profiles) -> None:
    with pytest.raises(NotApplicable, match=r"a spike leaves no trace$"):
        findings(context, tiny, Noise())


def test_response_is_one_where_the_scale_of_features_is_kept(context: Any) -> None:
    for normalizer in (Raw(), DmsoWithin(exchangeable=False)):
        assert findings(context, twins(), normalizer)["audit/spike_in/response"].value == pytest.approx(1, abs=1e-3)


def test_the_matched_arm_has_the_screens_own_layout_and_prevalence(context: Any) -> None:
    def matched(scenario: str) -> tuple[Design, Profiles]:
        profiles = Demo(scenario=scenario, size="tiny", plates_per_batch=4, seed=2).profiles()
        check = SpikeIn(n_directions=1)
        (arm,) = check.matched(check.bench(context(profiles, Raw())), 0)
        return arm, profiles

    fixed, _ = matched("fixed_layout")
    loose, _ = matched("balanced")
    empty, profiles = matched("null")
    assert fixed.same_positions
    assert not loose.same_positions
    assert set(empty.prevalence) == set(profiles.wells["plate"])
    assert np.mean(list(empty.prevalence.values())) < 0.1
    assert min(empty.prevalence.values()) >= 0.01
    rich, _ = matched("phenotype_rich")
    assert np.mean(list(rich.prevalence.values())) > np.mean(list(loose.prevalence.values())) + 0.1


def test_a_plate_that_holds_controls_only_is_no_loss_of_phenotype(context: Any) -> None:
    profiles = twins()
    wells = profiles.wells.copy()
    wells.loc[(wells["plate"] == "p2") & (wells["role"] == "treated"), "role"] = "negcon"
    profiles = profiles.replace(wells=wells)
    found = findings(context, profiles, Raw())
    for arm in ARMS:
        assert found[f"audit/spike_in/{arm}/contrast"].value == pytest.approx(1, abs=1e-3)
    moved = findings(context, profiles, Mean())
    assert np.isfinite([f.value for f in moved.values()]).all()


def test_a_single_direction_has_no_interval(context: Any) -> None:
    found = findings(context, twins(), Raw(), n_directions=1, n_others=2)
    assert np.isnan(found["audit/spike_in/matched/contrast"].lower)
    assert found["audit/spike_in/sparse/contrast"].value == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("k", [1, 2])
def test_too_few_controls_on_a_plate_do_not_apply(context: Any, k: int) -> None:
    profiles = twins()
    wells = profiles.wells.copy()
    controls = np.flatnonzero((wells["plate"] == "p4") & (wells["role"] == "negcon"))
    wells.loc[controls[k:], "role"] = "treated"
    with pytest.raises(NotApplicable, match=f"plate 'p4' has {k} "):
        findings(context, profiles.replace(wells=wells), Raw())


def test_sites_are_aggregated_first(context: Any, screen: Any) -> None:
    profiles = screen(awkward=False)
    found = findings(context, profiles, Raw())
    n_wells = len(profiles.wells.drop_duplicates(["plate", "well"]))
    assert found["audit/spike_in/response"].n == n_wells
    assert found["audit/spike_in/matched/contrast"].value == pytest.approx(1, abs=1e-3)


def test_levels_of_prevalence_show_what_is_left_of_a_common_phenotype(context: Any, tiny: Profiles) -> None:
    found = findings(context, tiny, AllWithin())
    key = "audit/spike_in/batch_bound"
    levels = sorted(float(k.rpartition("_")[2]) for k in found if k.startswith(f"{key}/retention_at_"))
    assert levels == pytest.approx([0.05, 0.475, 0.9], abs=0.01)
    kept, moved = (
        [found[f"{key}/{what}_at_{level:g}"].value for level in levels] for what in ("retention", "spillover")
    )
    assert np.all(np.diff(kept) < -0.1)
    assert np.all(np.diff(moved) < -0.1)
    sizes = [found[f"{key}/retention_at_{level:g}"].n for level in levels]
    whole = found[f"{key}/retention"]
    assert sum(sizes) == whole.n
    assert np.average(kept, weights=sizes) == pytest.approx(whole.value)
    assert not any(k.startswith("audit/spike_in/sparse/retention_at") for k in found)


def test_intervals_of_the_arms_come_from_resampled_plates(context: Any, tiny: Profiles) -> None:
    found = findings(context, tiny, AllWithin())
    sparse, common = (found[f"audit/spike_in/{arm}/retention"] for arm in ("sparse", "common"))
    for f in (sparse, common):
        assert f.lower < f.value < f.upper
    even = findings(context, twins(), Raw())["audit/spike_in/common/retention"]
    assert (even.lower, even.upper) == pytest.approx((1, 1), abs=1e-4)


@pytest.mark.parametrize("n_batches", [2, 5, 6, 7, 23])
def test_prevalence_bound_to_batches_runs_over_its_whole_range_in_few_steps(n_batches: int) -> None:
    plates = [f"p{i}" for i in range(2 * n_batches)]
    wells = pd.DataFrame({"plate": plates, "batch": [f"b{i // 2}" for i in range(2 * n_batches)]})
    prevalence = pd.Series(by_batch(wells, 0.05, 0.9, 3))
    assert (prevalence.min(), prevalence.max()) == pytest.approx((0.05, 0.9))
    assert prevalence.nunique() == min(n_batches, 6)
    spread = prevalence.groupby(wells["batch"].to_numpy()).agg(np.ptp)
    assert (spread == 0).all()
