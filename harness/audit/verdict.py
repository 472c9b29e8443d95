"""One word for a run, and the evidence that decided it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
import pandas as pd

from harness.audit.base import Finding
from harness.audit.risk import risk
from harness.audit.widening import widened, widened_null
from harness.bootstrap import FEWEST_BATCHES
from harness.settings.limits import AtLeast
from harness.settings.types import Share


class Call(StrEnum):
    """What a verdict can say."""

    LEAKS = "leaks"
    NO_SIGNAL = "no signal"
    OVER = "over-normalizes"
    UNDER = "under-normalizes"
    SOUND = "sound"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence: what was found, the limit it was held against, and what it speaks for."""

    key: str
    value: float
    lower: float
    upper: float
    limit: str
    speaks_for: str


@dataclass(frozen=True)
class Decision:
    """The call, all evidence, and a paragraph in plain words."""

    call: Call
    evidence: Sequence[Evidence]
    paragraph: str

    def table(self) -> pd.DataFrame:
        """Columns ``key, value, lower, upper, limit, speaks_for, decided``."""
        rows = [{**vars(e), "decided": e.speaks_for == self.call.value} for e in self.evidence]
        return pd.DataFrame(rows, columns=["key", "value", "lower", "upper", "limit", "speaks_for", "decided"])


class Verdict:
    """Decide from an audit's findings, the gravest answer first.

    1. ``leaks``: a null's AUROC is off 0.5 by more than ``leak`` and its interval excludes 0.5.
    2. ``no signal``: for no model does raw's or this run's AUROC clear 0.5 + ``signal`` with its interval.
    3. ``over-normalizes``: the contrast of the matched spike-in is below 1 - ``contrast`` with its interval; or a spike
       leaves no trace; or an effect must be more than ``detection`` times as strong as in raw profiles to be found
       (interval); or AUROC is lower than raw's by more than ``real`` with its interval, for every model.
    4. ``under-normalizes``: the batch probe exceeds the 95th percentile of its null by more than ``batch``.
    5. ``sound``: the probe does not, every null is within ``leak`` of 0.5, the contrast clears its margin with its
       interval, and for some model AUROC is not lower than raw's by more than ``kept`` (interval).
    6. ``inconclusive``: otherwise; the paragraph says how many plates would do.

    The other arms of the spike-in do not decide; what they lose is said in the paragraph (:mod:`harness.audit.risk`).

    Intervals that decide are widened from 95% to 1 - 0.05 / m, m being the number of intervals that the same answer
    could have come from (Bonferroni), so that checks and models do not add up to false alarms, and for the few batches
    that they rest on (:mod:`harness.audit.widening`).

    Parameters
    ----------
    leak : 0.05. Exchangeable z-scores on correlated noise score 0.47 to 0.50 with LightGBM; in-sample ones at 64
        controls 0.56, at 16 0.76.
    signal : 0.02, twice the standard error of a mean AUROC on a screen of 20 plates of 384 wells.
    contrast : 0.12. Power grows with the square of the contrast: what is lost costs 29% more replicates. On simulated
        screens it lies between whole-plate z-scores at 10% active wells (0.91 to 0.96) and batch means that remove a
        confounded phenotype (0.67 to 0.87; experiments/verdict_calibration).
    detection : 1.5 times the amplitude, more than twice the replicates.
    real : 0.02, and ``kept`` : 0.05, in AUROC.
    batch : 0.1, in balanced accuracy of the probe.
    """

    def __init__(
        self,
        *,
        leak: Share = 0.05,
        signal: Share = 0.02,
        contrast: Share = 0.12,
        detection: Annotated[float, AtLeast(1)] = 1.5,
        real: Share = 0.02,
        kept: Share = 0.05,
        batch: Share = 0.1,
    ) -> None:
        self.leak = leak
        self.signal = signal
        self.contrast = contrast
        self.detection = detection
        self.real = real
        self.kept = kept
        self.batch = batch

    def decide(self, findings: Sequence[Finding], *, n_plates: int, n_batches: int | None = None) -> Decision:
        """The verdict of one run. Checks that were switched off or do not apply leave their question open."""
        found = {f.key: f for f in findings}
        evidence = [
            *self._leaks(found, n_batches),
            *self._signal(found, n_batches),
            *self._over(found, n_batches),
            *self._batch(found),
        ]
        call = self._call(evidence)
        paragraph = self._paragraph(call, evidence, n_plates)
        if warning := risk(found, self.contrast):
            paragraph += f" {warning}"
        if n_batches is not None and n_batches < FEWEST_BATCHES:
            paragraph += (
                f" With {n_batches} batches intervals resample plates only, widened by Student's quantile for so few; "
                "read the values of each batch."
            )
        return Decision(call, evidence, paragraph)

    def _call(self, evidence: Sequence[Evidence]) -> Call:
        said = {e.speaks_for for e in evidence}
        for call in (Call.LEAKS, Call.NO_SIGNAL, Call.OVER, Call.UNDER):
            if call.value in said:
                return call
        nulls = {e.speaks_for for e in evidence if _is_null(e.key)}
        kept = {_question(e.key) for e in evidence if e.speaks_for == Call.SOUND}
        complete = {"contrast", "real labels", "batch"} <= kept
        return Call.SOUND if complete and nulls == {Call.SOUND} else Call.INCONCLUSIVE

    def _leaks(self, found: Mapping[str, Finding], n_batches: int | None) -> Iterator[Evidence]:
        nulls = [f for f in found.values() if _is_null(f.key) and not np.isnan(f.value)]
        for f in nulls:
            lower, upper = widened_null(f, len(nulls), n_batches)
            near = abs(f.value - 0.5) <= self.leak
            off = not near and (lower > 0.5 or upper < 0.5)
            answer = Call.LEAKS.value if off else Call.SOUND.value if near and not np.isnan(lower) else ""
            yield Evidence(f.key, f.value, lower, upper, f"0.5 within {self.leak:g}", answer)

    def _signal(self, found: Mapping[str, Finding], n_batches: int | None) -> Iterator[Evidence]:
        scored = [f for f in found.values() if f.key.startswith("audit/real_labels/") and f.key.endswith("auroc")]
        if not scored:
            return
        clear = []
        for f in scored:
            lower, upper = widened(f, len(scored), n_batches)
            clear.append((lower > 0.5 + self.signal, f, lower, upper))
        known = all(not np.isnan(lower) for *_, lower, _ in clear)
        answer = Call.NO_SIGNAL if known and not any(c for c, *_ in clear) else ""
        for _, f, lower, upper in clear:
            yield Evidence(f.key, f.value, lower, upper, f"above {0.5 + self.signal:g} for some model", answer)

    def _over(self, found: Mapping[str, Finding], n_batches: int | None) -> Iterator[Evidence]:
        silent = found.get("audit/spike_in")
        if silent is not None and silent.reason.endswith("a spike leaves no trace"):
            yield Evidence(silent.key, np.nan, np.nan, np.nan, "a spike moves its well", Call.OVER)
        if (f := found.get("audit/spike_in/matched/contrast")) is not None:
            limit = 1 - self.contrast
            yield _held(f, f"at least {limit:g}", low=limit, lost=limit, answer=Call.OVER)
        if (f := found.get("audit/detection/matched/mde_ratio")) is not None and not np.isnan(f.value):
            lost = f.lower > self.detection
            yield Evidence(f.key, f.value, f.lower, f.upper, f"at most {self.detection:g}", Call.OVER if lost else "")
        differences = [f for f in found.values() if f.key.endswith("/minus_raw") and not np.isnan(f.value)]
        wide = [widened(f, len(differences), n_batches) for f in differences]
        unmoved = [f.value == 0 and np.isnan(f.lower) for f in differences]
        lost = bool(wide) and all(upper < -self.real for _, upper in wide)
        for f, (lower, upper), same in zip(differences, wide, unmoved, strict=True):
            kept = same or lower > -self.kept
            answer = Call.OVER if lost else Call.SOUND if kept else ""
            yield Evidence(f.key, f.value, lower, upper, f"not below {-self.kept:g} for some model", answer)

    def _batch(self, found: Mapping[str, Finding]) -> Iterator[Evidence]:
        key = "batch_effect/probe_balanced_accuracy"
        probe, null = found.get(key), found.get(f"{key}_null_upper")
        if probe is None or null is None or np.isnan(probe.value) or np.isnan(null.value):
            return
        limit = null.value + self.batch
        answer = Call.UNDER if probe.value > limit else Call.SOUND
        yield Evidence(key, probe.value, np.nan, np.nan, f"at most {limit:.3f}, its null's 95% plus a margin", answer)

    def _paragraph(self, call: Call, evidence: Sequence[Evidence], n_plates: int) -> str:
        decided = [e for e in evidence if e.speaks_for == call.value]
        text = f"Verdict: {call.value}. {MEANING[call]}"
        if decided:
            text += " Decided by: " + "; ".join(_words(e) for e in decided) + "."
        if call is Call.INCONCLUSIVE:
            margin = {"contrast": self.contrast, "real labels": self.kept, "null": self.leak}
            for e in evidence:
                if e.speaks_for == Call.SOUND and not _is_null(e.key):
                    margin.pop(_question(e.key), None)
            open_ = [e for e in evidence if e.speaks_for == "" and _question(e.key) in margin and not np.isnan(e.lower)]
            text += " Open: " + ("; ".join(_words(e) for e in open_) or "checks that were off or do not apply") + "."
            needed = [n_plates * ((e.upper - e.lower) / 2 / margin[_question(e.key)]) ** 2 for e in open_]
            if needed and max(needed) > n_plates:
                text += f" About {int(np.ceil(max(needed)))} plates (now {n_plates}) would narrow the intervals enough."
        return text


