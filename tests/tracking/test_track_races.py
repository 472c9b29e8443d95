"""Two runs that tell one database the same at the same moment: what MLflow looks up and then inserts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.orm import Session

from harness.tracking.database import open_database
from harness.tracking.requests import RunHandle, TrackingRequest, send, view_request
from harness.tracking.ui_view import TAG

pytestmark = pytest.mark.slow

INPUT = TrackingRequest("input", {"fingerprint": "ab" * 32, "name": "screen"})
VIEW = view_request(evaluated=["dmso_vs_treated/logistic"], images=["figures/umap.png"])


@pytest.fixture
def targets(tmp_path: Path) -> list[RunHandle]:
    """Two runs of one experiment."""
    client = open_database(tmp_path / "mlflow.db", make=True)
    experiment = client.create_experiment("screen")
    return [RunHandle(client, client.create_run(experiment).info.run_id, experiment) for _ in range(2)]


@contextmanager
def just_before_writing(act: Callable[[], None]) -> Iterator[list[int]]:
    """``act`` once, when MLflow has looked up what there is and is about to write."""
    acted: list[int] = []

    def once(session: Session, *_: object) -> None:
        if session.new and not acted:
            acted.append(1)
            act()

    event.listen(Session, "before_flush", once)
    try:
        yield acted
    finally:
        event.remove(Session, "before_flush", once)


@pytest.mark.parametrize("call", [INPUT, VIEW], ids=["input", "view"])
def test_a_run_that_comes_second_is_told_all_the_same(
    targets: list[RunHandle], call: TrackingRequest, tmp_path: Path
) -> None:
    first, second = targets
    with just_before_writing(lambda: send(call, first, tmp_path, is_retry=False)) as acted:
        send(call, second, tmp_path, is_retry=False)
    assert acted
    client = first.client
    if call is INPUT:
        datasets = [client.get_run(target.run_id).inputs.dataset_inputs for target in targets]
        assert [[each.dataset.name for each in found] for found in datasets] == [["screen"], ["screen"]]
    else:
        assert "dmso_vs_treated/logistic/auroc" in client.get_experiment(first.experiment).tags[TAG]


class AlwaysSecond(MlflowClient):
    """Loses every race."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.asked = 0

    def log_inputs(self, *_: object, **__: object) -> None:
        self.asked += 1
        raise MlflowException(self.message)


@pytest.mark.parametrize(
    ("message", "attempts"),
    [
        ("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.name", 5),
        ("(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint", 5),
        ("(sqlite3.OperationalError) database or disk is full", 1),
    ],
)
def test_only_a_lost_race_is_run_again_and_not_for_ever(message: str, attempts: int, tmp_path: Path) -> None:
    client = AlwaysSecond(message)
    with pytest.raises(MlflowException, match=r"Error|errors"):
        send(INPUT, RunHandle(client, "run", "1"), tmp_path, is_retry=False)
    assert client.asked == attempts
