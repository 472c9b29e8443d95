"""Where runs are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Experiment, InputTag, Param, Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.alone import alone
from harness.runview import QUERY, TAG, saved_view
from harness.track.record import Record
from harness.track.recorder import LONGEST_PARAM, TRIAL, MlflowRecorder, shorten
from harness.types import InputError

COMPARISON = "comparison"  # tag ``kind`` of a run that is no evaluation
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on the run table
_SQLITE = "sqlite:///"
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_PARAMS_PER_CALL = 100
_FORMATS = ("png", "svg", "pdf")


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
        with self.usable():
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
                with self.usable():
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
        with self.usable():
            return client.get_experiment_by_name(self.experiment)

    @contextmanager
    def usable(self) -> Iterator[None]:
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
        with self.usable():
            run_id = client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
        recorder = MlflowRecorder(client, run_id, self.figure_formats)
        try:
            _log_params(client, run_id, params)
            context = InputTag("mlflow.data.context", "evaluation")
            client.log_inputs(run_id, [DatasetInput(_dataset(*dataset), [context])])
            yield recorder
        except BaseException as error:
            client.set_tag(run_id, "failure", shorten(f"{error}" or type(error).__name__, 4000))
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
        with self.usable():
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
        with self.usable():
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
        with self.usable():
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
            with self.usable():
                known = sorted(e.name for e in client.search_experiments())
            raise InputError(f"no experiment {self.experiment!r} in {self.uri}; there are {known}")
        return client, self._active(found)


def _dataset(name: str, fingerprint: str) -> Dataset:
    """The data as MLflow shows them; the digest is the start of the content's fingerprint."""
    digest = fingerprint[:36]
    return Dataset(shorten(name, 500), digest, "harness", json.dumps({"fingerprint": fingerprint}))


def _log_params(client: MlflowClient, run_id: str, params: Mapping[str, Any]) -> None:
    entities = [Param(key, shorten(str(value), LONGEST_PARAM)) for key, value in params.items()]
    for start in range(0, len(entities), _PARAMS_PER_CALL):
        client.log_batch(run_id, params=entities[start : start + _PARAMS_PER_CALL])


def _save_view(client: MlflowClient, experiment: str, recorder: MlflowRecorder) -> None:
    stored = client.get_experiment(experiment).tags.get(TAG)
    view = saved_view(stored, evaluated=recorder.evaluated, images=recorder.images)
    if view is not None and view != stored:
        client.set_experiment_tag(experiment, TAG, view)
