"""Findings of a trial."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.audit.probes.trial import ProbeTrial
from harness.core.finding import Finding

KEY = "batch_effect/probe"
FINGERPRINT = 0.5  # of the way from chance to certainty


def control_findings(trial: ProbeTrial, reason: str) -> Iterator[Finding]:
    """Yield balanced accuracy of the probe that gains most, its chance and null, and the same of every probe."""
    answer = trial.excess()
    n, n_null = len(trial.wells.rows), answer.n
    value = trial.observed[answer.probe].value
    null = np.array([permuted[answer.probe] for permuted in trial.null])
    key = f"{KEY}_balanced_accuracy"
    yield Finding(key, value, n=n, reason=f"by {answer.probe}; {reason}".removesuffix("; "))
    yield Finding(f"{key}_chance", trial.chance, n=n)
    yield Finding(f"{key}_null_mean", float(null.mean()), n=n_null)
    yield Finding(f"{key}_null_upper", float(np.quantile(null, 0.95)), n=n_null)
    yield Finding(f"{key}_p", answer.p, n=n_null)
    for name, accuracy in trial.observed.items():
        yield Finding(f"{KEY}_{name}_balanced_accuracy", accuracy.value, n=n)
        yield Finding(f"{KEY}_{name}_balanced_accuracy_null_mean", answer.null_mean[name], n=n_null)


def trial_findings(name: str, trial: ProbeTrial, code: str, reason: str) -> Iterator[Finding]:
    """Yield excess over permuted batches with its interval, what it reaches under the null, and the fingerprint of
    labels.

    ``fingerprint``: how well the best probe tells batches that were permuted before the normalization, 1 = certainty;
    a method that leaves its labels in the profiles. Such a probe can no longer show that a batch is gone.
    ``above_chance``: the same excess over chance if the null's mean is less: batches that were permuted before a method
    aligned them hold plates of several batches, and can be harder to tell than a guess is.
    """
    answer = trial.excess()
    key, n = f"audit/batch_probe/{name}", len(trial.wells.rows)
    fingerprint = (max(answer.null_mean.values()) - trial.chance) / (1 - trial.chance)
    if not code and fingerprint > FINGERPRINT:
        code = "label_fingerprint"
        reason = f"{reason}; a probe tells permuted batches too: the method leaves its labels in the profiles"
    by = f"by {answer.probe}; {reason}".replace("; ; ", "; ").removesuffix("; ")
    yield Finding(f"{key}/excess", answer.value, answer.lower, answer.upper, n=n, reason=by, code=code)
    for probe, (value, lower, upper) in answer.by_probe.items():
        yield Finding(f"{key}/excess_{probe}", value, lower, upper, n=n)
    yield Finding(f"{key}/above_chance", *_above_chance(trial), n=n)
    yield Finding(f"{key}/null_upper", answer.null_upper, n=answer.n)
    yield Finding(f"{key}/fingerprint", fingerprint, n=answer.n)


def _above_chance(trial: ProbeTrial) -> tuple[float, float, float]:
    """Return how far the deciding probe stands above its null's mean and above chance, in units of 1 - chance."""
    answer = trial.excess()
    mean, chance = answer.null_mean[answer.probe], trial.chance
    base = max(mean, chance)
    value, lower, upper = (
        (excess * (1 - min(mean, chance)) + mean - base) / (1 - chance) for excess in answer.by_probe[answer.probe]
    )
    return value, lower, upper
