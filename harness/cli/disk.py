"""What a disk does to a run, in one line: it was full, or gave back other bits than were written."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial

from omegaconf import DictConfig

from harness.cache import DamagedStoreError
from harness.cache.room import REMEDY, is_full
from harness.types import InputError

_SAYS_FULL = ("disk is full", "No space left on device")  # of libraries that pass on words only, such as SQLite's
Body = Callable[[DictConfig], None]


def telling_of_disk(body: Body) -> Body:
    """``body`` that raises InputError in place of DamagedStoreError, and of any error that a full disk is behind."""
    return partial(_tell, body)


def _tell(body: Body, cfg: DictConfig) -> None:
    try:
        body(cfg)
        sys.stdout.flush()
    except InputError:
        raise
    except DamagedStoreError as error:
        raise InputError(str(error)) from error
    except Exception as error:
        for cause in _causes(error):
            if is_full(cause) or any(words in str(cause) for words in _SAYS_FULL):
                if _is_output_full():
                    raise InputError(
                        "what is printed cannot be written, its disk is full; print to another file"
                    ) from error
                where = f"{cause.filename}: " if isinstance(cause, OSError) and cause.filename else ""
                raise InputError(f"{where}the disk is full; {REMEDY}, then run again") from error
        raise


def _is_output_full() -> bool:
    """Return whether the disk is full that standard output goes to, which is then given up."""
    try:
        output = sys.stdout.fileno()
        if stat.S_ISCHR(os.fstat(output).st_mode) and not os.isatty(output):
            os.write(output, b"\n")
        is_output_full = stat.S_ISREG(os.fstat(output).st_mode) and not shutil.disk_usage(output).free
    except (OSError, ValueError) as error:  # ValueError: it is no file of the system
        is_output_full = is_full(error)
    if is_output_full:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)  # else Python fails again when it ends
    return is_output_full


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
