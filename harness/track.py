"""Runs in MLflow: the only module that imports it."""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from PIL import Image
from sqlalchemy.exc import SQLAlchemyError

from harness.alone import alone
from harness.runview import QUERY, TAG, saved_view
from harness.types import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.audit.base import Finding
    from harness.audit.verdict import Decision

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # a bar per small table is noise
logging.getLogger("mlflow").setLevel(logging.WARNING)  # else a new database announces each of its migrations

COMPARISON, TRIAL = "comparison", "trial"  # tag ``kind`` of a run that is no evaluation
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on the run table
_SQLITE = "sqlite:///"
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_LONGEST_PARAM = 6000
_PARAMS_PER_CALL = 100
_FORMATS = ("png", "svg", "pdf")
_METRICS_PER_CALL = 1000


class Tracking:
    """Where runs are kept.

    Parameters
    ----------
    uri : of an MLflow tracking store, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://host:5000``.
    artifacts : folder for files where ``uri`` is a local database; a server decides for itself.
    experiment : name of the experiment; made where it does not exist.
    figure_formats : of the figures of a run: ``png``, which is always kept, ``svg``, ``pdf``.
    """

    def __init__(
        self,
        *,
        uri: str,
        artifacts: str | None = None,
        experiment: str = "harness",
        figure_formats: Sequence[str] = ("png",),
    ) -> None:
        if unknown := sorted(set(figure_formats) - set(_FORMATS)):
            raise InputError(f"tracking.figure_formats: {unknown} unknown; choose from {list(_FORMATS)}")
        self.uri = uri
        self.artifacts = artifacts
        self.experiment = experiment
        self.figure_formats = figure_formats

    def open(self, *, make: bool = True) -> MlflowClient:
        """A client; where there is no local database yet it is made, or refused with ``make=False``.

        Raises
        ------
        InputError : the store cannot be reached or written.
        """
        with self._usable():
            if not self.uri.startswith(_SQLITE):
                return MlflowClient(tracking_uri=self.uri)
            path = Path(self.uri.removeprefix(_SQLITE)).absolute()  # MLflow keeps connections by address
            if not make and not path.is_file():
                raise InputError(f"tracking: there is no database {path}; record a run first, or set another --uri")
            path.parent.mkdir(parents=True, exist_ok=True)
            with alone(path) if make else nullcontext():
                return MlflowClient(tracking_uri=f"{_SQLITE}{path}")

    def experiment_id(self, client: MlflowClient) -> str:
        """The id of the experiment, made where it does not exist.

        Raises
        ------
        InputError : the store cannot be reached or written, or the experiment was deleted.
        """
        found = self._find(client)
        if found is None:
            local = self.artifacts is not None and not self.uri.startswith("http")
            location = Path(str(self.artifacts)).absolute().as_uri() if local else None
            try:
                with self._usable():
                    return str(client.create_experiment(self.experiment, location, tags=_EXPERIMENT_TAGS))
            except InputError:  # another process may have made it meanwhile
                found = self._find(client)
                if found is None:
                    raise
        return self._active(found)

    def _active(self, found: Experiment) -> str:
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"tracking: experiment {self.experiment!r} was deleted; restore it (mlflow experiments restore "
                f"--experiment-id {found.experiment_id}) or choose another with tracking.experiment=NAME"
            )
        return str(found.experiment_id)

    def _find(self, client: MlflowClient) -> Experiment | None:
        with self._usable():
            return client.get_experiment_by_name(self.experiment)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Failures to reach or write the store as an InputError; a server that does not answer is not asked for long.

        MLflow's own seven retries take four minutes, which is right in the middle of a run and wrong at its start.
        """
        chosen = _RETRIES in os.environ
        os.environ.setdefault(_RETRIES, "2")
        try:
            yield
        except (OSError, MlflowException, SQLAlchemyError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            remedy = "set tracking.uri to a store you can write"
            raise InputError(f"tracking: {self.uri} cannot be used ({reason}); {remedy}") from error
        finally:
            if not chosen:
                del os.environ[_RETRIES]

    @contextmanager
    def run(
        self, name: str, *, params: Mapping[str, Any], tags: Mapping[str, str], dataset: tuple[str, str]
    ) -> Iterator[MlflowRecorder]:
        """A run that ends FINISHED; FAILED (or KILLED by an interrupt) with tag ``failure`` where the block raises.

        The error goes on.

        Parameters
        ----------
        params : flattened configuration.
        dataset : name and fingerprint of the data.

        Raises
        ------
        InputError : the store cannot be reached or written.
        """
        client = self.open()
        experiment = self.experiment_id(client)
        with self._usable():
            run_id = client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
        recorder = MlflowRecorder(client, run_id, self.figure_formats)
        try:
            _log_params(client, run_id, params)
            context = InputTag("mlflow.data.context", "evaluation")
            client.log_inputs(run_id, [DatasetInput(_dataset(*dataset), [context])])
            yield recorder
        except BaseException as error:
            client.set_tag(run_id, "failure", _shorten(f"{error}" or type(error).__name__, 4000))
            client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            raise
        _save_view(client, experiment, recorder)
        client.set_terminated(run_id, "FINISHED")

    def only_experiment(self) -> str:
        """The name of the one experiment that has runs.

        Raises
        ------
        InputError : none or several; the message lists them.
        """
        client = self.open(make=False)
        with self._usable():
            found = [e for e in client.search_experiments() if client.search_runs([e.experiment_id], max_results=1)]
        if len(found) != 1:
            names = sorted(e.name for e in found)
            raise InputError(f"{self.uri} has {len(found)} experiments with runs {names}; name one")
        return str(found[0].name)

    def records(self) -> list[Record]:
        """All runs of the experiment, newest first; not the trials below them.

        Raises
        ------
        InputError : no such experiment; the message lists those there are.
        """
        client, experiment = self._existing()
        runs: list[Run] = []
        token: str | None = ""
        with self._usable():
            while token is not None:
                page = client.search_runs([experiment], max_results=1000, page_token=token or None)
                runs += page
                token = page.token or None
        return [Record(run, client.tracking_uri) for run in runs if run.data.tags.get("kind") != TRIAL]

    def report(self, html: str) -> str:
        """Keep a comparison as a run of its own, named and tagged ``comparison``, with artifact ``report.html``.

        Returns the run's id. Raises InputError where the store cannot be written.
        """
        client, experiment = self._existing()
        with self._usable():
            run_id = str(client.create_run(experiment, run_name=COMPARISON, tags={"kind": COMPARISON}).info.run_id)
            client.log_text(run_id, html, "report.html")
            client.set_terminated(run_id, "FINISHED")
        return run_id

    def page(self) -> str:
        """Address of the experiment in MLflow's UI, as :mod:`harness.runview` arranges it."""
        server = self.uri.rstrip("/") if self.uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{self._existing()[1]}/runs?{QUERY}"

    def _existing(self) -> tuple[MlflowClient, str]:
        client = self.open(make=False)
        found = self._find(client)
        if found is None:
            with self._usable():
                known = sorted(e.name for e in client.search_experiments())
            raise InputError(f"no experiment {self.experiment!r} in {self.uri}; there are {known}")
        return client, self._active(found)


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
                Param(key, _shorten(str(value), _LONGEST_PARAM)) for key, value in json.loads(row["params"]).items()
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
        try:
            return pd.read_parquet(self._local(f"tables/{name}.parquet"))
        except (OSError, MlflowException) as error:
            raise InputError(f"run {self.name} ({self.run.info.run_id}) lacks table {name!r}: {error}") from error

    def file(self, path: str) -> bytes:
        """A stored artifact, e.g. ``figures/umap.png``.

        Raises
        ------
        InputError : the run has no such artifact.
        """
        try:
            return Path(self._local(path)).read_bytes()
        except (OSError, MlflowException) as error:
            raise InputError(f"run {self.name} ({self.run.info.run_id}) lacks {path!r}: {error}") from error

    def _local(self, path: str) -> str:
        """Where an artifact can be read on this machine; downloaded from a server."""
        folder = str(self.run.info.artifact_uri)
        if not folder.startswith("file:"):
            folder = f"runs:/{self.run.info.run_id}"  # asks the store where, which costs tens of milliseconds
        return str(download_artifacts(artifact_uri=f"{folder}/{path}", tracking_uri=self.uri))


def _dataset(name: str, fingerprint: str) -> Dataset:
    """The data as MLflow shows them; the digest is the start of the content's fingerprint."""
    digest = fingerprint[:36]
    return Dataset(_shorten(name, 500), digest, "harness", json.dumps({"fingerprint": fingerprint}))


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, Any]) -> None:
    entities = [Param(key, _shorten(str(value), _LONGEST_PARAM)) for key, value in params.items()]
    for start in range(0, len(entities), _PARAMS_PER_CALL):
        client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_CALL])


def _save_view(client: MlflowClient, experiment: str, recorder: MlflowRecorder) -> None:
    stored = client.get_experiment(experiment).tags.get(TAG)
    view = saved_view(stored, evaluated=recorder.evaluated, images=recorder.images)
    if view is not None and view != stored:
        client.set_experiment_tag(experiment, TAG, view)


def _shorten(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
