"""Want of memory, however it shows."""

from __future__ import annotations

import errno

_SIGNS = (  # of libraries that pass on words only
    "failed to map segment",
    "cannot allocate memory",
    "unable to allocate",
    "can't start new thread",
    "bad_alloc",
    "bad allocation",
    "out of memory",
    "realloc of size",
    "malloc of size",
)
REMEDY = "raise the limit (ulimit -v, Slurm's --mem), or ask for less: processes=1, fewer workers, fewer features"


def is_want_of_memory(error: BaseException) -> bool:
    """Return whether ``error``, or one that it came from, says that memory or threads were refused."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
            return True
        text = str(cause).lower()
        if any(sign in text for sign in _SIGNS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def memory_sentence(error: BaseException) -> str:
    """Return one line: what was refused, and what to do."""
    lines = str(error).strip().splitlines()
    detail = f" ({lines[0][:200]})" if lines else ""
    return f"not enough memory{detail}; {REMEDY}"
