"""One run's results, written to MLflow."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.audit.base import Finding
    from harness.audit.verdict import Decision

TRIAL = "trial"  # tag ``kind`` of a run below another
LONGEST_PARAM = 6000
_METRICS_PER_CALL = 1000
_FINDING_COLUMNS = ("key", "value", "lower", "upper", "n", "reason")


class MlflowRecorder:
    """Writes one run's results: metrics, tables as Parquet, figures as PNG and as images of the chart view."""

    def __init__(self, client: MlflowClient, run_id: str, figure_formats: Sequence[str] = ("png",)) -> None:
        self.client = client
        self.figure_formats = figure_formats
        self.run_id = run_id
        self.evaluated: list[str] = []
        self.images: list[str] = []

    def scores(self, table: pd.DataFrame) -> None:
        """Metrics ``<task>/<model>/<metric>`` with ``_lower``, ``_upper``, ``_pooled``, ``_by_fold`` (steps).

        Of a task with many labels these are means over them; ``_q25``, ``_median``, ``_q75`` and ``_above_0.7`` follow,
        and single labels stay in the table. A model without folds here (a trivial baseline) has its means only.
        """
        values: list[tuple[str, float, int]] = []
        table = table[table["group"] == ""]
        for (task, model, metric), rows in table.groupby(["task", "model", "metric"], sort=False):
            key = f"{task}/{model}/{metric}"
            mean, pooled, folds = (rows[rows["over"] == over] for over in ("mean", "pooled", "fold"))
            suffixes = ("", "_lower", "_upper") if len(folds) else ("",)
            values += [(key + s, v, 0) for s in suffixes for v in mean[s.lstrip("_") or "value"]]
            values += [(f"{key}_pooled", v, 0) for v in pooled["value"]]
            values += [(f"{key}_by_fold", v, i) for i, v in enumerate(folds["value"])]
            spread = rows[~rows["over"].isin(["mean", "pooled", "fold"])]
            values += [(f"{key}_{over}", v, 0) for over, v in zip(spread["over"], spread["value"], strict=True)]
        self._metrics(values)
        folds = table[table["over"] == "fold"]
        self.evaluated = [f"{task}/{model}" for task, model in folds[["task", "model"]].drop_duplicates().to_numpy()]

    def findings(self, findings: Sequence[Finding]) -> None:
        """Metrics under each finding's key and the table ``audit`` with reasons."""
        suffixes = (("", "value"), ("_lower", "lower"), ("_upper", "upper"))
        self._metrics([(f.key + suffix, getattr(f, name), 0) for f in findings for suffix, name in suffixes])
        self.table("audit", pd.DataFrame([vars(f) for f in findings], columns=list(_FINDING_COLUMNS)))

    def verdict(self, decision: Decision) -> None:
        """Tag ``verdict``, table ``verdict`` with the evidence, and ``verdict.txt`` in plain words."""
        self.client.set_tag(self.run_id, "verdict", decision.call.value)
        self.table("verdict", decision.table())
        self.text("verdict.txt", decision.paragraph + "\n")

    def metrics(self, values: Mapping[str, float]) -> None:
        self._metrics([(key, value, 0) for key, value in values.items()])

    def _metrics(self, values: Sequence[tuple[str, float, int]]) -> None:
        """Undefined values are left out here; tables hold them with their reasons."""
        now = int(time() * 1000)
        entities = [Metric(key, float(value), now, step) for key, value, step in values if np.isfinite(value)]
        for start in range(0, len(entities), _METRICS_PER_CALL):
            self.client.log_batch(self.run_id, metrics=entities[start : start + _METRICS_PER_CALL])

    def table(self, name: str, table: pd.DataFrame) -> None:
        """``tables/<name>.parquet``."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.parquet"
            table.to_parquet(path, index=False)
            self.client.log_artifact(self.run_id, str(path), "tables")

    def trials(self, table: pd.DataFrame) -> None:
        """A run below this one for each row (:data:`harness.tuning.base.TRIALS`): its parameters and its value."""
        experiment = self.client.get_run(self.run_id).info.experiment_id
        for row in table.to_dict("records"):
            start = int(row["started"].timestamp() * 1000)
            names = {key: str(row[key]) for key in ("task", "model", "fold", "state")}
            tags = {"mlflow.parentRunId": self.run_id, "kind": TRIAL, **names}
            title = f"{row['model']} {row['fold']} trial {row['number']}"
            run_id = self.client.create_run(experiment, start_time=start, tags=tags, run_name=title).info.run_id
            end = start + int(1000 * row["seconds"])
            found = [Metric(f"tuning/{row['metric']}", row["value"], end, 0)] if np.isfinite(row["value"]) else []
            params = [
                Param(key, shorten(str(value), LONGEST_PARAM)) for key, value in json.loads(row["params"]).items()
            ]
            self.client.log_batch(run_id, metrics=found, params=params)
            self.client.set_terminated(run_id, "FINISHED", end_time=end)

    def note(self, markdown: str) -> None:
        """The description on the run's page."""
        self.client.set_tag(self.run_id, "mlflow.note.content", markdown)

    def text(self, name: str, text: str) -> None:
        """A text file at the top of the artifacts."""
        self.client.log_text(self.run_id, text, name)

    def figure(self, name: str, figure: Figure) -> None:
        """``figures/<name>.png``, other formats beside it, and image ``figures/<name>`` of the chart view."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / f"{name}.png").write_bytes(buffer.getvalue())
            for other in sorted(set(self.figure_formats) - {"png"}):
                figure.savefig(Path(folder) / f"{name}.{other}", format=other)
            self.client.log_artifacts(self.run_id, folder, "figures")
        self.images.append(f"figures/{name}")
        self.client.log_image(self.run_id, Image.open(buffer).convert("RGB"), key=self.images[-1], step=0)


def shorten(text: str, longest: int) -> str:
    """At most ``longest`` characters, the last of them an ellipsis where some are left out."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
