"""What a disk does to a run, in one line: it was full, or gave back other bits than were written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from omegaconf import DictConfig

from harness.core.exceptions import CorruptedStoreError, InputError
from harness.utils.disk_space import REMEDY, is_full

_SAYS_FULL = ("disk is full", "No space left on device")  # of libraries that pass on words only, such as SQLite's
Body = Callable[[DictConfig], None]


def translate_disk_errors(body: Body) -> Body:
    """Return ``body`` that raises InputError in place of CorruptedStoreError, and of any error that a full disk is
    behind.
    """
    return partial(_tell, body)


def _tell(body: Body, cfg: DictConfig) -> None:
    try:
        body(cfg)
    except InputError:
        raise
    except CorruptedStoreError as error:
        raise InputError(str(error)) from error
    except Exception as error:
        for cause in _causes(error):
            if is_full(cause) or any(words in str(cause) for words in _SAYS_FULL):
                where = f"{cause.filename}: " if isinstance(cause, OSError) and cause.filename else ""
                raise InputError(f"{where}the disk is full; {REMEDY}, then run again") from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
