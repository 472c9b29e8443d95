"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path, *, temporary: Path | None = None) -> Iterator[Path]:
    """Yield a temporary file's path; it takes the place of ``path`` if the block succeeds and vanishes if it fails.

    Parameters
    ----------
    temporary : in the folder of ``path``; None for a random name. Name it if files that a killed process left behind
        must be recognized.

    Raises
    ------
    OSError : the file cannot be written, or the place not be taken.
    """
    temporary = temporary or path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: Path, text: str, *, temporary: Path | None = None) -> None:
    """Write UTF-8 ``text`` to ``path`` by :func:`atomic_write`."""
    with atomic_write(path, temporary=temporary) as part:
        part.write_text(text, encoding="utf-8")
