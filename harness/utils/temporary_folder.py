"""Temporary folders, with a one-line error if the disk is full."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.core.exceptions import InputError


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that is removed at the end of the block.

    Raises
    ------
    InputError : there is no room for it.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-", ignore_cleanup_errors=True))
        except OSError as error:
            raise _no_room(error) from error
        yield Path(folder)


@contextmanager
def writing_to(folder: Path | None = None) -> Iterator[None]:
    """Raise a clear error if the block cannot write to a temporary ``folder``, or to any.

    Raises
    ------
    InputError : in place of OSError.
    """
    try:
        yield
    except OSError as error:
        raise _no_room(error, folder and folder.parent) from error


def _no_room(error: OSError, parent: Path | None = None) -> InputError:
    reason = error.strerror or str(error)
    place = parent or tempfile.tempdir or "the folder for temporary files"
    return InputError(
        f"temporary files: {place} cannot be written ({reason}); free some space there, or set the environment "
        "variable TMPDIR to another folder"
    )
