"""Check the files that a command is going to write, before it computes anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.exceptions import InputError
from harness.norm.engine.serialization import existing
from harness.utils.file_kinds import refuse_all_but_files


def check_targets(targets: Sequence[Path], *, force: bool) -> None:
    """Refuse ``targets``, which lie in one folder and of which the first is the setting ``out``, if unusable.

    Raises
    ------
    InputError : no such folder, something that is no file, or an existing file without ``force``.
    """
    out = targets[0]
    present = existing(list(targets))
    for target in present:
        refuse_all_but_files(target, f"out={out}")
    if not out.parent.is_dir():
        raise InputError(f"out={out}: there is no folder {str(out.parent)!r}; make it, or choose another")
    if present and not force:
        raise InputError(
            f"{', '.join(map(str, present))} exists already; choose another out, or add force=true to overwrite"
        )
