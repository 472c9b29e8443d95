"""Exceptions for bad input and for undefined results. Imports nothing, so that ``--help`` needs no pandas."""

from __future__ import annotations


class InputError(ValueError):
    """Bad configuration or bad input: one plain line that says what was found, what was expected, and the remedy."""

    def __init__(self, text: str) -> None:
        super().__init__(" ".join(part.strip() for part in text.splitlines()))  # names from data may hold line breaks


class NotApplicable(Exception):  # noqa: N818 - an answer, not an error: the score is undefined here
    """A score or check is undefined here; ``reason`` is stored in place of a value.

    ``code`` is one word that other code may read, e.g. ``few_controls``; nothing reads the reason.
    """

    def __init__(self, reason: str, *, code: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class CorruptedStoreError(Exception):
    """A stored file or folder is incomplete, truncated, changed or unreadable.

    No :class:`InputError`: a check that answers those with "not applicable here" must not answer this.
    """
