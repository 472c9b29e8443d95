"""PostgreSQL and MLflow servers on loopback, in temporary folders, ended by their process ids."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

BOOT = 180.0  # seconds that a server may take to answer


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; Debian keeps them off the path."""
    found = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "postgres").is_file()), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: its own user where there is one, else nobody."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Postgres:
    """A cluster of its own with a password, without the promise to survive a power cut."""

    def __init__(self) -> None:
        bin_folder, self._as_user = binaries(), _unprivileged()
        assert bin_folder is not None
        self.bin, self.port, self.password = bin_folder, free_port(), secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="harness-postgres-"))
        if self._as_user:
            os.chown(self.folder, self._as_user["user"], self._as_user["group"])
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        secret, data = self.folder / "secret", self.folder / "data"
        secret.write_text(self.password)
        secret.chmod(0o644)
        options = [f"--pgdata={data}", "--auth=scram-sha-256", "--username=lab", f"--pwfile={secret}", "--no-sync"]
        self._run("initdb", *options, "--encoding=UTF8", "--locale=C")
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.folder), "-F"]
        log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", data, *listen], stdout=log, stderr=log, cwd=self.folder, **self._as_user
        )
        until = time.monotonic() + BOOT
        while self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), check=False):
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.1)

    def _run(self, name: str, *words: str, check: bool = True) -> int:
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(
            [self.bin / name, *words], capture_output=True, cwd=self.folder, env=environment, **self._as_user
        )
        if check and done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode()}")
        return done.returncode

    def database(self, name: str) -> str:
        """Make a database; its address as SQLAlchemy has it."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "lab", name)
        return f"postgresql+psycopg://lab:{self.password}@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class MlflowServer:
    """``mlflow server`` on a port of its own, which it keeps when it is started again."""

    def __init__(self, folder: Path, backend: str, *options: str, env: dict[str, str] | None = None) -> None:
        self.folder, self.backend, self.options = folder, backend, options
        self.env = env or {}
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        artifacts = self.folder / "artifacts"
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.backend]
        command += ["--artifacts-destination", str(artifacts), "--host", "127.0.0.1", "--port", str(self.port)]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *self.options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **quiet, **self.env},
                start_new_session=True,
            )
        until = time.monotonic() + BOOT
        while not self._healthy():
            if time.monotonic() > until or self.process.poll() is not None:
                self.kill()
                raise RuntimeError((self.folder / "log").read_text()[-3000:])
            time.sleep(0.2)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """SIGKILL, to the server and its workers."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
            self.process = None
