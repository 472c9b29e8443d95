from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from audit_toys import by_key
from spike_toys import HARMFUL, HARMLESS, After, plates_of_wells

from harness.audit.effects_kept import EffectsKept
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.noise import Noise
from harness.norm.raw import Raw

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning"),
]


@pytest.fixture(scope="module")
def screen_of_wells() -> Profiles:
    return plates_of_wells()


def findings(audited: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    checked = EffectsKept(**options).findings(audited(profiles.replace(), normalizer))
    return {key.removeprefix("audit/effects_kept/"): f for key, f in by_key(checked).items()}


def test_the_yardstick_keeps_all_of_what_it_keeps(audited: Any, screen_of_wells: Profiles) -> None:
    found = findings(audited, screen_of_wells, DmsoWithin())
    for name in ("ratio", "worst_ratio", "strength_ratio"):
        f = found[name]
        assert (f.value, f.lower, f.upper) == pytest.approx((1, 1, 1), abs=1e-3)
    for name in ("auroc", "told_apart"):
        assert found[f"{name}_minus_yardstick"].value == pytest.approx(0, abs=0.01)
    assert 0.72 < found["auroc_yardstick"].value < 0.88  # at the limit of detection


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_changes_keep_small_effects(audited: Any, screen_of_wells: Profiles, name: str) -> None:
    found = findings(audited, screen_of_wells, After(HARMLESS[name]))
    assert found["ratio"].value > 0.94
    assert found["ratio"].lower > 0.88
    assert found["told_apart_minus_yardstick"].lower > -0.05


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_changes_lose_them(audited: Any, screen_of_wells: Profiles, name: str) -> None:
    found = findings(audited, screen_of_wells, After(HARMFUL[name]))
    assert found["ratio"].upper < 0.88
    assert found["worst_ratio"].value < found["ratio"].value


class Components(Normalizer):
    """Scale each plate by its controls, then give its first components, fitted anew in every pass."""

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, n: int = 29) -> None:
        self.n = n

    def fit(self, plates: Any) -> Components:
        Z = np.concatenate([DmsoWithin().fit([plate]).transform(plate) for plate in plates])
        self.axes_ = np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)[2][: self.n]
        return self

    def transform(self, plate: Any) -> Any:
        Z = DmsoWithin().fit([plate]).transform(plate)
        out = np.zeros_like(Z)
        out[:, : self.n] = Z @ self.axes_.T
        return out


@pytest.mark.parametrize(("n", "keeps"), [(29, True), (5, False)])
def test_components_that_turn_from_fit_to_fit_count_for_what_they_keep(
    audited: Any, screen_of_wells: Profiles, n: int, keeps: bool
) -> None:
    ratio = findings(audited, screen_of_wells, Components(n))["ratio"]
    assert ratio.lower > 0.88 if keeps else ratio.upper < 0.88


def test_noise_of_one_sd_takes_what_theory_says(audited: Any) -> None:
    """Features that are independent: d' is 1 / sqrt(1 + 1 / v) of what it was, v their variance after scaling."""
    profiles = plates_of_wells(seed=3, active=0.0)
    rng = np.random.default_rng(0)
    profiles = profiles.replace(X=(5 + rng.standard_normal(profiles.X.shape)).astype(np.float32))
    found = findings(audited, profiles, After(HARMFUL["noise"]))
    assert found["ratio"].value == pytest.approx(1 / np.sqrt(1 + 1 / 1.22), abs=0.04)


def test_a_method_that_ignores_its_input_keeps_nothing(audited: Any, screen_of_wells: Profiles) -> None:
    found = findings(audited, screen_of_wells, Noise())
    assert (found["ratio"].value, found["ratio"].upper) == (0, 0)
    assert found["auroc"].value == pytest.approx(0.5, abs=0.05)


def test_whole_plate_scores_keep_what_is_rare(audited: Any, screen_of_wells: Profiles) -> None:
    for normalizer in (AllWithin(), Raw()):
        assert findings(audited, screen_of_wells, normalizer)["ratio"].value > 0.95


def test_without_names_of_compounds_it_says_what_the_noise_is(audited: Any, screen_of_wells: Profiles) -> None:
    wells = screen_of_wells.wells.drop(columns="compound")
    found = findings(audited, screen_of_wells.replace(wells=wells), After(HARMLESS["rotation"]))
    assert found["ratio"].value == pytest.approx(1, abs=0.03)
    assert "compounds count as noise" in found["ratio"].reason


def _few_controls(wells: Any) -> Any:
    controls = np.flatnonzero((wells["plate"] == "b0p1") & (wells["role"] == "negcon"))
    return wells["role"].where(~wells.index.isin(controls[1:]), "treated")


@pytest.mark.parametrize(
    ("role", "code"),
    [(_few_controls, "few_controls"), (lambda wells: wells["role"].replace("treated", "empty"), "no_treated")],
)
def test_what_it_cannot_work_on_has_a_code(audited: Any, screen_of_wells: Profiles, role: Any, code: str) -> None:
    wells = screen_of_wells.wells.assign(role=role(screen_of_wells.wells))
    with pytest.raises(NotApplicable) as undefined:
        findings(audited, screen_of_wells.replace(wells=wells), Raw())
    assert undefined.value.code == code


def test_constant_features_have_a_code(audited: Any, screen_of_wells: Profiles) -> None:
    profiles = screen_of_wells.replace(X=np.ones_like(screen_of_wells.X))
    with pytest.raises(NotApplicable) as undefined:
        findings(audited, profiles, Raw())
    assert undefined.value.code == "nothing_varies"
