"""Turn errors of a disk that is full or corrupts data into one-line messages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from omegaconf import DictConfig

from harness.cli.job import Body
from harness.core.exceptions import CorruptedStoreError, InputError
from harness.utils.disk_space import REMEDY, is_full

_FULL_DISK = ("disk is full", "No space left on device")  # messages of libraries without an error number (SQLite)


def translate_disk_errors(body: Body) -> Body:
    """Return ``body`` that raises InputError in place of CorruptedStoreError and of errors caused by a full disk."""
    return partial(_run_translated, body)


def _run_translated(body: Body, cfg: DictConfig) -> str | None:
    try:
        return body(cfg)
    except InputError:
        raise
    except CorruptedStoreError as error:
        raise InputError(str(error)) from error
    except Exception as error:
        for cause in _causes(error):
            if is_full(cause) or any(words in str(cause) for words in _FULL_DISK):
                place = f"{cause.filename}: " if isinstance(cause, OSError) and cause.filename else ""
                raise InputError(f"{place}the disk is full; {REMEDY}, then run again") from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
