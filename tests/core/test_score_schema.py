"""Values of the column ``over`` and keys of metrics are those of stored runs."""

from __future__ import annotations

from harness.core.score_schema import SPREAD, Over, metric_key


def test_values_of_over_are_those_that_are_stored() -> None:
    assert [str(over) for over in Over] == [
        "fold", "mean", "pooled", "q25", "median", "q75", "above_0.7", "above_0.8", "above_0.9",
    ]  # fmt: skip
    assert {Over.FOLD, Over.MEAN, Over.POOLED} | SPREAD == set(Over)


def test_keys_of_metrics() -> None:
    keys = {over: metric_key("dmso_vs_treated", "lr", "auroc", over=over) for over in Over}
    assert keys[Over.MEAN] == metric_key("dmso_vs_treated", "lr", "auroc") == "dmso_vs_treated/lr/auroc"
    assert keys[Over.FOLD] == "dmso_vs_treated/lr/auroc_by_fold"
    assert keys[Over.POOLED] == "dmso_vs_treated/lr/auroc_pooled"
    assert keys[Over.ABOVE_07] == "dmso_vs_treated/lr/auroc_above_0.7"
