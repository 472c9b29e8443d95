"""Serializable, idempotent requests to MLflow: they can be stored, sent later, and sent twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import IntegrityError

from harness.tracking.ui_view import TAG, saved_view

TRIAL = "trial"  # tag ``kind`` of a run below another
LONGEST_PARAM = 6000
LONGEST_TAG = 8000
LONGEST_NAME = 250  # of a run
_PARAMS_PER_REQUEST = 100
_METRICS_PER_REQUEST = 1000
_RACES = 5  # attempts at a request
_LOST_RACE = ("UNIQUE constraint failed", "duplicate key value", "Duplicate entry")  # SQLite, PostgreSQL, MySQL


@dataclass(frozen=True)
class TrackingRequest:
    """A request of one of the :data:`KINDS`.

    Attributes
    ----------
    values : arguments, as JSON has them.
    files : content by path below the run's artifacts.
    """

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class RunHandle:
    """The MLflow run that requests are for."""

    client: MlflowClient
    run_id: str
    experiment: str


def send(request: TrackingRequest, target: RunHandle, folder: Path, *, is_retry: bool) -> None:
    """Send a request to MLflow; one that was sent before, in part or as a whole, changes nothing.

    MLflow looks up the rows that runs of an experiment share, and inserts them if they are absent: if two runs do so at
    once the second is refused. It is sent again, and then finds the row.

    Parameters
    ----------
    folder : holds the files of the request.
    is_retry : whether the request may have been sent before.
    """
    for attempt in range(_RACES):
        try:
            _SEND[request.kind](target, request.values, folder, is_retry or attempt > 0)
            return
        except (MlflowException, IntegrityError) as error:
            if attempt == _RACES - 1 or not any(sign in str(error) for sign in _LOST_RACE):
                raise


def _params(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    entities = [Param(key, value) for key, value in values.items()]
    for start in range(0, len(entities), _PARAMS_PER_REQUEST):
        target.client.log_batch(target.run_id, params=entities[start : start + _PARAMS_PER_REQUEST])


def _metrics(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    entities = [Metric(key, value, values["time"], step) for key, value, step in values["metrics"]]
    for start in range(0, len(entities), _METRICS_PER_REQUEST):
        target.client.log_batch(target.run_id, metrics=entities[start : start + _METRICS_PER_REQUEST])


def _tags(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    target.client.log_batch(target.run_id, tags=[RunTag(key, value) for key, value in short_tags(values).items()])


def _input(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    """Log the data set as MLflow shows it; the digest is the start of the content's fingerprint."""
    fingerprint = values["fingerprint"]
    source = json.dumps({"fingerprint": fingerprint})
    dataset = Dataset(shorten(values["name"], 500), fingerprint[:36], "harness", source)
    context = InputTag("mlflow.data.context", "evaluation")
    target.client.log_inputs(target.run_id, [DatasetInput(dataset, [context])])


def _files(target: RunHandle, _: Any, folder: Path, __: Any) -> None:
    target.client.log_artifacts(target.run_id, str(folder))


def _trial(target: RunHandle, values: Mapping[str, Any], _: Path, is_retry: bool) -> None:
    client, title = target.client, shorten(values["title"], LONGEST_NAME)
    tags = short_tags({"mlflow.parentRunId": target.run_id, "kind": TRIAL, **values["tags"]})
    trial = _find_trial(target, title, tags) if is_retry else None
    if trial is None:
        trial = client.create_run(target.experiment, start_time=values["start"], tags=tags, run_name=title)
    run_id, end = trial.info.run_id, values["end"]
    metrics = [Metric(key, value, end, 0) for key, value in values["metrics"].items()]
    client.log_batch(run_id, metrics=metrics, params=[Param(key, value) for key, value in values["params"].items()])
    client.set_terminated(run_id, "FINISHED", end_time=end)


def _find_trial(target: RunHandle, title: str, tags: Mapping[str, str]) -> Run | None:
    """Return the run of a trial that an earlier attempt created."""
    token: str | None = ""
    while token is not None:
        page = target.client.search_runs(
            [target.experiment],
            f"tags.`mlflow.parentRunId` = '{target.run_id}'",
            max_results=1000,
            page_token=token or None,
        )
        for run in page:
            if run.info.run_name == title and tags.items() <= run.data.tags.items():
                return run
        token = page.token or None
    return None


def _view(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    stored = target.client.get_experiment(target.experiment).tags.get(TAG)
    view = saved_view(stored, evaluated=values["evaluated"], images=values["images"])
    if view is not None and view != stored:
        target.client.set_experiment_tag(target.experiment, TAG, view)


def _end(target: RunHandle, values: Mapping[str, Any], *_: Any) -> None:
    target.client.set_terminated(target.run_id, values["status"], end_time=values["time"])


_SEND: dict[str, Callable[[RunHandle, Mapping[str, Any], Path, bool], None]] = {
    "params": _params,
    "metrics": _metrics,
    "tags": _tags,
    "input": _input,
    "files": _files,
    "trial": _trial,
    "view": _view,
    "end": _end,
}
KINDS = frozenset(_SEND)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write ``files`` below ``folder``.

    Raises
    ------
    ValueError : a path leads out of the folder.
    """
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"artifact {name!r} would be written outside of its run")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def shorten(text: str, longest: int) -> str:
    """Return at most ``longest`` characters of a text; an ellipsis is the last if some are cut off."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def short_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags whose values are as short as MLflow's databases need them."""
    return {key: shorten(value, LONGEST_TAG) for key, value in tags.items()}


def params_request(params: Mapping[str, Any]) -> TrackingRequest:
    return TrackingRequest("params", {key: shorten(str(value), LONGEST_PARAM) for key, value in params.items()})


def end_request(status: str, *, time: int) -> TrackingRequest:
    """Return the request that ends a run; ``time`` in milliseconds since 1970."""
    return TrackingRequest("end", {"status": status, "time": time})


def view_request(*, evaluated: Sequence[str], images: Sequence[str]) -> TrackingRequest:
    return TrackingRequest("view", {"evaluated": list(evaluated), "images": list(images)})
