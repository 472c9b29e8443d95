from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn.metrics import roc_auc_score

from harness.audit.base import Finding
from harness.audit.verdict import Call, Decision, Verdict
from harness.audit.widening import of_wells, widened

NULL = "audit/pseudo_control/logistic/auroc"
CONTROLS = "audit/controls_vs_controls/row_norm/auroc"
REAL = "audit/real_labels/dmso_vs_treated/logistic"
OTHER = "audit/real_labels/dmso_vs_treated/lightgbm"
CONTRAST = "audit/spike_in/matched/contrast"
RATIO = "audit/detection/matched/mde_ratio"
PROBE = "batch_effect/probe_balanced_accuracy"
NAN = float("nan")

GOOD = {
    NULL: (0.51, 0.47, 0.55),
    CONTROLS: (0.48, 0.44, 0.52),
    f"{REAL}/auroc": (0.91, 0.88, 0.94),
    f"{REAL}/raw_auroc": (0.90, 0.87, 0.93),
    f"{REAL}/minus_raw": (0.01, -0.01, 0.03),
    CONTRAST: (0.99, 0.97, 1.01),
    RATIO: (1.0, 0.8, 1.2),
    PROBE: (0.22, NAN, NAN),
    f"{PROBE}_null_upper": (0.25, NAN, NAN),
}
LEAK = {NULL: (0.7, 0.65, 0.75)}
SILENT = {f"{REAL}/auroc": (0.53, 0.47, 0.58), f"{REAL}/raw_auroc": (0.52, 0.45, 0.57)}
LOST = {CONTRAST: (0.6, 0.5, 0.7)}
BATCH = {PROBE: (0.8, NAN, NAN)}
OPEN = {CONTRAST: (0.95, 0.7, 1.2)}


def decide(*changes: dict[str, Any], drop: tuple[str, ...] = (), n_plates: int = 20, **margins: float) -> Decision:
    """The verdict on good findings with some of them changed or left out."""
    values = dict(GOOD)
    for change in changes:
        values |= change
    findings = [
        v if isinstance(v, Finding) else Finding(k, *v) for k, v in values.items() if not k.startswith(drop or ("?",))
    ]
    return Verdict(**margins).decide(findings, n_plates=n_plates)


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Call.SOUND, {}),
        (Call.LEAKS, LEAK),
        (Call.LEAKS, {CONTROLS: (0.3, 0.25, 0.35)}),
        (Call.NO_SIGNAL, SILENT),
        (Call.OVER, LOST),
        (Call.OVER, {RATIO: (3.0, 2.0, 4.0)}),
        (Call.OVER, {RATIO: (math.inf, math.inf, math.inf)}),
        (Call.OVER, {f"{REAL}/minus_raw": (-0.1, -0.15, -0.06)}),
        (Call.OVER, {"audit/spike_in": Finding("audit/spike_in", NAN, reason="whatever: a spike leaves no trace")}),
        (Call.UNDER, BATCH),
        (Call.INCONCLUSIVE, OPEN),
        (Call.INCONCLUSIVE, {f"{REAL}/minus_raw": (-0.03, -0.2, 0.1)}),
    ],
)
def test_each_call_follows_from_its_evidence(expected: Call, changes: dict[str, Any]) -> None:
    assert decide(changes).call is expected


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Call.LEAKS, [LEAK, SILENT, LOST, BATCH]),
        (Call.NO_SIGNAL, [SILENT, LOST, BATCH]),
        (Call.OVER, [LOST, BATCH]),
        (Call.UNDER, [BATCH, OPEN]),
    ],
)
def test_the_gravest_answer_comes_first(expected: Call, changes: list[dict[str, Any]]) -> None:
    assert decide(*changes).call is expected


