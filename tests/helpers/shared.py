"""What is built once and read by all tests, also by those of other processes of pytest-xdist."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """Return the folder ``name`` of this test session; the first process that needs it fills it by ``build``."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own below that of the session
        root = root.parent
    folder, is_built = root / name, root / f"{name}.built"
    with FileLock(root / f"{name}.lock"):
        if not is_built.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            build(folder)
            is_built.touch()
    return folder
