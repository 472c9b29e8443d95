"""The interface of an audit check: :class:`AuditContext`, which it receives, and :class:`Check`, its base."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from harness.core.evaluation import Evaluation, Split
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.task import Task

BySplit = Callable[[Split | None], Profiles]
"""Normalized profiles of a fold; of None in the descriptive view, which is fitted on every row."""


@dataclass(frozen=True)
class AuditContext:
    """The view that checks have of an evaluation run.

    Most checks do not read ``profiles`` and ``normalized`` themselves but the wells made from them, which are computed
    once per run: :func:`~harness.audit.shared.views.raw_wells`, :func:`~harness.audit.shared.views.normalized_wells`
    and :func:`~harness.audit.shared.views.yardstick_wells`.

    Attributes
    ----------
    profiles : before normalization; a row is a site or a well, as the screen was read.
    wells : one row per well, in the order of the masks of ``splits``.
    normalize : runs this run's normalization and aggregation on any profiles, e.g. relabelled ones:
        ``normalize(profiles)(split)`` are the normalized profiles of a fold, ``normalize(profiles)(None)`` those of the
        descriptive view, fitted on every row. The descriptive view is computed once and serves every fold if the
        method does not depend on the fold; otherwise each call with a fold fits again.
    normalized : ``normalize(profiles)`` of the run's own profiles; its descriptive view is shared by all that read it.
    splitter : deals a table of wells into folds, for checks that change the wells.
    splits, tasks, models : those of the run.
    evaluations : held-out predictions by (task, model); empty before training.
    n_resamples, seed : of intervals and random choices.
    aggregate : how the sites of a well are summarized in this run; ``none`` keeps sites.
    normalizer : the method that ``normalize`` runs. Checks may ask for its scope and the columns it declares, never for
        its name.
    """

    profiles: Profiles
    wells: pd.DataFrame
    normalize: Callable[[Profiles], BySplit]
    normalized: BySplit
    splits: Sequence[Split]
    splitter: Any
    tasks: Mapping[str, Task]
    models: Mapping[str, Any]
    evaluations: Mapping[tuple[str, str], Sequence[Evaluation]]
    n_resamples: int
    seed: int
    aggregate: str = "median"
    normalizer: Any = None


class Check:
    """Base of every audit check.

    Attributes
    ----------
    needs_full_screen : whether it sees every plate; other checks see a sample of the plates of a large screen.
    before_training : whether it reads the table of wells only. Such checks are made, and shown, first.
    reads_evaluations : whether it reads the models' predictions and has to wait for the training.
    needs : facts of a screen (:mod:`harness.inspect.facts`) without which the check has no meaning.
    """

    needs_full_screen: ClassVar[bool] = False
    before_training: ClassVar[bool] = False
    reads_evaluations: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def runs_in_worker(self) -> bool:
        """Whether the check can be made in another process during the training."""
        return not (self.before_training or self.reads_evaluations or self.needs_full_screen)

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        """Yield the numbers of the check. Raises NotApplicable if it has no meaning for this screen or method."""
        raise NotImplementedError
