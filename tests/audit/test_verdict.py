from __future__ import annotations

from typing import Any

import pytest

from harness.audit.scorecard.answer import Question, Reply
from harness.audit.scorecard.decision import COLUMNS, Call, Decision
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.scorecard.texts import ACTIONS, sentence
from harness.audit.verdict import Verdict
from harness.core.finding import Finding

NAN = float("nan")
NULL = "audit/pseudo_control/logistic/auroc"
HIDDEN = "audit/controls_vs_controls/row_norm/auroc"
REAL = "audit/real_labels/dmso_vs_treated/logistic"
PROBE = "audit/batch_probe/controls"
TREATED = "audit/batch_probe/treated"
EFFECTS = "audit/effects_kept"
SPIKE = "audit/spike_in"
COPY = "audit/spatial_null/logistic/auroc"

GOOD: dict[str, Any] = {
    NULL: (0.51, 0.47, 0.55, 2000),
    HIDDEN: (0.48, 0.44, 0.52, 2000),
    "audit/spatial_null": Finding("audit/spatial_null", NAN, code="roles_share_positions"),
    f"{PROBE}/excess": (0.02, -0.04, 0.08),
    f"{PROBE}/null_upper": (0.07, NAN, NAN),
    "audit/batch_cost/auroc_difference": (0.01, -0.01, 0.03),
    "audit/identity/kept": (0.99, 0.95, 1.03),
    "audit/identity/kept_recentred": (0.99, 0.95, 1.03),
    "audit/identity/above_chance": (0.4, 0.3, 0.5),
    f"{EFFECTS}/ratio": (1.0, 0.95, 1.05),
    f"{EFFECTS}/worst_ratio": (0.9, 0.8, 1.0),
    f"{EFFECTS}/auroc_minus_yardstick": (0.0, -0.02, 0.02),
    f"{EFFECTS}/told_apart_minus_yardstick": (0.0, -0.02, 0.02),
    f"{SPIKE}/matched/contrast": (0.99, 0.97, 1.01),
    f"{SPIKE}/matched/contrast_at_lower": (1.0, 0.98, 1.02),
    f"{SPIKE}/matched/contrast_at_upper": (0.97, 0.95, 0.99),
    f"{SPIKE}/turns_at": Finding(f"{SPIKE}/turns_at", 1.0, code="never"),
    f"{REAL}/auroc": (0.91, 0.88, 0.94),
    f"{REAL}/raw_auroc": (0.90, 0.87, 0.93),
    f"{REAL}/minus_raw": (0.01, -0.01, 0.03),
    f"{REAL}/strong_wells": (0.3, 0.2, 0.4),
}
LEAK = {NULL: (0.7, 0.65, 0.75, 2000)}
SILENT = {
    f"{REAL}/auroc": (0.51, 0.48, 0.54),
    f"{REAL}/raw_auroc": (0.5, 0.47, 0.53),
    f"{REAL}/strong_wells": (0.0, -0.03, 0.03),
    "audit/identity/above_chance": (0.001, -0.01, 0.012),
    "audit/identity/kept": Finding("audit/identity/kept", NAN, code="nothing_retrieved"),
}
LOST_COMMON = {
    f"{SPIKE}/matched/{end}": (0.6, 0.5, 0.7) for end in ("contrast", "contrast_at_lower", "contrast_at_upper")
}
LOST_EFFECTS = {f"{EFFECTS}/ratio": (0.7, 0.65, 0.75)}
LOST_IDENTITY = {"audit/identity/kept": (0.4, 0.3, 0.5), "audit/identity/kept_recentred": (0.4, 0.3, 0.5)}
BATCH = {f"{PROBE}/excess": (0.7, 0.6, 0.8)}
WIDE = {f"{SPIKE}/matched/contrast": (0.95, 0.7, 1.2)}


