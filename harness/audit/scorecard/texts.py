"""Texts of the scorecard: a sentence for each answer, an action for each verdict."""

from __future__ import annotations

from math import isnan

from harness.audit.scorecard.answer import Answer, Question, Reply

_SENTENCES: dict[tuple[Question, Reply], str] = {
    (Question.MANUFACTURES, Reply.YES): "Models tell apart wells that do not differ: AUROC {value} in a null test.",
    (Question.MANUFACTURES, Reply.NO): "Wells that do not differ are not told apart: AUROC {value} at most.",
    (Question.POSITION, Reply.YES): "Position alone can explain the scores: it scores up to {value}.",
    (Question.POSITION, Reply.NO): "Position alone does not explain the scores.",
    (
        Question.BATCH,
        Reply.YES,
    ): "The batch cannot be predicted from such wells: {value} on a scale from 0 (chance) to 1.",
    (Question.BATCH, Reply.NO): "The batch can still be predicted: {value} on a scale from 0 (chance) to 1.",
    (Question.COST, Reply.YES): "A new batch costs {value} of AUROC.",
    (Question.COST, Reply.NO): "A new batch costs less than {limit} of AUROC.",
    (Question.IDENTITY, Reply.YES): "Replicates are found as before: {value} of what the yardstick retrieves.",
    (Question.IDENTITY, Reply.NO): "Replicates are lost: {value} of what the yardstick retrieves is found.",
    (Question.EFFECTS, Reply.YES): "Added effects of many kinds keep {value} of their size.",
    (
        Question.EFFECTS,
        Reply.NO,
    ): "Added effects are lost: {value} of their size is left, at least {limit} is required.",
    (Question.COMMON, Reply.YES): "Effects as common as in this screen keep {value} of their contrast.",
    (Question.COMMON, Reply.NO): "Effects as common as in this screen keep only {value} of their contrast.",
    (Question.SIGNAL, Reply.YES): "There is biology to keep: AUROC {value}, chance and position excluded.",
    (Question.SIGNAL, Reply.NO): "There is no evidence of biology, and more than a trace of it is excluded.",
    (Question.HELPS, Reply.YES): "AUROC is higher than with raw profiles, by {value}.",
    (Question.HELPS, Reply.NO): "AUROC is lower than with raw profiles: {value}.",
}

_BY_MEASURE: dict[tuple[Question, Reply, str], str] = {  # by the last part of the key of the finding that decided
    (Question.EFFECTS, Reply.NO, "auroc_minus_yardstick"): "Added effects are detected worse than under the yardstick: "
    "AUROC {value}, {limit} at most is allowed.",
    (Question.EFFECTS, Reply.NO, "told_apart_minus_yardstick"): "Added effects are confused with each other more than "
    "under the yardstick: AUROC {value}, {limit} at most is allowed.",
    (Question.SIGNAL, Reply.YES, "above_chance"): "There is biology to keep: replicates are retrieved {value} above "
    "chance (mean average precision).",
}

_OPEN: dict[Question, str] = {  # the number of an open answer, with what it is
    Question.MANUFACTURES: "AUROC {}",
    Question.POSITION: "AUROC {}",
    Question.BATCH: "{} on a scale from 0 (chance) to 1",
    Question.COST: "{} of AUROC",
    Question.IDENTITY: "{} of what the yardstick retrieves",
    Question.EFFECTS: "{} of their size",
    Question.COMMON: "{} of their contrast",
    Question.HELPS: "{} of AUROC",
}

_SPECIAL: dict[tuple[Question, str], str] = {
    (Question.MANUFACTURES, "identity"): "Profiles are left as they are, which makes no signal; AUROC {value} is the "
    "bias of the measurement.",
    (
        Question.COMMON,
        "prevalence_unknown",
    ): "Cannot tell: effects are kept as long as less than {percent} of the wells "
    "of a plate are active; without replicates it is not known how many are.",
    (Question.POSITION, "roles_share_positions"): "Controls and treated wells share positions.",
}

