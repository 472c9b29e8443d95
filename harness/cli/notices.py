"""Warnings, logs and errors on stderr: one plain line each, named after the package that they come from."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TextIO

from harness.core.moved_modules import MovedWarning
from harness.utils.redaction import redacted

WARNING = "harness: warning: "
_NOTICE = re.compile(r"(harness|[a-z]\w*: warning): \S")  # how a line begins that is said once
_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return one line, of others than this package with their name."""
        package = record.name.partition(".")[0]
        label = "harness" if package in ("root", "harness", "__main__") else package
        return redacted(f"{label}: {record.getMessage()}")


def configure_process() -> None:
    """Print warnings and logs of this process as one plain line each, and forget what was said before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    warnings.showwarning = _show_warning
    warnings.simplefilter("default", MovedWarning)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors arrive in the command as they are
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    _say.cache_clear()


def print_once(line: str) -> None:
    """Print a line on stderr, without secrets, unless the same line was printed since :func:`configure_process`."""
    _say(redacted(line))


def relay_stderr(text: str) -> None:
    """Print what a worker wrote to stderr: lines that begin with the name of a package tracebacks as they are."""
    for line in text.splitlines():
        if _NOTICE.match(line):
            print_once(line)
        else:
            print(redacted(line), file=sys.stderr)


@cache
def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,  # noqa: ARG001 - the interface of warnings
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Print a warning without the source line that raised it; what libraries tell developers is not for users."""
    package = _package(category, filename)
    if package == "harness" or not issubclass(category, _OF_DEVELOPERS):
        print_once(f"{package}: warning: {message}")


def _package(category: type[Warning], filename: str) -> str:
    """Return the package that defines ``category`` or, of Python's own categories, the one that holds ``filename``."""
    defines = category.__module__.partition(".")[0]
    if defines != "builtins":
        return defines
    parts = Path(filename).parts
    for folder in ("site-packages", "dist-packages"):
        if folder in parts[:-1]:
            return parts[parts.index(folder) + 1].removesuffix(".py")
    return "harness"