def decide(*changes: dict[str, Any], drop: str = "?", identity: bool = False, n_batches: int = 5) -> Decision:
    """Decide on good findings with some of them changed or left out."""
    values = dict(GOOD)
    for change in changes:
        values |= change
    findings = [
        v if isinstance(v, Finding) else Finding(k, *v[:3], n=v[3] if len(v) > 3 else 0)
        for k, v in values.items()
        if not k.startswith(drop)
    ]
    return Verdict().decide(findings, ScreenDesign(n_batches, 4 * n_batches, identity=identity))


def reply(decision: Decision, question: Question) -> tuple[Reply, str]:
    (found,) = [a for a in decision.answers if a.question is question]
    return found.reply, found.code


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (Call.SOUND, {}),
        (Call.LEAKS, LEAK),
        (Call.NO_SIGNAL, SILENT),
        (Call.OVER, LOST_COMMON),
        (Call.OVER, LOST_EFFECTS),
        (Call.OVER, LOST_IDENTITY),
        (Call.UNDER, BATCH),
        (Call.INCONCLUSIVE, WIDE),
        (Call.LEAKS, LEAK | LOST_COMMON | BATCH),
        (Call.OVER, LOST_COMMON | BATCH),
        (Call.UNDER, BATCH | SILENT),
        (Call.INCONCLUSIVE, LOST_COMMON | SILENT | {"audit/identity/above_chance": (0.01, -0.05, 0.07)}),
    ],
)
def test_the_gravest_answer_comes_first(expected: Call, changes: dict[str, Any]) -> None:
    assert decide(changes).call is expected


def test_below_one_half_is_no_leak() -> None:
    assert decide({HIDDEN: (0.3, 0.25, 0.35, 2000), NULL: (0.45, 0.41, 0.49, 2000)}).call is Call.SOUND


def test_the_strongest_model_leaks_whatever_the_others_say() -> None:
    found = decide({"audit/controls_vs_controls/row_norm/auroc": (0.907, 0.3, 1.0, 300)})
    assert found.call is Call.LEAKS
    assert found.deciding[0].value == 0.907


def test_few_batches_do_not_hide_a_leak() -> None:
    for n_batches in (2, 3, 5):
        assert decide({NULL: (0.76, 0.2, 0.99, 400)}, n_batches=n_batches).call is Call.LEAKS


@pytest.mark.parametrize(
    "value",
    [
        (0.640, 0.560, 0.713, 288),  # nearest neighbours on 9 plates, in one of 12 tests: nothing was there
        (0.567, 0.526, 0.608, 960),
    ],
)
def test_one_of_many_tests_over_few_plates_is_no_leak(value: tuple[float, ...]) -> None:
    others = {f"audit/shuffled_wells/model{i}/auroc": (0.5, 0.46, 0.54, 400) for i in range(10)}
    assert decide({NULL: value}, others, n_batches=3).call is not Call.LEAKS


def test_what_a_coin_may_do_is_neither_a_leak_nor_none() -> None:
    assert decide({NULL: (0.56, 0.5, 0.62, 300)}).call is Call.INCONCLUSIVE


def test_roles_that_share_no_position_never_say_that_position_could_not_do_it() -> None:
    apart = {
        "audit/spatial_null": Finding("audit/spatial_null", NAN),
        "audit/position/auroc": (1.0, 0.99, 1.0),
        COPY: (0.5, 0.47, 0.53),
        f"{REAL}/auroc": (0.97, 0.95, 0.99),
    }
    decision = decide(apart, SILENT | {f"{REAL}/auroc": (0.97, 0.95, 0.99)})
    assert reply(decision, Question.POSITION) == (Reply.OPEN, "roles_apart")
    assert reply(decision, Question.SIGNAL) == (Reply.OPEN, "position")
    lost = decide(apart, SILENT | {f"{REAL}/auroc": (0.97, 0.95, 0.99)}, LOST_COMMON)
    assert lost.call is Call.OVER