MEANING = {
    Call.LEAKS: "Models tell wells apart that hold nothing to tell: the normalization manufactures the signal.",
    Call.NO_SIGNAL: "Neither raw nor normalized profiles separate treated wells from controls on held-out batches, so "
    "that nothing can be said about lost biology.",
    Call.OVER: "The normalization removes biology with the batch.",
    Call.UNDER: "The batch can still be told from control wells.",
    Call.SOUND: "The batch is gone and the biology is kept, within the margins.",
    Call.INCONCLUSIVE: "The evidence does not suffice for an answer.",
}


def _held(f: Finding, limit: str, *, low: float, lost: float, answer: Call) -> Evidence:
    """Lost where the whole interval is below ``lost``, kept where it is above ``low``, else open."""
    said = answer.value if f.upper < lost else Call.SOUND.value if f.lower > low else ""
    return Evidence(f.key, f.value, f.lower, f.upper, limit, said)


def _is_null(key: str) -> bool:
    return key.startswith(("audit/pseudo_control/", "audit/controls_vs_controls/"))


def _question(key: str) -> str:
    if key.endswith("/contrast"):
        return "contrast"
    if key.endswith("/minus_raw"):
        return "real labels"
    return "null" if _is_null(key) else "batch" if key.startswith("batch_effect/") else "other"


def _words(e: Evidence) -> str:
    name = e.key.removeprefix("audit/").replace("/", " ").replace("_", " ")
    value = "" if np.isnan(e.value) else f" {e.value:.3f}"
    span = "" if np.isnan(e.lower) or not np.isfinite(e.value) else f" [{e.lower:.3f}, {e.upper:.3f}]"
    return f"{name}{value}{span} (sound: {e.limit})"
