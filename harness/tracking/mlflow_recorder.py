"""A recorder that sends the results of one run to MLflow."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from PIL import Image

from harness.core import table_names
from harness.core.score_schema import SPREAD, Over, metric_key, model_key
from harness.tracking.requests import LONGEST_PARAM, TrackingRequest, shorten
from harness.tracking.transport import Transport
from harness.utils.temporary_folder import writing_to

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.core.finding import Finding
    from harness.core.recorder import Verdict

_FINDING_COLUMNS = ("key", "value", "lower", "upper", "n", "reason", "code")


class MlflowRecorder:
    """Recorder of one run: metrics, tables as Parquet, figures as PNG and as images of MLflow's chart view."""

    def __init__(self, transport: Transport, figure_formats: Sequence[str] = ("png",)) -> None:
        self.transport = transport
        self.figure_formats = figure_formats
        self.evaluated: list[str] = []
        self.images: list[str] = []

    @property
    def run_id(self) -> str:
        return self.transport.target.run_id

    def scores(self, table: pd.DataFrame) -> None:
        """Record metrics ``<task>/<model>/<metric>`` with ``_lower``, ``_upper``, ``_pooled``, ``_by_fold`` (steps).

        Of a task with many labels these are means over them; ``_q25``, ``_median``, ``_q75`` and ``_above_0.7`` follow,
        and single labels stay in the table. A model without folds here (a trivial baseline) has its means only.
        """
        values: list[tuple[str, float, int]] = []
        table = table[table["group"] == ""]
        for (task, model, metric), rows in table.groupby(["task", "model", "metric"], sort=False):
            key = partial(metric_key, str(task), str(model), str(metric))
            mean, pooled, folds = (rows[rows["over"] == over] for over in (Over.MEAN, Over.POOLED, Over.FOLD))
            suffixes = ("", "_lower", "_upper") if len(folds) else ("",)
            values += [(key() + s, v, 0) for s in suffixes for v in mean[s.lstrip("_") or "value"]]
            values += [(key(over=Over.POOLED), v, 0) for v in pooled["value"]]
            values += [(key(over=Over.FOLD), v, i) for i, v in enumerate(folds["value"])]
            spread = rows[rows["over"].isin(SPREAD)]
            values += [(key(over=over), v, 0) for over, v in zip(spread["over"], spread["value"], strict=True)]
        self._metrics(values)
        folds = table[table["over"] == Over.FOLD]
        self.evaluated = [
            model_key(task, model) for task, model in folds[["task", "model"]].drop_duplicates().to_numpy()
        ]

    def findings(self, findings: Sequence[Finding]) -> None:
        """Record each finding as metrics under its key, and all in the table ``audit`` with their reasons."""
        suffixes = (("", "value"), ("_lower", "lower"), ("_upper", "upper"))
        self._metrics([(f.key + suffix, getattr(f, name), 0) for f in findings for suffix, name in suffixes])
        self.table(table_names.AUDIT, pd.DataFrame([vars(f) for f in findings], columns=list(_FINDING_COLUMNS)))

    def verdict(self, verdict: Verdict) -> None:
        """Record the tag ``verdict``, tables ``scorecard`` and ``verdict`` (the evidence), and ``verdict.txt``."""
        self.transport.put(TrackingRequest("tags", {"verdict": verdict.word}))
        self.table(table_names.SCORECARD, verdict.scorecard())
        self.table(table_names.VERDICT, verdict.table())
        self.text("verdict.txt", verdict.page() + "\n")

    def metrics(self, values: Mapping[str, float]) -> None:
        self._metrics([(key, value, 0) for key, value in values.items()])

    def _metrics(self, values: Sequence[tuple[str, float, int]]) -> None:
        """Record defined values; tables hold the undefined ones with their reasons."""
        metrics = [(key, float(value), step) for key, value, step in values if np.isfinite(value)]
        self.transport.put(TrackingRequest("metrics", {"time": int(time() * 1000), "metrics": metrics}))

    def table(self, name: str, table: pd.DataFrame) -> None:
        """Record ``tables/<name>.parquet``."""
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        self._files({f"tables/{name}.parquet": buffer.getvalue()})

    def trials(self, table: pd.DataFrame) -> None:
        """Record each row (:data:`harness.tuning.base.TRIALS`) as a run below this one."""
        for row in table.to_dict("records"):
            self.transport.put(TrackingRequest("trial", _trial({str(key): value for key, value in row.items()})))

    def note(self, markdown: str) -> None:
        """Set the description on the run's page."""
        self.transport.put(TrackingRequest("tags", {"mlflow.note.content": markdown}))

    def text(self, name: str, text: str) -> None:
        """Record a text file at the top of the artifacts."""
        self._files({name: text.encode()})

    def figure(self, name: str, figure: Figure) -> None:
        """Record ``figures/<name>.png``, the other formats, and the image ``figures/<name>`` of the chart view."""
        files = {}
        for extension in ("png", *sorted(set(self.figure_formats) - {"png"})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=extension)
            files[f"figures/{name}.{extension}"] = buffer.getvalue()
        self._files(files)
        self.images.append(f"figures/{name}")
        image = Image.open(io.BytesIO(files[f"figures/{name}.png"])).convert("RGB")
        image_files = _ImageFiles(self.transport.target.client.tracking_uri)
        with writing_to():  # MLflow writes it to a temporary file
            image_files.log_image(self.run_id, image, key=self.images[-1], step=0)
        self._files(image_files.files)
        self.transport.put(TrackingRequest("tags", image_files.tags))

    def _files(self, files: Mapping[str, bytes]) -> None:
        self.transport.put(TrackingRequest("files", files=files))


class _ImageFiles(MlflowClient):
    """The files and tags that MLflow writes of an image, collected; MLflow names them anew at each call."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:  # noqa: ARG002
        path = Path(local_path)
        self.files[f"{artifact_path}/{path.name}"] = path.read_bytes()

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:  # noqa: ARG002
        self.tags[key] = str(value)


def _trial(row: Mapping[str, Any]) -> dict[str, Any]:
    start = int(row["started"].timestamp() * 1000)
    return {
        "title": f"{row['model']} {row['fold']} trial {row['number']}",
        "tags": {key: str(row[key]) for key in ("task", "model", "fold", "state")},
        "start": start,
        "end": start + int(1000 * row["seconds"]),
        "metrics": {f"tuning/{row['metric']}": float(row["value"])} if np.isfinite(row["value"]) else {},
        "params": {key: shorten(str(value), LONGEST_PARAM) for key, value in json.loads(row["params"]).items()},
    }
