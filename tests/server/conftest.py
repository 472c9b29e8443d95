"""Real servers, for those who ask for them: they take half a minute to start."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import MlflowServer, Postgres, binaries

ASKED = "HARNESS_TEST_SERVER"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if os.environ.get(ASKED) != "1":
        pytest.skip("starts real servers: make test-server")
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (Debian and Ubuntu: package postgresql)")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("no driver for PostgreSQL; pip install '.[server]'")
    cluster = Postgres()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server with its runs in PostgreSQL and its artifacts in a folder; tests may kill and start it."""
    mlflow = MlflowServer(tmp_path_factory.mktemp("server") / "mlflow", postgres.database("mlflow"))
    mlflow.start()
    yield mlflow
    mlflow.kill()


@pytest.fixture
def place(tmp_path: Path, server: MlflowServer) -> Path:
    """A folder to run in, beside a server that answers."""
    if server.process is None:
        server.start()
    return tmp_path
