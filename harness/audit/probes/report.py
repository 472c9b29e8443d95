"""Findings of the probes on one set of wells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.audit.probes.trial import ProbeTrial
from harness.core.finding import Finding

KEY = "batch_effect/probe"
FINGERPRINT = 0.5  # of the way from chance to certainty


def control_findings(trial: ProbeTrial, reason: str) -> Iterator[Finding]:
    """Yield the balanced accuracy of the deciding probe with its chance and null, and that of every probe."""
    probe_excess = trial.excess()
    n, n_null = len(trial.wells.rows), probe_excess.n
    value = trial.observed[probe_excess.probe].value
    null = np.array([permuted[probe_excess.probe] for permuted in trial.null])
    key = f"{KEY}_balanced_accuracy"
    yield Finding(key, value, n=n, reason=f"by {probe_excess.probe}; {reason}".removesuffix("; "))
    yield Finding(f"{key}_chance", trial.chance, n=n)
    yield Finding(f"{key}_null_mean", float(null.mean()), n=n_null)
    yield Finding(f"{key}_null_upper", float(np.quantile(null, 0.95)), n=n_null)
    yield Finding(f"{key}_p", probe_excess.p, n=n_null)
    for name, accuracy in trial.observed.items():
        yield Finding(f"{KEY}_{name}_balanced_accuracy", accuracy.value, n=n)
        yield Finding(f"{KEY}_{name}_balanced_accuracy_null_mean", probe_excess.null_mean[name], n=n_null)


def trial_findings(name: str, trial: ProbeTrial, code: str, reason: str) -> Iterator[Finding]:
    """Yield the excess over permuted batches with its interval, its reach under the null, and the fingerprint.

    ``fingerprint``: how well the best probe predicts batches that were permuted before the normalization, from 0 to 1.
    It is high if a method leaves its labels in the profiles; such a probe can no longer show that a batch is gone.
    ``above_chance``: the excess over chance if the null's mean lies below: batches that were permuted before a method
    aligned them hold plates of several true batches, and can be harder to predict than by guessing.
    """
    probe_excess = trial.excess()
    key, n = f"audit/batch_probe/{name}", len(trial.wells.rows)
    fingerprint = (max(probe_excess.null_mean.values()) - trial.chance) / (1 - trial.chance)
    if not code and fingerprint > FINGERPRINT:
        code = "label_fingerprint"
        reason = f"{reason}; a probe tells permuted batches too: the method leaves its labels in the profiles"
    reason_with_probe = f"by {probe_excess.probe}; {reason}".replace("; ; ", "; ").removesuffix("; ")
    yield Finding(
        f"{key}/excess",
        probe_excess.value,
        probe_excess.lower,
        probe_excess.upper,
        n=n,
        reason=reason_with_probe,
        code=code,
    )
    for probe, (value, lower, upper) in probe_excess.by_probe.items():
        yield Finding(f"{key}/excess_{probe}", value, lower, upper, n=n)
    yield Finding(f"{key}/above_chance", *_above_chance(trial), n=n)
    yield Finding(f"{key}/null_upper", probe_excess.null_upper, n=probe_excess.n)
    yield Finding(f"{key}/fingerprint", fingerprint, n=probe_excess.n)


def _above_chance(trial: ProbeTrial) -> tuple[float, float, float]:
    """Return the excess of the deciding probe over its null's mean and over chance, in units of 1 - chance."""
    probe_excess = trial.excess()
    mean, chance = probe_excess.null_mean[probe_excess.probe], trial.chance
    base = max(mean, chance)
    value, lower, upper = (
        (excess * (1 - min(mean, chance)) + mean - base) / (1 - chance)
        for excess in probe_excess.by_probe[probe_excess.probe]
    )
    return value, lower, upper