_REASONS: dict[str, str] = {
    "off": "the check was switched off",
    "identity": "the normalization leaves profiles as they are",
    "wide_interval": "the interval is too wide: more plates would settle it",
    "few_controls": "too few control wells on a plate: 4 or more, better 8, would settle it",
    "few_partitions": "these plates can be dealt into batches in too few ways: 3 plates in each of 3 batches would do",
    "controls_were_read": "no control well could be hidden from it: more controls on each plate would settle it",
    "linear": "a linear model predicts it best",
    "neighbours": "nearest neighbours predict it best",
    "trees": "trees predict it best",
    "spread": "a model of how wells vary and correlate predicts it best",
    "one_batch": "there is one batch: a second would settle it",
    "plate_is_batch": "each plate is a batch of its own: two plates in each batch would settle it",
    "no_compounds": "no column names the compounds: data.columns.compound would settle it",
    "no_replicates": "no compound has replicates on other plates: they would settle it",
    "same_position": "replicates stand in the same well of every plate: other positions would settle it",
    "nothing_retrieved": "replicates are not retrieved before normalization either",
    "hidden": "replicates are hidden, not lost: scaling each plate by its controls once more brings them back",
    "inflated": "effects come out larger than they went in",
    "prevalence_unknown": "how many wells are active is not known: replicates at other positions would settle it",
    "label_fingerprint": "it leaves its batch labels in the profiles, so that any batches can be predicted",
    "treated_alone": "the batch can be predicted from treated wells but not from controls: compounds may act "
    "differently in each batch",
    "few_plates": "too few plates: more would settle it",
    "few_wells": "too few treated wells: more would settle it",
    "few_treated": "too few treated wells on a plate: more would settle it",
    "few_compounds": "too few compounds with replicates: more would settle it",
    "compounds_in_one_batch": "each compound is in one batch: replicates in a second batch would settle it",
    "no_labels": "no plate has both control and treated wells",
    "no_controls": "no plate has control wells: they would settle it",
    "no_treated": "no well is treated: nothing can be lost",
    "noisy_scale": "a scale by so few controls on a plate is noisy: 8 or more would settle it",
    "noisy_yardstick": "too few control wells to scale a plate by: 8 or more would settle it",
    "not_normalized_anew": "the screen cannot be normalized with permuted batches",
    "no_positions": "the positions of wells are not known",
    "no_copies": "no copy of the controls' pattern fits among the treated wells",
    "compounds_tied_to_position": "compounds stand at fixed positions, so that a copy of the controls' pattern holds "
    "biology too",
    "turns_within_prevalence": "it depends on how many wells are active, which is known too roughly",
    "roles_share_positions": "controls and treated wells share positions",
    "roles_apart": "controls and treated wells share no positions: shared ones on some plates would settle it",
    "row_norm_rises": "the length of the profile alone tells controls from treated wells better than before",
    "position": "controls and treated wells share no positions: their difference may be an edge effect",
    "nothing_varies": "no feature varies after the normalization",
    "not_applicable": "the check does not apply to this screen",
}

ACTIONS = {
    "leaks": "Do not use scores of this run: use the exchangeable form of the method, or score replicates instead.",
    "over-normalizes": "Use another method; if you must use this one, see in the scorecard what it loses.",
    "under-normalizes": "Add a step that removes the batch, or block by batch in the analysis.",
    "sound": "Use it, within these margins and for these batches.",
    "no signal": "There is nothing to lose or to find with these features: look at assay, dose and features first.",
    "inconclusive": "Settle first: {settle}",
}


def sentence(answer: Answer) -> str:
    """Return one sentence for an answer; an open answer gives its reason."""
    if (answer.question, answer.code) in _SPECIAL:
        percent = "-" if isnan(answer.value) else f"{answer.value:.0%}"
        return _SPECIAL[answer.question, answer.code].format(value=number(answer.value), percent=percent)
    if answer.reply is Reply.OPEN:
        measured = _OPEN.get(answer.question, "{}").format(f"{number(answer.value)}{span(answer)}")
        numbers = "" if isnan(answer.value) else f" ({measured})"
        return f"Cannot tell{numbers}: {reason(answer.code)}."
    measure = answer.key.rpartition("/")[2]
    text = _BY_MEASURE.get((answer.question, answer.reply, measure), _SENTENCES[answer.question, answer.reply])
    text = text.format(value=number(answer.value), limit=number(answer.limit))
    return f"{text[:-1]}; {_REASONS[answer.code]}." if answer.code in _REASONS else text


def reason(code: str) -> str:
    """Return what a code means in words; a code without a text is shown as it is."""
    return _REASONS.get(code, code.replace("_", " ") or "the evidence does not suffice")


def number(value: float) -> str:
    """Return a value with two decimals; a dash if it is undefined."""
    return "-" if isnan(value) else f"{value:.2f}"


def span(answer: Answer) -> str:
    """Return the interval in brackets; nothing if there is none."""
    return "" if isnan(answer.lower) else f" [{number(answer.lower)}, {number(answer.upper)}]"
