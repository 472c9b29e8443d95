"""Errors of the screen itself: in a sweep every normalization meets them, and they are said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import InstantiationException

from harness.cli.error_messages import format_error
from harness.core.exceptions import InputError


class ScreenError(InputError):
    """Bad input that every normalization of a sweep meets: of the screen, or a setting of something else."""


@contextmanager
def as_screen_error() -> Iterator[None]:
    """Raise ScreenError in place of InputError, and of what Hydra raises for settings that a reader refuses."""
    try:
        yield
    except (InputError, InstantiationException) as error:
        raise ScreenError(format_error(error)) from error
