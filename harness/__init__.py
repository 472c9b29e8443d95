"""Evaluate normalizations of image-based screens on batches that the models have never seen."""

from harness.evaluate import evaluate
from harness.norm.normalize import normalize
from harness.score import score_table
from harness.types import InputError, NotApplicable, Profiles

__all__ = ["InputError", "NotApplicable", "Profiles", "evaluate", "normalize", "score_table"]
