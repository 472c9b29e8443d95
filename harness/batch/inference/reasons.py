"""Why a plate is an outlier, in words."""

from __future__ import annotations

import numpy as np

from harness.batch.inference.changepoints import Labels
from harness.batch.inference.control_profiles import MAD_TO_SD, ControlProfiles
from harness.core.arrays import Doubles, Mask

NAMED = 3  # features


def reasons(controls: ControlProfiles, labels: Labels, outlier: Mask, distance: Doubles) -> list[str]:
    """For each plate "", or how far it lies from its batch and the features that are furthest off, in robust sd.

    The sd of a feature is 1.4826 times the median absolute deviation of all plates from the median of their batch.
    """
    X, own = controls.scaled, ~outlier
    middle = {b: np.median(X[(labels == b) & (own | ~own[labels == b].any())], axis=0) for b in np.unique(labels)}
    deviation = X - np.array([middle[b] for b in labels])
    spread = MAD_TO_SD * np.median(np.abs(deviation[own]), axis=0)
    texts = []
    for i in range(len(X)):
        if not outlier[i]:
            texts.append("")
            continue
        z = np.divide(deviation[i], spread, out=np.zeros_like(spread), where=spread > 0)
        most = np.argsort(-np.abs(z), kind="stable")[:NAMED]
        named = ", ".join(f"{controls.features[f]} {z[f]:+.1f}" for f in most)
        texts.append(
            f"{distance[i]:.1f} robust sd further from its batch than plates usually are; most in {named} (robust sd "
            "of plates around their batch)"
        )
    return texts