def test_raw_profiles_cannot_manufacture_signal() -> None:
    decision = decide(LEAK, identity=True)
    assert reply(decision, Question.MANUFACTURES) == (Reply.NO, "identity")
    assert decision.call is Call.SOUND


@pytest.mark.parametrize("key", ["audit/pseudo_control", "audit/batch_probe", "audit/identity", EFFECTS, SPIKE])
def test_what_was_not_looked_at_is_not_claimed(key: str) -> None:
    values = {} if key != "audit/pseudo_control" else {HIDDEN: (NAN, NAN, NAN)}
    assert decide(values, drop=key).call is Call.INCONCLUSIVE


@pytest.mark.parametrize(
    ("key", "question"),
    [
        (f"{PROBE}/excess", Question.BATCH),
        ("audit/identity/kept", Question.IDENTITY),
        (f"{EFFECTS}/ratio", Question.EFFECTS),
        (f"{SPIKE}/matched/contrast", Question.COMMON),
    ],
)
def test_without_an_interval_nothing_is_shown(key: str, question: Question) -> None:
    decision = decide({key: (GOOD[key][0], NAN, NAN)})
    assert reply(decision, question)[0] is Reply.OPEN
    assert decision.call is Call.INCONCLUSIVE


def test_a_batch_within_its_null_is_not_there() -> None:
    far = {f"{PROBE}/excess": (0.4, 0.3, 0.5), f"{PROBE}/null_upper": (0.5, NAN, NAN)}
    assert reply(decide(far), Question.BATCH)[0] is Reply.OPEN


def test_the_probe_that_tells_the_batch_is_named() -> None:
    decision = decide(BATCH, {f"{PROBE}/excess_linear": (0.1, 0.0, 0.2), f"{PROBE}/excess_neighbours": (0.7, 0.6, 0.8)})
    assert reply(decision, Question.BATCH) == (Reply.NO, "neighbours")
    assert "nearest neighbours predict it best" in decision.headline


def test_a_probe_at_chance_does_not_tell_the_batch_however_low_its_null() -> None:
    decision = decide(BATCH, {f"{PROBE}/above_chance": (0.02, -0.05, 0.09)})
    assert reply(decision, Question.BATCH)[0] is Reply.OPEN


def test_the_batch_is_there_if_any_set_of_wells_shows_it() -> None:
    seen = {f"{TREATED}/excess": (0.5, 0.4, 0.6), f"{TREATED}/null_upper": (0.1, NAN, NAN)}
    assert decide(seen).call is Call.UNDER
    activity = Finding(f"{TREATED}/excess", 0.5, 0.4, 0.6, code="treated_alone")
    assert decide(seen, {f"{TREATED}/excess": activity}).call is Call.INCONCLUSIVE


def test_treated_wells_may_show_that_the_batch_is_gone_if_few_controls_do_not_contradict() -> None:
    few = {
        f"{PROBE}/excess": (0.05, -0.1, 0.25),
        f"{PROBE}/null_upper": (0.2, NAN, NAN),
        f"{TREATED}/excess": (0.01, -0.02, 0.04),
        f"{TREATED}/null_upper": (0.05, NAN, NAN),
    }
    assert decide(few).call is Call.SOUND
    assert decide(few, {f"{PROBE}/excess": (0.16, -0.1, 0.35)}).call is Call.INCONCLUSIVE


def test_controls_that_were_read_do_not_show_that_the_batch_is_gone() -> None:
    read = Finding(f"{PROBE}/excess", 0.0, -0.02, 0.02, code="controls_were_read")
    assert reply(decide({f"{PROBE}/excess": read}), Question.BATCH) == (Reply.OPEN, "controls_were_read")


def test_what_scaling_by_controls_brings_back_is_hidden_and_not_lost() -> None:
    decision = decide(LOST_IDENTITY, {"audit/identity/kept_recentred": (0.97, 0.93, 1.01)})
    assert reply(decision, Question.IDENTITY) == (Reply.OPEN, "hidden")


