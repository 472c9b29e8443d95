"""Where runs are kept."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run

from harness.core.exceptions import InputError
from harness.settings.annotated_types import FileName, Name, StoreAddress
from harness.settings.limits import Above, Between, Distinct, OneOf
from harness.tracking.database import open_database
from harness.tracking.errors import STORE_ERRORS, request_limits, short_reason, suggest_fix
from harness.tracking.mlflow_recorder import MlflowRecorder
from harness.tracking.mlflow_run import MlflowRun
from harness.tracking.moved_database import TAG as DATABASE
from harness.tracking.moved_database import local_path
from harness.tracking.outbox import RunInfo, RunOutbox
from harness.tracking.requests import (
    LONGEST_NAME,
    TRIAL,
    RunHandle,
    TrackingRequest,
    end_call,
    params_call,
    short_tags,
    shorten,
    view_call,
)
from harness.tracking.server_client import client_of
from harness.tracking.transport import BufferedTransport, DirectTransport, Transport
from harness.tracking.ui_view import QUERY
from harness.utils.interruption import before_forced_exit
from harness.utils.redaction import redacted, redacted_value, without_account
from harness.utils.sqlite_url import SQLITE

COMPARISON = "comparison"  # tag ``kind`` of a run that is no evaluation
_ARTIFACTS = "mlruns/artifacts"  # unless told otherwise: taken if the experiment is made, and not asked for later
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on the run table
_FORMATS = ("png", "svg", "pdf")
_LONGEST_FAILURE = 4000  # characters
_log = logging.getLogger("harness")


class Tracking:
    """Where runs are kept.

    Parameters
    ----------
    uri : of an MLflow tracking store, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://host:5000``.
    artifacts : folder for files where ``uri`` is a local database; a server decides for itself.
    experiment : name of the experiment; made where it does not exist.
    figure_formats : of the figures of a run: ``png``, which is always kept, ``svg``, ``pdf``.
    outbox : folder for results that a server was not told yet.
    retries, timeout : attempts at a call to a server after the first, and seconds for each.
    """

    def __init__(
        self,
        *,
        uri: StoreAddress,
        artifacts: FileName | None = None,
        experiment: Name = "harness",
        figure_formats: Annotated[Sequence[Annotated[str, OneOf(*_FORMATS)]], Distinct()] = ("png",),
        outbox: FileName = "mlruns/outbox",
        retries: Annotated[int, Between(0, 100)] = 2,
        timeout: Annotated[float, Above(0, 86_400)] = 20.0,
    ) -> None:
        if unknown := sorted(set(figure_formats) - set(_FORMATS)):
            raise InputError(f"tracking.figure_formats: {unknown} unknown; choose from {list(_FORMATS)}")
        if artifacts is not None and not artifacts.isprintable():
            raise InputError(f"tracking.artifacts={artifacts!r}: expected a folder; no file can have such a name")
        self.uri = uri
        self.artifacts = artifacts
        self.experiment = experiment
        self.figure_formats = figure_formats
        self.outbox = outbox
        self.retries = retries
        self.timeout = timeout

    @property
    def local(self) -> bool:
        """Whether runs are kept in a database file."""
        return self.uri.startswith(SQLITE)

    def open(self, *, make: bool = True) -> MlflowClient:
        """Return a client; where there is no local database yet it is made, or refused with ``make=False``.

        Raises
        ------
        InputError : the store cannot be reached or written.
        """
        with self.usable():
            if not self.local:
                return client_of(self.uri)
            return open_database(self._database, make=make)

    @property
    def _database(self) -> Path:
        """The database file of a local store, absolute: MLflow keeps connections by address."""
        return Path(self.uri.removeprefix(SQLITE)).absolute()

    def experiment_id(self, client: MlflowClient) -> str:
        """Return the id of the experiment, made if it does not exist.

        Raises
        ------
        InputError : the store cannot be reached or written, the experiment was deleted, or keeps its files elsewhere
            than :attr:`artifacts` says.
        """
        experiment = self._find(client)
        if experiment is None:
            local = self.artifacts is not None and not self.uri.startswith("http")
            location = Path(str(self.artifacts)).absolute().as_uri() if local else None
            tags = {**_EXPERIMENT_TAGS, **({DATABASE: str(self._database)} if self.local else {})}
            try:
                with self.usable():
                    return str(client.create_experiment(self.experiment, location, tags=tags))
            except InputError:  # another process may have made it meanwhile
                experiment = self._find(client)
                if experiment is None:
                    raise
        active = self._active(experiment)
        if self.local:
            self._check_place(experiment)
            if DATABASE not in experiment.tags:  # an earlier version made it
                with self.usable():
                    client.set_experiment_tag(active, DATABASE, str(self._database))
        return active

    def _check_place(self, experiment: Experiment) -> None:
        """Refuse another folder for artifacts than the experiment has: MLflow would take no notice of it."""
        place = local_path(str(experiment.artifact_location))
        if self.artifacts in (None, _ARTIFACTS) or place is None:
            return
        if os.path.realpath(str(self.artifacts)) != os.path.realpath(place):
            raise InputError(
                f"tracking.artifacts={self.artifacts}: experiment {self.experiment!r} keeps its files in {place}; "
                "leave tracking.artifacts out, or choose another experiment with tracking.experiment=NAME"
            )

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
        """Failures to reach or write the store as an InputError, soon."""
        try:
            with request_limits(retries=self.retries, timeout=self.timeout):
                yield
        except STORE_ERRORS as error:
            raise InputError(
                f"tracking: {redacted(self.uri)} cannot be used ({short_reason(error)}); {suggest_fix(error)}"
            ) from error

    @contextmanager
    def run(
        self, name: str, *, params: Mapping[str, Any], tags: Mapping[str, str], dataset: tuple[str, str]
    ) -> Iterator[MlflowRecorder]:
        """A run that ends FINISHED; FAILED (or KILLED by an interrupt) with tag ``failure`` where the block raises.

        The error goes on. What a server could not be told stays in :attr:`outbox`, see :mod:`harness.sync`.

        Parameters
        ----------
        params : flattened configuration; passwords in addresses are left out.
        dataset : name and fingerprint of the data.

        Raises
        ------
        InputError : the store cannot be reached or written at the start, or was not told everything at the end.
        """
        outlet = self._begin(name, tags)
        recorder = MlflowRecorder(outlet, self.figure_formats)
        try:
            with before_forced_exit(lambda: _break_off(outlet, "KILLED", "interrupted")):
                outlet.put(params_call({key: redacted_value(str(value)) for key, value in params.items()}))
                outlet.put(TrackingRequest("input", {"name": dataset[0], "fingerprint": dataset[1]}))
                yield recorder
        except BaseException as error:
            failure = redacted(f"{error}" or type(error).__name__)
            _break_off(outlet, "FAILED" if isinstance(error, Exception) else "KILLED", failure)
            raise
        outlet.put(view_call(evaluated=recorder.evaluated, images=recorder.images))
        outlet.put(end_call("FINISHED", time=int(time.time() * 1000)))
        outlet.close()

    def _begin(self, name: str, tags: Mapping[str, str]) -> Transport:
        """Make the run, before anything is computed."""
        client = self.open()
        experiment = self.experiment_id(client)
        try:
            journal = None if self.local else RunOutbox.begin(Path(self.outbox))
        except OSError as error:
            raise InputError(
                f"tracking.outbox={self.outbox}: cannot be written ({short_reason(error)}); set it to another folder"
            ) from error
        try:
            with self.usable():
                title = shorten(name, LONGEST_NAME)
                run_id = client.create_run(experiment, run_name=title, tags=short_tags(tags)).info.run_id
            target = RunHandle(client, run_id, experiment)
            if journal is None:
                return DirectTransport(target, self.uri)
            journal.own(RunInfo(without_account(self.uri), experiment, run_id, name))
        except BaseException:
            if journal is not None:
                journal.remove()
            raise
        return BufferedTransport(target, self.uri, journal, retries=self.retries, timeout=self.timeout)

    def only_experiment(self) -> str:
        """Return the name of the one experiment that has runs.

        Raises
        ------
        InputError : none or several; the message lists them.
        """
        client = self.open(make=False)
        with self.usable():
            found = [e for e in client.search_experiments() if client.search_runs([e.experiment_id], max_results=1)]
        if len(found) != 1:
            names = sorted(e.name for e in found)
            raise InputError(f"{redacted(self.uri)} has {len(found)} experiments with runs {names}; name one")
        return str(found[0].name)

    def records(self) -> list[MlflowRun]:
        """Return all runs of the experiment, newest first; not the trials below them.

        Raises
        ------
        InputError : no such experiment; the message lists those there are.
        """
        client, experiment = self._existing()
        runs: list[Run] = []
        token: str | None = ""
        page_size = 1000 if self.local else 100  # of a server each page has tracking.timeout
        with self.usable():
            while token is not None:
                page = client.search_runs([experiment], max_results=page_size, page_token=token or None)
                runs += page
                token = page.token or None
        return [MlflowRun(run, client.tracking_uri) for run in runs if run.data.tags.get("kind") != TRIAL]

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
        """Return address of the experiment in MLflow's UI, as :mod:`harness.tracking.ui_view` arranges it."""
        server = without_account(self.uri).rstrip("/") if self.uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{self._existing()[1]}/runs?{QUERY}"

    def _existing(self) -> tuple[MlflowClient, str]:
        client = self.open(make=False)
        found = self._find(client)
        if found is None:
            with self.usable():
                known = sorted(e.name for e in client.search_experiments())
            raise InputError(f"no experiment {self.experiment!r} in {redacted(self.uri)}; there are {known}")
        return client, self._active(found)


def _break_off(outlet: Transport, status: str, failure: str) -> None:
    """End a run whose error goes on; that the store cannot even be told so is said beside it."""
    try:
        outlet.put(TrackingRequest("tags", {"failure": shorten(failure, _LONGEST_FAILURE)}))
        outlet.put(end_call(status, time=int(time.time() * 1000)))
        outlet.close()
    except InputError as untold:
        _log.warning("%s", untold)
