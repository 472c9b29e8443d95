from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from audit_toys import by_key
from spike_toys import plates_of_wells

from harness.audit.replicate.prevalence import prevalence_by_plate
from harness.audit.spike.turning_point import find_turning_point
from harness.audit.spike_in import SpikeIn
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.norm.all_within import AllWithin
from harness.norm.dmso_within import DmsoWithin
from harness.norm.well_mean import WellMean

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning"),
]
ARMS = ("sparse", "common", "batch_bound", "position_bound", "matched")


@pytest.fixture(scope="module")
def screen_of_wells() -> Profiles:
    return plates_of_wells(n_features=20)


@pytest.fixture(name="prevalence")
def prevalence_of_replicates(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the prevalence of all plates: (value, lower, upper), or the code of why it is unknown."""

    def say(answer: Any) -> None:
        def prevalence_by_plate(context: Any) -> Any:
            if isinstance(answer, str):
                raise NotApplicable("no replicates", code=answer)
            by_plate = dict.fromkeys(context.wells["plate"], answer)
            value, lower, upper = answer
            return SimpleNamespace(by_plate=by_plate, overall=value, lower=lower, upper=upper, code="", reason="")

        monkeypatch.setattr("harness.audit.spike_in.prevalence_by_plate", prevalence_by_plate)

    return say


def findings(audited: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    options = {"n_matched": 2, "n_others": 1, "n_passes": 1, **options}
    checked = SpikeIn(**options).findings(audited(profiles.replace(), normalizer))
    return {key.removeprefix("audit/spike_in/"): f for key, f in by_key(checked).items()}


def test_the_yardstick_keeps_effects_however_common(audited: Any, screen_of_wells: Profiles, prevalence: Any) -> None:
    prevalence((0.3, 0.2, 0.4))
    found = findings(audited, screen_of_wells, DmsoWithin())
    for arm in ARMS:
        assert found[f"{arm}/contrast"].value == pytest.approx(1, abs=1e-3)
        assert found[f"{arm}/spillover"].value == pytest.approx(0, abs=1e-3)
    assert (found["turns_at"].value, found["turns_at"].code) == (1, "never")
    assert found["matched/contrast_at_upper"].lower == pytest.approx(1, abs=1e-3)


def test_whole_plate_scores_lose_a_common_phenotype(audited: Any, screen_of_wells: Profiles, prevalence: Any) -> None:
    prevalence("no_replicates")
    found = findings(audited, screen_of_wells, AllWithin())
    assert found["sparse/contrast"].value > 0.93
    assert found["common/contrast"].value < 0.6
    assert found["common/spillover"].value < -0.2
    assert 0.1 < found["turns_at"].value < 0.7
    assert found["matched/contrast"].code == found["matched/prevalence"].code == "prevalence_unknown"
    assert found["matched/contrast_at_lower"].value == found["sparse/contrast"].value
    assert found["matched/contrast_at_upper"].value == found["common/contrast"].value


def test_well_means_lose_what_is_tied_to_its_position(audited: Any, prevalence: Any) -> None:
    prevalence("same_position")
    found = findings(audited, plates_of_wells(n_features=20, fixed=True), WellMean())
    assert found["matched/contrast_at_upper"].value < 0.3
    assert found["turns_at"].value < 0.2


def test_the_turning_point_is_found_by_bisection() -> None:
    shares: list[float] = []

    def contrast(share: float) -> tuple[float, float, float]:
        shares.append(share)
        return 1 - share, 0.9 - share, 1.1 - share

    turning = find_turning_point(contrast, (1, 0.9, 1.1), 0.4)
    assert turning.point == pytest.approx((0.6, 0.5, 0.7))
    assert shares == [0.9, 0.5, 0.75]
    assert find_turning_point(lambda _: (1, 0.9, 1.1), (1, 0.9, 1.1), 0.88).code == "never"
    assert find_turning_point(lambda _: (0.1, 0.0, 0.2), (0.7, 0.6, 0.8), 0.88).point == (0, 0, 0)
    assert np.isnan(find_turning_point(lambda _: (np.nan, np.nan, np.nan), (1, 1, 1), 0.88).point[0])


def test_with_replicates_the_matched_arm_has_the_prevalence_that_they_show(audited: Any) -> None:
    screen = Demo(size="tiny", n_batches=4, plates_per_batch=3, share_active=0.5, seed=3).profiles()
    found = findings(audited, screen, DmsoWithin())
    estimated = prevalence_by_plate(audited(screen, DmsoWithin()))
    assert found["matched/prevalence"].value == pytest.approx(estimated.overall, abs=0.1)
    assert found["matched/contrast"].value == pytest.approx(1, abs=0.01)
