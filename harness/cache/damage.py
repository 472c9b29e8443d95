"""What was kept and is no longer what it was."""

from __future__ import annotations


class DamagedStoreError(Exception):
    """A kept file or folder that is incomplete, truncated, changed or unreadable.

    No :class:`harness.types.InputError`: a check that answers those with "not applicable here" must not answer this.
    """
