"""Runs in MLflow: the only module that imports it."""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from PIL import Image
from sqlalchemy.exc import SQLAlchemyError

from harness.types import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.audit.base import Finding

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar per small table is noise
logging.getLogger("mlflow").setLevel(logging.WARNING)  # else a new database announces each of its migrations

_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on the run table
_LONGEST_PARAM = 6000
_PARAMS_PER_CALL = 100
_METRICS_PER_CALL = 1000


class Tracking:
    """Where runs are kept.

    Parameters
    ----------
    uri : of an MLflow tracking store, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://host:5000``.
    artifacts : folder for files where ``uri`` is a local database; a server decides for itself.
    experiment : name of the experiment; made where it does not exist.
    """

    def __init__(self, *, uri: str, artifacts: str | None = None, experiment: str = "harness") -> None:
        self.uri = uri
        self.artifacts = artifacts
        self.experiment = experiment

    def open(self) -> MlflowClient:
        """A client, with the database made where there is none.

        Raises
        ------
        InputError : the store cannot be reached or written.
        """
        try:
            if self.uri.startswith("sqlite:///"):
                Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            return MlflowClient(tracking_uri=self.uri)
        except (OSError, MlflowException, SQLAlchemyError) as error:
            raise self._unusable(error) from error

    def experiment_id(self, client: MlflowClient) -> str:
        """The id of the experiment, made where it does not exist."""
        try:
            found = client.get_experiment_by_name(self.experiment)
            if found is None:
                local = self.artifacts is not None and not self.uri.startswith("http")
                location = Path(str(self.artifacts)).absolute().as_uri() if local else None
                return str(client.create_experiment(self.experiment, location, tags=_EXPERIMENT_TAGS))
        except (OSError, MlflowException, SQLAlchemyError) as error:
            raise self._unusable(error) from error
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"tracking: experiment {self.experiment!r} was deleted; restore it (mlflow experiments restore "
                f"--experiment-id {found.experiment_id}) or choose another with tracking.experiment=NAME"
            )
        return str(found.experiment_id)

    def _unusable(self, error: Exception) -> InputError:
        reason = str(error).strip().splitlines()[0]
        return InputError(f"tracking: {self.uri} cannot be used ({reason}); set tracking.uri to a store you can write")

    @contextmanager
    def run(
        self, name: str, *, params: Mapping[str, Any], tags: Mapping[str, str], dataset: tuple[str, str]
    ) -> Iterator[MlflowRecorder]:
        """A run that ends FINISHED, or FAILED with tag ``failure`` where the block raises; the error goes on.

        Parameters
        ----------
        params : flattened configuration.
        dataset : name and fingerprint of the data.
        """
        client = self.open()
        run = client.create_run(self.experiment_id(client), run_name=name, tags=dict(tags))
        run_id = run.info.run_id
        try:
            _log_params(client, run_id, params)
            context = InputTag("mlflow.data.context", "evaluation")
            client.log_inputs(run_id, [DatasetInput(_dataset(*dataset), [context])])
            yield MlflowRecorder(client, run_id)
        except BaseException as error:
            client.set_tag(run_id, "failure", _shorten(f"{error}" or type(error).__name__, 4000))
            client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        client.set_terminated(run_id, "FINISHED")

    def only_experiment(self) -> str:
        """The name of the one experiment that has runs.

        Raises
        ------
        InputError : none or several; the message lists them.
        """
        client = self.open()
        found = [e for e in client.search_experiments() if client.search_runs([e.experiment_id], max_results=1)]
        if len(found) != 1:
            names = sorted(e.name for e in found)
            raise InputError(f"{self.uri} has {len(found)} experiments with runs {names}; name one")
        return str(found[0].name)

    def records(self) -> list[Record]:
        """All runs of the experiment, newest first.

        Raises
        ------
        InputError : no such experiment; the message lists those there are.
        """
        client = self.open()
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            known = sorted(e.name for e in client.search_experiments())
            raise InputError(f"no experiment {self.experiment!r} in {self.uri}; there are {known}")
        runs: list[Run] = []
        token: str | None = ""
        while token is not None:
            page = client.search_runs([found.experiment_id], max_results=1000, page_token=token or None)
            runs += page
            token = page.token or None
        return [Record(run, self.uri) for run in runs]


