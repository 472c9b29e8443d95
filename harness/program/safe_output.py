"""Standard output and standard error that survive a full device and mask secrets."""

from __future__ import annotations

import io
import sys
from typing import TextIO

from harness.utils.redaction import redacted


class SafeOutput(io.TextIOBase):
    """Text stream in front of ``stream``: once that fails, output is dropped and :attr:`failure` holds the reason.

    A computation of hours must not fail because the reader of its output has ended, or its disk is full.

    Parameters
    ----------
    stream : a text stream of the operating system.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure = ""

    def write(self, text: str) -> int:
        """Write ``text`` without the secrets in it; return its length."""
        if not self.failure:
            try:
                self._stream.write(redacted(text))
            except OSError as error:
                self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if not self.failure:
            try:
                self._stream.flush()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = error.strerror or str(error)
        try:
            self._stream.close()  # else the interpreter tries once more at its end
        except OSError as again:
            self.failure = again.strerror or self.failure

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        return self._stream.buffer  # type: ignore[return-value]

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return not self.failure and self._stream.isatty()

    def writable(self) -> bool:
        return True


def guarded_output() -> SafeOutput | None:
    """Put :class:`SafeOutput` in front of stdout and stderr; return that of stdout, None if there is no stdout."""
    if sys.stderr is not None:
        sys.stderr = SafeOutput(sys.stderr)
    if sys.stdout is None:
        return None
    output = SafeOutput(sys.stdout)
    sys.stdout = output
    return output
