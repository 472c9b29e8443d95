"""Base class of figures, and the evaluated normalization that they show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from harness.core.evaluation import Evaluation
    from harness.core.finding import Finding
    from harness.core.profiles import Profiles


@dataclass(frozen=True, kw_only=True)
class FigureContext:
    """An evaluated normalization: everything that a figure may read.

    Attributes
    ----------
    norm, scope, split, data : names, for titles.
    seed : derives every sample; independent of the normalization, so that a sweep shows the same wells.
    normalized : well-level normalized profiles of all wells, float32.
    heldout : the same from a second pass in which a random half of each plate's control wells was hidden from
        the normalizer; its wells have a boolean column ``heldout_control``. None if not made.
    evaluations : held-out predictions, one per fold, by (task, model).
    baselines : the same of the trivial baselines.
    scores : table with columns ``task, model, metric, fold, value, lower, upper``, or None.
    baseline_scores : the same of the trivial baselines.
    findings : of the audit.
    raw : profiles of all sites or wells before normalization, perhaps on disk. None if not kept.
    trials : of the tuning, columns :data:`harness.tuning.base.TRIALS`. None if nothing was tuned.
    n_resamples : bootstrap draws behind intervals that a figure makes itself.
    scorecard : the answers of the audit (:meth:`harness.audit.verdict.Decision.scorecard`); None without a verdict.
    batch_tables : how batches were inferred (:class:`harness.batch.inference.assignment.BatchInference`); empty if
        they were given.
    """

    norm: str
    scope: str
    split: str
    data: str
    seed: int
    normalized: Profiles
    heldout: Profiles | None = None
    evaluations: dict[tuple[str, str], list[Evaluation]] = field(default_factory=dict)
    baselines: dict[tuple[str, str], list[Evaluation]] = field(default_factory=dict)
    scores: pd.DataFrame | None = None
    baseline_scores: pd.DataFrame | None = None
    findings: Sequence[Finding] = ()
    raw: Profiles | None = None
    trials: pd.DataFrame | None = None
    n_resamples: int = 500
    scorecard: pd.DataFrame | None = None
    batch_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


class FigureMember:
    """A figure: first its tables, then pictures or pages of those tables.

    A subclass implements :meth:`tables` and at least one of :meth:`draw` and :meth:`pages`. Keys of what they return
    are file stems.
    """

    def prepare(self) -> None:
        """Do what takes seconds and needs no data, such as compiling; called in a thread while models train."""

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the numbers of the figure.

        Raises
        ------
        NotApplicable : the figure has no meaning for this run.
        """
        raise NotImplementedError

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:  # noqa: ARG002
        """Return pictures of ``tables``, which came from :meth:`tables`."""
        return {}

    def pages(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, str]:  # noqa: ARG002
        """Return self-contained HTML documents of ``tables``."""
        return {}
