"""The tracking store: experiments and runs in a local database or on an MLflow server."""

from __future__ import annotations

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
from harness.tracking.errors import STORE_ERRORS, short_reason, suggest_fix
from harness.tracking.experiment import active_id, refuse_other_artifacts
from harness.tracking.mlflow_recorder import MlflowRecorder
from harness.tracking.mlflow_run import MlflowRun
from harness.tracking.moved_database import TAG as DATABASE
from harness.tracking.outbox import RunInfo, RunOutbox
from harness.tracking.recorded_run import recorded_run
from harness.tracking.request_limits import request_limits
from harness.tracking.requests import (
    LONGEST_NAME,
    TRIAL,
    RunHandle,
    short_tags,
    shorten,
)
from harness.tracking.server_client import client_of
from harness.tracking.transport import BufferedTransport, DirectTransport, Transport
from harness.tracking.ui_view import QUERY
from harness.utils.redaction import redacted, without_account
from harness.utils.sqlite_url import SQLITE

COMPARISON = "comparison"  # tag ``kind`` of a run that is no evaluation
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens on the run table
_FORMATS = ("png", "svg", "pdf")


class Tracking:
    """The store in which runs are recorded and found.

    Parameters
    ----------
    uri : of an MLflow tracking store, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://host:5000``.
    artifacts : folder for files if ``uri`` is a local database; a server has its own.
    experiment : name of the experiment, created if it does not exist.
    figure_formats : of the figures of a run: ``png``, which is always kept, ``svg``, ``pdf``.
    outbox : folder for results that a server has not taken yet.
    retries, timeout : attempts at a request to a server after the first, and seconds for each.
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
        """Return a client; create a local database that is absent, or refuse with ``make=False``.

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
        """Database file of a local store, absolute because MLflow keeps connections by address."""
        return Path(self.uri.removeprefix(SQLITE)).absolute()

    def experiment_id(self, client: MlflowClient) -> str:
        """Return the id of the experiment, which is created if it does not exist.

        Raises
        ------
        InputError : the store cannot be reached or written, the experiment was deleted, or its files are not in
            :attr:`artifacts`.
        """
        experiment = self._find(client)
        if experiment is None:
            local = self.artifacts is not None and not self.uri.startswith("http")
            location = Path(str(self.artifacts)).absolute().as_uri() if local else None
            tags = {**_EXPERIMENT_TAGS, **({DATABASE: str(self._database)} if self.local else {})}
            try:
                with self.usable():
                    return str(client.create_experiment(self.experiment, location, tags=tags))
            except InputError:  # another process may have created it meanwhile
                experiment = self._find(client)
                if experiment is None:
                    raise
        active = active_id(experiment)
        if self.local:
            refuse_other_artifacts(experiment, self.artifacts)
            if DATABASE not in experiment.tags:  # an earlier version created it
                with self.usable():
                    client.set_experiment_tag(active, DATABASE, str(self._database))
        return active

    def _find(self, client: MlflowClient) -> Experiment | None:
        with self.usable():
            return client.get_experiment_by_name(self.experiment)

    @contextmanager
    def usable(self) -> Iterator[None]:
        """Limit the requests of the block, and raise failures to reach or write the store as an InputError."""
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
        """Record a run that ends FINISHED, or FAILED (KILLED by an interrupt) with tag ``failure`` if the block raises.

        The error is raised again. Results that a server does not take stay in :attr:`outbox`, see :mod:`harness.sync`.

        Parameters
        ----------
        params : flattened configuration; passwords in addresses are left out.
        dataset : name and fingerprint of the data.

        Raises
        ------
        InputError : the store cannot be reached or written at the start, or did not take everything at the end.
        """
        transport = self._begin(name, tags)
        with recorded_run(transport, params=params, dataset=dataset, figure_formats=self.figure_formats) as recorder:
            yield recorder

    def _begin(self, name: str, tags: Mapping[str, str]) -> Transport:
        """Create the run, before anything is computed."""
        client = self.open()
        experiment = self.experiment_id(client)
        try:
            outbox = None if self.local else RunOutbox.begin(Path(self.outbox))
        except OSError as error:
            raise InputError(
                f"tracking.outbox={self.outbox}: cannot be written ({short_reason(error)}); set it to another folder"
            ) from error
        try:
            with self.usable():
                title = shorten(name, LONGEST_NAME)
                run_id = client.create_run(experiment, run_name=title, tags=short_tags(tags)).info.run_id
            target = RunHandle(client, run_id, experiment)
            if outbox is None:
                return DirectTransport(target, self.uri)
            outbox.set_run(RunInfo(without_account(self.uri), experiment, run_id, name))
        except BaseException:
            if outbox is not None:
                outbox.remove()
            raise
        return BufferedTransport(target, self.uri, outbox, retries=self.retries, timeout=self.timeout)

    def only_experiment(self) -> str:
        """Return the name of the one experiment that has runs.

        Raises
        ------
        InputError : none or several; the message lists them.
        """
        client = self.open(make=False)
        with self.usable():
            with_runs = [e for e in client.search_experiments() if client.search_runs([e.experiment_id], max_results=1)]
        if len(with_runs) != 1:
            names = sorted(e.name for e in with_runs)
            raise InputError(f"{redacted(self.uri)} has {len(with_runs)} experiments with runs {names}; name one")
        return str(with_runs[0].name)

    def records(self) -> list[MlflowRun]:
        """Return all runs of the experiment but the trials below them, newest first.

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
        """Record a comparison as a run named and tagged ``comparison``, with ``report.html``; return its id.

        Raises
        ------
        InputError : the store cannot be written.
        """
        client, experiment = self._existing()
        with self.usable():
            run_id = str(client.create_run(experiment, run_name=COMPARISON, tags={"kind": COMPARISON}).info.run_id)
            client.log_text(run_id, html, "report.html")
            client.set_terminated(run_id, "FINISHED")
        return run_id

    def page(self) -> str:
        """Return the address of the experiment in MLflow's UI, with the view of :mod:`harness.tracking.ui_view`."""
        server = without_account(self.uri).rstrip("/") if self.uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server}/#/experiments/{self._existing()[1]}/runs?{QUERY}"

    def _existing(self) -> tuple[MlflowClient, str]:
        client = self.open(make=False)
        experiment = self._find(client)
        if experiment is None:
            with self.usable():
                names = sorted(e.name for e in client.search_experiments())
            raise InputError(f"no experiment {self.experiment!r} in {redacted(self.uri)}; there are {names}")
        return client, active_id(experiment)
