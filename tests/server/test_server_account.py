"""A server that asks for an account, and passwords that stay out of what is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import SMALL, run_command, run_compare
from mlflow import MlflowClient
from servers import MlflowServer, Postgres

PASSWORD = "a-long-password-1"
NAMES = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(scope="module")
def closed(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server with accounts, and one account ``lab``."""
    folder = tmp_path_factory.mktemp("closed") / "mlflow"
    folder.mkdir()
    accounts = folder / "accounts.ini"
    accounts.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {postgres.database('accounts')}\n"
        "admin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    secret = {
        "MLFLOW_AUTH_CONFIG_PATH": str(accounts),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test-only",
    }
    server = MlflowServer(folder, postgres.database("closed"), "--app-name", "basic-auth", env=secret)
    server.start()
    yield server
    server.kill()


def test_a_wrong_password_is_one_line_that_names_the_variables(
    closed: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("+norm=raw", *SMALL, f"tracking.uri={closed.uri}", "tracking.experiment=closed")
    for account in (("", ""), ("admin", "guess")):
        for name, value in zip(NAMES, account, strict=True):
            monkeypatch.setenv(name, value)
        outcome = run_command(tmp_path, *words)
        assert outcome.status == 2
        assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in outcome.line
        assert "guess" not in outcome.err
    assert list((tmp_path / "mlruns/outbox").glob("*")) == []
    monkeypatch.setenv(NAMES[1], PASSWORD)
    outcome = run_command(tmp_path, *words)
    assert outcome.status == 0, outcome.err
    shown = run_compare(tmp_path, "closed", "--uri", closed.uri)
    assert shown.status == 0, shown.err


def test_no_password_is_recorded(closed: MlflowServer, postgres: Postgres, tmp_path: Path) -> None:
    """One in ``tracking.uri`` or ``tuning.storage`` works, and stands in no parameter, tag, file or journal."""
    uri = closed.uri.replace("://", f"://admin:{PASSWORD}@")
    words = ("+norm=raw", *SMALL, f"tracking.uri={uri}", "tracking.experiment=secret", "tuning=optuna")
    storage = postgres.database("studies")
    outcome = run_command(tmp_path, *words, f"tuning.storage={storage}", "tuning.n_trials=1", "tuning.inner_folds=2")
    assert outcome.status == 0, outcome.err
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name("secret").experiment_id])
    run = next(run for run in found if run.info.run_name == "raw")
    assert ":***@127.0.0.1" in run.data.params["tuning.storage"]
    assert run.data.tags["command"].count(":***@127.0.0.1") == 2
    kept = [f"{one.data.params}{one.data.tags}".encode() for one in found]
    root = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
    kept += [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    assert len(kept) > 5
    for secret in (PASSWORD, postgres.password):
        assert not [content for content in kept if secret.encode() in content]
