"""``store.json``: what a folder of the cache holds, with a checksum of every small file in it and of itself."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.core.exceptions import CorruptedStoreError
from harness.store.checksums import DAMAGED
from harness.store.entry_contents import MARKER

FORMAT = 2  # 2: with the reading report


def write_description(folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``about`` into ``folder``, whose other files are complete."""
    tables = sorted(folder.rglob("*.parquet"))
    files = {path.relative_to(folder).as_posix(): zlib.crc32(path.read_bytes()) for path in tables}
    whole = json.loads(json.dumps({**about, "files": files}))  # as it will be read
    (folder / MARKER).write_text(json.dumps({**whole, "checksum": _checksum(whole)}, indent=1), "utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_description` wrote; earlier versions wrote no checksums, which are then not compared.

    Raises
    ------
    CorruptedStoreError : it, or a file that it names, was changed or is absent; or a plate was found to be damaged.
    """
    with as_corruption_error(folder):
        about: dict[str, Any] = json.loads((folder / MARKER).read_text("utf-8"))
        if about["format"] != FORMAT:
            raise CorruptedStoreError(f"{folder}: store of format {about['format']}; expected {FORMAT}")
        if "checksum" in about and about.pop("checksum") != _checksum(about):
            raise CorruptedStoreError(f"{folder / MARKER}: was changed after it was written")
        if (folder / DAMAGED).exists():
            raise CorruptedStoreError(f"{folder}: a plate in it was found to be damaged")
        for name, expected in about.get("files", {}).items():
            if zlib.crc32((folder / name).read_bytes()) != expected:
                raise CorruptedStoreError(f"{folder / name}: was changed after it was written")
    return about


@contextmanager
def as_corruption_error(path: Path) -> Iterator[None]:
    """Whatever makes ``path`` unreadable as :class:`CorruptedStoreError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, pa.ArrowException) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CorruptedStoreError(f"{path}: damaged store ({reason})") from error


def _checksum(about: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(about, sort_keys=True).encode())