@pytest.mark.parametrize(
    "changes",
    [
        {NULL: (0.545, 0.53, 0.56)},  # off by less than the margin
        {RATIO: (2.0, 1.4, 2.6)},
        {RATIO: Finding(RATIO, NAN, reason="raw profiles do not reach the target at any amplitude")},
        {CONTRAST: (0.885, 0.881, 0.9)},
        {f"{REAL}/minus_raw": (-0.03, -0.045, -0.016)},
        {f"{REAL}/minus_raw": (0.0, 0.0, 0.0)},
        {PROBE: (0.34, NAN, NAN)},
    ],
)
def test_what_stays_within_its_margin_does_no_harm(changes: dict[str, Any]) -> None:
    assert decide(changes).call is Call.SOUND


def test_signal_in_raw_profiles_alone_or_in_one_model_suffices_to_go_on() -> None:
    gone = {f"{REAL}/auroc": (0.5, 0.45, 0.55), f"{REAL}/minus_raw": (-0.4, -0.45, -0.35)}
    assert decide(gone).call is Call.OVER
    other = {f"{OTHER}/auroc": (0.8, 0.75, 0.85), f"{OTHER}/raw_auroc": (0.5, 0.4, 0.6)}
    assert decide(SILENT, other).call is Call.SOUND


def test_one_model_that_keeps_its_score_speaks_against_a_loss() -> None:
    lost = {f"{REAL}/minus_raw": (-0.1, -0.15, -0.06)}
    assert decide(lost).call is Call.OVER
    assert decide(lost, {f"{OTHER}/minus_raw": (0.0, -0.02, 0.02)}).call is Call.SOUND
    assert decide(lost, {f"{OTHER}/minus_raw": (-0.12, -0.2, -0.06)}).call is Call.OVER


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_perfect_leak_without_width_is_a_leak(value: float) -> None:
    assert decide({NULL: (value, value, value)}).call is Call.LEAKS


@pytest.mark.parametrize("missing", [NULL[:14], REAL, f"{REAL}/minus_raw", CONTRAST, PROBE, f"{PROBE}_null_upper"])
def test_missing_findings_leave_the_question_open(missing: str) -> None:
    drop = (missing, CONTROLS) if missing == NULL[:14] else (missing,)
    assert decide(drop=drop).call is Call.INCONCLUSIVE


@pytest.mark.parametrize(
    ("key", "what"), [*((k, "all") for k in GOOD), *((k, "interval") for k in GOOD if not k.startswith(PROBE))]
)
def test_an_undefined_finding_never_yields_sound_nor_an_accusation(key: str, what: str) -> None:
    """The ratio and the scores themselves may be unknown: they do not decide that a run is sound."""
    value = NAN if what == "all" else GOOD[key][0]
    call = decide({key: Finding(key, value, reason="undefined")}).call
    harmless = (key.endswith("auroc") and "real_labels" in key) or key == RATIO
    if key in (NULL, CONTROLS) and what == "all":
        harmless = True  # the other null stands
    assert call is (Call.SOUND if harmless else Call.INCONCLUSIVE)


def test_scores_without_intervals_do_not_amount_to_no_signal() -> None:
    unknown = {f"{REAL}/auroc": (0.99, NAN, NAN), f"{REAL}/raw_auroc": (0.98, NAN, NAN)}
    assert decide(unknown).call is not Call.NO_SIGNAL
    assert decide(LEAK, {NULL: (0.9, NAN, NAN)}).call is Call.INCONCLUSIVE


def test_nothing_at_all_is_inconclusive() -> None:
    decision = Verdict().decide([], n_plates=8)
    assert decision.call is Call.INCONCLUSIVE
    assert "checks that were off or do not apply" in decision.paragraph
    assert len(decision.table()) == 0


@pytest.mark.parametrize("m", [1, 2, 7])
def test_intervals_are_widened_to_one_minus_a_share_of_five_percent(m: int) -> None:
    sd = 0.04
    low, high = (0.6 + z * sd for z in norm.interval(0.95))
    expected = norm.interval(1 - 0.05 / m, 0.6, sd)
    np.testing.assert_allclose(widened(Finding("k", 0.6, low, high), m), expected)
    lower, upper = widened(Finding("k", 0.6, 0.5, 0.9), m)
    assert pytest.approx((upper - 0.6) / (0.6 - lower)) == (0.9 - 0.6) / (0.6 - 0.5)


