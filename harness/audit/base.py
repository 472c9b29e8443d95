"""What an audit check receives and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from harness.core.evaluation import Evaluation, Split
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.scoring.evaluate import Task

BySplit = Callable[[Split | None], Profiles]


@dataclass(frozen=True)
class AuditContext:
    """One evaluation run, as a check may see it.

    Attributes
    ----------
    profiles : before normalization, sites or wells.
    wells : one row per well, in the order of the splits' masks.
    normalize : ``normalize(profiles)(split)`` runs this run's normalization and aggregation on other profiles; with
        ``split=None`` as the descriptive view that reads every row.
    normalized : the same of ``profiles`` itself, computed once for all readers.
    splitter : deals folds over a table of wells.
    splits, tasks, models, evaluations : of this run; evaluations by (task, model), empty before training.
    n_resamples, seed : of intervals and draws.
    aggregate : of the sites of a well, the run's own.
    normalizer : what ``normalize`` runs; checks ask it for its scope, never for a name.
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

    ``before_training`` checks read wells only and are shown first; those that read ``evaluations`` wait for the
    training, the others may be made beside it, in another process. Of a large screen checks see a sample of plates,
    except for those of the ``whole`` screen.

    ``needs``: facts of a screen (:mod:`harness.inspect.facts`) without which it has no meaning.
    """

    whole: ClassVar[bool] = False
    before_training: ClassVar[bool] = False
    reads_evaluations: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def anywhere(self) -> bool:
        """Whether it can be made in another process, beside the training."""
        return not (self.before_training or self.reads_evaluations or self.whole)

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        """Yield the check's numbers. Raises NotApplicable where it has no meaning here."""
        raise NotImplementedError