def test_common_effects_must_be_kept_over_the_interval_of_the_prevalence() -> None:
    turns = {f"{SPIKE}/matched/contrast_at_upper": (0.7, 0.65, 0.75)}
    assert reply(decide(turns), Question.COMMON) == (Reply.OPEN, "turns_within_prevalence")


@pytest.mark.parametrize(
    ("rare", "most", "expected"), [(1.0, 0.98, Reply.YES), (0.1, 0.1, Reply.NO), (1.0, 0.4, Reply.OPEN)]
)
def test_without_replicates_the_prevalence_may_be_anything(rare: float, most: float, expected: Reply) -> None:
    unknown = {
        f"{SPIKE}/matched/contrast_at_lower": (rare, rare - 0.02, rare + 0.02),
        f"{SPIKE}/matched/contrast_at_upper": (most, most - 0.02, most + 0.02),
        f"{SPIKE}/matched/contrast": Finding(f"{SPIKE}/matched/contrast", NAN, code="prevalence_unknown"),
        f"{SPIKE}/turns_at": Finding(f"{SPIKE}/turns_at", 0.45),
    }
    decision = decide(unknown)
    assert reply(decision, Question.COMMON)[0] is expected
    if expected is Reply.OPEN:
        assert "less than 45% of the wells" in decision.page()


def test_plates_that_cannot_be_told_apart_show_that_the_batch_is_gone() -> None:
    few = {
        f"{PROBE}/excess": Finding(f"{PROBE}/excess", 1.0, 0.9, 1.0, code="few_partitions"),
        f"{PROBE}/null_upper": (0.5, NAN, NAN),
    }
    assert reply(decide(few), Question.BATCH) == (Reply.OPEN, "few_partitions")
    alike = {f"{PROBE}/plates": (0.02, -0.03, 0.07)}
    assert reply(decide(few, alike), Question.BATCH)[0] is Reply.YES


def test_a_method_that_inflates_is_named() -> None:
    decision = decide({f"{EFFECTS}/ratio": (2.7, 2.5, 2.9)})
    assert reply(decision, Question.EFFECTS) == (Reply.YES, "inflated")
    assert "larger than they went in" in decision.page()


def test_no_signal_needs_every_upper_bound() -> None:
    assert decide(SILENT, {f"{REAL}/raw_auroc": (0.5, 0.3, 0.7)}).call is Call.INCONCLUSIVE
    assert decide(SILENT, {f"{REAL}/strong_wells": (0.1, 0.0, 0.2)}).call is Call.INCONCLUSIVE
    assert decide(SILENT, {"audit/identity/above_chance": (0.0, -0.1, 0.1)}).call is Call.INCONCLUSIVE


def test_labels_say_nothing_about_biology_that_position_could_do() -> None:
    tied = {
        "audit/spatial_null": Finding("audit/spatial_null", NAN, code=""),
        COPY: (0.96, 0.94, 0.98),
        f"{REAL}/auroc": (0.97, 0.95, 0.99),
    }
    decision = decide(tied, SILENT | {f"{REAL}/auroc": (0.97, 0.95, 0.99)})
    assert reply(decision, Question.POSITION)[0] is Reply.YES
    assert reply(decision, Question.SIGNAL) == (Reply.OPEN, "position")
    assert decide(tied).call is Call.SOUND  # replicates at other positions show the biology
    beyond = decide(tied, SILENT | {f"{REAL}/auroc": (0.97, 0.95, 0.99), COPY: (0.6, 0.55, 0.65)})
    assert reply(beyond, Question.POSITION)[0] is Reply.NO
    assert reply(beyond, Question.SIGNAL)[0] is Reply.YES


