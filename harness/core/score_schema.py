"""Schema of the table of scores: its columns, the values of ``over``, and the keys of its metrics."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Over(StrEnum):
    """What a score is computed over: the values of the column ``over``."""

    FOLD = "fold"  # the held-out wells of one fold
    MEAN = "mean"  # the mean of the folds; of a task with several labels, the mean of these means
    POOLED = "pooled"  # all held-out wells together
    Q25 = "q25"  # quartiles over labels of the means over folds
    MEDIAN = "median"
    Q75 = "q75"
    ABOVE_07 = "above_0.7"  # shares of labels whose mean over folds is larger
    ABOVE_08 = "above_0.8"
    ABOVE_09 = "above_0.9"


SPREAD = frozenset(Over) - {Over.FOLD, Over.MEAN, Over.POOLED}  # how labels differ; these have no interval


class Column(NamedTuple):
    """A column of a table: numpy kind of its values (``U`` text, ``f`` float, ``i`` integer) and their meaning."""

    name: str
    kind: str
    meaning: str


SCHEMA = (
    Column("task", "U", "name of the task"),
    Column("model", "U", "name of the model or baseline"),
    Column("metric", "U", "name of the metric; n_groups: the number of labels that were evaluated in some fold"),
    Column("over", "U", "a value of Over"),
    Column("fold", "U", "name of the fold; empty unless over is fold"),
    Column("group", "U", "a label of a task with several, e.g. an assay; empty for scores over all of them"),
    Column("value", "f", "the score; NaN if reason says why it is undefined"),
    Column("lower", "f", "lower end of the 95% interval; NaN if there is none"),
    Column("upper", "f", "upper end of the 95% interval; NaN if there is none"),
    Column("n", "i", "number of held-out wells (or compounds); of scores over labels the number of labels"),
    Column("reason", "U", "why there is no value or no interval; empty if there are both"),
)
COLUMNS = [column.name for column in SCHEMA]


def model_key(task: str, model: str) -> str:
    """Return the name of a model of a task, as metrics and figures have it: ``<task>/<model>``."""
    return f"{task}/{model}"


def metric_key(task: str, model: str, metric: str, *, over: str = Over.MEAN) -> str:
    """Return the key under which a score is logged: ``<task>/<model>/<metric>``, with ``_pooled``, ``_q25``, ....

    The values of single folds are the steps of ``<task>/<model>/<metric>_by_fold``.
    """
    key = f"{model_key(task, model)}/{metric}"
    match over:
        case Over.MEAN:
            return key
        case Over.FOLD:
            return f"{key}_by_fold"
    return f"{key}_{over}"
