from __future__ import annotations

import pandas as pd
import pytest

from harness.audit.base import Finding
from harness.audit.risk import DESIGNS, risk
from harness.audit.spike.arms import others_of
from harness.audit.verdict import Call, Verdict

NAN = float("nan")


def found(**arms: tuple[float, float, float]) -> dict[str, Finding]:
    keys = {f"audit/spike_in/{arm}/contrast": values for arm, values in arms.items()}
    return {key: Finding(key, *values) for key, values in keys.items()}


def test_what_a_common_phenotype_would_lose_is_said() -> None:
    text = risk(found(common=(0.41, 0.28, 0.63), batch_bound=(0.97, 0.95, 0.99)), 0.12)
    assert text.endswith("it would lose 59% of a phenotype if 90% of the wells of half of the plates were active.")
    assert "batch" not in text


def test_each_arm_beyond_the_margin_is_named_and_no_loss_exceeds_all() -> None:
    text = risk(found(batch_bound=(0.63, 0.5, 0.83), position_bound=(-0.2, -0.3, -0.1), common=(1.06, 1.0, 1.11)), 0.12)
    assert "37% of a phenotype if the share of active wells followed the batch (5% to 90%)" in text
    assert "100% of a phenotype if active wells lay at the same positions" in text
    assert "of half of the plates" not in text


@pytest.mark.parametrize(
    "values",
    [
        (1.0, 0.98, 1.02),
        (0.89, 0.87, 0.9),  # proven, but within the margin
        (0.6, 0.1, 1.1),  # beyond the margin, but no loss is not excluded
        (0.6, NAN, NAN),
        (NAN, NAN, NAN),
        (1.3, 1.2, 1.4),
    ],
)
def test_harmless_or_unproven_losses_are_not_mentioned(values: tuple[float, float, float]) -> None:
    assert risk(found(common=values), 0.12) == ""
    assert risk(found(matched=(0.1, 0.05, 0.15)), 0.12) == ""
    assert risk({}, 0.12) == ""


def test_the_margin_is_the_verdicts_own_and_the_risk_decides_nothing() -> None:
    findings = list(found(common=(0.8, 0.75, 0.85)).values())
    warned, silent = (Verdict(contrast=margin).decide(findings, n_plates=20) for margin in (0.12, 0.3))
    assert "it would lose 20% of a phenotype" in warned.paragraph
    assert "lose" not in silent.paragraph
    assert warned.call is silent.call is Call.INCONCLUSIVE
    assert list(warned.evidence) == list(silent.evidence) == []


def test_every_arm_but_the_matched_one_is_described() -> None:
    wells = pd.DataFrame({"plate": list("ppqq"), "batch": list("aabb"), "well": "A01", "role": "treated"})
    assert {"sparse", *(arm.name for arm in others_of(wells, 0))} == set(DESIGNS)
