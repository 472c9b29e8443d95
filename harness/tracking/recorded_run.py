"""A run that is recorded while its block is executed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.core.exceptions import InputError
from harness.tracking.mlflow_recorder import MlflowRecorder
from harness.tracking.requests import TrackingRequest, end_request, params_request, shorten, view_request
from harness.tracking.transport import Transport
from harness.utils.interruption import before_forced_exit
from harness.utils.redaction import redacted, redacted_value

_LONGEST_FAILURE = 4000  # characters
_log = logging.getLogger("harness")


@contextmanager
def recorded_run(
    transport: Transport, *, params: Mapping[str, Any], dataset: tuple[str, str], figure_formats: Sequence[str]
) -> Iterator[MlflowRecorder]:
    """Record a run that ends FINISHED, or FAILED (KILLED by an interrupt) with the tag ``failure`` if the block raises.

    The error is raised again. For the parameters see :meth:`harness.tracking.tracking.Tracking.run`.

    Raises
    ------
    InputError : the store did not take everything.
    """
    recorder = MlflowRecorder(transport, figure_formats)
    try:
        with before_forced_exit(lambda: _break_off(transport, "KILLED", "interrupted")):
            transport.put(params_request({key: redacted_value(str(value)) for key, value in params.items()}))
            transport.put(TrackingRequest("input", {"name": dataset[0], "fingerprint": dataset[1]}))
            yield recorder
    except BaseException as error:
        failure = redacted(f"{error}" or type(error).__name__)
        _break_off(transport, "FAILED" if isinstance(error, Exception) else "KILLED", failure)
        raise
    transport.put(view_request(evaluated=recorder.evaluated, images=recorder.images))
    transport.put(end_request("FINISHED", time=int(time.time() * 1000)))
    transport.close()


def _break_off(transport: Transport, status: str, failure: str) -> None:
    """End a run whose block raised; log it if the store does not even take that, for another reason than
    ``failure``.
    """
    try:
        transport.put(TrackingRequest("tags", {"failure": shorten(failure, _LONGEST_FAILURE)}))
        transport.put(end_request(status, time=int(time.time() * 1000)))
        transport.close()
    except InputError as unsent:
        if redacted(str(unsent)) != failure:
            _log.warning("%s", unsent)