@pytest.mark.parametrize("n_batches", [2, 5, 10])
def test_intervals_from_few_batches_are_widened_by_students_quantile(n_batches: int) -> None:
    f = Finding("k", 0.6, *(0.6 + z * 0.04 for z in norm.interval(0.95)))
    for m in (1, 4):
        expected = t.interval(1 - 0.05 / m, n_batches - 1, 0.6, 0.04)
        np.testing.assert_allclose(widened(f, m, n_batches), expected)
    assert widened(f, 1, 10**7) == pytest.approx(widened(f, 1))
    assert widened(f, 3, 1) == widened(f, 3, 2)


def test_few_batches_need_stronger_evidence() -> None:
    findings = [Finding(k, *v) for k, v in {**GOOD, NULL: (0.7, 0.61, 0.79)}.items()]
    calls = [Verdict().decide(findings, n_plates=20, n_batches=n).call for n in (None, 20, 3)]
    assert calls[:2] == [Call.LEAKS] * 2
    assert calls[2] is not Call.LEAKS
    perfect = [Finding(k, *v) for k, v in {**GOOD, NULL: (1.0, 1.0, 1.0)}.items()]
    assert Verdict().decide(perfect, n_plates=4, n_batches=2).call is Call.LEAKS


def test_more_nulls_need_stronger_evidence_each() -> None:
    weak = {NULL: (0.58, 0.502, 0.66)}
    alone = {f"audit/pseudo_control/m{i}/auroc": (0.5, 0.48, 0.52) for i in range(10)}
    assert decide(weak, drop=(CONTROLS,)).call is Call.LEAKS
    assert decide(weak, alone).call is Call.INCONCLUSIVE


@pytest.mark.parametrize("open_", [(0.62, 0.49, 0.75), (0.58, 0.502, 0.66)])
def test_a_null_beyond_its_margin_that_proves_nothing_is_not_sound(open_: tuple[float, float, float]) -> None:
    """Its interval holds 0.5, by itself or once widened for two nulls: neither a leak nor a clean bill."""
    decision = decide({NULL: open_})
    assert decision.call is Call.INCONCLUSIVE
    assert NULL.removeprefix("audit/").replace("/", " ").replace("_", " ") in decision.paragraph


@pytest.mark.parametrize(
    ("margin", "value", "changes", "before", "after"),
    [
        ("leak", 0.3, LEAK, Call.LEAKS, Call.SOUND),
        ("signal", 0.4, {}, Call.SOUND, Call.NO_SIGNAL),
        ("contrast", 0.02, {CONTRAST: (0.95, 0.94, 0.96)}, Call.SOUND, Call.OVER),
        ("contrast", 0.6, LOST, Call.OVER, Call.SOUND),
        ("detection", 5.0, {RATIO: (3.0, 2.0, 4.0)}, Call.OVER, Call.SOUND),
        ("real", 0.005, {f"{REAL}/minus_raw": (-0.015, -0.02, -0.01)}, Call.SOUND, Call.OVER),
        ("kept", 0.001, {}, Call.SOUND, Call.INCONCLUSIVE),
        ("batch", 0.7, BATCH, Call.UNDER, Call.SOUND),
    ],
)
def test_margins_are_settings(margin: str, value: float, changes: dict[str, Any], before: Call, after: Call) -> None:
    assert decide(changes).call is before
    assert decide(changes, **{margin: value}).call is after


def test_the_paragraph_names_the_call_and_what_decided_it() -> None:
    text = decide(LOST, BATCH).paragraph
    assert text.startswith("Verdict: over-normalizes.")
    assert "spike in matched contrast 0.600 [0.500, 0.700] (sound: at least 0.88)" in text
    assert "probe" not in text
    for call, changes in ((Call.LEAKS, LEAK), (Call.NO_SIGNAL, SILENT), (Call.UNDER, BATCH), (Call.SOUND, {})):
        assert decide(changes).paragraph.startswith(f"Verdict: {call}.")
    assert "pseudo control logistic auroc 0.700" in decide(LEAK).paragraph


