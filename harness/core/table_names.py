"""Names of the tables that every run stores, as ``tables/NAME.parquet``; figures and tasks add tables of their own."""

from __future__ import annotations

SCORES = "scores"  # see harness.core.score_schema
RESAMPLES = "resamples"  # each metric under each bootstrap draw
PREDICTIONS = "predictions"  # class, probability and threshold of each held-out well
AUDIT = "audit"  # one row per finding
SCORECARD = "scorecard"  # one row per question of the verdict
VERDICT = "verdict"  # the evidence of the verdict
TUNING_TRIALS = "tuning_trials"
TUNING_BEST = "tuning_best"
ZERO_VARIANCE = "zero_variance"  # features without variance, by plate or fit
FIGURES_NOT_DRAWN = "figures_not_drawn"  # with the reason
HELDOUT_CONTROLS_NOT_MADE = "heldout_controls_not_made"  # with the reason
