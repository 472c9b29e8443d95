"""The margins of the verdict: how large a difference must be to matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.settings.annotated_types import Share
from harness.settings.limits import Within


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Differences that an interval must exclude before something is claimed; set as ``audit.verdict.NAME``.

    They were set before the error rates of the verdict were measured (experiments/verdict_calibration).

    Attributes
    ----------
    leak : AUROC above 0.5, beyond what a coin can reach, that counts as manufactured signal.
    no_leak : AUROC above 0.5 that must be excluded to say that no signal is manufactured.
    batch : share of the way from a probe's null to a perfect probe. With 5 batches, 0.15 is an accuracy of 0.32 in
        place of 0.20.
    identity : share of the mean average precision above chance that the yardstick retrieves.
    effects : share of the size of added effects. 0.29 is what dropping half of independent features costs, or noise of
        one control sd.
    worst_effect : share of the size of the worst added effect.
    apart : AUROC or accuracy of telling added effects from other wells and from each other.
    contrast : share of the contrast of common effects. Power grows with its square: losing 0.12 costs 29% more
        replicates.
    signal : AUROC above 0.5 that counts as signal.
    no_signal : AUROC above 0.5 that must be excluded to say that there is no signal.
    retrieval : mean average precision above chance that counts as signal, and must be excluded to say that there is
        none.
    cost : AUROC that a batch without training wells may cost.
    """

    leak: Share = 0.05
    no_leak: Share = 0.1
    batch: Share = 0.15
    identity: Share = 0.2
    effects: Share = 0.2
    worst_effect: Annotated[float, Within(0, 1)] = 0.5
    apart: Share = 0.1
    contrast: Share = 0.12
    signal: Share = 0.02
    no_signal: Share = 0.05
    retrieval: Share = 0.02
    cost: Share = 0.05
