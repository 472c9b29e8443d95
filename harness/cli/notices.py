"""Warnings, logs and errors on stderr: one plain line each, beginning with the package that they come from."""

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
_NOTICE = re.compile(r"(harness|[a-z]\w*: warning): \S")  # the beginning of a line that is printed once
_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return one line that begins with the package of the logger."""
        package = record.name.partition(".")[0]
        label = "harness" if package in ("root", "harness", "__main__") else package
        return redacted(f"{label}: {record.getMessage()}")


def configure_process() -> None:
    """Print warnings and logs of this process as one plain line each, and forget the lines printed before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    warnings.showwarning = _show_warning
    warnings.simplefilter("default", MovedWarning)
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach the command unchanged
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    _print_cached.cache_clear()


def print_once(line: str) -> None:
    """Print a line on stderr, without secrets, unless the same line was printed since :func:`configure_process`."""
    _print_cached(redacted(line))


def relay_stderr(text: str) -> None:
    """Print the stderr of a worker: lines of packages once, tracebacks as they are."""
    for line in text.splitlines():
        if _NOTICE.match(line):
            print_once(line)
        else:
            print(redacted(line), file=sys.stderr)


@cache
def _print_cached(line: str) -> None:
    print(line, file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,  # noqa: ARG001 - the interface of warnings
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Print a warning without the source line that raised it, unless it is a library's warning to developers."""
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