def test_an_inconclusive_verdict_says_how_many_plates_would_do() -> None:
    """Half width 0.25 against a margin of 0.12; the interval shrinks with the root of the number of plates."""
    text = decide(OPEN, n_plates=20).paragraph
    assert f"About {math.ceil(20 * (0.25 / 0.12) ** 2)} plates (now 20)" in text
    assert "spike in matched contrast 0.950" in text
    wide = decide({f"{REAL}/minus_raw": (-0.01, -0.21, 0.19)}, n_plates=6).paragraph
    assert f"About {math.ceil(6 * (0.2 / 0.05) ** 2)} plates (now 6)" in wide


def test_what_is_not_open_has_no_part_in_the_number_of_plates() -> None:
    """Detection ratios and scores are in other units, and did not keep the verdict from being sound."""
    wide = {RATIO: (1.0, 0.1, 9.0), f"{OTHER}/minus_raw": (0.0, -0.9, 0.9)}
    assert decide(OPEN, wide, n_plates=20).paragraph == decide(OPEN, n_plates=20).paragraph
    assert "plates" not in decide(drop=(CONTRAST,)).paragraph


def test_the_table_of_evidence() -> None:
    table = decide(LOST, BATCH).table()
    assert list(table.columns) == ["key", "value", "lower", "upper", "limit", "speaks_for", "decided"]
    assert set(table["key"]) == set(GOOD) - {f"{PROBE}_null_upper"} - {NAN}
    assert table.loc[table["decided"], "key"].tolist() == [CONTRAST]
    said = table.set_index("key")["speaks_for"]
    assert said[PROBE] == "under-normalizes"
    assert said[NULL] == "sound"
    assert table.set_index("key").loc[CONTRAST, ["value", "lower", "upper"]].tolist() == [0.6, 0.5, 0.7]


def test_other_spike_in_arms_do_not_decide() -> None:
    risk = {f"audit/spike_in/{arm}/contrast": (0.1, 0.05, 0.15) for arm in ("common", "batch_bound")}
    assert decide(risk, {"audit/detection/common/mde_ratio": (9.0, 8.0, 10.0)}).call is Call.SOUND
    other = {"audit/spike_in": Finding("audit/spike_in", NAN, reason="plate 'p' has 1 control wells")}
    assert decide(other, drop=("audit/spike_in/",)).call is Call.INCONCLUSIVE


def test_the_configured_verdict_has_the_documented_margins(member: Any) -> None:
    assert vars(member("audit", "verdict")) == vars(Verdict())
    assert member("audit", "verdict", "audit.verdict.contrast=0.3").contrast == 0.3


def test_the_interval_of_wells_is_that_of_permuted_labels() -> None:
    rng = np.random.default_rng(0)
    drawn = [roc_auc_score(rng.permutation(np.repeat([0, 1], 120)), rng.random(240)) for _ in range(4000)]
    f = of_wells(Finding(NULL, 0.41, 0.409, 0.411, 240))
    assert (f.upper - f.lower) / 2 == pytest.approx(1.96 * np.std(drawn), rel=0.05)
    assert (f.upper + f.lower) / 2 == pytest.approx(0.41)


@pytest.mark.parametrize(
    ("value", "n_batches", "expected"), [(0.43, 3, Call.INCONCLUSIVE), (0.43, 4, Call.LEAKS), (0.8, 3, Call.LEAKS)]
)
def test_with_few_batches_a_lucky_interval_does_not_decide(value: float, n_batches: int, expected: Call) -> None:
    findings = [Finding(NULL, value, value - 0.002, value + 0.002, 240), Finding(CONTROLS, 0.5, 0.45, 0.55, 240)]
    assert Verdict().decide(findings, n_plates=6, n_batches=n_batches).call is expected
