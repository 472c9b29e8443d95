"""URLs of SQLite databases for SQLAlchemy, for paths with any characters."""

from __future__ import annotations

import os
from pathlib import Path

from harness.core.exceptions import InputError

SQLITE = "sqlite:///"
_SPECIAL = "?%"  # begin a query, and a character given by its number


def sqlite_address(path: Path, setting: str) -> str:
    """Return the address of the database file ``path`` (absolute).

    A path with ``?`` or ``%`` has none that all versions of SQLAlchemy and MLflow read alike; the path relative to the
    working folder usually has one.

    Raises
    ------
    InputError : no address; the message names the ``setting`` to change.
    """
    for candidate in (str(path), os.path.relpath(path)):
        if not any(character in candidate for character in _SPECIAL):
            return f"{SQLITE}{candidate}"
    raise InputError(
        f"{setting}: {path} has one of the characters {' '.join(_SPECIAL)} in it; set {setting} to another file"
    )
