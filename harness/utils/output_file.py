"""Write pages and tables that a command overwrites at each call, but never a file of another kind."""

from __future__ import annotations

from pathlib import Path

from harness.core.exceptions import InputError
from harness.utils.atomic_write import write_text_atomically
from harness.utils.file_kinds import is_plain_file, replaced_file

_BEGINNING = 2000  # bytes in which the mark is searched
_DEVICES = "/dev/"  # e.g. /dev/stdout, which is written to and not replaced


def write_output(path: str, text: str, *, mark: str, option: str) -> None:
    """Write ``text`` to ``path`` atomically; an earlier output of the same kind is replaced, any other file refused.

    Parameters
    ----------
    mark : stands near the beginning of every output of this kind.
    option : that named the path, for the message.

    Raises
    ------
    InputError : it cannot be written, or is a file of another kind.
    """
    try:
        if path.startswith(_DEVICES):
            Path(path).write_text(text, encoding="utf-8")
            return
        target = replaced_file(Path(path), option)
        if is_plain_file(target) and not _has_mark(target, mark):
            raise InputError(
                f"{option} {path}: exists already and was not written by this command; choose another name"
            )
        write_text_atomically(target, text)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {path}: cannot be written ({error})") from error


def _has_mark(path: Path, mark: str) -> bool:
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    return not beginning or mark.encode() in beginning