@pytest.mark.parametrize(
    ("difference", "expected"),
    [((-0.2, -0.25, -0.15), Reply.YES), ((-0.01, -0.04, 0.02), Reply.NO), ((-0.05, -0.1, 0.0), Reply.OPEN)],
)
def test_a_new_batch_costs_what_auroc_falls_by(difference: tuple[float, float, float], expected: Reply) -> None:
    decision = decide({"audit/batch_cost/auroc_difference": difference})
    assert reply(decision, Question.COST)[0] is expected
    if expected is Reply.YES:
        assert "costs 0.20 of AUROC" in decision.page()


def test_a_scale_by_few_controls_is_noisy_and_loses_nothing_for_certain() -> None:
    noisy = {f"{EFFECTS}/ratio": Finding(f"{EFFECTS}/ratio", 0.5, 0.4, 0.6, code="raw_yardstick")}
    rare = {f"{SPIKE}/sparse/contrast": (0.5, 0.4, 0.6)} | {
        key: (0.5, 0.47, 0.53) for key in GOOD if key.startswith(f"{SPIKE}/matched")
    }
    decision = decide(noisy, rare)
    assert reply(decision, Question.EFFECTS) == (Reply.OPEN, "noisy_scale")
    assert reply(decision, Question.COMMON) == (Reply.OPEN, "noisy_scale")
    assert decision.call is Call.INCONCLUSIVE


def test_what_rare_effects_lose_is_not_lost_again_because_effects_are_common() -> None:
    lost = {f"{EFFECTS}/ratio": (0.5, 0.4, 0.6), f"{SPIKE}/sparse/contrast": (0.5, 0.4, 0.6)} | {
        key: (0.5, 0.47, 0.53) for key in GOOD if key.startswith(f"{SPIKE}/matched")
    }
    decision = decide(lost)
    assert reply(decision, Question.EFFECTS)[0] is Reply.NO
    assert reply(decision, Question.COMMON)[0] is Reply.YES
    assert decision.call is Call.OVER


@pytest.mark.parametrize(
    ("difference", "expected"),
    [((0.05, 0.02, 0.08), Reply.YES), ((-0.05, -0.08, -0.02), Reply.NO), ((0.0, -0.02, 0.02), Reply.OPEN)],
)
def test_it_helps_if_auroc_surely_rises(difference: tuple[float, float, float], expected: Reply) -> None:
    assert reply(decide({f"{REAL}/minus_raw": difference}), Question.HELPS)[0] is expected


@pytest.mark.parametrize("changes", [{}, LEAK, SILENT, LOST_COMMON, BATCH, WIDE])
def test_the_page_begins_with_word_sentence_and_action_and_fits(changes: dict[str, Any]) -> None:
    decision = decide(changes)
    lines = decision.page().splitlines()
    assert lines[0].startswith(f"{decision.call.value}: ")
    action = ACTIONS[decision.call.value].partition("{")[0]
    assert action.split()[0] in " ".join(lines[:3])
    assert max(map(len, lines)) <= 100
    assert all(question.text in decision.page() for question in Question)


def test_every_open_answer_says_why() -> None:
    for answer in decide(drop="audit/").answers:
        assert "cannot tell" in sentence(answer).lower()
        assert "switched off" in sentence(answer)


def test_few_batches_are_said() -> None:
    assert "2 batches" in decide(n_batches=2).page()
    assert "new batch" not in decide(n_batches=5).note


def test_the_scorecard_has_a_row_for_each_question_and_codes() -> None:
    table = decide(WIDE).scorecard()
    assert list(table.columns) == list(COLUMNS)
    assert list(table["question"]) == [question.value for question in Question]
    row = table.set_index("question").loc["common_effects_kept"]
    assert (row["answer"], row["good"], row["code"]) == ("cannot tell", "", "wide_interval")
    assert (row["value"], row["limit"], row["n_plates"]) == (0.95, 0.88, 20)


def test_the_evidence_names_what_decided() -> None:
    table = decide(LEAK).table()
    assert set(table.loc[table["decided"], "key"]) == {NULL, HIDDEN}