class MlflowRecorder:
    """Writes one run's results: metrics, tables as Parquet, figures as PNG and as images of the chart view."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client = client
        self.run_id = run_id

    def scores(self, table: pd.DataFrame) -> None:
        """Metrics ``<task>/<model>/<metric>`` with ``_lower``, ``_upper``, ``_pooled``, ``_by_fold`` (steps)."""
        values: list[tuple[str, float, int]] = []
        for (task, model, metric), rows in table.groupby(["task", "model", "metric"], sort=False):
            key = f"{task}/{model}/{metric}"
            mean, pooled, folds = (rows[rows["over"] == over] for over in ("mean", "pooled", "fold"))
            values += [(key + s, v, 0) for s in ("", "_lower", "_upper") for v in mean[s.lstrip("_") or "value"]]
            values += [(f"{key}_pooled", v, 0) for v in pooled["value"]]
            values += [(f"{key}_by_fold", v, i) for i, v in enumerate(folds["value"])]
        self._metrics(values)

    def findings(self, findings: Sequence[Finding]) -> None:
        """Metrics under each finding's key and the table ``audit`` with reasons."""
        suffixes = (("", "value"), ("_lower", "lower"), ("_upper", "upper"))
        self._metrics([(f.key + suffix, getattr(f, name), 0) for f in findings for suffix, name in suffixes])
        self.table("audit", pd.DataFrame([vars(f) for f in findings], columns=list(_FINDING_COLUMNS)))

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

    def text(self, name: str, text: str) -> None:
        """A text file at the top of the artifacts."""
        self.client.log_text(self.run_id, text, name)

    def figure(self, name: str, figure: Figure) -> None:
        """``figures/<name>.png``, and an image of key ``name`` for the chart view."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.png"
            path.write_bytes(buffer.getvalue())
            self.client.log_artifact(self.run_id, str(path), "figures")
        self.client.log_image(self.run_id, Image.open(buffer).convert("RGB"), key=name, step=0)


_FINDING_COLUMNS = ("key", "value", "lower", "upper", "n", "reason")


@dataclass(frozen=True)
class Record:
    """A stored run, read only."""

    run: Run
    uri: str

    @property
    def name(self) -> str:
        return str(self.run.info.run_name)

    @property
    def status(self) -> str:
        return str(self.run.info.status)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.run.data.tags)

    @property
    def params(self) -> dict[str, str]:
        return dict(self.run.data.params)

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.run.data.metrics)

    def table(self, name: str) -> pd.DataFrame:
        """A stored table.

        Raises
        ------
        InputError : the run has no such table.
        """
        uri = f"runs:/{self.run.info.run_id}/tables/{name}.parquet"
        try:
            return pd.read_parquet(download_artifacts(artifact_uri=uri, tracking_uri=self.uri))
        except (OSError, MlflowException) as error:
            raise InputError(f"run {self.name} ({self.run.info.run_id}) lacks table {name!r}: {error}") from error


def _dataset(name: str, fingerprint: str) -> Dataset:
    """The data as MLflow shows them; the digest is the start of the content's fingerprint."""
    digest = fingerprint[:36]
    return Dataset(_shorten(name, 500), digest, "harness", json.dumps({"fingerprint": fingerprint}))


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, Any]) -> None:
    entities = [Param(key, _shorten(str(value), _LONGEST_PARAM)) for key, value in params.items()]
    for start in range(0, len(entities), _PARAMS_PER_CALL):
        client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_CALL])


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
