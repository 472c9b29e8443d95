"""The manifest ``store.json`` of a cache entry: its content, and checksums of its small files and of itself."""

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


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``manifest`` into ``folder``, whose other files are complete."""
    tables = sorted(folder.rglob("*.parquet"))
    files = {path.relative_to(folder).as_posix(): zlib.crc32(path.read_bytes()) for path in tables}
    complete = json.loads(json.dumps({**manifest, "files": files}))  # as it will be read
    (folder / MARKER).write_text(json.dumps({**complete, "checksum": _checksum(complete)}, indent=1), "utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_manifest` wrote; earlier versions wrote no checksums, which are then not compared.

    Raises
    ------
    CorruptedStoreError : it, or a file that it names, was changed or is absent; or a plate was found damaged.
    """
    with as_corruption_error(folder):
        manifest: dict[str, Any] = json.loads((folder / MARKER).read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise CorruptedStoreError(f"{folder}: store of format {manifest['format']}; expected {FORMAT}")
        if "checksum" in manifest and manifest.pop("checksum") != _checksum(manifest):
            raise CorruptedStoreError(f"{folder / MARKER}: was changed after it was written")
        if (folder / DAMAGED).exists():
            raise CorruptedStoreError(f"{folder}: a plate in it was found to be damaged")
        for name, expected in manifest.get("files", {}).items():
            if zlib.crc32((folder / name).read_bytes()) != expected:
                raise CorruptedStoreError(f"{folder / name}: was changed after it was written")
    return manifest


@contextmanager
def as_corruption_error(path: Path) -> Iterator[None]:
    """Turn whatever makes ``path`` unreadable into a :class:`CorruptedStoreError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, pa.ArrowException) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CorruptedStoreError(f"{path}: damaged store ({reason})") from error


def _checksum(manifest: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(manifest, sort_keys=True).encode())
