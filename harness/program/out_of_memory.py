"""Recognize lack of memory in errors of any library."""

from __future__ import annotations

import errno

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None  # type: ignore[assignment]

_SIGNS = (  # in messages of libraries that raise no MemoryError
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


LEAST = 3 << 30  # bytes of address space that the libraries and their threads take, before any data


def refuse_low_limit() -> str:
    """Return a line about a memory limit below :data:`LEAST`; empty if there is none.

    Under such a limit libraries of linear algebra interrupt the process, wait for ever or end it without a word.
    """
    if resource is None:
        return ""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= LEAST:
        return ""
    return (
        f"the address space is limited to {limit / 2**30:.2f} GiB (ulimit -v); expected {LEAST >> 30} GiB or more, "
        "without the data: raise the limit, or limit the memory itself (Slurm's --mem)"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether ``error``, or one of its causes, says that memory or threads were refused."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM):
            return True
        text = str(cause).lower()
        if any(sign in text for sign in _SIGNS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


_refusals: list[str] = []  # of this process


def memory_message(error: BaseException) -> str:
    """Return one line: the error and the remedy; remember it for :func:`ran_out_of_memory`."""
    _refusals.append(type(error).__name__)
    lines = str(error).strip().splitlines()
    detail = f" ({lines[0][:200]})" if lines else ""
    return f"not enough memory{detail}; {REMEDY}"


def ran_out_of_memory() -> bool:
    """Return whether this process was refused memory: it may be unable to wait for its threads and helpers."""
    return bool(_refusals)
